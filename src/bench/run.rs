//! A whole run: starts the workers, leads them through the phases, and adds up what they found.

mod collect;
mod deliveries;
mod phases;
mod storm;

pub use phases::{Live, Stop};

use super::machine;
use super::plan::{Address, Engine, Member, Plan, Role};
use super::result::RunResult;
use super::side::SideError;
use super::sync::{self, Peers};
use super::worker::Worker;
use super::worker::clock::Clock;
use super::worker::rumqttc::LibraryWorker;
use super::worker::shared::{Gauge, Report, Rings, Shared, encryption};
use super::worker::socket::{Layering, Remote};
use mio::Waker;
use phases::Coordinator;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::{io, thread};
use thiserror::Error;

/// Why a run could not be carried out at all.
#[derive(Debug, Error)]
pub enum RunError {
    /// The broker's name has no address.
    #[error("looking up {name}")]
    Lookup {
        /// The name.
        name: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The files for TLS cannot be used.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// A thread, a timer or a poll was refused by the system.
    #[error("starting the event loops: {0}")]
    Start(io::Error),
    /// The client beside the load could not prepare a storm, or not wait at the gate.
    #[error("{0}")]
    Prepare(#[source] SideError),
    /// An event loop broke.
    #[error("an event loop failed: {0}")]
    Loop(io::Error),
}

/// Carries out `plan`; `watch` is called several times a second while it runs, and `stop` breaks it off.
///
/// # Errors
///
/// Every [`RunError`]; whatever goes wrong between us and the broker is part of the result instead.
pub fn run(plan: Plan, stop: &Stop, watch: &mut dyn FnMut(&Live)) -> Result<RunResult, RunError> {
    let clock = Clock::start();
    let remote = look_up(&plan.transport.address)?;
    let threads = plan.threads.max(1);
    let members = assign(&plan, threads);
    let (receivers, filters) = deliveries::count(&plan);
    let streams = plan.publishers as usize;
    let hears_itself = receivers.iter().any(|count| *count > 0) || !filters.is_empty();
    let layers = &plan.transport.layers;
    let layering = Layering {
        host: match &plan.transport.address {
            Address::Tcp(host, _) => host.clone(),
            // What a certificate or a Host header could name.
            Address::Unix(_) => "localhost".to_owned(),
        },
        // With certificates of their own clients read these files each for itself.
        tls: match (&layers.tls, layers.own.is_some() || layers.own_psk.is_some()) {
            (Some(settings), false) => Some(encryption(settings).map_err(RunError::Tls)?),
            _ => None,
        },
        websocket: layers.websocket.clone(),
    };
    let shared = Arc::new(Shared {
        remote,
        layering,
        clock,
        connect_from: clock.now().as_nanos(),
        start_at: AtomicU64::new(u64::MAX),
        measure_from: AtomicU64::new(plan.warm_up_nanos()),
        load_end: AtomicU64::new(plan.load_nanos()),
        leave: AtomicBool::new(false),
        close: AtomicBool::new(false),
        written: hears_itself.then(|| Rings::new(streams)),
        first_measured: match &plan.load.schedule {
            Some(_) => Vec::new(),
            None => (0..streams).map(|_| AtomicU64::new(u64::MAX)).collect(),
        },
        receivers,
        filters,
        peers: sync::asks(&plan).then(Peers::default),
        gauges: (0..threads).map(|_| Gauge::default()).collect(),
        plan,
    });
    let resident_before = machine::resident_bytes();
    let fleet = Fleet::start(&shared, &members)?;
    let coordinator = Coordinator::new(shared, fleet.wakers, fleet.reports, resident_before);
    let led = coordinator.lead(stop, watch);
    for thread in fleet.threads {
        match thread.join() {
            Ok(ended) => ended.map_err(RunError::Loop)?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    led.map_err(RunError::Prepare)
}

/// The threads of a run.
struct Fleet {
    threads: Vec<JoinHandle<io::Result<()>>>,
    wakers: Vec<Waker>,
    reports: Receiver<Report>,
}

impl Fleet {
    fn start(shared: &Arc<Shared>, members: &[Vec<(u64, Member)>]) -> Result<Self, RunError> {
        let (sender, reports) = mpsc::channel();
        let mut fleet = Self { threads: Vec::new(), wakers: Vec::new(), reports };
        for (number, members) in members.iter().enumerate() {
            let (worker, waker) = made(shared, number, members, &sender).map_err(RunError::Start)?;
            let builder = thread::Builder::new().name(format!("bench-{number}"));
            let is_pinned = shared.plan.is_pinned;
            let work = move || {
                if is_pinned {
                    machine::pin(number)?;
                }
                worker()
            };
            fleet.threads.push(builder.spawn(work).map_err(RunError::Start)?);
            fleet.wakers.push(waker);
        }
        Ok(fleet)
    }
}

/// What a thread of a run does.
type Work = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// A worker of the engine that the plan asks for.
fn made(
    shared: &Arc<Shared>,
    number: usize,
    members: &[(u64, Member)],
    reports: &mpsc::Sender<Report>,
) -> io::Result<(Work, Waker)> {
    let (shared, reports) = (shared.clone(), reports.clone());
    Ok(match shared.plan.engine {
        Engine::Own => {
            let (worker, waker) = Worker::new(shared, number, members, reports)?;
            (Box::new(|| worker.run()), waker)
        }
        Engine::Rumqttc => {
            let (worker, waker) = LibraryWorker::new(shared, number, members, reports)?;
            (Box::new(|| worker.run()), waker)
        }
    })
}

/// Which worker has which clients, each with its place in the order of connecting.
fn assign(plan: &Plan, threads: usize) -> Vec<Vec<(u64, Member)>> {
    let mut all = vec![Vec::new(); threads];
    let mut groups = std::collections::HashMap::new();
    let (segment, segments) = (u64::from(plan.segment.0), u64::from(plan.segment.1.max(1)));
    for (number, member) in (0_u64..).zip(plan.members()) {
        let place = number * segments + segment;
        let share = if member.role == Role::Subscriber { plan.share(member) } else { None };
        let at = match share {
            // The members of a group are one receiver, so one worker has them.
            Some(share) => {
                let next = groups.len();
                *groups.entry(share).or_insert(next)
            }
            // Beside the publisher of the same index it would be read only after that has written.
            None if member.role == Role::Subscriber => member.index as usize + 1,
            None => member.index as usize,
        };
        all[at % threads].push((place, member));
    }
    all
}

fn look_up(address: &Address) -> Result<Remote, RunError> {
    match address {
        Address::Unix(path) => Ok(Remote::Unix(path.clone())),
        Address::Tcp(host, port) => {
            let lookup = |source| RunError::Lookup { name: host.clone(), source };
            let mut found = (host.as_str(), *port).to_socket_addrs().map_err(lookup)?.collect::<Vec<_>>();
            // All clients take one address; IPv4 is what local brokers are sure to listen on.
            found.sort_by_key(|address| address.is_ipv6());
            let none = || lookup(io::ErrorKind::NotFound.into());
            found.into_iter().next().map(Remote::Tcp).ok_or_else(none)
        }
    }
}
