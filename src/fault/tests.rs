//! What must hold for every line, whatever goes through it.

use super::{Action, Context, Line, Match, Rule, Rules, Trigger};
use crate::journal::{Happening, Journal};
use crate::packet::{PacketType, Sender};
use crate::time::Time;
use proptest::prelude::*;
use std::time::Duration;

const CONNECT: &[u8] = b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03dev";
const CONNACK: &[u8] = b"\x20\x03\x00\x00\x00";
const PUBLISH: &[u8] = b"\x32\x08\x00\x01a\x00\x07\x00hi";
const PUBACK: &[u8] = b"\x40\x02\x00\x07";

/// A line with what it works with.
struct Rig {
    line: Line,
    rules: Rules,
    journal: Journal,
    now: Time,
}

impl Rig {
    fn new() -> Self {
        Self { line: Line::new(1, false), rules: Rules::new(7), journal: Journal::default(), now: Time::ZERO }
    }

    fn with(mut self, matching: Match, action: Action) -> Self {
        self.rules.add(self.now, Rule::new(matching, action));
        self
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Line, &mut Context<'_>) -> T) -> T {
        let Self { line, rules, journal, now } = self;
        act(line, &mut Context { rules, journal, now: *now, stamp: *now })
    }

    /// `sender` says this; what of it arrives at the other end.
    fn say(&mut self, sender: Sender, bytes: &[u8]) -> Vec<u8> {
        self.act(|line, context| line.handle_bytes(context, sender, bytes));
        self.line.take(sender, usize::MAX).to_vec()
    }

    fn connected() -> Self {
        let mut rig = Self::new();
        rig.say(Sender::Client, CONNECT);
        rig.say(Sender::Server, CONNACK);
        rig
    }
}

fn at(sender: Sender, packet_type: PacketType) -> Match {
    Match { sender: Some(sender), packet_type: Some(packet_type), ..Match::default() }
}

proptest! {
    /// Nothing is lost or changed unless a rule fires: packets, halves of packets and rubbish alike.
    #[test]
    fn without_rules_everything_goes_through_as_it_came(
        parts in prop::collection::vec((any::<bool>(), prop_oneof![
            Just(CONNECT.to_vec()), Just(PUBLISH.to_vec()), Just(PUBACK.to_vec()), Just(CONNACK.to_vec()),
            prop::collection::vec(any::<u8>(), 0..40),
        ]), 0..30),
        cut in 1_usize..9,
    ) {
        let mut rig = Rig::new();
        let (mut said, mut arrived) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for (is_client, bytes) in &parts {
            let sender = if *is_client { Sender::Client } else { Sender::Server };
            for piece in bytes.chunks(cut) {
                said[sender as usize].extend_from_slice(piece);
                let through = rig.say(sender, piece);
                arrived[sender as usize].extend_from_slice(&through);
            }
        }
        for sender in [Sender::Client, Sender::Server] {
            rig.act(|line, context| line.handle_closed(context, sender));
            arrived[sender as usize].extend_from_slice(&rig.line.take(sender, usize::MAX));
        }
        prop_assert_eq!(said, arrived);
        prop_assert!(rig.line.is_finished());
    }

    /// The same seed and the same packets give the same faults.
    #[test]
    fn probabilities_follow_the_seed(seed in any::<u64>()) {
        let run = || {
            let mut rules = Rules::new(seed);
            let trigger = Trigger { probability: Some(0.5), ..Trigger::default() };
            let rule = Rule { trigger, ..Rule::new(at(Sender::Client, PacketType::Publish), Action::Drop) };
            rules.add(Time::ZERO, rule);
            let mut rig = Rig { rules, ..Rig::connected() };
            (0..50).map(|_| rig.say(Sender::Client, PUBLISH).len()).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn a_cut_is_at_the_very_byte_and_the_end_is_told_once() {
    for after in 0..=PUBLISH.len() {
        let cut = Action::Cut { after, reset: false };
        let mut rig = Rig::connected().with(at(Sender::Client, PacketType::Publish), cut);
        assert_eq!(rig.say(Sender::Client, PUBLISH), &PUBLISH[..after]);
        assert_eq!(rig.say(Sender::Client, PUBACK), b"");
        assert!(rig.line.is_over(Sender::Client) && rig.line.is_over(Sender::Server));
        let ends = rig.journal.iter().filter(|record| matches!(record.happening, Happening::Closed { .. }));
        assert_eq!(ends.count(), 1);
    }
}

#[test]
fn a_delayed_packet_is_passed_by_others_and_a_slow_direction_keeps_its_order() {
    let delay = Duration::from_millis(100);
    let mut rig = Rig::connected().with(at(Sender::Server, PacketType::Puback), Action::Delay(delay));
    assert_eq!(rig.say(Sender::Server, PUBACK), b"");
    assert_eq!(rig.say(Sender::Server, PUBLISH), PUBLISH);
    assert_eq!(rig.line.poll_timeout(), Some(Time::ZERO + delay));
    rig.now = Time::ZERO + delay;
    rig.act(|line, context| line.handle_timeout(context));
    assert_eq!(rig.line.take(Sender::Server, usize::MAX), PUBACK);

    let latency = Action::Latency { delay, jitter: delay };
    let mut rig = Rig::connected().with(at(Sender::Client, PacketType::Publish), latency);
    assert_eq!(rig.say(Sender::Client, PUBLISH), b"");
    assert_eq!(rig.say(Sender::Client, PUBACK), b"");
    rig.now = Time::ZERO + 3 * delay;
    rig.act(|line, context| line.handle_timeout(context));
    assert_eq!(rig.line.take(Sender::Client, usize::MAX), [PUBLISH, PUBACK].concat());
}

#[test]
fn a_silent_line_swallows_the_end_too() {
    let mut rig = Rig::connected().with(at(Sender::Client, PacketType::Publish), Action::Silence);
    assert_eq!(rig.say(Sender::Client, PUBLISH), b"");
    assert_eq!(rig.say(Sender::Server, PUBLISH), b"");
    rig.act(|line, context| line.handle_closed(context, Sender::Client));
    assert!(!rig.line.is_over(Sender::Client) && !rig.line.is_finished());
    rig.act(|line, context| line.handle_closed(context, Sender::Server));
    assert!(rig.line.is_finished());
}

#[test]
fn every_nth_and_at_most_so_often() {
    let count = |trigger: Trigger| {
        let mut rig = Rig::connected();
        let rule = Rule { trigger, ..Rule::new(at(Sender::Client, PacketType::Publish), Action::Drop) };
        rig.rules.add(Time::ZERO, rule);
        (1..=9).filter(|_| rig.say(Sender::Client, PUBLISH).is_empty()).count()
    };
    assert_eq!(count(Trigger { nth: Some(2), ..Trigger::default() }), 1);
    assert_eq!(count(Trigger { every: Some(3), ..Trigger::default() }), 3);
    assert_eq!(count(Trigger { times: Some(4), ..Trigger::default() }), 4);
    assert_eq!(count(Trigger { every: Some(0), ..Trigger::default() }), 0);
    assert_eq!(count(Trigger { after: Some(Duration::from_secs(1)), ..Trigger::default() }), 0);
    assert_eq!(count(Trigger::default()), 9);
}

#[test]
fn a_password_is_not_in_the_journal() {
    let mut rig = Rig::new();
    let connect = b"\x10\x18\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01a\x00\x01u\x00\x06s3cret";
    assert_eq!(rig.say(Sender::Client, connect), connect);
    assert!(!format!("{:?}", rig.journal).contains("s3cret"));
}
