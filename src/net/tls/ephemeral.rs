//! A certificate authority that lives as long as its process, for test brokers (`--tls-ephemeral`).

use super::ServerIdentity;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("making a certificate: {0}")]
pub struct EphemeralError(#[from] rcgen::Error);

/// Certificates of an authority whose key is forgotten with them; valid from 1975 to 4096.
#[derive(Debug)]
pub struct Ephemeral {
    /// The authority's certificate, PEM.
    pub ca_pem: String,
    /// The server, for `localhost`, `127.0.0.1`, `::1` and the names that were given.
    pub server: ServerIdentity,
}

/// Something that is wrong about a server's certificate on purpose.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EphemeralFault {
    /// Nothing.
    #[default]
    None,
    /// It was valid until the year 2000.
    Expired,
    /// It names `wrong.host.invalid` alone.
    WrongHost,
    /// It comes from another authority than the one that clients are told to trust.
    UnknownAuthority,
}

impl Ephemeral {
    /// Makes them anew for the names of this machine alone, with something wrong.
    ///
    /// # Errors
    ///
    /// When there is no randomness.
    pub fn with_fault(fault: EphemeralFault) -> Result<Self, EphemeralError> {
        let mut made = Self::make(&[], fault)?;
        if fault == EphemeralFault::UnknownAuthority {
            made.ca_pem = Self::new(&[])?.ca_pem;
        }
        Ok(made)
    }

    /// Makes them anew; `names` are further names or addresses of the server.
    ///
    /// # Errors
    ///
    /// When there is no randomness, or a name cannot stand in a certificate.
    pub fn new(names: &[String]) -> Result<Self, EphemeralError> {
        Self::make(names, EphemeralFault::None)
    }

    fn make(names: &[String], fault: EphemeralFault) -> Result<Self, EphemeralError> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.distinguished_name.push(DnType::CommonName, "culex ephemeral CA");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        all.extend(names.iter().filter(|name| !name.is_empty()).cloned());
        if fault == EphemeralFault::WrongHost {
            all = vec!["wrong.host.invalid".to_owned()];
        }
        let mut params = CertificateParams::new(all)?;
        if fault == EphemeralFault::Expired {
            params.not_after = rcgen::date_time_ymd(2000, 1, 1);
        }
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let chain = vec![params.signed_by(&key, &authority)?.der().to_vec()];
        let server = ServerIdentity::Memory { chain, key: key.serialize_der() };
        Ok(Self { ca_pem: authority.pem(), server })
    }
}

/// The authority's certificate in a temporary file, for clients that read it from one; the file is gone when this is.
#[derive(Debug)]
pub struct CaFile {
    path: PathBuf,
}

impl CaFile {
    /// Writes `pem` into a new file.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn write(pem: &str) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("culex-ca-{}.pem", uuid::Uuid::new_v4()));
        // Nobody's file or link of that name may be in the way.
        let mut file = File::options().write(true).create_new(true).open(&path)?;
        file.write_all(pem.as_bytes())?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        // It may have been cleared away.
        let _ = fs::remove_file(&self.path);
    }
}
