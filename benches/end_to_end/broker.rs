//! The broker: messages a CPU second under bounded load, and memory.

use crate::{
    Case, Sample, Unit,
    load::{self, Load},
    process::{Broker, Maker},
    transport::Transport,
};
use std::{collections::HashMap, fs, path::PathBuf};

const IDLE_CLIENTS: usize = 5_000;
const MANY_IDLE_CLIENTS: usize = 10_000;
const VISITORS: usize = 20_000;

/// The bare load, of clean sessions over TCP.
const fn load(qos: u8, subscribers: usize, messages: u64, window: u64) -> Load {
    Load { qos, subscribers, messages, window, is_durable: false, transport: Transport::Tcp }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        loaded("broker 1 to 1, QoS 0 (window 800)", load(0, 1, 600_000, 800)),
        loaded("broker 1 to 1, QoS 1 (window 80)", load(1, 1, 120_000, 80)),
        loaded("broker 1 to 1, QoS 2 (window 18)", load(2, 1, 50_000, 18)),
        loaded("broker 1 to 100, QoS 0 (window 100), deliveries", load(0, 100, 10_000, 100)),
        loaded("broker 1 to 100, QoS 1 (window 18), deliveries", load(1, 100, 2_000, 18)),
    ];
    cases.extend(transports());
    cases.extend(persistent());
    cases.push(Case {
        name: "broker, throughput that a subscriber which reads nothing costs another",
        unit: Unit::Percent,
        run: Box::new(|maker| figure(cost_of_a_stalled_subscriber(maker))),
    });
    cases.extend(memory());
    cases
}

fn transports() -> Vec<Case> {
    let over = |transport, load: Load| Load { transport, ..load };
    vec![
        loaded("broker 1 to 1, QoS 0, TLS", over(Transport::Tls, load(0, 1, 200_000, 800))),
        loaded("broker 1 to 1, QoS 1, TLS", over(Transport::Tls, load(1, 1, 60_000, 80))),
        loaded("broker 1 to 1, QoS 0, WebSocket", over(Transport::WebSocket, load(0, 1, 100_000, 800))),
        loaded("broker 1 to 1, QoS 1, WebSocket", over(Transport::WebSocket, load(1, 1, 40_000, 80))),
    ]
}

/// Sessions that stay, so that every message is one that a broker which persists must not lose.
fn persistent() -> Vec<Case> {
    let durable = |messages| Load { is_durable: true, ..load(1, 1, messages, 80) };
    vec![
        stored("broker 1 to 1, QoS 1, `persistence true`", durable(60_000), ""),
        // mosquitto writes on a timer in any case.
        stored(
            "broker 1 to 1, QoS 1, `persistence_sync true` (mosquitto: as above)",
            durable(20_000),
            "persistence_sync true\n",
        ),
    ]
}

fn memory() -> Vec<Case> {
    let case = |name, run: fn(Maker) -> f64| Case {
        name,
        unit: Unit::Kibibytes,
        run: Box::new(move |maker| figure(run(maker))),
    };
    vec![
        case("broker, memory at start", |maker| Broker::start(maker).resident_kibibytes()),
        case("broker, memory for each of 5,000 idle clients", |maker| {
            let broker = Broker::start(maker);
            let before = broker.resident_kibibytes();
            let _clients = idle(&broker, IDLE_CLIENTS);
            (broker.resident_kibibytes() - before) / IDLE_CLIENTS as f64
        }),
        case("broker, memory with 10,000 idle clients", |maker| {
            let broker = Broker::start(maker);
            let _clients = idle(&broker, MANY_IDLE_CLIENTS);
            broker.resident_kibibytes()
        }),
        case("broker, memory that 20,000 connections which came and went leave behind", |maker| {
            let broker = Broker::start(maker);
            visit(&broker, VISITORS / 10);
            let before = broker.resident_kibibytes();
            visit(&broker, VISITORS);
            (broker.resident_kibibytes() - before).max(0.0)
        }),
    ]
}

fn figure(value: f64) -> Sample {
    Sample { value, per_second: None, lost: None }
}

fn idle(broker: &Broker, count: usize) -> Vec<crate::transport::Stream> {
    let connect = |index| load::connect(broker.port, &format!("idle-{index}"), Transport::Tcp, true);
    (0..count).map(connect).collect()
}

/// So many clients, each after another.
fn visit(broker: &Broker, count: usize) {
    (0..count).for_each(|_| drop(load::connect(broker.port, "visitor", Transport::Tcp, true)));
}

/// Messages for a second of the broker's CPU time under `load`.
fn run_on(broker: &Broker, load: Load) -> Sample {
    let before = broker.cpu_seconds();
    let wall = load::run(broker.port, load).as_secs_f64();
    let deliveries = load.messages as f64 * load.subscribers as f64;
    let value = deliveries / (broker.cpu_seconds() - before);
    Sample { value, per_second: Some(deliveries / wall), lost: None }
}

/// Both brokers run through the whole case, as they do in life; only CPU time spent in the load is counted.
fn loaded(name: &'static str, load: Load) -> Case {
    let mut brokers: HashMap<Maker, Broker> = HashMap::new();
    let run = move |maker: Maker| {
        let start = || Broker::configured(maker, &load.transport.options());
        run_on(brokers.entry(maker).or_insert_with(start), load)
    };
    Case { name, unit: Unit::PerCpuSecond, run: Box::new(run) }
}

/// As [`loaded`], each broker with a store of its own; `ours` is an option that mosquitto does not have.
fn stored(name: &'static str, load: Load, ours: &'static str) -> Case {
    let mut brokers: HashMap<Maker, (Broker, Folder)> = HashMap::new();
    let run = move |maker: Maker| {
        let start = || {
            let folder = Folder::new(maker);
            let own = if maker == Maker::Culex { ours } else { "" };
            let options = format!("persistence true\npersistence_location {}/\n{own}", folder.0.display());
            (Broker::configured(maker, &options), folder)
        };
        run_on(&brokers.entry(maker).or_insert_with(start).0, load)
    };
    Case { name, unit: Unit::PerCpuSecond, run: Box::new(run) }
}

/// A folder that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(maker: Maker) -> Self {
        let path = std::env::temp_dir().join(format!("culex-bench-{}-{maker:?}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// In percent of the messages that a CPU second serves without it.
fn cost_of_a_stalled_subscriber(maker: Maker) -> f64 {
    let broker = Broker::configured(maker, "max_queued_messages 1000\n");
    let load = load(1, 10, 20_000, 18);
    run_on(&broker, load);
    let alone = run_on(&broker, load).value;
    let _stalled = load::stalled(broker.port, 1);
    // Its queue fills.
    run_on(&broker, load);
    let beside = run_on(&broker, load).value;
    ((alone - beside) / alone * 100.0).max(0.0)
}
