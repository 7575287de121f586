//! The broker: messages a CPU second under bounded load, and memory.

use crate::{
    Case, Sample, Unit,
    load::{self, Load},
    process::{Broker, Maker},
};
use std::collections::HashMap;

const IDLE_CLIENTS: usize = 5_000;

pub(crate) fn cases() -> Vec<Case> {
    let load = |qos, subscribers, messages, window| Load { qos, subscribers, messages, window };
    vec![
        loaded("broker 1 to 1, QoS 0 (window 800)", load(0, 1, 600_000, 800)),
        loaded("broker 1 to 1, QoS 1 (window 80)", load(1, 1, 120_000, 80)),
        loaded("broker 1 to 1, QoS 2 (window 18)", load(2, 1, 50_000, 18)),
        loaded("broker 1 to 100, QoS 0 (window 100), deliveries", load(0, 100, 10_000, 100)),
        loaded("broker 1 to 100, QoS 1 (window 18), deliveries", load(1, 100, 2_000, 18)),
        Case {
            name: "broker, memory at start",
            unit: Unit::Kibibytes,
            run: Box::new(|maker| figure(Broker::start(maker).resident_kibibytes())),
        },
        Case {
            name: "broker, memory for each of 5,000 idle clients",
            unit: Unit::Kibibytes,
            run: Box::new(|maker| figure(memory_for_an_idle_client(maker))),
        },
    ]
}

fn figure(value: f64) -> Sample {
    Sample { value, per_second: None, lost: None }
}

/// Both brokers run through the whole case, as they do in life; only CPU time spent in the load is counted.
fn loaded(name: &'static str, load: Load) -> Case {
    let mut brokers: HashMap<&str, Broker> = HashMap::new();
    let run = move |maker: Maker| {
        let key = if maker == Maker::Culex { "culex" } else { "mosquitto" };
        let broker = brokers.entry(key).or_insert_with(|| Broker::start(maker));
        let before = broker.cpu_seconds();
        let wall = load::run(broker.port, load).as_secs_f64();
        let deliveries = load.messages as f64 * load.subscribers as f64;
        let value = deliveries / (broker.cpu_seconds() - before);
        Sample { value, per_second: Some(deliveries / wall), lost: None }
    };
    Case { name, unit: Unit::PerCpuSecond, run: Box::new(run) }
}

fn memory_for_an_idle_client(maker: Maker) -> f64 {
    let broker = Broker::start(maker);
    let before = broker.resident_kibibytes();
    let clients: Vec<_> =
        (0..IDLE_CLIENTS).map(|index| load::connect(broker.port, &format!("idle-{index}"))).collect();
    (broker.resident_kibibytes() - before) / clients.len() as f64
}
