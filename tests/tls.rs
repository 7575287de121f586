//! TLS of the clients against a rustls server in this process: whom they trust, and whom not.
//!
//! `tests/tls/` holds what rcgen cannot make: a version 1 certificate as `openssl x509 -req` writes it, and its key in
//! the encrypted forms (pass phrase `sesame`). All of them are valid for a hundred years and used nowhere else.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used)] // a test may panic

use culex::net::tls::{TlsClient, TlsError, TlsSettings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::{io, path::PathBuf, sync::Arc};

struct Server {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// A folder under the system's temporary one that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("culex-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn no_passphrase() -> io::Result<String> {
    panic!("nothing here is encrypted")
}

fn parameters(common_name: &str, names: &[&str]) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = parameters("authority", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn signed(params: &CertificateParams, issuer: &CertifiedIssuer<'static, KeyPair>) -> Server {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    Server { chain: vec![certificate.der().clone()], key: PrivateKeyDer::Pkcs8(key.serialize_der().into()) }
}

/// The application protocol that the server agreed on, or its error.
type Agreed = Result<Option<Vec<u8>>, String>;

/// Shakes hands in memory; what the client says of it.
fn handshake(settings: &TlsSettings, host: &str, server: Server) -> Result<(), String> {
    handshake_with(settings, host, server, &[]).0
}

/// As [`handshake`], with a server that speaks these protocols; also what the server says of it: the protocol agreed on, or
/// the error.
fn handshake_with(
    settings: &TlsSettings,
    host: &str,
    server: Server,
    protocols: &[&[u8]],
) -> (Result<(), String>, Agreed) {
    let client = TlsClient::new(settings, &mut no_passphrase).unwrap();
    // Not `with_single_cert`, which refuses version 1 certificates.
    let key = rustls::crypto::ring::sign::any_supported_type(&server.key).unwrap();
    let certified = CertifiedKey::new(server.chain, key);
    let mut config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (near, far) = tokio::io::duplex(65_536);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (near, far) = tokio::join!(client.connect(host, near), acceptor.accept(far));
        let agreed = far.map(|stream| stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec));
        (near.map(drop).map_err(|error| error.to_string()), agreed.map_err(|error| error.to_string()))
    })
}

/// Section 7: what the server hears when it is not trusted.
#[test]
fn the_alert_says_what_was_wrong() {
    let folder = Folder::new("alerts");
    let authority = authority();
    let ca_file = Some(folder.file("ca.pem", &authority.pem()));
    let settings = TlsSettings { ca_file, ..TlsSettings::default() };
    let mut expired = parameters("x", &["broker.example"]);
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let mut other = parameters("another authority", &[]);
    other.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let stranger = CertifiedIssuer::self_signed(other, KeyPair::generate().unwrap()).unwrap();
    let good = parameters("x", &["broker.example"]);
    for (host, server, alert) in [
        ("elsewhere", signed(&good, &authority), "BadCertificate"),
        ("127.0.0.1", signed(&good, &authority), "BadCertificate"),
        ("broker.example", signed(&expired, &authority), "CertificateExpired"),
        ("broker.example", signed(&good, &stranger), "UnknownCA"),
    ] {
        let (_, heard) = handshake_with(&settings, host, server, &[]);
        let heard = heard.unwrap_err();
        assert!(heard.contains(alert), "{host}: {heard} and not {alert}");
    }
}

#[test]
fn an_application_protocol_is_agreed_on_or_the_handshake_fails() {
    let folder = Folder::new("alpn");
    let authority = authority();
    let ca_file = Some(folder.file("ca.pem", &authority.pem()));
    let settings = TlsSettings { ca_file, alpn: Some("mqtt".to_owned()), ..TlsSettings::default() };
    let server = || signed(&parameters("x", &["broker.example"]), &authority);
    let (near, far) = handshake_with(&settings, "broker.example", server(), &[b"http/1.1", b"mqtt"]);
    assert_eq!((near, far), (Ok(()), Ok(Some(b"mqtt".to_vec()))));
    let (near, _) = handshake_with(&settings, "broker.example", server(), &[b"http/1.1"]);
    assert!(near.unwrap_err().contains("NoApplicationProtocol"));
}

#[test]
fn a_chain_to_the_given_authority_is_trusted_for_its_names_and_addresses() {
    let folder = Folder::new("chain");
    let authority = authority();
    let ca_file = Some(folder.file("ca.pem", &authority.pem()));
    let settings = TlsSettings { ca_file, ..TlsSettings::default() };
    let params = parameters("ignored.example", &["broker.example", "127.0.0.1"]);
    assert_eq!(handshake(&settings, "broker.example", signed(&params, &authority)), Ok(()));
    assert_eq!(handshake(&settings, "127.0.0.1", signed(&params, &authority)), Ok(()));
    let wrong = handshake(&settings, "ignored.example", signed(&params, &authority));
    let error = wrong.expect_err("the common name does not count beside alternative names");
    assert!(error.contains("NotValidForName"), "{error}");
}

#[test]
fn insecure_ignores_the_name_and_nothing_else() {
    let folder = Folder::new("insecure");
    let authority = authority();
    let ca_file = Some(folder.file("ca.pem", &authority.pem()));
    let settings = TlsSettings { ca_file, ignores_name: true, ..TlsSettings::default() };
    let mut params = parameters("x", &["other.example"]);
    assert_eq!(handshake(&settings, "broker.example", signed(&params, &authority)), Ok(()));
    let stranger = self::authority();
    assert!(handshake(&settings, "broker.example", signed(&params, &stranger)).is_err());
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let expired = handshake(&settings, "broker.example", signed(&params, &authority));
    assert!(expired.unwrap_err().to_lowercase().contains("expired"));
}

#[test]
fn a_self_signed_certificate_that_is_its_own_authority_is_trusted() {
    let folder = Folder::new("self-signed");
    let mut params = parameters("localhost", &["localhost"]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let ca_file = Some(folder.file("server.pem", &certificate.pem()));
    let settings = TlsSettings { ca_file, ..TlsSettings::default() };
    let server = || Server {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    };
    assert_eq!(handshake(&settings, "localhost", server()), Ok(()));
    assert!(handshake(&settings, "elsewhere", server()).is_err());
}

#[test]
fn an_expired_certificate_is_refused_even_when_it_is_in_the_ca_file() {
    let folder = Folder::new("expired");
    let mut params = parameters("localhost", &["localhost"]);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let ca_file = Some(folder.file("server.pem", &certificate.pem()));
    let settings = TlsSettings { ca_file, ..TlsSettings::default() };
    let server = Server {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    };
    assert!(handshake(&settings, "localhost", server).unwrap_err().to_lowercase().contains("expired"));
}

#[test]
fn a_certificate_without_alternative_names_is_for_its_common_name() {
    let folder = Folder::new("common-name");
    let authority = authority();
    let ca_file = Some(folder.file("ca.pem", &authority.pem()));
    let settings = TlsSettings { ca_file, ..TlsSettings::default() };
    let params = parameters("broker.example", &[]);
    assert_eq!(handshake(&settings, "BROKER.example", signed(&params, &authority)), Ok(()));
    assert!(handshake(&settings, "other.example", signed(&params, &authority)).is_err());
}

#[test]
fn a_version_1_certificate_signed_by_the_given_authority_is_trusted() {
    let server = || Server {
        chain: vec![CertificateDer::from_pem_file(fixture("v1.crt")).unwrap()],
        key: PrivateKeyDer::from_pem_file(fixture("v1.key")).unwrap(),
    };
    let settings = TlsSettings { ca_file: Some(fixture("ca.crt")), ..TlsSettings::default() };
    assert_eq!(handshake(&settings, "localhost", server()), Ok(()));
    assert!(handshake(&settings, "elsewhere", server()).is_err());
    let tls13 = TlsSettings { requires_tls13: true, ..settings };
    assert_eq!(handshake(&tls13, "localhost", server()), Ok(()));

    let folder = Folder::new("stranger");
    let stranger = folder.file("ca.pem", &authority().pem());
    let settings = TlsSettings { ca_file: Some(stranger), ..TlsSettings::default() };
    assert!(handshake(&settings, "localhost", server()).is_err());
}

#[test]
fn encrypted_keys_of_every_form_open_with_their_pass_phrase_only() {
    for name in ["v1-aes128-legacy.key", "v1-des3-legacy.key", "v1-pkcs8.key"] {
        let settings = TlsSettings {
            ca_file: Some(fixture("ca.crt")),
            certificate: Some(fixture("v1.crt")),
            key: Some(fixture(name)),
            ..TlsSettings::default()
        };
        TlsClient::new(&settings, &mut || Ok("sesame".to_owned())).expect(name);
        let wrong = TlsClient::new(&settings, &mut || Ok("open".to_owned()));
        assert!(matches!(wrong, Err(TlsError::NoKey { .. } | TlsError::Refused(_))), "{name}: {wrong:?}");
    }
}

#[test]
fn files_that_cannot_serve_are_named() {
    let missing = TlsSettings { ca_file: Some("/nonexistent/ca.pem".into()), ..TlsSettings::default() };
    let error = TlsClient::new(&missing, &mut no_passphrase).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/ca.pem: "), "{error}");
    let no_certificate = TlsSettings { ca_file: Some(fixture("v1.key")), ..TlsSettings::default() };
    let error = TlsClient::new(&no_certificate, &mut no_passphrase).unwrap_err();
    assert!(matches!(error, TlsError::NoCertificate { .. }), "{error}");
    let no_cipher = TlsSettings { ciphers: Some("RC4-MD5".to_owned()), ..TlsSettings::default() };
    let error = TlsClient::new(&no_cipher, &mut no_passphrase).unwrap_err();
    assert!(matches!(error, TlsError::NoCipher { .. }), "{error}");
}
