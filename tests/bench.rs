//! Honesty of the load generator: what it prints is what happened, against a far end that counts for itself.
#![cfg(feature = "bench")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use clap::Parser;
use culex::bench::histogram::Histogram;
use culex::bench::plan::Address;
use culex::bench::result::{EXIT_OK, EXIT_VIOLATION, RunResult};
use culex::bench::run::{Stop, run};
use culex::bench::schedule::{Arrival, Profile, Schedule};
use culex::bench::sink::{Faults, Sink};
use culex::flags::Bench;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Runs `words` against `sink`, its verdict drawn.
fn bench(words: &str, sink: &Sink) -> RunResult {
    let argv = ["culex-bench"].into_iter().chain(words.split_whitespace());
    let mut plan = Bench::try_parse_from(argv).unwrap().settled().plan(7).unwrap();
    plan.transport.address = Address::Tcp("127.0.0.1".to_owned(), sink.port());
    plan.threads = 2;
    let mut result = run(plan, &Stop::default(), &mut |_| {}).unwrap();
    result.conclude(&[]);
    keeps_the_schema(&result);
    result
}

/// Every result that is measured here is as `docs/bench.schema.json` says.
fn keeps_the_schema(result: &RunResult) {
    let schema = serde_json::from_str(include_str!("../docs/bench.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value = serde_json::to_value(result).unwrap();
    let faults: Vec<String> = validator.iter_errors(&value).map(|fault| fault.to_string()).collect();
    assert_eq!(faults, [""; 0]);
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

#[test]
fn printed_counts_are_the_far_ends_at_every_qos_and_version() {
    for qos in 0..3 {
        for (version, rate) in [("31", "max"), ("311", "10k"), ("5", "max")] {
            let words = format!("pub -q {qos} -V {version} -c 5 -L 2000 -W 60 --rate {rate}");
            let sink = Sink::start(Faults::default()).unwrap();
            let result = bench(&words, &sink);
            assert_eq!(result.counts.sent, 2000, "{words}");
            assert_eq!(count(&sink.counts().published), 2000, "{words}");
            assert_eq!(result.counts.acked, if qos == 0 { 0 } else { 2000 }, "{words}");
            assert_eq!((result.counts.connect_ok, count(&sink.counts().connections)), (5, 5), "{words}");
            assert_eq!(result.verdict.exit_code, EXIT_OK, "{words}: {:?}", result.verdict);
        }
    }
}

#[test]
fn every_delivery_of_every_stamp_is_accounted_for() {
    for stamp in ["-s 24", "-s 8", "-s 8 --arrival poisson", "-s 8 --closed", "-s 24 --closed", "-s 3"] {
        for shape in ["-c 4", "-c 4 --fan-in 2", "--fan-out 6"] {
            let words = format!("-q 1 -L 900 -W 60 --rate 20k {stamp} {shape}");
            let sink = Sink::start(Faults::default()).unwrap();
            let result = bench(&words, &sink);
            assert_eq!(result.counts.sent, 900, "{words}");
            assert_eq!(result.counts.received, count(&sink.counts().delivered), "{words}");
            assert_eq!(result.counts.expected, result.counts.received, "{words}");
            let counts = &result.counts;
            let faults = (counts.lost, counts.duplicate, counts.reordered, counts.unsent, counts.foreign);
            assert_eq!(faults, (0, 0, 0, 0, 0), "{words}");
            if stamp != "-s 3" && !stamp.contains("closed") {
                assert_eq!(result.latency_us.e2e.count(), result.counts.received, "{words}");
            }
        }
    }
}

/// A run of 1,400 messages against a broker with these faults: the counts, the sink's, and the exit status.
fn faulty(qos: u8, faults: Faults) -> (RunResult, Sink) {
    let sink = Sink::start(faults).unwrap();
    let result = bench(&format!("-q {qos} -c 2 -L 1400 -W 60 --rate 20k --drain 300ms"), &sink);
    (result, sink)
}

#[test]
fn lost_messages_are_found_and_judged_by_their_qos() {
    for (qos, status) in [(0, EXIT_OK), (1, EXIT_VIOLATION), (2, EXIT_VIOLATION)] {
        let (result, sink) = faulty(qos, Faults { drop_every: 7, ..Faults::default() });
        assert_eq!((result.counts.lost, count(&sink.counts().dropped)), (200, 200), "QoS {qos}");
        assert_eq!((result.counts.duplicate, result.counts.reordered), (0, 0));
        assert_eq!(result.verdict.exit_code, status, "{:?}", result.verdict);
    }
}

#[test]
fn duplicates_are_found_and_are_wrong_at_qos_2() {
    for (qos, status) in [(0, EXIT_OK), (1, EXIT_OK), (2, EXIT_VIOLATION)] {
        let (result, sink) = faulty(qos, Faults { duplicate_every: 10, ..Faults::default() });
        assert_eq!((result.counts.duplicate, count(&sink.counts().duplicated)), (140, 140), "QoS {qos}");
        assert_eq!((result.counts.lost, result.counts.reordered), (0, 0));
        assert_eq!(result.verdict.exit_code, status, "{:?}", result.verdict);
    }
}

#[test]
fn messages_that_overtake_others_are_found_and_are_wrong_at_every_qos() {
    for qos in 0..3 {
        let (result, sink) = faulty(qos, Faults { swap_every: 20, ..Faults::default() });
        let swapped = count(&sink.counts().swapped);
        assert!(swapped > 50);
        // What is still held at the end has nothing to be overtaken by.
        assert_eq!(result.counts.reordered, swapped, "QoS {qos}");
        assert!(result.counts.lost <= 1 && result.counts.duplicate == 0, "{:?}", result.counts);
        assert_eq!(result.verdict.exit_code, EXIT_VIOLATION, "{:?}", result.verdict);
    }
}

#[test]
fn what_is_asked_for_is_known_to_the_message() {
    let sink = Sink::start(Faults::default()).unwrap();
    let result = bench("-c 3 --rate 1k --warmup 200ms -W 500ms", &sink);
    assert_eq!(result.counts.asked, 500);
    assert_eq!(result.counts.sent + result.counts.unsent, 500);
    assert_eq!(result.counts.received, result.counts.expected, "the warm-up is not in the result");
    let all = count(&sink.counts().published);
    assert!(all > result.counts.sent, "but it was sent: {all}");
}

#[test]
fn what_waits_for_acknowledgements_is_late_by_the_brokers_doing() {
    let sink = Sink::start(Faults::default()).unwrap();
    let result = bench("pub -q 1 -w 1 -c 1 -L 2000 -W 60 --rate 10M", &sink);
    let (all, own) = (result.generator.lag_p99_us, result.generator.own_lag_p99_us.unwrap());
    assert!(own * 10 < all, "own {own} of {all} µs");
}

#[test]
fn round_trips_come_back() {
    let sink = Sink::start(Faults::default()).unwrap();
    for version in ["5", "311"] {
        let result = bench(&format!("rr -q 1 -V {version} -c 3 --subs 3 -L 300 -W 60 --rate 5k"), &sink);
        assert_eq!(
            (result.counts.sent, result.counts.received, result.counts.lost),
            (300, 300, 0),
            "{version}"
        );
    }
}

#[test]
fn nobody_there_is_no_connection() {
    let sink = Sink::start(Faults::default()).unwrap();
    let argv = ["culex-bench", "conn", "-c", "3"];
    let mut plan = Bench::try_parse_from(argv).unwrap().plan(7).unwrap();
    plan.transport.address = Address::Tcp("127.0.0.1".to_owned(), sink.port());
    drop(sink);
    let mut result = run(plan, &Stop::default(), &mut |_| {}).unwrap();
    result.conclude(&[]);
    assert_eq!(result.counts.connect_fail.get("refused"), Some(&3));
    assert_eq!(result.verdict.exit_code, 3);
}

#[test]
fn two_seconds_of_standstill_show_in_the_percentiles() {
    // 100 messages a second for a minute; whatever is due from second 20 to 22 is answered when the broker goes on.
    let schedule = Schedule { profile: Profile::constant(100.0), arrival: Arrival::Uniform, publishers: 10 };
    let (stop, go, service) = (20_000_000_000, 22_000_000_000, 300_000);
    let mut histogram = Histogram::default();
    let mut truth = Vec::new();
    for stream in 0..10 {
        for sequence in 0..600 {
            let due = schedule.due(stream, sequence);
            let received = if (stop..go).contains(&due) { go } else { due } + service;
            histogram.record_nanoseconds(received - due);
            truth.push(received - due);
        }
    }
    truth.sort_unstable();
    for percent in [97.0, 98.0, 99.0, 99.9] {
        let exact = truth[(truth.len() as f64 * percent / 100.0) as usize - 1] as f64 / 1000.0;
        let shown = histogram.percentile(percent) as f64;
        assert!((shown / exact - 1.0).abs() < 0.01, "p{percent}: {shown} for {exact}");
    }
    assert!(histogram.percentile(99.0) > 1_300_000, "a client that waits for answers would say 300 µs");
    assert!(histogram.max() >= 1_999_000);
}

#[test]
fn messages_larger_than_any_buffer_come_through_tls_and_websocket() {
    use culex::net::server::{ListenAddress, ListenPlan};
    let folder = std::env::temp_dir().join(format!("culex-bench-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let made = culex::net::tls::Ephemeral::new(&[]).unwrap();
    let authority = folder.join("authority.pem");
    std::fs::write(&authority, &made.ca_pem).unwrap();
    let tls = culex::net::tls::TlsServerSettings::new(made.server);
    let plain = ListenPlan::plain(ListenAddress::Loopback { port: 0 });
    let plans = [
        ListenPlan { tls: Some(tls), ..plain.clone() },
        ListenPlan { websocket: Some(culex::net::websocket::WebSocketPlan::default()), ..plain },
    ];
    let brokers = culex::bench::embedded::Embedded::start_with(&plans).unwrap();
    let words = [format!("--cafile {}", authority.display()), "--ws".to_owned()];
    for (words, port) in words.iter().zip(brokers.ports()) {
        let words = format!("{words} -h localhost -q 1 -c 2 -L 40 -W 60 --rate 200 -s 300k");
        let argv = ["culex-bench"].into_iter().chain(words.split_whitespace());
        let mut plan = Bench::try_parse_from(argv).unwrap().plan(7).unwrap();
        plan.transport.address = Address::Tcp("localhost".to_owned(), *port);
        let mut result = run(plan, &Stop::default(), &mut |_| {}).unwrap();
        result.conclude(&[]);
        assert_eq!((result.counts.sent, result.counts.received), (40, 40), "{words}: {:?}", result.errors);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn storms_end_when_everybody_is_served_again() {
    let sink = Sink::start(Faults::default()).unwrap();
    let result = bench("storm --kind reconnect -c 40 -W 60", &sink);
    let storm = result.storm.unwrap();
    assert_eq!((result.counts.reconnects, storm.clients), (40, 40));
    assert!(storm.recovered_s.is_some() && storm.recovered_s <= storm.drained_s);

    let broker = culex::bench::embedded::Embedded::start().unwrap();
    let argv = ["culex-bench", "storm", "--kind", "will", "-c", "40", "-W", "60"];
    let mut plan = Bench::try_parse_from(argv).unwrap().plan(7).unwrap();
    plan.transport.address = Address::Tcp("127.0.0.1".to_owned(), broker.port());
    let result = run(plan, &Stop::default(), &mut |_| {}).unwrap();
    assert_eq!((result.counts.received, result.storm.unwrap().clients), (40, 40));
    assert_eq!((result.counts.expected, result.counts.lost), (40, 0));
}

#[test]
fn messages_that_a_generator_leaves_unsent_are_its_own_unless_the_broker_held_them_up() {
    use culex::bench::result::GeneratorStatus;
    // The loop is asked for far more than any machine writes, to a broker that takes everything.
    let sink = Sink::start(Faults::default()).unwrap();
    let result = bench("pub -c 1 -s 20k -W 200ms --warmup 0 --rate 10M --max-lag 10ms --drain 0", &sink);
    assert!(result.counts.unsent > result.counts.sent, "{:?}", result.counts);
    assert_eq!(result.counts.sent + result.counts.unsent, result.counts.asked);
    assert_eq!(result.generator.status, GeneratorStatus::Saturated);

    // A window of one message, to a broker that answers each: most is unsent, and by the window's doing.
    let result = bench("pub -q 1 -w 1 -c 1 -W 200ms --warmup 0 --rate 1M --drain 0", &sink);
    assert!(result.counts.unsent > result.counts.sent, "{:?}", result.counts);
    let is_held = !result.generator.reason.is_some_and(|reason| reason.contains("never sent"));
    assert!(is_held, "a closed window was held against the generator");
}

/// Runs `words` against a broker of our own, its verdict drawn.
fn bench_embedded(words: &str, broker: &culex::bench::embedded::Embedded) -> RunResult {
    let argv = ["culex-bench"].into_iter().chain(words.split_whitespace());
    let mut plan = Bench::try_parse_from(argv).unwrap().settled().plan(7).unwrap();
    plan.transport.address = Address::Tcp("127.0.0.1".to_owned(), broker.port());
    plan.threads = 2;
    let mut result = run(plan, &Stop::default(), &mut |_| {}).unwrap();
    result.conclude(&[]);
    keeps_the_schema(&result);
    result
}

#[test]
fn retained_storm_gives_each_subscriber_each_topic_once_and_leaves_none() {
    let broker = culex::bench::embedded::Embedded::start().unwrap();
    for words in ["-V 311", "-V 5 -q 1", "-q 2"] {
        let result = bench_embedded(&format!("storm --kind retain -c 7 -L 300 -W 60 {words}"), &broker);
        let storm = result.storm.clone().unwrap();
        assert_eq!((storm.clients, storm.served, storm.awaited), (7, 7, 2100), "{words}");
        let counts = &result.counts;
        assert_eq!((counts.expected, counts.received, counts.lost), (2100, 2100, 0), "{words}");
        assert_eq!((counts.duplicate, counts.foreign, counts.reordered), (0, 0, 0), "{words}");
        assert_eq!(result.latency_us.e2e.count(), 2100, "{words}");
        assert!(storm.drained_s.is_some() && storm.figures.contains_key("client p99 s"), "{words}");
        assert_eq!(result.verdict.exit_code, EXIT_OK, "{words}: {:?}", result.verdict);
    }
    // What earlier storms retained would be foreign.
    let late = bench_embedded("sub -c 1 --filter bench/# -W 200ms --warmup 0 --drain 0", &broker);
    assert_eq!((late.counts.received, late.counts.foreign), (0, 0));
}

#[test]
fn storm_of_subscriptions_waits_for_each_suback() {
    let sink = Sink::start(Faults::default()).unwrap();
    let result = bench("storm --kind subscribe -c 6 -L 100 -W 60", &sink);
    let storm = result.storm.unwrap();
    assert_eq!((result.counts.sent, result.counts.acked), (100, 100));
    assert_eq!((storm.served, storm.awaited, result.latency_us.ack.count()), (6, 100, 100));
    assert_eq!(count(&sink.counts().subscriptions), 100);
}

#[test]
fn resumed_storm_delivers_what_waited_and_leaves_no_session() {
    let broker = culex::bench::embedded::Embedded::start().unwrap();
    for words in ["-V 5", "-V 311", "-V 5 -q 2", "-V 31"] {
        let result = bench_embedded(&format!("storm --kind resume -c 9 -L 180 -W 60 {words}"), &broker);
        let storm = result.storm.clone().unwrap();
        assert_eq!((storm.served, storm.awaited, result.counts.received), (9, 180, 180), "{words}");
        let counts = &result.counts;
        assert_eq!(
            (counts.reconnects, counts.lost, counts.duplicate, counts.foreign),
            (9, 0, 0, 0),
            "{words}"
        );
        assert!(result.errors.is_empty(), "{words}: {:?}", result.errors);
        assert_eq!(result.verdict.exit_code, EXIT_OK, "{words}: {:?}", result.verdict);
    }
}

#[test]
fn storm_that_is_not_over_in_time_fails_and_tells_how_far_it_came() {
    // The sink retains nothing, so nobody gets anything.
    let sink = Sink::start(Faults::default()).unwrap();
    let result = bench("storm --kind retain -c 2 -L 10 -W 100ms", &sink);
    assert_eq!((result.counts.expected, result.counts.lost, result.storm.unwrap().served), (20, 20, 0));
    assert_eq!(result.verdict.exit_code, culex::bench::result::EXIT_GATE);
    assert!(result.verdict.reasons[0].contains("0 of 2 were served"), "{:?}", result.verdict.reasons);
}

#[test]
fn slow_consumers_read_late_while_the_load_lasts_and_lose_nothing() {
    let sink = Sink::start(Faults::default()).unwrap();
    for qos in 0..3 {
        let words = format!("-q {qos} -c 2 --rate 1k -W 1s --warmup 0 --slow-consumer 20/s:1");
        let result = bench(&words, &sink);
        assert_eq!((result.counts.received, result.counts.lost), (1000, 0), "{words}");
        let latency = &result.latency_us.e2e;
        // Of its 500 messages one waits at least from the middle of the load to its end; the other one's do not.
        assert!(latency.percentile(90.0) > 300_000, "{words}: {}", latency.percentile(90.0));
        assert!(latency.min() < 300_000, "{words}");
    }
}

#[test]
fn subscribers_take_their_subscriptions_back_when_asked_to() {
    let sink = Sink::start(Faults::default()).unwrap();
    bench("-c 3 --filter a/%i --filter b/%i -L 3 -W 60 --drain 0 --unsubscribe", &sink);
    assert_eq!((count(&sink.counts().subscriptions), count(&sink.counts().unsubscribed)), (6, 6));
    bench("-c 3 -L 3 -W 60 -D unsubscribe user-property a b -D disconnect user-property c d", &sink);
    assert_eq!(count(&sink.counts().unsubscribed), 9);
    bench("-c 3 -L 3 -W 60", &sink);
    assert_eq!(count(&sink.counts().unsubscribed), 9);
}

#[test]
fn gate_opens_with_a_message_that_comes_or_is_there() {
    use culex::bench::result::Phase;
    use culex::bench::side::Side;
    use culex::packet::{Publish, Qos, Text};
    let broker = culex::bench::embedded::Embedded::start().unwrap();
    let argv = ["culex-bench", "-c", "2", "-L", "50", "-W", "60", "--gate", "go/+", "-V", "311"];
    let mut plan = Bench::try_parse_from(argv).unwrap().plan(7).unwrap();
    plan.transport.address = Address::Tcp("127.0.0.1".to_owned(), broker.port());
    let release = |plan: &culex::bench::plan::Plan| {
        let mut side = Side::connect(plan, None, "release").unwrap();
        let topic = Text::new("go/now").unwrap();
        let go = Publish { topic, retain: true, qos: Qos::AtLeastOnce, ..Publish::default() };
        side.publish(std::iter::once(Publish { payload: b"go"[..].into(), ..go })).unwrap();
        side.finish().unwrap();
    };
    let (mut looks, mut is_released) = (0, false);
    let other = plan.clone();
    let result = run(plan.clone(), &Stop::default(), &mut |live| {
        looks += i32::from(live.phase == Phase::Connect && live.ready == 4 && live.sent == 0);
        if looks == 10 && !is_released {
            release(&other);
            is_released = true;
        }
        assert!(is_released || live.sent == 0, "the load began before its gate opened");
    });
    let mut result = result.unwrap();
    result.conclude(&[]);
    assert_eq!((result.counts.received, is_released), (50, true));
    let mut result = run(plan, &Stop::default(), &mut |_| {}).unwrap();
    result.conclude(&[]);
    assert_eq!(result.counts.received, 50, "what is retained opens it at once");
}

#[test]
fn each_client_resumes_its_own_tls_session_or_none() {
    use culex::net::server::{ListenAddress, ListenPlan};
    let folder = std::env::temp_dir().join(format!("culex-bench-resume-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let made = culex::net::tls::Ephemeral::new(&[]).unwrap();
    let authority = folder.join("authority.pem");
    std::fs::write(&authority, &made.ca_pem).unwrap();
    let tls = culex::net::tls::TlsServerSettings::new(made.server);
    let plans = [ListenPlan { tls: Some(tls), ..ListenPlan::plain(ListenAddress::Loopback { port: 0 }) }];
    let broker = culex::bench::embedded::Embedded::start_with(&plans).unwrap();
    for (words, resumed) in [("", 0), ("--tls-resume", 6)] {
        let words = format!("storm --kind reconnect -c 6 -W 60 --cafile {} {words}", authority.display());
        let argv = ["culex-bench"].into_iter().chain(words.split_whitespace());
        let mut plan = Bench::try_parse_from(argv).unwrap().plan(7).unwrap();
        plan.transport.address = Address::Tcp("localhost".to_owned(), broker.port());
        let result = run(plan, &Stop::default(), &mut |_| {}).unwrap();
        assert_eq!((result.counts.connect_ok, result.latency_us.tls.count()), (12, 12), "{words}");
        assert_eq!(result.counts.tls_resumed, resumed, "{words}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn load_on_the_library_rumqttc_is_counted_as_exactly_as_our_own() {
    for qos in 0..3 {
        for version in ["311", "5"] {
            for words in ["--rate 2k", "--rate max", "-c 4 --fan-in 2 --rate 2k"] {
                let words = format!("--engine rumqttc -V {version} -q {qos} -c 4 -L 400 -W 60 {words}");
                let sink = Sink::start(Faults::default()).unwrap();
                let result = bench(&words, &sink);
                let counts = &result.counts;
                assert_eq!((counts.sent, count(&sink.counts().published)), (400, 400), "{words}");
                assert_eq!(counts.received, count(&sink.counts().delivered), "{words}: {:?}", result.errors);
                assert_eq!(
                    (counts.expected, counts.lost, counts.duplicate),
                    (counts.received, 0, 0),
                    "{words}"
                );
                assert_eq!(counts.acked, if qos == 0 { 0 } else { 400 }, "{words}");
                assert_eq!((counts.disconnects, result.errors.len()), (0, 0), "{words}: {:?}", result.errors);
            }
        }
    }
    let sink = Sink::start(Faults::default()).unwrap();
    let argv = ["culex-bench", "--engine", "rumqttc", "-c", "2"];
    let mut plan = Bench::try_parse_from(argv).unwrap().plan(7).unwrap();
    plan.transport.address = Address::Tcp("127.0.0.1".to_owned(), sink.port());
    drop(sink);
    let mut result = run(plan, &Stop::default(), &mut |_| {}).unwrap();
    result.conclude(&[]);
    assert_eq!((result.counts.connect_fail.get("refused"), result.verdict.exit_code), (Some(&4), 3));
}

#[test]
fn what_rumqttc_cannot_do_is_refused() {
    for (words, what) in [
        ("conn", "modes other than run, pub, sub and find"),
        ("-V 31", "-V 31"),
        ("--tls --tls-resume", "--tls-resume"),
        ("-D publish user-property a b", "-D"),
        ("-m hello", "stamps in properties"),
        ("--slow-consumer 5", "--slow-consumer"),
    ] {
        let argv = ["culex-bench", "--engine", "rumqttc"].into_iter().chain(words.split_whitespace());
        let error = Bench::try_parse_from(argv).unwrap().plan(7).unwrap_err().to_string();
        assert_eq!(
            error.split(": ").next().unwrap(),
            format!("--engine rumqttc does not do {what}"),
            "{words}"
        );
    }
}

#[test]
fn subscribers_end_in_time_though_others_go_on_publishing() {
    let broker = culex::bench::embedded::Embedded::start().unwrap();
    let plan = |words: &str| {
        let argv = ["culex-bench"].into_iter().chain(words.split_whitespace());
        let mut plan = Bench::try_parse_from(argv).unwrap().plan(7).unwrap();
        plan.transport.address = Address::Tcp("127.0.0.1".to_owned(), broker.port());
        plan
    };
    let (stop, others) =
        (Stop::default(), plan("pub -c 1 --rate 2k --warmup 0 -W 600 -t feed/%i --id-prefix other-"));
    let others = {
        let stop = stop.clone();
        std::thread::spawn(move || run(others, &stop, &mut |_| {}).unwrap())
    };
    let heard = run(
        plan("sub -c 2 --filter feed/# --warmup 0 -W 300ms --drain 100ms"),
        &Stop::default(),
        &mut |_| {},
    );
    stop.set();
    let sent = others.join().unwrap().counts.sent;
    let mut heard = heard.unwrap();
    heard.conclude(&[]);
    assert!(heard.counts.received > 0 && heard.counts.received <= 2 * sent, "{:?}", heard.counts);
    assert_eq!((heard.counts.lost, heard.run.interrupted), (0, false));
}

#[test]
fn requests_of_one_side_are_reflected_by_the_other() {
    let broker = culex::bench::embedded::Embedded::start().unwrap();
    let plan = |words: &str| {
        let argv = ["culex-bench"].into_iter().chain(words.split_whitespace());
        let mut plan = Bench::try_parse_from(argv).unwrap().plan(7).unwrap();
        plan.transport.address = Address::Tcp("127.0.0.1".to_owned(), broker.port());
        plan
    };
    for version in ["5", "311"] {
        let (stop, there) = (Stop::default(), std::sync::Arc::new(std::sync::Barrier::new(2)));
        let far = plan(&format!("reflect -q 1 -V {version} -c 3 -W 600 --id-prefix far-"));
        let far = {
            let (stop, there) = (stop.clone(), there.clone());
            std::thread::spawn(move || {
                let mut waits = true;
                let began = |live: &culex::bench::run::Live| {
                    if live.ready == 3 && std::mem::take(&mut waits) {
                        there.wait();
                    }
                };
                run(far, &stop, &mut { began }).unwrap()
            })
        };
        there.wait();
        let near = plan(&format!("rr -q 1 -V {version} -c 3 --subs 0 -L 150 -W 60 --rate 3k"));
        let mut near = run(near, &Stop::default(), &mut |_| {}).unwrap();
        near.conclude(&[]);
        stop.set();
        let far = far.join().unwrap();
        assert_eq!((near.counts.sent, near.counts.received, near.counts.lost), (150, 150, 0), "{version}");
        assert_eq!(near.latency_us.e2e.count(), 150, "round trips, on one clock");
        assert_eq!((far.counts.received, far.counts.sent, far.run.clients), (150, 0, 3), "{version}");
    }
}
