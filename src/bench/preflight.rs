//! What a run will need, said before its first connection: descriptors, ports, memory, traffic.

use super::machine;
use super::plan::{Address, Mode, Plan};
use super::template::Context;
use super::text;

/// Descriptors beside those of the clients: standard streams, polls, timers, files.
const DESCRIPTORS_BESIDE: u64 = 64;

/// Descriptors of one client against a broker in this process: both ends.
const DESCRIPTORS_EMBEDDED: u64 = 2;

/// Memory of a plain client in bytes, as measured; what it queues is its own.
const CLIENT_BYTES: u64 = 1200;

/// Bytes of a PUBLISH beside its payload: fixed header, topic, identifier, properties.
const PACKET_BYTES: f64 = 20.0;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preflight {
    /// One line each, for people.
    pub lines: Vec<String>,
    /// Why it cannot go well, with the remedy; empty when it can.
    pub problems: Vec<String>,
}

/// What the machine has.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Descriptors that this process may have, after raising its limit.
    pub descriptors: u64,
    /// Local ports for outgoing connections from each source address.
    pub ports: u32,
}

/// Raises the limit of descriptors as far as `plan` needs, and tells what the machine has.
#[must_use]
pub fn prepare(plan: &Plan, is_embedded: bool) -> Limits {
    Limits {
        descriptors: machine::raise_descriptors(descriptors(plan, is_embedded)),
        ports: machine::ephemeral_ports(),
    }
}

/// Compares what `plan` needs with what there is.
#[must_use]
pub fn check(plan: &Plan, is_embedded: bool, limits: Limits) -> Preflight {
    let mut found = Preflight::default();
    let clients = plan.members().count() as u64;
    let needed = descriptors(plan, is_embedded);
    if needed > limits.descriptors {
        let each = if is_embedded { DESCRIPTORS_EMBEDDED } else { 1 };
        let possible = limits.descriptors.saturating_sub(DESCRIPTORS_BESIDE) / each;
        let halved = if is_embedded { " (with --embedded each client takes two)" } else { "" };
        found.problems.push(format!(
            "{} clients need {} descriptors{halved}, and the hard limit allows {}, enough for {}. \
             Raise it (ulimit -Hn {needed}) or use --segment on more machines",
            text::grouped(clients),
            text::grouped(needed),
            text::grouped(limits.descriptors),
            text::grouped(possible),
        ));
    }
    if let Address::Tcp(host, _) = &plan.transport.address {
        ports(&mut found, plan, host, clients, limits);
    }
    let memory = (clients * CLIENT_BYTES).div_ceil(1 << 20) + 4;
    found.lines.push(format!(
        "{} clients: {} of {} descriptors, about {memory} MiB of memory",
        text::grouped(clients),
        text::grouped(needed),
        text::grouped(limits.descriptors),
    ));
    found.lines.extend(traffic(plan));
    found
}

fn descriptors(plan: &Plan, is_embedded: bool) -> u64 {
    let each = if is_embedded { DESCRIPTORS_EMBEDDED } else { 1 };
    plan.members().count() as u64 * each + DESCRIPTORS_BESIDE
}

fn ports(found: &mut Preflight, plan: &Plan, host: &str, clients: u64, limits: Limits) {
    let sources = plan.transport.sources.len().max(1) as u64;
    let available = u64::from(limits.ports) * sources;
    if clients <= available {
        return;
    }
    let wanted = clients.div_ceil(u64::from(limits.ports).max(1));
    let is_local = host == "localhost" || host.starts_with("127.") || host == "::1";
    let remedy = if is_local {
        format!("-A 127.0.0.2-127.0.0.{} works here at once", wanted + 1)
    } else {
        format!("give {wanted} addresses of this machine with -A")
    };
    found.problems.push(format!(
        "{} clients need as many local ports, and {sources} source address{} have {}: {remedy}",
        text::grouped(clients),
        if sources == 1 { "" } else { "es" },
        text::grouped(available),
    ));
}

/// How much goes over the network, where the rate is known.
fn traffic(plan: &Plan) -> Option<String> {
    if matches!(plan.mode, Mode::Subscribe | Mode::Connect) {
        let seconds = plan.identity.connect.keep_alive;
        let pings = f64::from(plan.clients()) / f64::from(seconds.max(1));
        return (seconds > 0).then(|| format!("keep alive: {pings:.1} PINGREQ a second"));
    }
    let rate = plan.rate_asked()? * plan.rate_share();
    let payload = plan.message.payload.bytes_typical(&Context::default());
    #[allow(clippy::cast_precision_loss)] // an estimate
    let per_minute = rate * (payload as f64 + PACKET_BYTES) * 60.0;
    let amount = if per_minute >= 1e9 {
        format!("{:.1} GB", per_minute / 1e9)
    } else {
        format!("{:.1} MB", per_minute / 1e6)
    };
    Some(format!("{amount}/min to the broker, and what it delivers comes on top"))
}
