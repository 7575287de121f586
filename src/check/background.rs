//! `respond`: answers that go on while other steps are taken.

use super::compile::Compiler;
use super::engine::{Failure, Play};
use super::scenario::RespondSpec;
use crate::journal::Record;
use crate::test_broker::matcher::Captures;
use std::time::Duration;

/// How long a responder waits before it looks again; it is woken by each record anyway.
const PATIENCE: Duration = Duration::from_secs(3600);

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
        self.background.spawn(async move {
            for _ in 0..times {
                let mut captures = Captures::new();
                let is_it = |record: &Record| {
                    let message = record.happening.message();
                    let found =
                        message.and_then(|message| matcher.check(&record.client_identifier, message).ok());
                    found.map(|found| captures = found).is_some()
                };
                let Ok(record) = broker.wait_for(at, PATIENCE, is_it).await else {
                    continue;
                };
                at = record.sequence + 1;
                let mut variables = variables.clone();
                variables.extend(captures);
                let compiler = Compiler { variables: &variables, folder: &folder, environment: &environment };
                let sent = match compiler.publish(&spec.publish) {
                    Ok(publish) => broker.publish_packet(publish, false).await.map(drop),
                    Err(error) => Err(error),
                };
                if let Err(error) = sent {
                    broker.note("respond", &error);
                }
            }
        });
        Ok(())
    }
}
