//! TLS for listeners.

#[cfg(feature = "psk")]
use super::psk_server::PskAcceptor;
use super::{KeyLogFile, TlsError, authorities, ciphers, clients::ClientVerifier, keys};
use crate::net::Transport;
use crate::packet::Text;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_rustls::TlsAcceptor;
use x509_cert::{Certificate, der::Decode};

/// Who the server is.
#[derive(Clone, Eq, PartialEq)]
pub enum ServerIdentity {
    /// PEM files.
    Files {
        /// The certificate and its chain.
        certificate: PathBuf,
        /// Its private key, not encrypted.
        key: PathBuf,
    },
    /// Made in memory.
    Memory {
        /// The certificate and its chain, DER.
        chain: Vec<Vec<u8>>,
        /// Its private key, PKCS#8 DER.
        key: Vec<u8>,
    },
    /// Whoever knows the keys of its clients; needs the feature `psk`.
    PreSharedKeys {
        /// Lines of `IDENTITY:KEY`, the key in hexadecimal digits.
        file: PathBuf,
        /// Tells clients which of their keys is meant.
        hint: Option<String>,
    },
}

impl fmt::Debug for ServerIdentity {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { certificate, key } => {
                f.debug_struct("Files").field("certificate", certificate).field("key", key).finish()
            }
            Self::Memory { .. } => f.write_str("Memory"),
            Self::PreSharedKeys { file, hint } => {
                f.debug_struct("PreSharedKeys").field("file", file).field("hint", hint).finish()
            }
        }
    }
}

/// What of a client's certificate becomes its User Name; the identity of a pre-shared key does so with either.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Identity {
    /// The Common Name (`use_identity_as_username`).
    CommonName,
    /// The whole subject as RFC 4514 writes it (`use_subject_as_username`).
    Subject,
}

/// What a listener's TLS options ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsServerSettings {
    /// Certificate and key.
    pub identity: ServerIdentity,
    /// Whom clients' certificates must come from, PEM.
    pub ca_file: Option<PathBuf>,
    /// A folder of the same, under the names that `openssl rehash` gives.
    pub ca_path: Option<PathBuf>,
    /// Revocation lists, PEM; with them, a client without a list of its issuer is refused.
    pub crl_file: Option<PathBuf>,
    /// Whether clients must show a certificate.
    pub requires_certificate: bool,
    /// What of it becomes the User Name; nothing by default.
    pub identity_as_user_name: Option<Identity>,
    /// Whether certificates of clients are taken before and after the time that they are valid for.
    pub ignores_dates: bool,
    /// TLS 1.3 only; 1.2 or newer otherwise.
    pub requires_tls13: bool,
    /// Suites below TLS 1.3 in OpenSSL's cipher language.
    pub ciphers: Option<String>,
    /// Suites of TLS 1.3, by name, in the order of preference.
    pub ciphers_tls13: Option<String>,
    /// Secrets are appended here in the NSS key log format.
    pub key_log: Option<PathBuf>,
}

impl TlsServerSettings {
    /// A server of this identity that asks its clients for nothing.
    #[must_use]
    pub const fn new(identity: ServerIdentity) -> Self {
        Self {
            identity,
            ca_file: None,
            ca_path: None,
            crl_file: None,
            requires_certificate: false,
            identity_as_user_name: None,
            ignores_dates: false,
            requires_tls13: false,
            ciphers: None,
            ciphers_tls13: None,
            key_log: None,
        }
    }
}

/// Accepts TLS connections; cheap to clone.
#[derive(Clone)]
pub struct TlsServer {
    acceptor: Acceptor,
    identity_as_user_name: Option<Identity>,
}

#[derive(Clone)]
enum Acceptor {
    Certificates(TlsAcceptor),
    #[cfg(feature = "psk")]
    PreSharedKeys(PskAcceptor),
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer")
    }
}

impl TlsServer {
    /// Reads the files of `settings`.
    ///
    /// # Errors
    ///
    /// Every [`TlsError`].
    pub fn new(settings: &TlsServerSettings) -> Result<Self, TlsError> {
        if let ServerIdentity::PreSharedKeys { file, hint } = &settings.identity {
            return Self::with_keys(file, hint.as_deref(), settings);
        }
        let mut provider = rustls::crypto::ring::default_provider();
        if let Some(list) = &settings.ciphers {
            provider.cipher_suites = ciphers::choose(list, &provider.cipher_suites)
                .ok_or_else(|| TlsError::NoCipher { list: list.clone() })?;
        }
        if let Some(list) = &settings.ciphers_tls13 {
            provider.cipher_suites = ciphers::choose_tls13(list, &provider.cipher_suites)
                .ok_or_else(|| TlsError::NoCipher { list: list.clone() })?;
        }
        let provider = Arc::new(provider);
        let versions: &[_] = if settings.requires_tls13 {
            &[&rustls::version::TLS13]
        } else {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        };
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
        let identity = Arc::new(SingleCertAndKey::from(certified_key(&settings.identity)?));
        let config = if settings.requires_certificate {
            let given = authorities(settings.ca_file.as_deref(), settings.ca_path.as_deref())?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(given.iter().cloned());
            let verifier = ClientVerifier::new(settings, roots, given, &provider)?;
            let mut config =
                builder.with_client_cert_verifier(Arc::new(verifier)).with_cert_resolver(identity);
            // A session that is resumed would not be judged again by today's lists and dates.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config
        } else {
            builder.with_no_client_auth().with_cert_resolver(identity)
        };
        Ok(Self::of(config, settings))
    }

    fn of(mut config: ServerConfig, settings: &TlsServerSettings) -> Self {
        if let Some(path) = &settings.key_log {
            config.key_log = Arc::new(KeyLogFile { path: path.clone() });
        }
        Self {
            acceptor: Acceptor::Certificates(TlsAcceptor::from(Arc::new(config))),
            identity_as_user_name: settings.identity_as_user_name,
        }
    }

    #[cfg(feature = "psk")]
    fn with_keys(file: &Path, hint: Option<&str>, settings: &TlsServerSettings) -> Result<Self, TlsError> {
        let acceptor = Acceptor::PreSharedKeys(PskAcceptor::new(file, hint, settings)?);
        Ok(Self { acceptor, identity_as_user_name: settings.identity_as_user_name })
    }

    #[cfg(not(feature = "psk"))]
    fn with_keys(_file: &Path, _hint: Option<&str>, _settings: &TlsServerSettings) -> Result<Self, TlsError> {
        Err(TlsError::Psk("not built into this version".to_owned()))
    }

    /// Shakes hands over `stream`; also tells the User Name that the client's certificate or identity stands for, if it
    /// does.
    ///
    /// # Errors
    ///
    /// Whatever the stream returns; [`io::ErrorKind::InvalidData`] with a [`rustls::Error`] inside, or an error with a
    /// [`TlsError`] inside, for a failed handshake (the alert has been sent then), or when there is no name that could be
    /// used.
    pub async fn accept<S: Transport + 'static>(
        &self,
        stream: S,
    ) -> io::Result<(Box<dyn Transport>, Option<Text>)> {
        let no_name = || {
            let fault = "neither certificate nor identity of the client is a usable name";
            io::Error::new(io::ErrorKind::InvalidData, fault)
        };
        match &self.acceptor {
            Acceptor::Certificates(acceptor) => {
                let stream = acceptor.accept(stream).await?;
                let Some(identity) = self.identity_as_user_name else {
                    return Ok((Box::new(stream), None));
                };
                let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let user_name = leaf.and_then(|leaf| user_name_of(leaf, identity)).ok_or_else(no_name)?;
                Ok((Box::new(stream), Some(user_name)))
            }
            #[cfg(feature = "psk")]
            Acceptor::PreSharedKeys(acceptor) => match acceptor.accept(stream).await? {
                (stream, _) if self.identity_as_user_name.is_none() => Ok((stream, None)),
                (stream, Some(identity)) => Ok((stream, Some(identity))),
                (_, None) => Err(no_name()),
            },
        }
    }
}

fn user_name_of(leaf: &CertificateDer<'_>, identity: Identity) -> Option<Text> {
    let leaf = Certificate::from_der(leaf).ok()?;
    let name = match identity {
        Identity::CommonName => super::verify::common_names(&leaf).next()?,
        Identity::Subject => leaf.tbs_certificate().subject().to_string(),
    };
    Text::new(name.into_bytes()).ok().filter(|name| !name.is_empty())
}

fn certified_key(identity: &ServerIdentity) -> Result<CertifiedKey, TlsError> {
    match identity {
        ServerIdentity::Files { certificate, key } => {
            // Nobody is asked for a pass phrase: a server starts without its owner.
            let mut refuse = || Err(io::Error::other("the private key is encrypted"));
            keys::identity(certificate, key, &mut refuse)
        }
        ServerIdentity::Memory { chain, key } => {
            let chain = chain.iter().cloned().map(CertificateDer::from).collect();
            let key = any_supported_type(&PrivateKeyDer::Pkcs8(key.clone().into()))?;
            Ok(CertifiedKey::new(chain, key))
        }
        ServerIdentity::PreSharedKeys { file, .. } => Err(TlsError::NoCertificate { path: file.clone() }),
    }
}
