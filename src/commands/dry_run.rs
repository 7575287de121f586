//! `--dry-run` of `pub` and `replay`: shows the packets that would be sent, and sends nothing.

use super::feed::{self, Reading};
use super::pace::Pace;
use super::source::Source;
use crate::compat::{Failure, properties_warning};
use crate::flags::plan::PublishPlan;
use crate::flags::{LineForm, Speed};
use crate::output::annotate;
use crate::packet::{Disconnect, Packet, PacketIdentifier, ProtocolVersion, Publish, Qos};
use std::io::{self, BufRead, BufReader, Write};
use tokio::time::Instant;

/// Prints CONNECT, each PUBLISH and DISCONNECT with what their bytes mean.
///
/// # Errors
///
/// A packet that MQTT does not allow, a line that is no message, an output that cannot be written.
pub(super) fn show(plan: &PublishPlan, source: Source) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let version = plan.client.version();
    put(&mut out, &Packet::Connect(Box::new(plan.client.session.connect.clone())), version)?;
    match source {
        Source::Payload(payload) => {
            let publish = Publish {
                qos: plan.qos,
                retain: plan.retain,
                topic: plan.topic.clone(),
                properties: plan.properties.clone(),
                payload,
                ..Publish::default()
            };
            put_publish(&mut out, publish, &mut PacketIdentifier::FIRST.clone(), version)?;
            if plan.repeat > 1 {
                put_text(&mut out, &format!("... and {} times more\n", plan.repeat - 1))?;
            }
        }
        Source::Lines(Some(file)) => put_lines(&mut out, BufReader::new(file), plan)?,
        Source::Lines(None) => put_lines(&mut out, io::stdin().lock(), plan)?,
    }
    let properties = plan.client.disconnect_properties.clone();
    put(&mut out, &Packet::Disconnect(Disconnect { properties, ..Disconnect::default() }), version)
}

/// The messages of lines; those of a recording with the time that each is due at after the first.
fn put_lines(out: &mut impl Write, mut input: impl BufRead, plan: &PublishPlan) -> Result<(), Failure> {
    let form = plan.lines.unwrap_or(LineForm::Payload);
    let version = plan.client.version();
    let start = Instant::now();
    let speed = plan.replay.as_ref().map(|replay| replay.speed);
    let mut pace = speed.filter(|speed| *speed != Speed::Max).map(Pace::new);
    let mut identifier = PacketIdentifier::FIRST;
    let (mut line, mut number, mut has_warned) = (Vec::new(), 0, false);
    while input.read_until(b'\n', &mut line).map_err(|error| Failure::of_input(&error))? > 0 {
        number += 1;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let message = feed::message(form, text, plan).map_err(|why| Failure::of_line(number, &why))?;
        if let Some(Reading { publish, time, lost }) = message {
            if !lost.is_empty() && !has_warned && !plan.client.quiet {
                has_warned = true;
                super::complain(&properties_warning(number, &lost, version));
            }
            if let Some(pace) = &mut pace {
                let after = pace.due(time, start).duration_since(start).as_secs_f64();
                put_text(out, &format!("after {after:.3} s\n"))?;
            }
            put_publish(out, publish, &mut identifier, version)?;
        }
        line.clear();
    }
    Ok(())
}

fn put_publish(
    out: &mut impl Write,
    mut publish: Publish,
    next: &mut PacketIdentifier,
    version: ProtocolVersion,
) -> Result<(), Failure> {
    if publish.qos != Qos::AtMostOnce {
        publish.packet_identifier = Some(*next);
        *next = next.next();
    }
    put(out, &Packet::Publish(publish), version)
}

fn put(out: &mut impl Write, packet: &Packet, version: ProtocolVersion) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).map_err(|error| Failure::of_packet(&error))?;
    put_text(out, &annotate(&bytes, version))
}

fn put_text(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    match out.write_all(text.as_bytes()) {
        // Whoever has seen enough has gone away.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::default()),
        written => written.map_err(|error| Failure::of_system(&error)),
    }
}
