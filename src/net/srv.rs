//! Brokers found by DNS SRV records (RFC 2782): `_mqtt._tcp.DOMAIN`, with TLS `_secure-mqtt._tcp.DOMAIN`.

use super::LookupError;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;
use std::io;
use std::net::SocketAddr;

/// Where the records are asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NameServers {
    /// Asked instead of the system's name servers, unless empty.
    pub addresses: Vec<SocketAddr>,
}

/// The hosts and ports of the brokers of `domain`, the one to be tried first in front: by priority, and within one
/// priority at random by weight.
///
/// # Errors
///
/// One that holds a [`LookupError`] when the domain has no such record, or says that it has no such service.
pub(super) async fn look_up(
    domain: &str,
    is_secure: bool,
    servers: &NameServers,
) -> io::Result<Vec<(String, u16)>> {
    let service = if is_secure { "_secure-mqtt" } else { "_mqtt" };
    let name = format!("{service}._tcp.{domain}");
    let no_answer = |reason: &dyn std::fmt::Display| LookupError::because(&name, reason);
    let resolver = resolver(servers).map_err(|error| no_answer(&error))?;
    let found = resolver.srv_lookup(name.as_str()).await.map_err(|error| no_answer(&error))?;
    let records: Vec<SRV> = found
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(record) if !record.target.is_root() => Some(record.clone()),
            _ => None,
        })
        .collect();
    if records.is_empty() {
        return Err(no_answer(&"no such service there"));
    }
    let mut random = || uuid::Uuid::new_v4().as_u64_pair().0;
    let in_order = in_order(records, &mut random).into_iter();
    Ok(in_order.map(|record| (host(&record), record.port)).collect())
}

fn resolver(servers: &NameServers) -> Result<TokioResolver, hickory_resolver::net::NetError> {
    if servers.addresses.is_empty() {
        return TokioResolver::builder_tokio()?.build();
    }
    let configs = servers.addresses.iter().map(|address| {
        let mut server = NameServerConfig::udp_and_tcp(address.ip());
        let with_port = |mut connection: ConnectionConfig| {
            connection.port = address.port();
            connection
        };
        server.connections = server.connections.into_iter().map(with_port).collect();
        server
    });
    let config = ResolverConfig::from_name_servers(configs.collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()
}

/// The target's name without its closing dot.
fn host(record: &SRV) -> String {
    let name = record.target.to_utf8();
    name.strip_suffix('.').map_or(name.clone(), str::to_owned)
}

/// Lowest priority first; among equals each is drawn with a chance proportional to its weight.
fn in_order(mut records: Vec<SRV>, random: &mut dyn FnMut() -> u64) -> Vec<SRV> {
    // Those of weight 0 stand in front, so that they have a very small chance of being drawn (RFC 2782).
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let equals = records.iter().take_while(|record| record.priority == priority);
        let total: u64 = equals.clone().map(|record| u64::from(record.weight)).sum();
        let mut left = random() % (total + 1);
        let drawn = equals
            .enumerate()
            .find_map(|(index, record)| match left.checked_sub(u64::from(record.weight)) {
                None | Some(0) => Some(index),
                Some(rest) => {
                    left = rest;
                    None
                }
            })
            .unwrap_or(0);
        ordered.push(records.remove(drawn));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::rr::Name;

    fn record(priority: u16, weight: u16, target: &str) -> SRV {
        SRV::new(priority, weight, 1883, Name::from_ascii(target).unwrap())
    }

    #[test]
    fn priority_comes_first_and_weight_is_the_chance_among_equals() {
        let records = || {
            vec![record(2, 9, "late."), record(1, 1, "rare."), record(1, 3, "often."), record(1, 0, "zero.")]
        };
        let order = |number: u64| {
            let ordered = in_order(records(), &mut || number);
            ordered.iter().map(host).collect::<Vec<_>>()
        };
        assert_eq!(order(0), ["zero", "rare", "often", "late"]);
        assert_eq!(order(1)[0], "rare");
        assert_eq!(order(2)[0], "often");
        assert_eq!(order(4)[0], "often");
        assert!((0..100).all(|number| order(number)[3] == "late"));
    }
}
