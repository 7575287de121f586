//! `pub --dry-run`: shows the packets that would be sent, and sends nothing.

use super::feed;
use super::source::Source;
use crate::compat::Failure;
use crate::flags::plan::PublishPlan;
use crate::output::annotate;
use crate::packet::{Disconnect, Packet, PacketIdentifier, ProtocolVersion, Publish, Qos};
use std::io::{self, BufRead, Write};

/// Prints CONNECT, each PUBLISH and DISCONNECT with what their bytes mean.
///
/// # Errors
///
/// A packet that MQTT does not allow, a line that is no message, an output that cannot be written.
pub(super) fn show(plan: &PublishPlan, source: Source) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let version = plan.client.version();
    put(&mut out, &Packet::Connect(Box::new(plan.client.session.connect.clone())), version)?;
    let mut identifier = PacketIdentifier::FIRST;
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
            put_publish(&mut out, publish, &mut identifier, version)?;
            if plan.repeat > 1 {
                let again = format!("... and {} times more\n", plan.repeat - 1);
                out.write_all(again.as_bytes()).map_err(|error| Failure::of_system(&error))?;
            }
        }
        Source::Lines(_) => {
            let form = plan.lines.unwrap_or(crate::flags::LineForm::Payload);
            let mut input = io::stdin().lock();
            let (mut line, mut number) = (Vec::new(), 0);
            while input.read_until(b'\n', &mut line).map_err(|error| Failure::of_input(&error))? > 0 {
                number += 1;
                let text = line.strip_suffix(b"\n").unwrap_or(&line);
                let message =
                    feed::message(form, text, plan).map_err(|why| Failure::of_line(number, &why))?;
                if let Some(reading) = message {
                    put_publish(&mut out, reading.publish, &mut identifier, version)?;
                }
                line.clear();
            }
        }
    }
    let properties = plan.client.disconnect_properties.clone();
    put(&mut out, &Packet::Disconnect(Disconnect { properties, ..Disconnect::default() }), version)
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
    match out.write_all(annotate(&bytes, version).as_bytes()) {
        // Whoever has seen enough has gone away.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::default()),
        written => written.map_err(|error| Failure::of_system(&error)),
    }
}
