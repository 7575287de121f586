//! What `sub` asks for, and when it ends.

use super::value;
use crate::packet::{Qos, RetainHandling, Text};
use clap::{ArgAction, Args};
use std::path::PathBuf;

/// The flags of subscribing.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Subscription")]
pub struct Subscription {
    /// Topic filter to subscribe to; may be repeated
    #[arg(short = 't', long = "topic", value_name = "filter", value_parser = value::text, action = ArgAction::Append)]
    pub topics: Vec<Text>,
    /// Topic filter to unsubscribe from; may be repeated
    #[arg(short = 'U', long = "unsubscribe", value_name = "filter", value_parser = value::text, action = ArgAction::Append)]
    pub unsubscribe: Vec<Text>,
    /// Topic filter of messages to leave out; may be repeated
    #[arg(short = 'T', long = "filter-out", value_name = "filter", value_parser = value::text, action = ArgAction::Append)]
    pub filter_out: Vec<Text>,
    /// Highest Quality of Service
    #[arg(short, long, value_name = "0|1|2", value_parser = value::qos(), hide_possible_values = true, default_value = "0")]
    pub qos: Option<Qos>,
    /// Leave out retained messages
    #[arg(short = 'R')]
    pub no_retain: bool,
    /// Print only retained messages and end at the first other one
    #[arg(long)]
    pub retained_only: bool,
    /// Print what is retained and end as soon as all of it has come, without a time-out
    #[arg(long)]
    pub retained: bool,
    /// With --retained: clear all that was printed, when all of it has come
    #[arg(long)]
    pub purge: bool,
    /// With --purge: print what would be cleared, and clear nothing
    #[arg(long)]
    pub dry_run: bool,
    /// With --purge: first write what will be cleared to this new file, as lines that `pub --json-lines` sends again
    #[arg(long, value_name = "file")]
    pub backup: Option<PathBuf>,
    /// Clear each retained message that arrives, then print it
    #[arg(long)]
    pub remove_retained: bool,
    /// Keep the RETAIN flag as it was published (MQTT 5)
    #[arg(long)]
    pub retain_as_published: bool,
    /// When the broker sends retained messages (MQTT 5)
    #[arg(long, value_name = "when", value_parser = value::handling())]
    pub retain_handling: Option<RetainHandling>,
    /// End after this many messages; 0 makes the session and leaves, and messages wait in it
    #[arg(short = 'C', value_name = "count")]
    pub count: Option<u32>,
    /// End with the first message for which this filter in jq's language gives anything but false and null: '.on == true';
    /// its input is the payload, $message the message as --json prints it
    #[arg(long, value_name = "filter")]
    pub until: Option<String>,
    /// End after this many seconds, with status 27
    #[arg(short = 'W', value_name = "seconds")]
    pub timeout: Option<u32>,
    /// End when the broker has answered the subscription
    #[arg(short = 'E')]
    pub exit_after_subscribe: bool,
    /// Run this shell command for each message instead of printing it: the payload is its standard input, MQTT_TOPIC,
    /// MQTT_QOS, MQTT_RETAIN and the properties (MQTT_CONTENT_TYPE ...) are in its environment
    #[arg(long, value_name = "command")]
    pub exec: Option<String>,
    /// Commands of --exec that run at once
    #[arg(long, value_name = "count", default_value = "1")]
    pub exec_jobs: Option<u16>,
    /// Write a line to this descriptor once the broker has answered the subscription, and close it
    #[arg(long, value_name = "descriptor")]
    pub ready_fd: Option<i32>,
    /// Make this file once the broker has answered the subscription
    #[arg(long, value_name = "file")]
    pub ready_file: Option<PathBuf>,
    /// Run this shell command once the broker has answered the subscription; if it fails, end with its status
    #[arg(long, value_name = "command")]
    pub after_suback: Option<String>,
}
