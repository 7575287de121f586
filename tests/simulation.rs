//! Seeded worlds: clients, the broker, a faulty network and a jumping clock, against a small reference model.
//!
//! - `CULEX_SIMULATION_SEEDS=20000 cargo test --profile fast --test simulation` runs that many seeds (default 300);
//!   a million: `CULEX_SIMULATION_SEEDS=1000000`. `CULEX_SIMULATION_FIRST` is the first seed (default 0).
//! - A failing seed prints itself, the smallest plan that still fails, and the command that replays it with a trace:
//!   `CULEX_SIMULATION_REPLAY=seed,clients,steps,faults cargo test --test simulation replay -- --nocapture`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/cuts.rs"]
mod cuts;
#[path = "simulation/model.rs"]
mod model;
#[path = "simulation/plan.rs"]
mod plan;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/wire.rs"]
mod wire;
#[path = "simulation/world.rs"]
mod world;

use plan::Plan;

/// The number in an environment variable.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Runs the seeds on all cores; the first failure, if any.
fn first_failure(first: u64, seeds: u64) -> Option<(Plan, String)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let failed = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|offset| {
                let failed = &failed;
                scope.spawn(move || {
                    for seed in (first + offset..first + seeds).step_by(threads as usize) {
                        if failed.load(std::sync::atomic::Ordering::Relaxed) {
                            return None;
                        }
                        let plan = Plan::of_seed(seed);
                        if let Err(failure) = plan.run() {
                            failed.store(true, std::sync::atomic::Ordering::Relaxed);
                            return Some((plan, failure));
                        }
                    }
                    None
                })
            })
            .collect();
        workers.into_iter().find_map(|worker| worker.join().unwrap())
    })
}

#[test]
fn every_seed_keeps_the_promises_of_the_protocol() {
    let first = number("CULEX_SIMULATION_FIRST", 0);
    let seeds = number("CULEX_SIMULATION_SEEDS", 300);
    if let Some((plan, failure)) = first_failure(first, seeds) {
        let (smallest, reason) = plan.shrink(failure);
        panic!(
            "seed {} fails, smallest as {smallest}: {reason}\n\
             replay: CULEX_SIMULATION_REPLAY={smallest} cargo test --test simulation replay -- --nocapture",
            plan.seed
        );
    }
}

#[test]
fn the_same_seed_makes_the_same_trace() {
    let first = number("CULEX_SIMULATION_FIRST", 0);
    for seed in first..first + 20 {
        let plan = Plan::of_seed(seed);
        assert_eq!(plan.digest(), plan.digest(), "seed {seed}");
    }
    assert_ne!(Plan::of_seed(first).digest(), Plan::of_seed(first + 1).digest());
}

#[test]
fn replay() {
    let Ok(text) = std::env::var("CULEX_SIMULATION_REPLAY") else { return };
    let plan: Plan = text.parse().unwrap();
    let (trace, outcome) = plan.traced();
    trace.iter().for_each(|line| println!("{line}"));
    assert_eq!(outcome, Ok(()), "replay of {plan}");
}

#[test]
fn a_connection_cut_at_any_byte_breaks_no_promise() {
    cuts::at_every_byte();
}
