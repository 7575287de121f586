//! How mosquitto's programs speak: options and their order, options files, messages, exit statuses.
//!
//! The only room that writes `Error: ` or knows the number of a status. [`read`] is the way in for the clients.

mod apply;
pub mod broker_log;
pub mod broker_status;
mod check;
#[cfg(feature = "check")]
pub mod check_status;
pub mod debug_lines;
mod environment;
mod face;
mod failure;
mod fault;
mod friendly;
#[cfg(feature = "check")]
pub mod health_status;
pub mod mosquitto_conf;
mod number;
mod options_file;
mod property;
pub(crate) mod secret;
mod url;
mod usage;
pub mod users;
mod walker;

pub use face::{Caller, Face};
pub use failure::{
    ALL_SUBSCRIPTIONS_DENIED, Failure, RECORDING_GAP, is_of_tls, output_fault, properties_warning,
    publish_warning,
};
pub use fault::{Fault, Stop};
pub use usage::Ending;

use crate::flags::{Draft, LineForm, MessageSource, Tool};
use crate::packet::ProtocolVersion;
use std::ffi::OsString;
use walker::Walker;

/// A program's options, read and checked.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// As what it was called.
    pub caller: Caller,
    /// What the options say.
    pub draft: Draft,
}

impl Invocation {
    /// What the program prints when a fault shows only after its options were read.
    #[must_use]
    pub fn ending(&self, fault: Fault) -> Ending {
        Ending::of(&Stop::Fault(fault), self.caller, self.caller.tool.command())
    }
}

/// Reads `argv`, whose first word is the name that the program was called by, with its options file and, in our own
/// manner, the environment.
///
/// # Errors
///
/// What to print and the status to end with: a fault, `--help` or `--version`.
pub fn read(tool: Tool, argv: impl IntoIterator<Item = OsString>) -> Result<Invocation, Box<Ending>> {
    let mut argv = argv.into_iter().map(OsString::into_encoded_bytes);
    let program = argv.next().unwrap_or_default();
    let mut arguments: Vec<Vec<u8>> = argv.collect();
    let caller = Caller::recognise(tool, &program, &mut arguments);
    let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
    let command = tool.command();
    let mut walker = Walker::new(tool, caller.face, &command);
    match walk(&mut walker, &arguments) {
        Ok(()) => Ok(Invocation { caller, draft: walker.draft }),
        Err(stop) => Err(Box::new(Ending::of(&stop, caller, command))),
    }
}

/// Options file, environment, command line, and the checks that follow.
fn walk(walker: &mut Walker<'_>, arguments: &[&[u8]]) -> Result<(), Stop> {
    if walker.tool == Tool::Request {
        // Requests and responses are MQTT 5's; `-V` may say otherwise.
        walker.draft.connection.protocol_version = Some(ProtocolVersion::V5);
    }
    match walker.tool {
        Tool::Record => walker.draft.output.json = true,
        Tool::Replay => walker.draft.message.source = Some(MessageSource::JsonLines),
        Tool::Publish | Tool::Subscribe | Tool::Request | Tool::Health => {}
    }
    options_file::walk_file(walker, arguments)?;
    let topic = match walker.face {
        Face::Strict => None,
        Face::Friendly => environment::apply(walker)?,
    };
    walker.walk(arguments)?;
    let subscription = &walker.draft.subscription;
    let is_topic_missing = walker.draft.message.topic.is_none()
        && subscription.topics.is_empty()
        && subscription.unsubscribe.is_empty();
    if let Some(topic) = topic.filter(|_| is_topic_missing && walker.tool != Tool::Health) {
        apply::url_topic(walker, &topic)?;
    }
    let is_json = walker.draft.output.json
        || walker.draft.message.line_form() == Some(LineForm::Json)
        || walker.draft.subscription.backup.is_some();
    if is_json {
        // Nothing of a message is to be lost, and only MQTT 5 has properties; `-V` may say otherwise.
        walker.draft.connection.protocol_version.get_or_insert(ProtocolVersion::V5);
    }
    check::check(&walker.draft, walker.tool, walker.face)?;
    Ok(())
}

#[cfg(test)]
mod tests;
