//! Who may do what: the hook that user and ACL files fill.

use crate::packet::{Qos, ReasonCode};
use std::fmt;

/// The client whose wish is judged.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its Client Identifier.
    pub client_identifier: &'a str,
    /// Its User Name, once authenticated.
    pub user_name: Option<&'a str>,
    /// The number of the listener it came by.
    pub listener: usize,
}

/// Judges wishes of clients; pure, and asked on the hot path, so it must be quick.
pub trait Authorizer: fmt::Debug + Send + Sync {
    /// Whether `client` may connect; [`ReasonCode::SUCCESS`] or the refusal for CONNACK.
    fn connect(&self, client: Client<'_>) -> ReasonCode {
        let _ = client;
        ReasonCode::SUCCESS
    }

    /// Whether `client` may publish to `topic`.
    fn publish(&self, client: Client<'_>, topic: &str, qos: Qos, retain: bool) -> bool;

    /// Whether `client` may subscribe to `filter` (for a shared one, its filter proper).
    fn subscribe(&self, client: Client<'_>, filter: &str, qos: Qos) -> bool;

    /// Whether a message on `topic` may be given to `client`.
    fn deliver(&self, client: Client<'_>, topic: &str) -> bool;
}
