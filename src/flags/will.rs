//! The Will Message.

use super::value;
use crate::packet::{Qos, Text};
use bytes::Bytes;
use clap::Args;

/// The flags of the Will Message.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Will")]
pub struct WillFlags {
    /// Topic of the message that the broker sends if this client ends without DISCONNECT
    #[arg(long = "will-topic", value_name = "topic", value_parser = value::text)]
    pub will_topic: Option<Text>,
    /// Payload of the will
    #[arg(long = "will-payload", value_name = "payload", value_parser = value::bytes)]
    pub will_payload: Option<Bytes>,
    /// Quality of Service of the will
    #[arg(long = "will-qos", value_name = "0|1|2", value_parser = value::qos(), hide_possible_values = true, default_value = "0")]
    pub will_qos: Option<Qos>,
    /// Let the broker retain the will
    #[arg(long = "will-retain")]
    pub will_retain: bool,
}
