//! A client's connection that can be made again: dialling, the pause before the next attempt, the ways it ends.

use crate::compat::{Face, Failure, debug_lines, secret};
use crate::flags::plan::ClientPlan;
use crate::net::tls::TlsClient;
use crate::net::{Client, Clock, Stream, Target, dial};
use crate::session::Session;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

const PROMPT: &str = "Enter PEM pass phrase:";

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A client with its way back to the broker.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) way: Way,
}

/// How to reach the broker again and again.
pub(super) struct Way {
    target: Target,
    pauses: Pauses,
}

impl Way {
    /// Reads the files that the plan names; may ask for a pass phrase, so it comes before signals are watched.
    ///
    /// # Errors
    ///
    /// Why no TLS can be spoken with them.
    pub(super) fn prepare(plan: &ClientPlan, face: Face) -> Result<Self, Failure> {
        let mut target = plan.target.clone();
        if let Some(settings) = &plan.tls {
            let mut pass_phrase = || match &plan.key_pass_phrase_file {
                Some(path) => read_pass_phrase(path),
                None => ask_pass_phrase(),
            };
            let tls = TlsClient::new(settings, &mut pass_phrase);
            target.tls = Some(tls.map_err(|error| {
                if plan.debug {
                    super::say(&debug_lines::tls_fault(&error, settings));
                }
                Failure::of_tls(&error, face)
            })?);
        }
        Ok(Self { target, pauses: Pauses::new(face) })
    }

    /// Makes the first connection, which must succeed.
    ///
    /// # Errors
    ///
    /// Why it did not.
    pub(super) async fn connect(self, plan: &ClientPlan, face: Face) -> Result<Link, Failure> {
        self.connect_within(plan, face, None).await
    }

    /// As [`Way::connect`], but tries again for this long.
    ///
    /// # Errors
    ///
    /// Why the last attempt failed.
    pub(super) async fn connect_within(
        mut self,
        plan: &ClientPlan,
        face: Face,
        retry: Option<Duration>,
    ) -> Result<Link, Failure> {
        let until = retry.and_then(|retry| Instant::now().checked_add(retry));
        loop {
            match dial(&self.target).await {
                Ok(stream) => {
                    let mut client = Client::new(Session::new(plan.session.clone()), Clock::start());
                    client.attach(stream);
                    return Ok(Link { client, way: self });
                }
                Err(error) => match until.map(|until| until.saturating_duration_since(Instant::now())) {
                    Some(left) if !left.is_zero() => tokio::time::sleep(self.pauses.next().min(left)).await,
                    _ => return Err(Failure::of_dial(&error, face)),
                },
            }
        }
    }

    /// Waits and dials until there is a connection again; safe to be dropped half-way.
    pub(super) async fn find(&mut self) -> Stream {
        loop {
            tokio::time::sleep(self.pauses.next()).await;
            if let Ok(stream) = dial(&self.target).await {
                return stream;
            }
        }
    }
}

impl Link {
    /// Waits and dials until there is a connection again; safe to be dropped half-way.
    pub(super) async fn reconnect(&mut self) {
        let stream = self.way.find().await;
        self.client.attach(stream);
    }

    /// The server took the connection: the next pause is a short one again.
    pub(super) fn connected(&mut self) {
        self.way.pauses.restart();
    }
}

/// Asks as OpenSSL does: at the terminal, and without one on the standard streams.
fn ask_pass_phrase() -> io::Result<String> {
    if std::fs::File::open("/dev/tty").is_ok() {
        return rpassword::prompt_password(PROMPT);
    }
    super::complain(PROMPT);
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn read_pass_phrase(path: &Path) -> io::Result<String> {
    let named = |why: &dyn std::fmt::Display| io::Error::other(format!("{}: {why}", path.display()));
    let line = secret::of_file(path).map_err(|error| named(&error))?;
    String::from_utf8(line).map_err(|error| named(&error))
}

/// The pauses between attempts: one second each under mosquitto's names, else growing to thirty seconds, each shortened
/// at random by up to a quarter so that clients of one broker do not all come back at once.
struct Pauses {
    face: Face,
    next: Duration,
    random: Random,
}

impl Pauses {
    fn new(face: Face) -> Self {
        Self { face, next: FIRST_PAUSE, random: Random::from_system() }
    }

    fn restart(&mut self) {
        self.next = FIRST_PAUSE;
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        if self.face == Face::Strict {
            return pause;
        }
        self.next = (pause * 2).min(PAUSE_MAX);
        pause.mul_f64(0.75 + 0.25 * self.random.fraction())
    }
}

/// Random numbers for jitter and for `--random-filter`, good enough for both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Seeded by the system.
    pub(super) fn from_system() -> Self {
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        Self(high ^ low)
    }

    /// Uniform in `0..1` (splitmix64).
    pub(super) fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        #[allow(clippy::cast_precision_loss)] // 53 bits fit
        let fraction = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_half_a_minute_and_restart() {
        let mut pauses = Pauses::new(Face::Friendly);
        let taken: Vec<_> = (0..7).map(|_| pauses.next()).collect();
        for (pause, longest) in taken.iter().zip([1, 2, 4, 8, 16, 30, 30]) {
            let longest = Duration::from_secs(longest);
            assert!(*pause <= longest && *pause >= longest * 3 / 4, "{pause:?} of {longest:?}");
        }
        pauses.restart();
        assert!(pauses.next() <= FIRST_PAUSE);
    }

    #[test]
    fn the_strict_pause_is_one_second() {
        let mut pauses = Pauses::new(Face::Strict);
        assert!((0..5).all(|_| pauses.next() == FIRST_PAUSE));
    }
}
