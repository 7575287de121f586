//! `-L` and `--proxy`: URLs as mosquitto takes them apart.

use super::fault::{Fault, shown};
use super::number::leading_int;
use crate::net::socks;

/// The parts of a `-L` URL.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Url<'a> {
    pub(crate) host: &'a [u8],
    /// As `atoi` reads it, unchecked: a wrong one fails when the connection is made.
    pub(crate) port: i32,
    pub(crate) tls: bool,
    pub(crate) websocket: bool,
    pub(crate) user_name: Option<&'a [u8]>,
    pub(crate) password: Option<&'a [u8]>,
    /// Verbatim; `None` without a `/` behind the authority.
    pub(crate) topic: Option<&'a [u8]>,
}

impl<'a> Url<'a> {
    /// Takes `url` apart: first `/`, first `@`, first `:` of each part; nothing is decoded.
    ///
    /// Unlike mosquitto, a host in brackets is an IPv6 address.
    pub(crate) fn parse(url: &'a [u8]) -> Result<Self, Fault> {
        let schemes: [(&[u8], i32, bool, bool); 4] = [
            (b"mqtt://", 1883, false, false),
            (b"mqtts://", 8883, true, false),
            (b"ws://", 1883, false, true),
            (b"wss://", 8883, true, true),
        ];
        let (rest, default_port, tls, websocket) = schemes
            .iter()
            .find_map(|&(scheme, port, tls, websocket)| {
                let (head, rest) = url.split_at_checked(scheme.len())?;
                head.eq_ignore_ascii_case(scheme).then_some((rest, port, tls, websocket))
            })
            .ok_or(Fault::UrlScheme)?;
        let (authority, topic) = match split_once(rest, b'/') {
            Some((authority, topic)) => (authority, Some(topic)),
            None => (rest, None),
        };
        let (credentials, address) = match split_once(authority, b'@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, authority),
        };
        let (user_name, password) = match credentials.map(|both| (both, split_once(both, b':'))) {
            None => (None, None),
            Some((_, Some((user_name, password)))) => (Some(user_name), Some(password)),
            Some((user_name, None)) => (Some(user_name), None),
        };
        let (host, port) = split_port(address);
        let port = port.map_or(default_port, leading_int);
        Ok(Self { host, port, tls, websocket, user_name, password, topic })
    }
}

/// `host:port`, `[address]:port`, or one of them without a port.
fn split_port(address: &[u8]) -> (&[u8], Option<&[u8]>) {
    if let [b'[', inside @ ..] = address
        && let Some((host, behind)) = split_once(inside, b']')
    {
        return (host, behind.strip_prefix(b":"));
    }
    match split_once(address, b':') {
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    }
}

/// A `--proxy` URL that has been checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Proxy {
    pub(crate) host: Vec<u8>,
    pub(crate) port: u16,
    pub(crate) user_name: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

impl Proxy {
    /// Reads `socks5h://[user[:password]@]host[:port]`; the port defaults to 1080.
    ///
    /// Unlike mosquitto, `%40` is `@`, as its manual says.
    pub(crate) fn parse(url: &[u8]) -> Result<Self, Fault> {
        let scheme = b"socks5h://";
        let rest = match url.split_at_checked(scheme.len()) {
            Some((head, rest)) if head == scheme => rest,
            _ => return Err(Fault::ProxyProtocol(shown(url))),
        };
        let (user_name, password, address) = match split_once(rest, b'@') {
            None => (&[][..], &[][..], rest),
            Some((credentials, address)) => match split_once(credentials, b':') {
                Some((_, password)) if password.contains(&b':') => return Err(Fault::ProxyUserName),
                Some((user_name, password)) => (user_name, password, address),
                None => (credentials, &[][..], address),
            },
        };
        if address.iter().filter(|&&byte| byte == b'[').count() > 1 {
            return Err(Fault::ProxyDuplicateAddress);
        }
        let (host, port) = split_port(address);
        if host.is_empty() || port.is_some_and(<[u8]>::is_empty) {
            return Err(Fault::Proxy);
        }
        let port = port.map_or(1080, leading_int);
        let port = u16::try_from(port).ok().filter(|&port| port > 0).ok_or(Fault::ProxyPort(port))?;
        Ok(Self { host: host.to_vec(), port, user_name: decode(user_name)?, password: decode(password)? })
    }

    /// The proxy as `net` takes it; without a user name nothing is offered.
    pub(crate) fn into_socks(self) -> socks::Proxy {
        let credentials =
            (!self.user_name.is_empty()).then(|| (shown(&self.user_name), shown(&self.password)));
        socks::Proxy { host: shown(&self.host), port: self.port, credentials }
    }
}

/// `%25`, `%3A` and `%40`; any other escape is refused without a text.
fn decode(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (escape, tail) = tail.split_at_checked(2).ok_or(Fault::Silent)?;
        decoded.push(match escape {
            b"25" => b'%',
            b"3A" | b"3a" => b':',
            b"40" => b'@',
            _ => return Err(Fault::Silent),
        });
        rest = tail;
    }
    Ok(decoded)
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_hold_a_colon_and_the_topic_anything() {
        let url = Url::parse(b"MQTT://u:p:q@h:1x/a/b?c#%20").unwrap();
        assert_eq!((url.host, url.port), (&b"h"[..], 1));
        assert_eq!((url.user_name, url.password), (Some(&b"u"[..]), Some(&b"p:q"[..])));
        assert_eq!(url.topic, Some(&b"a/b?c#%20"[..]));
    }

    #[test]
    fn schemes_choose_port_tls_and_websocket() {
        for (text, port, tls, websocket) in [
            ("mqtt", 1883, false, false),
            ("mqtts", 8883, true, false),
            ("ws", 1883, false, true),
            ("wss", 8883, true, true),
        ] {
            let text = format!("{text}://h/t");
            let url = Url::parse(text.as_bytes()).unwrap();
            assert_eq!((url.port, url.tls, url.websocket), (port, tls, websocket), "{text}");
        }
        assert_eq!(Url::parse(b"http://h/t"), Err(Fault::UrlScheme));
        assert_eq!(Url::parse(b"mqtt://h").map(|url| url.topic), Ok(None));
    }

    #[test]
    fn a_host_in_brackets_is_an_address() {
        let url = Url::parse(b"mqtt://[::1]:1884/t").unwrap();
        assert_eq!((url.host, url.port), (&b"::1"[..], 1884));
        assert_eq!(Url::parse(b"mqtt://[::1]/t").unwrap().port, 1883);
    }

    #[test]
    fn a_proxy_url_is_checked_and_decoded() {
        let proxy = Proxy::parse(b"socks5h://u%40:p%3a%25@h").unwrap();
        assert_eq!(proxy.user_name, b"u@");
        assert_eq!(proxy.password, b"p:%");
        assert_eq!(proxy.port, 1080);
        assert_eq!(Proxy::parse(b"socks5h://h:0"), Err(Fault::ProxyPort(0)));
        assert_eq!(Proxy::parse(b"socks5h://"), Err(Fault::Proxy));
        assert_eq!(Proxy::parse(b"socks5h://a%20@h"), Err(Fault::Silent));
        assert_eq!(Proxy::parse(b"http://h"), Err(Fault::ProxyProtocol("http://h".into())));
    }
}
