//! The broker's own counters (`$SYS`) beside ours: what it says it received and sent while a run was on.
//!
//! Brokers publish their counters every few seconds, and mosquitto only those that have changed; the uptime always has. So
//! a reading begins at the next message with the uptime, and ends when nothing more comes with it.

use super::plan::Plan;
use super::result::CrossCheck;
use crate::net::tls::TlsError;
use crate::net::{Client, ClientError, Clock, dial};
use crate::packet::{Connect, Properties, Publish, ReasonCode, SubscriptionOptions, Text};
use crate::session::{Config, Event, Session, SessionError};
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::runtime::Runtime;

const RECEIVED: &str = "$SYS/broker/publish/messages/received";
const SENT: &str = "$SYS/broker/publish/messages/sent";
const UPTIME: &str = "$SYS/broker/uptime";

/// How long the broker's counters are waited for: a little more than mosquitto's ten seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// Messages by which the broker's count may differ whatever the load: its reports of the counters themselves.
const SLACK: u64 = 10;

/// Why the broker's counters cannot be read.
#[derive(Debug, Error)]
pub enum SysError {
    /// No connection.
    #[error("connecting for --check-sys")]
    Io(#[from] io::Error),
    /// The files for TLS.
    #[error("connecting for --check-sys")]
    Tls(#[from] TlsError),
    /// The connection was lost.
    #[error("reading $SYS")]
    Client(#[from] ClientError),
    /// The session refused a command.
    #[error("reading $SYS")]
    Session(#[from] SessionError),
    /// The broker does not let us in, or not at its counters.
    #[error("reading $SYS: the broker refused it with reason {}", .0.0)]
    Refused(ReasonCode),
    /// The broker has no such topic.
    #[error("the broker published no {UPTIME} for {} s: --check-sys needs a broker with $SYS", PATIENCE.as_secs())]
    Silent,
}

/// A client that listens to the broker's counters.
pub struct SysCheck {
    runtime: Runtime,
    client: Client,
    counters: Counters,
    before: Counters,
}

/// The last values of both counters, and what came of them to us.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counters {
    received: Option<u64>,
    sent: Option<u64>,
    /// PUBLISH packets that this client itself was sent.
    own: u64,
    /// Whether a fresh uptime has come since it was last looked for.
    has_ticked: bool,
}

impl Counters {
    fn take(&mut self, publish: &Publish) {
        self.own += 1;
        let number = std::str::from_utf8(&publish.payload).ok().and_then(|text| text.trim().parse().ok());
        match &*publish.topic {
            RECEIVED => self.received = number,
            SENT => self.sent = number,
            UPTIME => self.has_ticked |= !publish.retain,
            _ => {}
        }
    }
}

impl SysCheck {
    /// Connects as the plan's clients do and takes the first reading; this waits for the broker to tell its counters.
    ///
    /// # Errors
    ///
    /// [`SysError`].
    pub fn start(plan: &Plan) -> Result<Self, SysError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let first = plan.members().next();
        let like = first.map_or_else(Connect::default, |member| plan.connect(member));
        let connect = Connect {
            version: like.version,
            user_name: like.user_name,
            password: like.password,
            // Nobody answers its pings while the run is on.
            keep_alive: 0,
            client_identifier: Text::new(format!("bench-sys-{:06x}", plan.run)).unwrap_or(Text::EMPTY),
            ..Connect::default()
        };
        let config = Config { connect, ..Config::default() };
        let target = super::side::target(plan)?;
        let client = runtime.block_on(async {
            let mut client = Client::new(Session::new(config), Clock::start());
            client.attach(dial(&target).await?);
            Ok::<_, SysError>(client)
        })?;
        let mut check = Self { runtime, client, counters: Counters::default(), before: Counters::default() };
        check.before = check.read(true)?;
        Ok(check)
    }

    /// Takes the second reading; `sent` and `received` are the PUBLISH packets that the run has written and read, the
    /// warm-up's among them.
    ///
    /// # Errors
    ///
    /// [`SysError`].
    pub fn finish(mut self, sent: u64, received: u64) -> Result<CrossCheck, SysError> {
        let after = self.read(false)?;
        Ok(compare(&self.before, &after, sent, received))
    }

    fn read(&mut self, is_first: bool) -> Result<Counters, SysError> {
        let Self { runtime, client, counters, .. } = self;
        runtime.block_on(async {
            // What came in meanwhile is of an earlier time.
            if !is_first {
                fence(client, counters).await?;
            }
            counters.has_ticked = false;
            let tick = async {
                while !counters.has_ticked {
                    turn(client, counters).await?;
                }
                Ok::<_, SysError>(())
            };
            tokio::time::timeout(PATIENCE, tick).await.map_err(|_| SysError::Silent)??;
            fence(client, counters).await?;
            Ok(*counters)
        })
    }
}

/// Waits until the broker has said everything it had to say.
async fn fence(client: &mut Client, counters: &mut Counters) -> Result<(), SysError> {
    let now = client.now();
    client.session().fence(now)?;
    while !turn(client, counters).await? {}
    Ok(())
}

/// Waits for the connection once, and handles what it brings; whether the server is quiet.
async fn turn(client: &mut Client, counters: &mut Counters) -> Result<bool, SysError> {
    client.turn().await?;
    let mut is_quiet = false;
    while let Some(event) = client.session().poll_event() {
        match event {
            Event::Connected(_) => {
                let filters = [RECEIVED, SENT, UPTIME]
                    .map(|filter| (Text::new(filter).unwrap_or(Text::EMPTY), SubscriptionOptions::default()));
                let now = client.now();
                client.session().subscribe(now, Properties::EMPTY, filters.to_vec())?;
            }
            Event::Refused(connack) => return Err(SysError::Refused(connack.reason)),
            Event::Subscribed(suback) => {
                if let Some(reason) = suback.reasons.iter().find(|reason| reason.is_error()) {
                    return Err(SysError::Refused(*reason));
                }
            }
            Event::Message(publish) => counters.take(&publish),
            Event::Quiet => is_quiet = true,
            Event::Disconnected(disconnect) => return Err(SysError::Refused(disconnect.reason)),
            _ => {}
        }
    }
    Ok(is_quiet)
}

/// What both sides say, and whether that is the same to a thousandth.
fn compare(before: &Counters, after: &Counters, sent: u64, received: u64) -> CrossCheck {
    let difference =
        |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before.unwrap_or(0)));
    let own = after.own - before.own;
    let broker_received = difference(before.received, after.received);
    let broker_sent = difference(before.sent, after.sent).map(|count| count.saturating_sub(own));
    let agrees = |ours: u64, theirs: Option<u64>| {
        theirs.is_some_and(|theirs| ours.abs_diff(theirs) <= (ours / 1000).max(SLACK))
    };
    let agrees = agrees(sent, broker_received) && agrees(received, broker_sent);
    CrossCheck { sent, broker_received, received, broker_sent, agrees }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(received: u64, sent: u64, own: u64) -> Counters {
        Counters { received: Some(received), sent: Some(sent), own, has_ticked: true }
    }

    #[test]
    fn counts_agree_to_a_thousandth_and_ours_of_the_counters_are_taken_off() {
        let (before, after) = (counters(100, 50, 3), counters(10_100, 20_059, 12));
        let check = compare(&before, &after, 10_000, 20_000);
        assert_eq!(
            (check.broker_received, check.broker_sent, check.agrees),
            (Some(10_000), Some(20_000), true)
        );
        assert!(!compare(&before, &after, 10_100, 20_000).agrees, "one in a hundred is missing");
        assert!(!compare(&before, &after, 10_000, 19_900).agrees);
        assert!(compare(&before, &after, 10_005, 20_000).agrees, "within the slack");
    }

    #[test]
    fn counter_that_never_came_agrees_with_nothing() {
        let check = compare(&Counters::default(), &Counters::default(), 0, 0);
        assert_eq!((check.broker_received, check.agrees), (None, false));
    }

    #[test]
    fn only_a_fresh_uptime_is_a_tick() {
        let mut counters = Counters::default();
        let mut uptime = Publish {
            topic: Text::new(UPTIME).unwrap(),
            payload: b"5 seconds"[..].into(),
            retain: true,
            ..Publish::default()
        };
        counters.take(&uptime);
        assert!(!counters.has_ticked);
        uptime.retain = false;
        counters.take(&uptime);
        assert_eq!((counters.has_ticked, counters.own), (true, 2));
    }
}
