//! Independent peers against our broker, and our clients against Debian's mosquitto.
//!
//! `scripts/install-peers.sh` installs the peers. A peer that is missing is said and its tests pass, unless
//! `CULEX_REQUIRE_PEERS=1` is set, as `.ci/run` does.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says what it was at")]

#[cfg(feature = "check")]
#[path = "interop/faults.rs"]
mod faults;
#[path = "interop/languages.rs"]
mod languages;
#[path = "interop/lines.rs"]
mod lines;
#[path = "interop/programs.rs"]
mod programs;
#[path = "interop/recording.rs"]
mod recording;
#[path = "interop/responders.rs"]
mod responders;
#[path = "interop/rumqttc.rs"]
mod rumqttc;
#[path = "interop/support.rs"]
mod support;
#[path = "interop/transports.rs"]
mod transports;
