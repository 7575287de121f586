//! The control socket of a test broker: steps of scenarios, one JSON object a line, each answered with one line.
//!
//! Whoever speaks JSON can publish, expect, make faults, turn the clock and look: pytest, Jest, Go. Each connection has a
//! cursor, captures, faults, responders and played clients of its own; they end with it, and with a reset.

use super::engine::Play;
use super::names;
use super::outcome::Verdict;
use super::scenario::Step;
use super::validate::{Checker, SOMETHING};
use super::variables::Variables;
use super::yaml::{Node, Place};
use crate::test_broker::{Keep, TestBroker, describe, record_value};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// The longest request, in bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// What is asked beside steps: `{"ask": "journal", "since": 1}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "ask")]
enum Query {
    /// The journal from this record on.
    Journal {
        #[serde(default)]
        since: u64,
    },
    /// Sessions, retained messages and the number of the next record.
    Snapshot,
    /// All faults, responders, captures, sessions and retained messages are gone; connections end, and `since: start`
    /// means from here on.
    Reset,
    /// What is not clean.
    Complaints,
}

/// One line of a conversation.
enum Request {
    Query(Query),
    Step(Box<Step>),
}

/// One conversation.
#[derive(Debug)]
pub struct Control {
    play: Play,
}

impl Control {
    /// A conversation about `broker`; files that steps name are relative to `folder`.
    #[must_use]
    pub fn new(broker: TestBroker, folder: &Path) -> Self {
        Self { play: begin(broker, folder) }
    }

    /// Answers requests until the peer has no more.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub async fn converse(
        mut self,
        requests: impl AsyncRead + Unpin,
        mut answers: impl AsyncWrite + Unpin,
    ) -> std::io::Result<()> {
        let mut requests = BufReader::new(requests);
        loop {
            let mut line = Vec::new();
            let read = (&mut requests).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
            if read == 0 {
                return Ok(());
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let answer = if !line.ends_with(b"\n") && read as u64 == LINE_BYTES_MAX {
                json!({"ok": false, "error": format!("a request has at most {LINE_BYTES_MAX} bytes")})
            } else {
                self.answer(&line).await
            };
            answers.write_all(format!("{answer}\n").as_bytes()).await?;
            answers.flush().await?;
        }
    }

    /// The answer to one request: `ok`, and what belongs to it; `id` comes back as it was.
    pub async fn answer(&mut self, line: &[u8]) -> Value {
        let mut request: Value = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(error) => return json!({"ok": false, "error": format!("no JSON: {error}")}),
        };
        let id = request.as_object_mut().and_then(|members| members.remove("id"));
        let read = if request.get("ask").is_some() {
            Query::deserialize(&request).map(Request::Query)
        } else {
            Step::deserialize(&request).map(|step| Request::Step(Box::new(step)))
        };
        let checked = match read {
            Ok(Request::Step(step)) => self.check(&step, &request).map(|()| Request::Step(step)),
            read => read.map_err(|error| error.to_string()),
        };
        let mut answer = match checked {
            Ok(Request::Query(query)) => self.query(query).await,
            Ok(Request::Step(step)) => self.take(&step).await,
            Err(error) => json!({"ok": false, "error": error}),
        };
        if let (Some(id), Some(members)) = (id, answer.as_object_mut()) {
            members.insert("id".to_owned(), id);
        }
        answer
    }

    /// A step must be right as it must be in a file.
    fn check(&self, step: &Step, request: &Value) -> Result<(), String> {
        let play = &self.play;
        let mut variables = play.variables.clone();
        // What a step learns may be used in it, as an answer does with what it answers to.
        let mut captured = BTreeSet::new();
        names::collect(&Node::of(request, Place { line: 1, column: 1 }), &mut captured);
        for name in captured {
            if variables.value(&name).is_none() {
                variables.set(&name, json!(SOMETHING));
            }
        }
        let checker = Checker {
            devices: Vec::new(),
            marks: play.marks.keys().map(String::as_str).collect(),
            faults: play.faults.keys().cloned().collect(),
            is_embedded: play.is_embedded,
            variables: &variables,
            folder: &play.folder,
        };
        checker.step(step).map_err(|wrong| format!("{}: {}", step.word(), wrong.text))
    }

    async fn take(&mut self, step: &Step) -> Value {
        let before = self.play.matched;
        match self.play.take(step).await {
            Ok(()) => {
                let mut answer = json!({"ok": true, "captures": self.play.variables.learnt()});
                let matched = self.play.matched;
                if matched != before
                    && let Some(record) = self.play.broker.records_since(matched - 1).first()
                {
                    answer["record"] = record_value(record);
                }
                answer
            }
            Err(failure) => {
                let is_failed = failure.verdict == Verdict::Failed;
                json!({"ok": false, "verdict": if is_failed { "failed" } else { "broken" }, "error": failure.reason})
            }
        }
    }

    async fn query(&mut self, query: Query) -> Value {
        let broker = &self.play.broker;
        match query {
            Query::Journal { since } => {
                let records = broker.records_since(since);
                json!({"ok": true, "records": records.iter().map(|record| record_value(record)).collect::<Value>()})
            }
            Query::Snapshot => {
                let sessions: Vec<Value> = broker
                    .sessions()
                    .iter()
                    .map(|view| {
                        json!({
                            "client": view.client_identifier.as_str(), "connected": view.connection.is_some(),
                            "durable": view.is_durable, "in_flight": view.in_flight, "queued": view.queued,
                            "filters": view.filters.iter().map(|filter| filter.as_str()).collect::<Vec<_>>(),
                        })
                    })
                    .collect();
                let retained: Vec<Value> = broker
                    .retained("#")
                    .iter()
                    .map(|message| {
                        json!({
                            "topic": message.topic().as_str(), "qos": message.qos() as u8,
                            "payload": String::from_utf8_lossy(message.payload()),
                        })
                    })
                    .collect();
                json!({"ok": true, "sessions": sessions, "retained": retained, "position": broker.position()})
            }
            Query::Complaints => {
                // Those of what a reset has ended are over.
                let records = broker.records_since(self.play.begun);
                let errors = records.iter().filter(|record| record.happening.is_protocol_error());
                let mut complaints: Vec<String> =
                    errors.map(|record| format!("protocol error: {}", describe(record))).collect();
                complaints.extend(broker.unacknowledged());
                complaints.extend(broker.left_retained());
                json!({"ok": true, "complaints": complaints})
            }
            Query::Reset => match self.reset().await {
                Ok(()) => json!({"ok": true}),
                Err(error) => json!({"ok": false, "error": error}),
            },
        }
    }

    /// All is as it was when the conversation began, and the journal counts from here on.
    async fn reset(&mut self) -> Result<(), String> {
        let (broker, folder) = (self.play.broker.clone(), self.play.folder.clone());
        // Nothing of before answers, fails or publishes a will behind this.
        self.play.responders.shutdown().await;
        self.play.faults.clear();
        self.play.players.clear();
        broker.restart(Keep::NOTHING).await.map_err(|error| error.to_string())?;
        self.play = begin(broker, &folder);
        self.play.begun = self.play.trigger;
        Ok(())
    }
}

/// Steps about `broker`, from here on.
fn begin(broker: TestBroker, folder: &Path) -> Play {
    let mut play = Play::beside(broker, folder);
    let unique = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
    let mut variables = Variables::given(unique.clone(), uuid::Uuid::new_v4().as_u64_pair().0, 0);
    variables.set("prefix", json!(format!("culex-check/{unique}")));
    super::start::name_broker(&play.broker, &mut variables);
    play.variables = variables;
    play
}
