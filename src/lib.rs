//! culex: MQTT from the shell, in tests and under load.
//!
//! A pure MQTT core with a thin tokio shell round it. The rooms, left may not see right:
//!
//! [`time`] <- [`packet`] <- [`journal`], `output` <- [`fault`], [`session`] <- [`broker`] <- [`net`] <- `test_broker` <-
//! `bench`, `check` <- `flags` <- `compat` <- `commands`
//!
//! Tests of MQTT clients begin at `test_broker::TestBroker`.
//!
//! `packet`, `journal`, `fault`, `session` and `broker` never see a socket, a clock, a thread or a terminal: bytes, time and
//! commands go in, bytes and events come out.

#[cfg(feature = "bench")]
pub mod bench;
pub mod broker;
#[cfg(feature = "check")]
pub mod check;
#[cfg(feature = "cli")]
pub mod commands;
#[cfg(feature = "cli")]
pub mod compat;
pub mod fault;
#[cfg(feature = "cli")]
pub mod flags;
pub mod journal;
pub mod net;
#[cfg(feature = "cli")]
pub mod output;
pub mod packet;
pub mod session;
#[cfg(feature = "test-broker")]
pub mod test_broker;
pub mod time;
