//! A run as the tests of the views want it: every part filled, nothing random.

use super::*;
use crate::bench::threshold;

/// 30 seconds of 50 messages a second from 200 publishers to 200 subscribers, one of which was slow once.
pub(crate) fn run() -> RunResult {
    let mut result = RunResult { run: what_was_asked(), ..RunResult::default() };
    result.host = Host {
        name: "host".into(),
        cpus: 2,
        kernel: "Linux 6.1".into(),
        calibrated_msgs_per_s: Some(41_000.0),
    };
    result.phases = Phases {
        connect_s: 0.031,
        subscribe_s: 0.004,
        warmup_s: 5.0,
        measure_s: 30.0,
        drain_s: 0.2,
        steady: Some(true),
        steady_after_s: Some(3.0),
    };
    result.counts = Counts {
        asked: 1500,
        sent: 1500,
        acked: 1500,
        bytes_out: 96_000,
        bytes_in: 90_000,
        connect_ok: 400,
        ..Counts::default()
    };
    result.rates.asked = Some(50.0);
    for index in 0..1500_u64 {
        let microseconds = 110 + index * index / 450;
        result.latency_us.e2e.record_microseconds(microseconds + 20);
        result.latency_us.service.record_microseconds(microseconds);
        result.latency_us.ack.record_microseconds(microseconds * 2 / 3);
        result.latency_us.lag.record_microseconds(20);
    }
    (0..400).for_each(|index| result.latency_us.connect.record_microseconds(400 + 5 * index));
    result.generator = Generator {
        cpu_s: 0.006,
        threads: vec![Thread { cpu_pct: 30.0, max_turn_us: 900 }, Thread { cpu_pct: 14.0, max_turn_us: 300 }],
        rss_bytes: 9 << 20,
        bytes_per_client: 2150,
        messages_per_write: Some(1.5),
        ..Generator::default()
    };
    result.streams = (0..200)
        .map(|stream| StreamCount {
            stream,
            sent: 7 + u64::from(stream % 2),
            expected: 7 + u64::from(stream % 2),
            received: 7 + u64::from(stream % 2),
            ..StreamCount::default()
        })
        .collect();
    result.intervals = (0..35).map(second).collect();
    result.conclude(&threshold::parse("p99<50ms,loss=0").unwrap());
    result
}

fn what_was_asked() -> Run {
    let config = serde_json::json!({"mode": "run", "rate": 50, "clients": 200, "qos": 1});
    Run {
        id: "a1b2c3".into(),
        started: "2026-11-22T12:00:00Z".into(),
        started_ns: 1_795_348_800_000_000_000,
        config_sha256: config_sha256(&config),
        config,
        mode: "run".into(),
        title: "run  mqtt://127.0.0.1:1883  v5  qos 1  200 pubs → 200 subs  64 B  open loop 50/s".into(),
        clients: 400,
        qos: 1,
        ..Run::default()
    }
}

fn second(second: u32) -> Interval {
    let mut latency = crate::bench::histogram::Histogram::default();
    (0..50).for_each(|index| latency.record_microseconds(130 + index * u64::from(second + 1)));
    Interval {
        phase: if second < 5 { Phase::Warmup } else { Phase::Measure },
        second,
        sent: 50,
        acked: 50,
        received: 50,
        cpu_pct: 44.04,
        latency: IntervalLatencies { e2e: latency.pack(), ..IntervalLatencies::default() },
        ..Interval::default()
    }
}
