//! What a client may rely on, by section of the standard: raw bytes in, raw bytes out.
//!
//! Each rule is a function over a [`harness::Lab`]. `rules!` makes it a test against the pure broker, and lists it for the run
//! against the real program over TCP. Rules that turn the clock or change the configuration are plain tests.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

/// Makes a test against the pure broker of each rule, and the list `RULES` of all of them.
macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        pub(crate) const RULES: &[crate::Rule] = &[$((stringify!($rule), $rule)),*];

        mod pure {
            $(
                #[test]
                fn $rule() {
                    super::$rule(&crate::harness::Lab::pure());
                }
            )*
        }
    };
}

mod fragments;
mod harness;
mod pure;
mod statements;
mod wire;

#[path = "../support/vectors.rs"]
mod vectors;

mod access;
mod aliases;
mod auth;
mod configuration;
mod connack;
mod connect;
mod disconnect;
mod expiry;
mod flow_control;
mod limits;
mod malformed;
mod ping;
mod publish;
mod qos;
mod retained;
mod sessions;
mod shared_subscriptions;
mod subscribe;
mod tcp;
mod topics;
mod unsubscribe;
mod websocket;
mod wills;

/// A rule and its name.
type Rule = (&'static str, fn(&harness::Lab));

/// The sections of the standard that have rules.
fn sections() -> Vec<(&'static str, &'static [Rule])> {
    vec![
        ("aliases", aliases::RULES),
        ("auth", auth::RULES),
        ("connack", connack::RULES),
        ("connect", connect::RULES),
        ("disconnect", disconnect::RULES),
        ("expiry", expiry::RULES),
        ("flow_control", flow_control::RULES),
        ("limits", limits::RULES),
        ("malformed", malformed::RULES),
        ("ping", ping::RULES),
        ("publish", publish::RULES),
        ("qos", qos::RULES),
        ("retained", retained::RULES),
        ("sessions", sessions::RULES),
        ("shared_subscriptions", shared_subscriptions::RULES),
        ("subscribe", subscribe::RULES),
        ("topics", topics::RULES),
        ("unsubscribe", unsubscribe::RULES),
        ("wills", wills::RULES),
    ]
}
