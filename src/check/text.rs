//! Steps in a few words, for reports.

use super::scenario::{
    BrokerStep, ClientSpec, CommandSpec, ConnectSpec, DeviceStep, ExpectSpec, FaultSpec, Step,
};
use crate::fault::spec::ActionSpec;

/// The longest description of a step, in characters.
const TEXT_MAX: usize = 100;

/// A step.
pub(super) fn step(step: &Step) -> String {
    let text = match step {
        Step::Publish(spec) => format!("publish to {}", spec.topic),
        Step::Expect(spec) => match (&spec.none, spec.exact_count(), spec.at_least, spec.at_most) {
            (Some(_), ..) => format!("expect no {}", expectation(spec)),
            (_, Some(count), ..) => format!("expect exactly {}", counted(count, spec)),
            (_, _, Some(count), _) => format!("expect at least {}", counted(count, spec)),
            (_, _, _, Some(count)) => format!("expect at most {}", counted(count, spec)),
            _ => format!("expect {}", expectation(spec)),
        },
        Step::Fault(spec) => fault(spec),
        Step::Broker(spec) => broker(spec),
        Step::Advance(distance) => format!("advance {:?}", distance.0),
        Step::Mark(name) => format!("mark {name}"),
        Step::Settle(_) => "settle".to_owned(),
        Step::Wait(duration) => format!("wait {:?}", duration.0),
        Step::Client(spec) => client(spec),
        Step::Respond(spec) => format!("respond to {}", spec.when.topic.as_deref().unwrap_or("?")),
        Step::Run(spec) => format!("run {}", command(&spec.cmd)),
        Step::Device(spec) => device(spec),
        Step::State(_) => "state of the broker".to_owned(),
    };
    if text.chars().count() <= TEXT_MAX {
        return text;
    }
    text.chars().take(TEXT_MAX - 3).chain("...".chars()).collect()
}

/// What is expected.
pub(super) fn expectation(spec: &ExpectSpec) -> String {
    let list = |parts: &[ExpectSpec]| parts.iter().map(expectation).collect::<Vec<_>>().join(", ");
    if !spec.all.is_empty() {
        return format!("all of {}", list(&spec.all));
    }
    if !spec.any.is_empty() {
        return format!("any of {}", list(&spec.any));
    }
    if !spec.sequence.is_empty() {
        return format!("in sequence {}", list(&spec.sequence));
    }
    match (&spec.event, &spec.packet, &spec.topic) {
        (None, None, topic) => format!("message on {}", topic.as_deref().unwrap_or("?")),
        (event, packet, _) => {
            let words = [event.as_deref().or(Some("packet")), packet.as_deref()];
            let words: Vec<&str> = words.into_iter().flatten().collect();
            let whose = spec.client.as_ref().map(|client| format!(" of {client}")).unwrap_or_default();
            format!("{} event{whose}", words.join(" "))
        }
    }
}

/// So many of what is expected.
pub(super) fn counted(count: usize, spec: &ExpectSpec) -> String {
    let text = expectation(spec);
    let plural = match text.strip_prefix("message ") {
        Some(rest) if count != 1 => format!("messages {rest}"),
        None if count != 1 => text.replacen(" event", " events", 1),
        _ => text,
    };
    format!("{count} {plural}")
}

fn fault(spec: &FaultSpec) -> String {
    if let Some(name) = &spec.release {
        return format!("release fault {name}");
    }
    if let Some(name) = &spec.remove {
        return format!("remove fault {name}");
    }
    if let Some(fired) = &spec.fired {
        return format!("fault {} has fired", fired.name);
    }
    if spec.clear {
        return "clear all faults".to_owned();
    }
    let packet = spec.on.packet.map_or("packets", |packet| packet.name());
    let packet = if spec.on.accept { "connections" } else { packet };
    let what = match &spec.action {
        Some(ActionSpec::Word(word)) => word.clone(),
        _ => spec.name.clone().unwrap_or_else(|| "something".to_owned()),
    };
    format!("fault: {what} at {packet}")
}

fn broker(spec: &BrokerStep) -> String {
    match spec {
        BrokerStep::Stop(_) => "the broker stops".to_owned(),
        BrokerStep::Start(_) => "the broker starts".to_owned(),
        BrokerStep::Restart(_) => "the broker restarts".to_owned(),
        BrokerStep::Freeze(_) => "the broker freezes".to_owned(),
        BrokerStep::Resume(_) => "the broker resumes".to_owned(),
        BrokerStep::Cut { client, .. } => format!("the connection of {client} is cut"),
        BrokerStep::Disconnect { client, .. } => format!("the broker disconnects {client}"),
    }
}

fn client(spec: &ClientSpec) -> String {
    let mut words = Vec::new();
    if !matches!(spec.connect, None | Some(ConnectSpec::Plain(false))) {
        words.push("connects");
    }
    let is_said = [
        (spec.subscribe.is_some(), "subscribes"),
        (!spec.unsubscribe.is_empty(), "unsubscribes"),
        (spec.publish.is_some(), "publishes"),
        (spec.receive.is_some(), "receives"),
        (spec.receive_nothing, "receives nothing"),
        (spec.disconnect.is_some(), "disconnects"),
        (spec.kill, "is killed"),
    ];
    words.extend(is_said.iter().filter(|(is_said, _)| *is_said).map(|(_, word)| *word));
    format!("client {} {}", spec.id, words.join(", "))
}

fn device(spec: &DeviceStep) -> String {
    let name = spec.name.as_deref().unwrap_or("device");
    let is_said = [
        (spec.kill, "is killed"),
        (spec.signal.is_some(), "is signalled"),
        (spec.stop, "is stopped"),
        (spec.start, "is started"),
        (spec.restart, "is restarted"),
        (spec.send.is_some(), "is sent a line"),
        (spec.exit.is_some(), "ends"),
        (spec.log.is_some(), "logs"),
    ];
    let words: Vec<&str> = is_said.iter().filter(|(is_said, _)| *is_said).map(|(_, word)| *word).collect();
    format!("{name} {}", words.join(", "))
}

fn command(spec: &CommandSpec) -> String {
    match spec {
        CommandSpec::Line(line) => line.clone(),
        CommandSpec::Words(words) => words.join(" "),
    }
}
