//! Asks other hosts for their clocks over the broker, and answers them, beside the load.

use super::offset::{Estimator, Sample};
use super::plan::{Mode, Plan};
use super::side::{Side, SideError};
use super::worker::shared::Shared;
use crate::packet::{Publish, Text};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Where questions go.
const QUESTIONS: &str = "culex-clock/questions";

/// Where answers go, below the name of who asked.
const ANSWERS: &str = "culex-clock/answers";

/// Between two questions, in nanoseconds.
const ASK_EVERY: u64 = 50_000_000;

/// How long to listen before looking whether to end or to ask.
const LISTEN: Duration = Duration::from_millis(20);

/// Clocks that are kept apart: segments that publish.
const PEERS_MAX: usize = 1024;

/// Another process whose messages come here.
#[derive(Debug)]
pub(crate) struct Peer {
    run: u32,
    /// Its segment, of how many: which streams are its own.
    segment: (u32, u32),
    reading: Mutex<Reading>,
}

/// What is known of its clock.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// When its load begins, by its clock.
    start: u64,
    best: Sample,
}

/// How long a message took from another host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Far {
    /// Nanoseconds from its due time to now; below zero within the bound.
    pub(crate) latency: i64,
    /// By how many nanoseconds that may be wrong.
    pub(crate) bound: u64,
}

impl Peer {
    /// Whether `stream` of `run` is published there.
    pub(crate) const fn has(&self, run: u32, stream: u32) -> bool {
        self.run == run && stream % self.segment.1 == self.segment.0
    }

    /// How long a message has taken that was due there so many nanoseconds from its start; `None` while that is unknown.
    pub(crate) fn far(&self, due: u64, now: u64) -> Option<Far> {
        let reading = *self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if reading.start == u64::MAX {
            return None;
        }
        let offset = reading.best.offset(now);
        let due_here = i128::from(reading.start) + i128::from(due) - i128::from(offset.ahead);
        let latency = i64::try_from(i128::from(now) - due_here).ok()?;
        Some(Far { latency, bound: offset.bound })
    }
}

/// All whose clocks are known.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// How many there are.
    pub(crate) count: AtomicU64,
    known: Mutex<Vec<Arc<Peer>>>,
}

impl Peers {
    /// As they are now.
    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, run: u32, segment: (u32, u32), reading: Reading) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.iter().find(|peer| peer.run == run && peer.segment == segment) {
            Some(peer) => *peer.reading.lock().unwrap_or_else(PoisonError::into_inner) = reading,
            None if known.len() < PEERS_MAX => {
                known.push(Arc::new(Peer { run, segment, reading: Mutex::new(reading) }));
                self.count.store(known.len() as u64, Relaxed);
            }
            None => {}
        }
    }
}

/// Whether a message is about clocks, and none of a load's.
pub(crate) fn is_clock(topic: &str) -> bool {
    topic.strip_prefix("culex-clock/").is_some()
}

/// Whether messages come from elsewhere in a load like this.
pub(crate) const fn asks(plan: &Plan) -> bool {
    plan.load.syncs_clocks && matches!(plan.mode, Mode::Subscribe | Mode::Run)
}

/// Whether others may hear what is published here.
const fn answers(plan: &Plan) -> bool {
    plan.load.syncs_clocks && matches!(plan.mode, Mode::Publish | Mode::Run)
}

/// The thread that asks and answers.
#[derive(Debug)]
pub(super) struct Syncing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), SideError>>,
}

impl Syncing {
    /// Connects, and begins.
    ///
    /// # Errors
    ///
    /// [`SideError`] when the broker does not let us.
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self, SideError> {
        let plan = &shared.plan;
        let name = u64::from(uuid::Uuid::new_v4().as_fields().0) << 32 | u64::from(plan.run);
        let mut side = Side::connect(plan, plan.members().next(), &format!("bench-clock-{name:016x}"))?;
        if answers(plan) {
            side.subscribe(QUESTIONS)?;
        }
        if asks(plan) {
            side.subscribe(&answers_to(name))?;
        }
        let stop = Arc::<AtomicBool>::default();
        let mut talker = Talker {
            shared: shared.clone(),
            side,
            name,
            next: 0,
            estimators: HashMap::new(),
            stop: stop.clone(),
        };
        let thread = thread::Builder::new().name("clock".to_owned()).spawn(move || {
            let talked = talker.talk();
            talked.and_then(|()| talker.side.finish())
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// Why it could not go on to its end.
    pub(super) fn finish(self) -> Result<(), SideError> {
        self.stop.store(true, Relaxed);
        match self.thread.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn answers_to(name: u64) -> String {
    format!("{ANSWERS}/{name:016x}")
}

struct Talker {
    shared: Arc<Shared>,
    side: Side,
    /// Of this process, by chance.
    name: u64,
    /// When the next question is due.
    next: u64,
    estimators: HashMap<(u32, (u32, u32)), Estimator>,
    stop: Arc<AtomicBool>,
}

impl Talker {
    fn talk(&mut self) -> Result<(), SideError> {
        while !self.stop.load(Relaxed) {
            if asks(&self.shared.plan) && self.now() >= self.next {
                self.next = self.now() + ASK_EVERY;
                let question = Question { name: self.name, asked: self.now() };
                self.send(QUESTIONS.to_owned(), question.encode())?;
            }
            for message in self.side.hear(LISTEN)? {
                let now = self.now();
                if &*message.topic == QUESTIONS {
                    self.answer(&message.payload, now)?;
                } else if let Some(answer) = Answer::decode(&message.payload) {
                    self.take(answer, now);
                }
            }
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        self.shared.clock.now().as_nanos()
    }

    fn send(&mut self, topic: String, payload: Vec<u8>) -> Result<(), SideError> {
        let topic = Text::new(topic).unwrap_or(Text::EMPTY);
        self.side.send(Publish { topic, payload: payload.into(), ..Publish::default() })
    }

    fn answer(&mut self, question: &[u8], came: u64) -> Result<(), SideError> {
        // Our own clock is known, and what is no question needs no answer.
        let Some(question) = Question::decode(question).filter(|question| question.name != self.name) else {
            return Ok(());
        };
        let plan = &self.shared.plan;
        let answer = Answer {
            asked: question.asked,
            came,
            answered: self.now(),
            start: self.shared.start_at.load(Relaxed),
            run: plan.run,
            segment: plan.segment,
        };
        self.send(answers_to(question.name), answer.encode())
    }

    fn take(&mut self, answer: Answer, heard: u64) {
        let Answer { asked, came, answered, start, run, segment } = answer;
        if self.estimators.len() >= PEERS_MAX && !self.estimators.contains_key(&(run, segment)) {
            return;
        }
        let estimator = self.estimators.entry((run, segment)).or_default();
        estimator.take(Sample { asked, came, answered, heard });
        if let (Some(best), Some(peers)) = (estimator.best(heard), &self.shared.peers) {
            peers.tell(run, segment, Reading { start, best });
        }
    }
}

/// `name` asks at `asked` by its clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Question {
    name: u64,
    asked: u64,
}

impl Question {
    fn encode(self) -> Vec<u8> {
        [self.name, self.asked].map(u64::to_be_bytes).concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let [name, asked] = numbers(bytes)?;
        Some(Self { name, asked })
    }
}

/// What comes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Answer {
    asked: u64,
    came: u64,
    answered: u64,
    /// When the load of who answers begins, by its clock; `u64::MAX` while it does not know.
    start: u64,
    run: u32,
    segment: (u32, u32),
}

impl Answer {
    fn encode(self) -> Vec<u8> {
        let Self { asked, came, answered, start, run, segment } = self;
        let (part, parts) = (u64::from(segment.0), u64::from(segment.1));
        [asked, came, answered, start, u64::from(run), part, parts].map(u64::to_be_bytes).concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let [asked, came, answered, start, run, part, parts] = numbers(bytes)?;
        let segment = (u32::try_from(part).ok()?, u32::try_from(parts).ok()?);
        let run = u32::try_from(run).ok()?;
        (segment.0 < segment.1).then_some(Self { asked, came, answered, start, run, segment })
    }
}

/// Exactly so many numbers.
fn numbers<const COUNT: usize>(bytes: &[u8]) -> Option<[u64; COUNT]> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    let numbers: &[[u8; 8]; COUNT] = numbers.try_into().ok()?;
    rest.is_empty().then(|| numbers.map(u64::from_be_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_come_as_they_went_and_nothing_else_does() {
        let question = Question { name: 7, asked: u64::MAX };
        assert_eq!(Question::decode(&question.encode()), Some(question));
        let answer = Answer { asked: 1, came: 2, answered: 3, start: u64::MAX, run: 5, segment: (1, 3) };
        assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        for wrong in [&b""[..], b"12345678", &[0; 17], &[0; 55], &[0; 56], &[0xFF; 56]] {
            assert_eq!((Question::decode(wrong), Answer::decode(wrong)), (None, None));
        }
    }

    #[test]
    fn latency_from_a_host_with_another_clock_is_true_within_its_bound() {
        // Its clock is two hours ahead; the question took 30 µs, the answer 90 µs.
        let ahead = 7_200_000_000_000;
        let (asked, heard) = (1_000_000_000, 1_000_120_000);
        let (came, answered) = (asked + 30_000 + ahead, asked + 30_000 + ahead);
        let best = Sample { asked, came, answered, heard };
        let peer = Peer {
            run: 9,
            segment: (1, 2),
            reading: Mutex::new(Reading { start: ahead + 2_000_000_000, best }),
        };
        assert!(peer.has(9, 3) && !peer.has(9, 2) && !peer.has(8, 3));
        // Due half a second into its load, which is 2.5 s by our clock, and here 400 µs later.
        let far = peer.far(500_000_000, 2_500_400_000).unwrap();
        assert!(far.latency.abs_diff(400_000) <= far.bound, "{far:?}");
        assert_eq!(far.latency, 400_000 - 30_000);
        let unknown = Peer { reading: Mutex::new(Reading { start: u64::MAX, best }), ..peer };
        assert_eq!(unknown.far(0, 1), None);
    }
}
