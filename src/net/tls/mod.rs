//! TLS: rustls with ring, trust as OpenSSL has it (contract of mosquitto's clients, section 7).

mod ciphers;
mod clients;
mod ephemeral;
mod keys;
#[cfg(feature = "psk")]
mod psk;
#[cfg(feature = "psk")]
mod psk_server;
mod server;
mod verify;

#[cfg(all(feature = "psk", feature = "bench"))]
pub(crate) use psk::reason as psk_reason;

pub use ephemeral::{CaFile, Ephemeral, EphemeralError, EphemeralFault};
pub use server::{Identity, ServerIdentity, TlsServer, TlsServerSettings};

use super::Transport;
use rustls::{
    ClientConfig, KeyLog, RootCertStore,
    pki_types::{CertificateDer, ServerName},
    sign::SingleCertAndKey,
};
use std::{
    fmt, io,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_rustls::TlsConnector;

/// What the TLS flags ask for.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// Certificates that are trusted, PEM.
    pub ca_file: Option<PathBuf>,
    /// A folder of trusted certificates under the names that `openssl rehash` gives.
    pub ca_path: Option<PathBuf>,
    /// Trust the operating system's certificates too.
    pub uses_system_roots: bool,
    /// The client's certificate and its chain, PEM.
    pub certificate: Option<PathBuf>,
    /// The client's private key, PEM; may be encrypted.
    pub key: Option<PathBuf>,
    /// Ignore the server's name; the chain, expiry and signature are still checked.
    pub ignores_name: bool,
    /// TLS 1.3 only; 1.2 or newer otherwise.
    pub requires_tls13: bool,
    /// Suites below TLS 1.3 in OpenSSL's cipher language.
    pub ciphers: Option<String>,
    /// The one application protocol that is offered.
    pub alpn: Option<String>,
    /// Secrets are appended here in the NSS key log format.
    pub key_log: Option<PathBuf>,
    /// A key shared with the server instead of certificates; needs the feature `psk`.
    pub psk: Option<PreSharedKey>,
}

/// A pre-shared key and the name under which the server knows it.
#[derive(Clone, Eq, PartialEq)]
pub struct PreSharedKey {
    /// The identity that is sent, in the clear.
    pub identity: String,
    /// The key, in hexadecimal digits.
    pub key: String,
}

impl std::fmt::Debug for PreSharedKey {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreSharedKey").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Why no TLS client or listener could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the settings cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A certificate file without a certificate.
    #[error("{}: no certificate found", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A key file without a readable key, or a wrong passphrase.
    #[error("{}: no usable private key, or a wrong pass phrase", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A private key that belongs to another certificate.
    #[error("{}: the private key does not belong to the certificate", path.display())]
    KeyMismatch {
        /// The key file.
        path: PathBuf,
    },
    /// A cipher list that names nothing rustls has.
    #[error("no supported cipher in '{list}' (rustls has only ECDHE with AES-GCM or ChaCha20-Poly1305)")]
    NoCipher {
        /// The list as given.
        list: String,
    },
    /// A file of revocation lists without one.
    #[error("{}: no certificate revocation list found", path.display())]
    NoRevocationList {
        /// The file.
        path: PathBuf,
    },
    /// Clients must show certificates, and nothing says whom to trust.
    #[error("require_certificate needs cafile or capath with at least one certificate")]
    NoAuthority,
    /// A pre-shared key that cannot be used, or that the server did not take.
    #[error("pre-shared key: {0}")]
    Psk(String),
    /// A line of a file of pre-shared keys that cannot be used.
    #[error("{}:{line}: {fault}", path.display())]
    KeyLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The connection ended before there was an agreement; the server may not speak TLS at all.
    #[error("the server ended the TLS handshake: {0}")]
    Handshake(io::Error),
    /// What rustls refused, such as an unsupported key type.
    #[error("{0}")]
    Refused(#[from] rustls::Error),
}

/// Makes TLS connections; cheap to clone.
#[derive(Clone)]
pub struct TlsClient {
    connector: Connector,
}

#[derive(Clone)]
enum Connector {
    Certificates(TlsConnector),
    #[cfg(feature = "psk")]
    PreSharedKey(openssl::ssl::SslContext),
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

impl TlsClient {
    /// Reads the files of `settings`; `passphrase` is asked when the private key is encrypted.
    ///
    /// # Errors
    ///
    /// Every [`TlsError`].
    pub fn new(
        settings: &TlsSettings,
        passphrase: &mut dyn FnMut() -> io::Result<String>,
    ) -> Result<Self, TlsError> {
        if let Some(psk) = &settings.psk {
            return Self::with_psk(psk, settings);
        }
        let mut provider = rustls::crypto::ring::default_provider();
        if let Some(list) = &settings.ciphers {
            provider.cipher_suites = ciphers::choose(list, &provider.cipher_suites)
                .ok_or_else(|| TlsError::NoCipher { list: list.clone() })?;
        }
        let algorithms = provider.signature_verification_algorithms;
        let given = given_certificates(settings)?;
        let roots = Arc::new(root_store(settings, &given));
        let versions: &[_] = if settings.requires_tls13 {
            &[&rustls::version::TLS13]
        } else {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        };
        let verifier = verify::Verifier { roots, given, algorithms, ignores_name: settings.ignores_name };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => {
                let identity = keys::identity(certificate, key, passphrase)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = settings.alpn.iter().map(|protocol| protocol.clone().into_bytes()).collect();
        if let Some(path) = &settings.key_log {
            config.key_log = Arc::new(KeyLogFile { path: path.clone() });
        }
        Ok(Self { connector: Connector::Certificates(TlsConnector::from(Arc::new(config))) })
    }

    /// What rustls connects with, for those who drive it themselves; `None` for a pre-shared key, which rustls has not.
    #[must_use]
    pub fn config(&self) -> Option<Arc<ClientConfig>> {
        match &self.connector {
            Connector::Certificates(connector) => Some(connector.config().clone()),
            #[cfg(feature = "psk")]
            Connector::PreSharedKey(_) => None,
        }
    }

    /// What shakes hands with a pre-shared key, if it is one.
    #[cfg(all(feature = "psk", feature = "bench"))]
    pub(crate) fn psk_context(&self) -> Option<openssl::ssl::SslContext> {
        match &self.connector {
            Connector::Certificates(_) => None,
            Connector::PreSharedKey(context) => Some(context.clone()),
        }
    }

    #[cfg(feature = "psk")]
    fn with_psk(psk: &PreSharedKey, settings: &TlsSettings) -> Result<Self, TlsError> {
        Ok(Self { connector: Connector::PreSharedKey(psk::context(psk, settings)?) })
    }

    #[cfg(not(feature = "psk"))]
    fn with_psk(_psk: &PreSharedKey, _settings: &TlsSettings) -> Result<Self, TlsError> {
        Err(TlsError::Psk("not built into this version".to_owned()))
    }

    /// Shakes hands over `stream` with the server named `host` (a name or an IP address).
    ///
    /// # Errors
    ///
    /// Those with a [`rustls::Error`] or a [`TlsError`] inside for a failed handshake; the alert has been sent then.
    pub async fn connect<S: Transport + 'static>(
        &self,
        host: &str,
        stream: S,
    ) -> io::Result<Box<dyn Transport>> {
        match &self.connector {
            Connector::Certificates(connector) => {
                let name = ServerName::try_from(host.to_owned())
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                match connector.connect(name, stream).await {
                    Ok(stream) => Ok(Box::new(stream)),
                    Err(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                        Err(error)
                    }
                    Err(error) => Err(io::Error::other(TlsError::Handshake(error))),
                }
            }
            #[cfg(feature = "psk")]
            Connector::PreSharedKey(context) => psk::connect(context, host, stream).await,
        }
    }
}

fn given_certificates(settings: &TlsSettings) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    authorities(settings.ca_file.as_deref(), settings.ca_path.as_deref())
}

/// The certificates of a file and of a folder with the names that `openssl rehash` gives.
fn authorities(
    ca_file: Option<&Path>,
    ca_path: Option<&Path>,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut given = match ca_file {
        Some(path) => keys::certificates(path)?,
        None => Vec::new(),
    };
    if let Some(folder) = ca_path {
        let unreadable = |error| TlsError::Unreadable { path: folder.to_owned(), error };
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if is_hashed_name(&entry.file_name().to_string_lossy()) {
                // OpenSSL passes over files that it cannot read here.
                given.extend(keys::certificates(&entry.path()).unwrap_or_default());
            }
        }
    }
    Ok(given)
}

/// `0a1b2c3d.0`, as `openssl rehash` names its links.
fn is_hashed_name(name: &str) -> bool {
    let Some((hash, number)) = name.split_once('.') else {
        return false;
    };
    hash.len() == 8
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn root_store(settings: &TlsSettings, given: &[CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(given.iter().cloned());
    if settings.uses_system_roots {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    roots
}

/// Keeps the secrets of a connection for those who look at its packets.
#[derive(Debug)]
struct KeyLogFile {
    path: PathBuf,
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        append_secret(&self.path, &format!("{label} {} {}", hexadecimal(client_random), hexadecimal(secret)));
    }
}

/// Appends a line to a file in the NSS key log format; opened for each line, as mosquitto does.
fn append_secret(path: &Path, line: &str) {
    // A key log that cannot be written is no reason to break the connection.
    let _ = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
}
