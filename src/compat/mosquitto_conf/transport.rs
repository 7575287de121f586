//! Options of a listener's transport: PROXY header, TLS, WebSocket.

use super::draft::{Draft, Section};
use super::options::{Apply, path, set};
use super::value::{ConfigurationFault, Setting};
use crate::net::server::{AddressFamily, ListenPlan, ProxyProtocol};
use crate::net::tls::{Identity, ServerIdentity, TlsServerSettings};
use crate::net::websocket::WebSocketPlan;
use std::path::{Path, PathBuf};

type Result<T = ()> = std::result::Result<T, ConfigurationFault>;

/// The transport of one listener while it is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Transport {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    ca_path: Option<PathBuf>,
    crl_file: Option<PathBuf>,
    ciphers: Option<String>,
    ciphers_tls13: Option<String>,
    requires_tls13: bool,
    requires_certificate: bool,
    is_identity_user_name: bool,
    is_subject_user_name: bool,
    ignores_dates: bool,
    is_websocket: bool,
    origins: Vec<String>,
    header_bytes_max: usize,
    proxy_protocol: Option<ProxyProtocol>,
    family: Option<AddressFamily>,
    interface: Option<String>,
    psk_hint: Option<String>,
    uses_psk: bool,
}

impl Transport {
    /// Adds what was read to `plan`; `packet_bytes_max` is the longest packet that is accepted, `psk_file` holds for this
    /// listener.
    ///
    /// # Errors
    ///
    /// Options that make no sense without each other.
    pub(super) fn finish(
        &self,
        plan: &mut ListenPlan,
        packet_bytes_max: u32,
        psk_file: Option<&Path>,
    ) -> Result {
        plan.proxy_protocol = self.proxy_protocol;
        plan.family = self.family;
        plan.interface.clone_from(&self.interface);
        plan.tls = if self.asks_for_psk() { self.psk(psk_file)? } else { self.tls()? };
        plan.websocket = self.is_websocket.then(|| WebSocketPlan {
            origins: self.origins.clone(),
            header_bytes_max: self.header_bytes_max,
            ..WebSocketPlan::for_packets(packet_bytes_max)
        });
        Ok(())
    }

    const fn asks_for_psk(&self) -> bool {
        self.uses_psk || self.psk_hint.is_some()
    }

    fn psk(&self, psk_file: Option<&Path>) -> Result<Option<TlsServerSettings>> {
        if self.certificate.is_some() || self.key.is_some() || self.requires_certificate {
            return Err(ConfigurationFault::Order(
                "A listener has either a certificate or pre-shared keys: give each a listener of its own.",
            ));
        }
        let file = psk_file
            .ok_or(ConfigurationFault::Order("A listener with pre-shared keys needs psk_file."))?
            .to_owned();
        let identity = ServerIdentity::PreSharedKeys { file, hint: self.psk_hint.clone() };
        Ok(Some(TlsServerSettings {
            identity_as_user_name: self.is_identity_user_name.then_some(Identity::CommonName),
            requires_tls13: self.requires_tls13,
            ciphers: self.ciphers.clone(),
            ciphers_tls13: self.ciphers_tls13.clone(),
            ..TlsServerSettings::new(identity)
        }))
    }

    fn tls(&self) -> Result<Option<TlsServerSettings>> {
        let (certificate, key) = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, None)
                if self.ca_file.is_none() && self.ca_path.is_none() && !self.requires_certificate =>
            {
                return Ok(None);
            }
            _ => {
                return Err(ConfigurationFault::Order(
                    "A listener with TLS must have both certfile and keyfile.",
                ));
            }
        };
        let takes_identity = self.is_identity_user_name || self.is_subject_user_name;
        if self.requires_certificate && self.ca_file.is_none() && self.ca_path.is_none() {
            return Err(ConfigurationFault::Order("require_certificate needs cafile or capath."));
        }
        if takes_identity && !self.requires_certificate {
            return Err(ConfigurationFault::Order(
                "use_identity_as_username and use_subject_as_username need require_certificate true.",
            ));
        }
        let identity_as_user_name = match (self.is_identity_user_name, self.is_subject_user_name) {
            (true, _) => Some(Identity::CommonName),
            (false, true) => Some(Identity::Subject),
            (false, false) => None,
        };
        Ok(Some(TlsServerSettings {
            ca_file: self.ca_file.clone(),
            ca_path: self.ca_path.clone(),
            crl_file: self.crl_file.clone(),
            requires_certificate: self.requires_certificate,
            identity_as_user_name,
            ignores_dates: self.ignores_dates,
            requires_tls13: self.requires_tls13,
            ciphers: self.ciphers.clone(),
            ciphers_tls13: self.ciphers_tls13.clone(),
            ..TlsServerSettings::new(ServerIdentity::Files { certificate, key })
        }))
    }
}

/// The options, each with what it does.
pub(super) const OPTIONS: [(&str, Apply); 22] = [
    ("bind_interface", |d, s| set(&mut d.transport().interface, s.text().map(|text| Some(text.to_owned())))),
    ("cafile", |d, s| set(&mut d.transport().ca_file, path(s))),
    ("capath", |d, s| set(&mut d.transport().ca_path, path(s))),
    ("certfile", |d, s| set(&mut d.transport().certificate, path(s))),
    ("ciphers", |d, s| set(&mut d.transport().ciphers, s.text().map(|text| Some(text.to_owned())))),
    ("ciphers_tls1.3", |d, s| {
        set(&mut d.transport().ciphers_tls13, s.text().map(|text| Some(text.to_owned())))
    }),
    ("crlfile", |d, s| set(&mut d.transport().crl_file, path(s))),
    ("dhparamfile", dhparamfile),
    ("disable_client_cert_date_checks", |d, s| set(&mut d.transport().ignores_dates, s.flag())),
    ("enable_proxy_protocol", enable_proxy_protocol),
    ("keyfile", |d, s| set(&mut d.transport().key, path(s))),
    ("protocol", protocol),
    ("psk_hint", |d, s| set(&mut d.transport().psk_hint, s.text().map(|text| Some(text.to_owned())))),
    ("require_certificate", |d, s| set(&mut d.transport().requires_certificate, s.flag())),
    ("socket_domain", socket_domain),
    ("tls_keyform", tls_keyform),
    ("tls_version", tls_version),
    ("use_identity_as_username", |d, s| set(&mut d.transport().is_identity_user_name, s.flag())),
    ("use_psk", |d, s| set(&mut d.transport().uses_psk, s.flag())),
    ("use_subject_as_username", |d, s| set(&mut d.transport().is_subject_user_name, s.flag())),
    ("websockets_headers_size", |d, s| set(&mut d.transport().header_bytes_max, s.number(0..=65_535))),
    ("websockets_origin", |d, s| {
        d.transport().origins.push(s.text()?.to_owned());
        Ok(())
    }),
];

impl Draft {
    /// The transport that the next option is about.
    fn transport(&mut self) -> &mut Transport {
        let at = self.at.clone();
        let section: &mut Section = self.section();
        section.transport_at = at;
        &mut section.transport
    }
}

fn dhparamfile(draft: &mut Draft, setting: Setting<'_>) -> Result {
    setting.text()?;
    let warning =
        "Warning: The dhparamfile option has no effect: every key exchange here is on elliptic curves.";
    draft.warnings.push(warning.to_owned());
    Ok(())
}

fn enable_proxy_protocol(draft: &mut Draft, setting: Setting<'_>) -> Result {
    draft.transport().proxy_protocol = Some(match setting.text()? {
        "1" => ProxyProtocol::V1,
        "2" => ProxyProtocol::V2,
        _ => return Err(setting.invalid()),
    });
    Ok(())
}

fn protocol(draft: &mut Draft, setting: Setting<'_>) -> Result {
    draft.transport().is_websocket = match setting.text()? {
        "mqtt" => false,
        "websockets" => true,
        "http_api" => return Err(ConfigurationFault::Unsupported("protocol http_api".to_owned())),
        _ => return Err(setting.invalid()),
    };
    Ok(())
}

fn socket_domain(draft: &mut Draft, setting: Setting<'_>) -> Result {
    draft.transport().family = Some(match setting.text()? {
        "ipv4" => AddressFamily::V4,
        "ipv6" => AddressFamily::V6,
        _ => return Err(setting.invalid()),
    });
    Ok(())
}

fn tls_keyform(_: &mut Draft, setting: Setting<'_>) -> Result {
    match setting.text()? {
        "pem" => Ok(()),
        "engine" => Err(ConfigurationFault::Unsupported("tls_keyform engine".to_owned())),
        _ => Err(setting.invalid()),
    }
}

/// The oldest version that is spoken; none below 1.2 is.
fn tls_version(draft: &mut Draft, setting: Setting<'_>) -> Result {
    match setting.text()? {
        "tlsv1.3" => draft.transport().requires_tls13 = true,
        "tlsv1.2" => draft.transport().requires_tls13 = false,
        "tlsv1.1" | "tlsv1" => {
            let warning = format!(
                "Warning: TLS below 1.2 is not spoken, although tls_version {} is set.",
                setting.value
            );
            draft.warnings.push(warning);
        }
        _ => return Err(setting.invalid()),
    }
    Ok(())
}
