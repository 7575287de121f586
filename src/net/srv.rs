//! Brokers found by DNS SRV records (RFC 2782): `_mqtt._tcp.DOMAIN`, with TLS `_secure-mqtt._tcp.DOMAIN`.

use super::LookupError;
use domain::base::iana::{Class, Rcode};
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::Srv;
use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// Where the system names its servers.
const SYSTEM_CONFIGURATION: &str = "/etc/resolv.conf";

const NAME_SERVER_PORT: u16 = 53;

/// An answer over UDP, which is far shorter where we say nothing else (RFC 1035, section 4.2.1).
const DATAGRAM_BYTES_MAX: usize = 4096;

/// Where the records are asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NameServers {
    /// Asked instead of the system's name servers, unless empty.
    pub addresses: Vec<SocketAddr>,
}

/// What a record says; the name has no closing dot.
#[derive(Clone, Debug)]
struct Record {
    priority: u16,
    weight: u16,
    port: u16,
    target: String,
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
    let no_answer = |reason: &dyn Display| LookupError::because(&name, reason);
    let resolver = Resolver::new(servers).map_err(|error| no_answer(&error))?;
    let records = resolver.records(&name).await.map_err(|error| no_answer(&error))?;
    if records.is_empty() {
        return Err(no_answer(&"no such service there"));
    }
    let mut random = || uuid::Uuid::new_v4().as_u64_pair().0;
    let in_order = in_order(records, &mut random).into_iter();
    Ok(in_order.map(|record| (record.target, record.port)).collect())
}

/// Asks one name server after the other.
struct Resolver {
    servers: Vec<SocketAddr>,
    /// Domains in which a name that does not exist is looked for too.
    search: Vec<String>,
    patience: Duration,
    /// How often all of them are asked.
    attempts: u32,
}

impl Resolver {
    /// With the system's settings, and `servers` where there are any.
    fn new(servers: &NameServers) -> io::Result<Self> {
        let mut config = resolv_conf::Config::new();
        if servers.addresses.is_empty() {
            config = resolv_conf::Config::parse_with_errors(&std::fs::read(SYSTEM_CONFIGURATION)?).0;
        }
        let mut addresses = servers.addresses.clone();
        if addresses.is_empty() {
            let of_system = config.get_nameservers_or_local();
            addresses.extend(of_system.iter().map(|ip| SocketAddr::new(ip.into(), NAME_SERVER_PORT)));
        }
        Ok(Self {
            servers: addresses,
            search: config.get_last_search_or_domain().cloned().collect(),
            patience: Duration::from_secs(config.timeout.max(1).into()),
            attempts: config.attempts.max(1),
        })
    }

    /// The records of `name`, or of the first of the domains searched that has any; none when there is no such service.
    async fn records(&self, name: &str) -> io::Result<Vec<Record>> {
        for name in self.candidates(name) {
            let query = query(&name)?;
            let answer = self.ask(&query).await?;
            let records = read(&answer)?;
            if !records.is_empty() {
                return Ok(records);
            }
        }
        Ok(Vec::new())
    }

    /// The name itself, then in each of the domains searched, unless a closing dot says that it is whole.
    fn candidates(&self, name: &str) -> Vec<String> {
        let searched = self.search.iter().filter(|_| !name.ends_with('.'));
        let in_domains = searched.map(|domain| format!("{name}.{domain}"));
        std::iter::once(name.to_owned()).chain(in_domains).collect()
    }

    /// The first answer that says whether there are records.
    async fn ask(&self, query: &Message<Vec<u8>>) -> io::Result<Message<Vec<u8>>> {
        let mut last_error = io::Error::other("there is no name server");
        for _ in 0..self.attempts {
            for &server in &self.servers {
                match timeout(self.patience, ask(server, query)).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(error)) => last_error = error,
                    Err(_) => last_error = io::Error::other(format!("{server} does not answer")),
                }
            }
        }
        Err(last_error)
    }
}

/// The question for the SRV records of `name`.
fn query(name: &str) -> io::Result<Message<Vec<u8>>> {
    let name: Name<Vec<u8>> = name.parse().map_err(io::Error::other)?;
    let mut message = MessageBuilder::new_vec();
    // An answer is believed only with the number of its question.
    message.header_mut().set_id(uuid::Uuid::new_v4().as_fields().1);
    message.header_mut().set_rd(true);
    let mut question = message.question();
    question.push((name, Rtype::SRV, Class::IN)).map_err(io::Error::other)?;
    Ok(question.into_message())
}

/// Asks over UDP, and again over TCP when the answer does not fit.
async fn ask(server: SocketAddr, query: &Message<Vec<u8>>) -> io::Result<Message<Vec<u8>>> {
    let mut answer = ask_by_datagram(server, query).await?;
    if answer.header().tc() {
        answer = ask_by_stream(server, query).await?;
    }
    match answer.header().rcode() {
        Rcode::NOERROR | Rcode::NXDOMAIN => Ok(answer),
        code => Err(io::Error::other(format!("{server} answers {code}"))),
    }
}

async fn ask_by_datagram(server: SocketAddr, query: &Message<Vec<u8>>) -> io::Result<Message<Vec<u8>>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(query.as_slice()).await?;
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let length = socket.recv(&mut datagram).await?;
        // What answers no question of ours may be forged, and is waited out.
        if let Ok(answer) = Message::from_octets(datagram[..length].to_vec())
            && answer.is_answer(query)
        {
            return Ok(answer);
        }
    }
}

/// Each message behind its length in two bytes (RFC 1035, section 4.2.2).
async fn ask_by_stream(server: SocketAddr, query: &Message<Vec<u8>>) -> io::Result<Message<Vec<u8>>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.as_slice().len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query.as_slice()].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    let answer = Message::from_octets(answer).map_err(io::Error::other)?;
    if !answer.is_answer(query) {
        return Err(io::Error::other(format!("{server} answers another question")));
    }
    Ok(answer)
}

/// The SRV records of an answer; the root as target means that there is no such service.
fn read(answer: &Message<Vec<u8>>) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for record in answer.answer().map_err(io::Error::other)?.limit_to_in::<Srv<_>>() {
        let record = record.map_err(io::Error::other)?;
        let data = record.data();
        if !data.target().is_root() {
            let (priority, weight, port) = (data.priority(), data.weight(), data.port());
            records.push(Record { priority, weight, port, target: data.target().to_string() });
        }
    }
    Ok(records)
}

/// Lowest priority first; among equals each is drawn with a chance proportional to its weight.
fn in_order(mut records: Vec<Record>, random: &mut dyn FnMut() -> u64) -> Vec<Record> {
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

    fn record(priority: u16, weight: u16, target: &str) -> Record {
        Record { priority, weight, port: 1883, target: target.to_owned() }
    }

    #[test]
    fn priority_comes_first_and_weight_is_the_chance_among_equals() {
        let records =
            || vec![record(2, 9, "late"), record(1, 1, "rare"), record(1, 3, "often"), record(1, 0, "zero")];
        let order = |number: u64| {
            let ordered = in_order(records(), &mut || number);
            ordered.into_iter().map(|record| record.target).collect::<Vec<_>>()
        };
        assert_eq!(order(0), ["zero", "rare", "often", "late"]);
        assert_eq!(order(1)[0], "rare");
        assert_eq!(order(2)[0], "often");
        assert_eq!(order(4)[0], "often");
        assert!((0..100).all(|number| order(number)[3] == "late"));
    }

    #[test]
    fn a_name_without_a_closing_dot_is_looked_for_in_the_domains_searched() {
        let mut resolver =
            Resolver::new(&NameServers { addresses: vec![([127, 0, 0, 1], 53).into()] }).unwrap();
        resolver.search = vec!["lan".to_owned(), "example".to_owned()];
        assert_eq!(
            resolver.candidates("_mqtt._tcp.b"),
            ["_mqtt._tcp.b", "_mqtt._tcp.b.lan", "_mqtt._tcp.b.example"]
        );
        assert_eq!(resolver.candidates("_mqtt._tcp.b."), ["_mqtt._tcp.b."]);
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        assert!(query("_mqtt._tcp.a..b").is_err());
        assert!(query(&"x".repeat(64)).is_err());
        assert!(query("_mqtt._tcp.broker.example").is_ok());
    }
}
