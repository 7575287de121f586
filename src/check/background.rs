//! `respond`: answers that go on while other steps are taken.

use super::compile::Compiler;
use super::engine::{Failure, Play};
use super::scenario::RespondSpec;
use crate::journal::Record;
use crate::test_broker::matcher::Captures;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a responder waits before it looks again; it is woken by each record anyway.
const PATIENCE: Duration = Duration::from_secs(3600);

/// All responders of a scenario.
#[derive(Debug, Default)]
pub(super) struct Responders {
    tasks: JoinSet<()>,
    /// By responder, the number of the first record that it has not dealt with.
    seen: Vec<watch::Receiver<u64>>,
    answers: Arc<AtomicU64>,
}

impl Responders {
    /// How many answers were given so far.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::SeqCst)
    }

    /// Waits until each has dealt with all records before `position`: their answers have been given.
    pub(super) async fn have_seen(&self, position: u64) {
        for seen in &self.seen {
            // One that has ended has nothing left to answer.
            let _ = seen.clone().wait_for(|at| *at >= position).await;
        }
    }

    /// Ends all of them, and waits until they have.
    pub(super) async fn shutdown(&mut self) {
        self.seen.clear();
        self.tasks.shutdown().await;
    }

    /// Ends all of them.
    pub(super) fn stop(&mut self) {
        self.tasks.abort_all();
        self.seen.clear();
    }
}

impl Play {
    pub(super) fn respond(&mut self, spec: &RespondSpec) -> Result<(), Failure> {
        let matcher = self.compiler().matcher(&spec.when)?;
        if spec.when.topic.is_none() {
            return Err(Failure::broken("respond: 'when' has no topic"));
        }
        let (broker, spec) = (self.broker.clone(), spec.clone());
        let (variables, folder, environment) =
            (self.variables.clone(), self.folder.clone(), self.environment.clone());
        let mut at = self.broker.position();
        let times = spec.times.unwrap_or(u64::MAX);
        let (tell, seen) = watch::channel(at);
        let answers = Arc::clone(&self.responders.answers);
        let trouble = self.trouble.clone();
        self.responders.seen.push(seen);
        self.responders.tasks.spawn(async move {
            for _ in 0..times {
                let mut captures = Captures::new();
                let is_it = |record: &Record| {
                    let message = record.happening.message();
                    let found =
                        message.and_then(|message| matcher.check(&record.client_identifier, message).ok());
                    match found {
                        Some(found) => {
                            captures = found;
                            true
                        }
                        None => {
                            tell.send_replace(record.sequence + 1);
                            false
                        }
                    }
                };
                let Ok(record) = broker.wait_for(at, PATIENCE, is_it).await else {
                    continue;
                };
                at = record.sequence + 1;
                let mut variables = variables.clone();
                variables.extend(captures);
                let compiler = Compiler {
                    variables: &variables,
                    folder: &folder,
                    environment: &environment,
                    trouble: trouble.clone(),
                };
                let sent = match compiler.publish(&spec.publish) {
                    Ok(publish) => broker.publish_packet(publish, false).await.map(drop),
                    Err(error) => Err(error),
                };
                if let Err(error) = sent {
                    broker.note("respond", &error);
                }
                answers.fetch_add(1, Ordering::SeqCst);
                tell.send_replace(at);
            }
        });
        Ok(())
    }
}
