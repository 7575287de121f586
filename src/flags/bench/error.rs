//! Why flags that are each well-formed make no load.

use crate::bench::template::TemplateError;
use crate::packet::PacketError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why flags make no plan.
#[derive(Debug, Error)]
pub enum BenchError {
    /// A template that cannot be read.
    #[error("{flag}: {source}")]
    Template {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        source: TemplateError,
    },
    /// A topic or filter that the standard does not allow, as one client has it.
    #[error("{flag}: '{text}' cannot be used: {source}")]
    Topic {
        /// The flag.
        flag: &'static str,
        /// As the client has it.
        text: String,
        /// What is wrong.
        source: PacketError,
    },
    /// A file that cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that does not hold what it should.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: &'static str,
    },
    /// A source address that is none.
    #[error("--bind: '{0}' is neither an address nor a range of addresses such as 127.0.0.2-127.0.0.9")]
    Bind(String),
    /// Words behind `-D` that are no property.
    #[error("-D {0}")]
    Property(String),
    /// What only MQTT 5 has.
    #[error("{0} needs MQTT 5 (-V 5)")]
    NeedsV5(&'static str),
    /// A payload too small for the stamp that is asked for, or too large for MQTT.
    #[error("{0}")]
    Payload(String),
    /// What another engine cannot do.
    #[error("--engine rumqttc does not do {0}")]
    Engine(&'static str),
    /// Options that do not go together.
    #[error("{0}")]
    Conflict(&'static str),
}
