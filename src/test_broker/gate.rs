//! Who may connect to a test broker, and what they may do.

use crate::broker::{Authenticated, Authentication, Authorizer, Client};
use crate::packet::{Qos, ReasonCode};
use std::fmt;
use std::sync::Arc;

/// Judges what a client shows of itself.
pub(crate) type Judge = Arc<dyn Fn(&Authentication) -> Authenticated + Send + Sync>;

/// Users and their passwords.
#[derive(Clone)]
pub(super) struct Gate {
    users: Vec<(String, String)>,
    judge: Option<Judge>,
}

impl fmt::Debug for Gate {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("users", &self.users.len()).finish_non_exhaustive()
    }
}

impl Gate {
    pub(super) const fn new(users: Vec<(String, String)>, judge: Option<Judge>) -> Self {
        Self { users, judge }
    }

    pub(super) fn judge(&self, request: &Authentication) -> Authenticated {
        if let Some(judge) = &self.judge {
            return judge(request);
        }
        let is_known = self.users.iter().any(|(name, password)| {
            request.user_name.as_deref() == Some(name)
                && request.password.as_deref() == Some(password.as_bytes())
        });
        if is_known {
            Authenticated::Accept { user_name: None, data: None }
        } else {
            Authenticated::Refuse(ReasonCode::BAD_USER_NAME_OR_PASSWORD)
        }
    }
}

/// What a client wants to do with a topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Publish to it.
    Publish,
    /// Subscribe to it; the topic is then a filter.
    Subscribe,
    /// Be given a message on it.
    Deliver,
}

/// Allows or denies: Client Identifier, User Name, what is wanted, and the topic.
pub(super) type Acl = Arc<dyn Fn(&str, Option<&str>, Access, &str) -> bool + Send + Sync>;

/// Asks an [`Acl`], but not about our own client.
pub(super) struct TestAuthorizer {
    pub(super) acl: Option<Acl>,
    pub(super) inner: Option<Arc<dyn Authorizer>>,
    /// The listener that our own client comes by.
    pub(super) inside: usize,
}

impl fmt::Debug for TestAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestAuthorizer").finish_non_exhaustive()
    }
}

impl TestAuthorizer {
    fn allows(&self, client: Client<'_>, access: Access, topic: &str) -> bool {
        let acl = self.acl.as_ref();
        acl.is_none_or(|acl| acl(client.client_identifier, client.user_name, access, topic))
    }
}

impl Authorizer for TestAuthorizer {
    fn connect(&self, client: Client<'_>) -> ReasonCode {
        match &self.inner {
            Some(inner) if client.listener != self.inside => inner.connect(client),
            _ => ReasonCode::SUCCESS,
        }
    }

    fn publish(&self, client: Client<'_>, topic: &str, qos: Qos, retain: bool) -> bool {
        client.listener == self.inside
            || (self.allows(client, Access::Publish, topic)
                && self.inner.as_ref().is_none_or(|inner| inner.publish(client, topic, qos, retain)))
    }

    fn subscribe(&self, client: Client<'_>, filter: &str, qos: Qos) -> bool {
        client.listener == self.inside
            || (self.allows(client, Access::Subscribe, filter)
                && self.inner.as_ref().is_none_or(|inner| inner.subscribe(client, filter, qos)))
    }

    fn deliver(&self, client: Client<'_>, topic: &str) -> bool {
        client.listener == self.inside
            || (self.allows(client, Access::Deliver, topic)
                && self.inner.as_ref().is_none_or(|inner| inner.deliver(client, topic)))
    }
}
