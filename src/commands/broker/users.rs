//! Who is let in: passwords are hashed off the event loop, SCRAM is answered at once.

use crate::broker::{Authenticated, Authentication, Authorizer, Broker, Client, ConnectionId};
use crate::compat::mosquitto_conf::Settings;
use crate::compat::users::{
    AccessLists, AclFile, Exchange, Mechanism, Outcome, PasswordFile, UsersError, check_name,
};
use crate::flags;
use crate::net::server::Control;
use crate::packet::{ReasonCode, Text};
use crate::time::Time;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// SCRAM exchanges that are under way at most; a client that does not go on loses its own.
const EXCHANGES_MAX: usize = 10_000;

/// How long an exchange is kept that does not go on; the broker gives up earlier.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(120);

/// The users of each listener; `None` where nobody is asked for a password.
#[derive(Clone, Debug, Default)]
pub(super) struct Users {
    listeners: Vec<Option<Arc<PasswordFile>>>,
    /// Whether each listener lets in clients without a User Name.
    allows_anonymous: Vec<bool>,
}

impl Users {
    /// Reads the files that `settings` name and adds what `flags` say; listeners are told whether they have users.
    pub(super) fn load(settings: &mut Settings, flags: &flags::Broker) -> Result<Self, UsersError> {
        let mut own = PasswordFile::default();
        for (line, user) in (1..).zip(&flags.user) {
            let wrong = |fault: String| UsersError::Line { fault, place: "--user".to_owned(), line };
            let (name, password) =
                user.split_once(':').ok_or_else(|| wrong("NAME:PASSWORD is expected".to_owned()))?;
            check_name(name).map_err(|fault| wrong(fault.to_string()))?;
            own.set(name, password).ok_or_else(|| wrong("There is no randomness for a salt".to_owned()))?;
        }
        let mut users = Self::default();
        let mut lists = AccessLists { listeners: Vec::new() };
        for (files, listener) in settings.users.iter().zip(&mut settings.broker.listeners) {
            let mut passwords = files.password_file.as_deref().map(PasswordFile::read).transpose()?;
            if !own.is_empty() {
                passwords.get_or_insert_default().extend(&own);
                if flags.config_file.is_none() {
                    listener.allow_anonymous = false;
                }
            }
            let mut rights = files.acl_file.as_deref().map(AclFile::read).transpose()?;
            for (line, text) in (1..).zip(&flags.acl) {
                let wrong = |fault: String| UsersError::Line { fault, place: "--acl".to_owned(), line };
                rights.get_or_insert_default().add_line(text).map_err(wrong)?;
            }
            listener.authenticate = passwords.is_some() || !listener.allow_anonymous;
            users.listeners.push(passwords.map(Arc::new));
            users.allows_anonymous.push(listener.allow_anonymous);
            lists.listeners.push(rights.map(Arc::new));
        }
        if users.listeners.iter().any(Option::is_some) {
            let methods = Mechanism::ALL.map(|mechanism| Text::detached(mechanism.name()));
            settings.broker.authentication_methods = methods.to_vec();
        }
        let has_rights = lists.listeners.iter().any(Option::is_some);
        settings.broker.authorizer = has_rights.then(|| Arc::new(lists) as Arc<dyn Authorizer>);
        Ok(users)
    }

    /// Judges a name and password at once; `known` are the users whose passwords need no hashing.
    #[cfg(feature = "check")]
    pub(super) fn judge_at_once(
        &self,
        request: &Authentication,
        known: &[(String, String)],
    ) -> Authenticated {
        let (Some(name), None) = (request.user_name.as_deref(), &request.method) else {
            return Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED);
        };
        let password = request.password.as_deref().unwrap_or_default();
        let is_known = known.iter().any(|(user, secret)| user == name && secret.as_bytes() == password);
        let is_right = is_known || self.of(request.listener).is_some_and(|file| file.verify(name, password));
        if is_right {
            Authenticated::Accept { user_name: None, data: None }
        } else {
            Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED)
        }
    }

    fn of(&self, listener: usize) -> Option<&Arc<PasswordFile>> {
        self.listeners.get(listener)?.as_ref()
    }

    /// Whether a client that was let in by `earlier` would not be now.
    pub(super) fn dismisses(&self, earlier: &Self, client: Client<'_>) -> bool {
        match (client.user_name, self.of(client.listener)) {
            (None, _) => !self.allows_anonymous.get(client.listener).copied().unwrap_or(false),
            (Some(_), None) => {
                earlier.of(client.listener).is_some() && !self.allows_anonymous[client.listener]
            }
            (Some(name), Some(now)) => {
                earlier.of(client.listener).is_none_or(|earlier| !now.agrees_with(earlier, name))
            }
        }
    }
}

/// Judges clients for a running broker.
#[derive(Debug)]
pub(super) struct Gate {
    users: Arc<Mutex<Arc<Users>>>,
    control: Arc<OnceLock<Control>>,
    /// Makes up what users seem to have that do not exist.
    secret: [u8; 32],
    exchanges: HashMap<ConnectionId, Exchange>,
    /// The exchanges in the order of their beginning.
    begun: VecDeque<(Time, ConnectionId)>,
}

/// The users in force, and the way back to the broker, for those beside it.
#[derive(Clone, Debug)]
pub(super) struct GateKeys {
    users: Arc<Mutex<Arc<Users>>>,
    control: Arc<OnceLock<Control>>,
}

impl GateKeys {
    /// Tells the gate how to reach the broker.
    pub(super) fn connect(&self, control: Control) {
        let _ = self.control.set(control);
    }

    /// Puts other users in force; clients that they do not let in any more are dismissed.
    pub(super) fn replace(&self, users: Users) {
        let users = Arc::new(users);
        let mut guard = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = std::mem::replace(&mut *guard, Arc::clone(&users));
        if let Some(control) = self.control.get() {
            control.dismiss(move |client| users.dismisses(&earlier, client));
        }
    }
}

impl Gate {
    pub(super) fn new(users: Users, secret: [u8; 32]) -> Self {
        let users = Arc::new(Mutex::new(Arc::new(users)));
        Self { users, control: Arc::default(), secret, exchanges: HashMap::new(), begun: VecDeque::new() }
    }

    pub(super) fn keys(&self) -> GateKeys {
        GateKeys { users: Arc::clone(&self.users), control: Arc::clone(&self.control) }
    }

    /// Answers a client's wish to be let in, now or later.
    pub(super) fn judge(
        &mut self,
        now: Time,
        broker: &mut Broker,
        id: ConnectionId,
        request: Authentication,
    ) {
        let users = Arc::clone(&self.users.lock().unwrap_or_else(PoisonError::into_inner));
        let file = users.of(request.listener).cloned();
        if let Some(method) = &request.method {
            let verdict = match Mechanism::named(method) {
                Some(mechanism) => self.step(now, id, mechanism, &request, file.as_deref()),
                None => Authenticated::Refuse(ReasonCode::BAD_AUTHENTICATION_METHOD),
            };
            return broker.handle_authenticated(now, id, verdict);
        }
        let (Some(file), Some(name), Some(control)) = (file, request.user_name, self.control.get().cloned())
        else {
            let verdict = Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED);
            return broker.handle_authenticated(now, id, verdict);
        };
        let password = request.password.unwrap_or_default();
        tokio::task::spawn_blocking(move || {
            let verdict = if file.verify(&name, &password) {
                Authenticated::Accept { user_name: None, data: None }
            } else {
                Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED)
            };
            control.answer(id, verdict);
        });
    }

    fn step(
        &mut self,
        now: Time,
        id: ConnectionId,
        mechanism: Mechanism,
        request: &Authentication,
        file: Option<&PasswordFile>,
    ) -> Authenticated {
        self.forget_overdue(now);
        let mut exchange = self.exchanges.remove(&id).unwrap_or_else(|| {
            self.begun.push_back((now, id));
            Exchange::new(mechanism)
        });
        let look_up = |name: &str, mechanism| file.and_then(|file| file.verifier(name, mechanism));
        let data = request.data.as_deref().unwrap_or_default();
        match exchange.step(data, &self.secret, look_up) {
            Outcome::Continue(data) => {
                self.exchanges.insert(id, exchange);
                Authenticated::Continue { data: data.into() }
            }
            // Who authenticates again must be who it was.
            Outcome::Accept(name, _) if request.is_again && request.user_name.as_deref() != Some(&*name) => {
                Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED)
            }
            Outcome::Accept(name, data) => match Text::new(name.into_bytes()) {
                Ok(name) => Authenticated::Accept { user_name: Some(name), data: Some(Bytes::from(data)) },
                Err(_) => Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED),
            },
            Outcome::Refuse => Authenticated::Refuse(ReasonCode::NOT_AUTHORIZED),
        }
    }

    fn forget_overdue(&mut self, now: Time) {
        let is_overdue = |since: Time| now.since(since) > EXCHANGE_TIME_MAX;
        while let Some((since, id)) = self.begun.front().copied() {
            if self.begun.len() < EXCHANGES_MAX && !is_overdue(since) {
                return;
            }
            self.begun.pop_front();
            self.exchanges.remove(&id);
        }
    }
}
