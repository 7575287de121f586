//! One expectation without a scenario.

use super::compile::{Compiler, Trouble};
use super::scenario::ExpectSpec;
use super::variables::Variables;
use crate::journal::Record;
use crate::test_broker::matcher::Matcher;
use crate::test_broker::{TestBroker, nearest_text};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a message must be.
#[derive(Debug)]
pub struct Compiled {
    matcher: Matcher,
    topic: String,
    trouble: Trouble,
}

/// Reads what is asked of a message.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn compile(spec: &ExpectSpec) -> Result<Compiled, String> {
    let variables = Variables::default();
    let trouble = Trouble::default();
    let compiler = Compiler {
        variables: &variables,
        folder: Path::new("."),
        environment: &[],
        trouble: trouble.clone(),
    };
    let matcher = compiler.matcher(spec)?;
    Ok(Compiled { matcher, topic: spec.topic.clone().unwrap_or_default(), trouble })
}

impl Compiled {
    /// The Topic Filter to subscribe to.
    #[must_use]
    pub fn filter(&self) -> String {
        self.matcher.topic.as_ref().map_or_else(|| "#".to_owned(), |topic| topic.filter().to_owned())
    }

    /// Why a command that judges payloads could not be asked, if one could not since this was looked at last.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.take()
    }

    /// Waits for `count` such messages from the journal's beginning on; the last of them.
    ///
    /// # Errors
    ///
    /// That they did not come, and what came nearest.
    pub async fn find(
        &self,
        broker: &TestBroker,
        within: Duration,
        count: usize,
    ) -> Result<Arc<Record>, String> {
        let mut found = 0;
        let is_it = |record: &Record| {
            let message = record.happening.message();
            if message.is_some_and(|message| self.matcher.check(&record.client_identifier, message).is_ok()) {
                found += 1;
            }
            found >= count.max(1)
        };
        match broker.wait_for(1, within, is_it).await {
            Ok(record) => Ok(record),
            Err(records) => {
                let what = if count > 1 {
                    format!("{found} of {count} messages on {}", self.topic)
                } else {
                    format!("no such message on {}", self.topic)
                };
                Err(format!("{what} within {within:?}{}", nearest_text(&self.matcher, &records)))
            }
        }
    }
}
