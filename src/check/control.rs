//! The control socket of a test broker: steps of scenarios, one JSON object a line, each answered with one line.
//!
//! Whoever speaks JSON can publish, expect, make faults, turn the clock and look: pytest, Jest, Go. Each connection has a
//! cursor, captures, faults and played clients of its own; they end with it.

use super::engine::Play;
use super::outcome::Verdict;
use super::scenario::Step;
use crate::test_broker::{Keep, TestBroker, record_value};
use serde::Deserialize;
use serde_json::{Value, json};
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
    /// All faults, sessions and retained messages are gone; connections end.
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
        Self { play: Play::beside(broker, folder) }
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
        let mut answer = match read {
            Ok(Request::Query(query)) => self.query(query).await,
            Ok(Request::Step(step)) => self.take(&step).await,
            Err(error) => json!({"ok": false, "error": error.to_string()}),
        };
        if let (Some(id), Some(members)) = (id, answer.as_object_mut()) {
            members.insert("id".to_owned(), id);
        }
        answer
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
            Query::Complaints => json!({"ok": true, "complaints": broker.complaints()}),
            Query::Reset => {
                self.play.faults.clear();
                match broker.restart(Keep::NOTHING).await {
                    Ok(()) => {
                        self.play.set_off();
                        json!({"ok": true})
                    }
                    Err(error) => json!({"ok": false, "error": error.to_string()}),
                }
            }
        }
    }
}
