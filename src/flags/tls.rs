//! Encryption.

use clap::Args;
use std::path::PathBuf;

/// The flags of TLS.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub struct Tls {
    /// File with trusted CA certificates; switches TLS on
    #[arg(long, value_name = "file")]
    pub cafile: Option<PathBuf>,
    /// Directory with trusted CA certificates; switches TLS on
    #[arg(long, value_name = "directory")]
    pub capath: Option<PathBuf>,
    /// Trust the system's certificates; switches TLS on
    #[arg(long)]
    pub tls_use_os_certs: bool,
    /// File with the client certificate
    #[arg(long, value_name = "file")]
    pub cert: Option<PathBuf>,
    /// File with the client's private key
    #[arg(long, value_name = "file")]
    pub key: Option<PathBuf>,
    /// Read the pass phrase of the private key from the first line of this file
    #[arg(long, value_name = "file")]
    pub keypass_file: Option<PathBuf>,
    /// Form of the private key: pem or engine
    #[arg(long, value_name = "form")]
    pub keyform: Option<String>,
    /// Ciphers to offer
    #[arg(long, value_name = "list")]
    pub ciphers: Option<String>,
    /// Lowest version of TLS: tlsv1.2 or tlsv1.3
    #[arg(long, value_name = "version")]
    pub tls_version: Option<String>,
    /// Do not check that the certificate names the host
    #[arg(long)]
    pub insecure: bool,
    /// Pre-shared key in hexadecimal; switches TLS on (in builds with the feature psk)
    #[arg(long, value_name = "key")]
    pub psk: Option<String>,
    /// Identity that belongs to the pre-shared key
    #[arg(long, value_name = "identity")]
    pub psk_identity: Option<String>,
    /// Application protocol to offer (ALPN)
    #[arg(long, value_name = "protocol")]
    pub tls_alpn: Option<String>,
    /// OpenSSL engine
    #[arg(long, value_name = "engine")]
    pub tls_engine: Option<String>,
    /// SHA-1 of the engine's key password
    #[arg(long = "tls-engine-kpass-sha1", value_name = "hex")]
    pub tls_engine_kpass_sha1: Option<String>,
    /// Append the session keys to this file
    #[arg(long, value_name = "file")]
    pub tls_keylog: Option<PathBuf>,
    /// Use no TLS, whatever the other options say
    #[arg(long)]
    pub no_tls: bool,
}
