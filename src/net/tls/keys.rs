//! Certificates and private keys from PEM files, encrypted ones included.

use super::TlsError;
use aes::cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7};
use md5::{Digest, Md5};
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
        pem::{PemObject, SectionKind},
    },
    sign::CertifiedKey,
};
use std::{fs, path::Path};
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

/// A PEM file over this size is no certificate or key, in bytes.
const PEM_BYTES_MAX: u64 = 16 << 20;

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |error| TlsError::Unreadable { path: path.to_owned(), error };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(std::io::ErrorKind::IsADirectory.into()));
    }
    if metadata.len() > PEM_BYTES_MAX {
        return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
    }
    fs::read(path).map_err(unreadable)
}

/// All certificates of a PEM file.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

/// A certificate chain with its private key.
///
/// rustls would judge the chain by webpki's rules for servers; a client's certificate is its server's to judge, so only
/// the key is compared.
pub(super) fn identity(
    certificate: &Path,
    key: &Path,
    passphrase: &mut dyn FnMut() -> std::io::Result<String>,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(certificate)?;
    let signing_key = any_supported_type(&private_key(key, passphrase)?)?;
    let leaf = Certificate::from_der(&chain[0])
        .map_err(|_| TlsError::NoCertificate { path: certificate.to_owned() })?;
    let certified = leaf.tbs_certificate().subject_public_key_info().to_der().ok();
    let own = signing_key.public_key().map(|key| key.as_ref().to_vec());
    if own.is_some() && own != certified {
        return Err(TlsError::KeyMismatch { path: key.to_owned() });
    }
    Ok(CertifiedKey::new(chain, signing_key))
}

/// The first private key of a PEM file; `passphrase` is asked only when the key is encrypted.
pub(super) fn private_key(
    path: &Path,
    passphrase: &mut dyn FnMut() -> std::io::Result<String>,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read(path)?;
    let no_key = || TlsError::NoKey { path: path.to_owned() };
    let mut ask = || passphrase().map_err(|error| TlsError::Unreadable { path: path.to_owned(), error });
    let text = String::from_utf8_lossy(&pem);
    if let Some(legacy) = LegacyKey::find(&text) {
        let legacy = legacy.ok_or_else(no_key)?;
        return legacy.decrypt(ask()?.as_bytes()).ok_or_else(no_key);
    }
    if let Some(encrypted) = encrypted_pkcs8(&text) {
        let password = ask()?;
        let info = EncryptedPrivateKeyInfoRef::try_from(&encrypted[..]).map_err(|_| no_key())?;
        let document = info.decrypt(password.as_bytes()).map_err(|_| no_key())?;
        return Ok(PrivatePkcs8KeyDer::from(document.as_bytes().to_vec()).into());
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| no_key())
}

/// The DER of the first `ENCRYPTED PRIVATE KEY` section.
fn encrypted_pkcs8(text: &str) -> Option<Vec<u8>> {
    let start = text.find("-----BEGIN ENCRYPTED PRIVATE KEY-----")?;
    let plain = text[start..].replacen("ENCRYPTED PRIVATE KEY", "PRIVATE KEY", 2);
    <(SectionKind, Vec<u8>)>::from_pem_slice(plain.as_bytes()).ok().map(|(_, der)| der)
}

/// A key in the form of `openssl genrsa -aes256` before 3.0: `Proc-Type` and `DEK-Info` in the PEM header.
struct LegacyKey {
    label: String,
    cipher: String,
    iv: Vec<u8>,
    body: Vec<u8>,
}

impl LegacyKey {
    /// `None` when there is no such section, `Some(None)` when it cannot be read.
    fn find(text: &str) -> Option<Option<Self>> {
        let header = text.find("\nProc-Type: 4,ENCRYPTED")?;
        Some(Self::parse(text, header))
    }

    fn parse(text: &str, header: usize) -> Option<Self> {
        let begin = text[..header + 1].rfind("-----BEGIN ")?;
        let section = &text[begin..];
        let label = section.strip_prefix("-----BEGIN ")?.split("-----").next()?.to_owned();
        let information = section.lines().find_map(|line| line.strip_prefix("DEK-Info: "))?;
        let (cipher, iv) = information.trim().split_once(',')?;
        // Without its headers the section is an ordinary one.
        let lines = section.lines().filter(|line| !line.contains(": "));
        let plain = lines.collect::<Vec<_>>().join("\n");
        let end = format!("-----END {label}-----");
        let until = plain.find(&end)? + end.len();
        let renamed = plain[..until].replace(&label, "PRIVATE KEY");
        let (_, body) = <(SectionKind, Vec<u8>)>::from_pem_slice(renamed.as_bytes()).ok()?;
        Some(Self { label, cipher: cipher.to_owned(), iv: hexadecimal(iv)?, body })
    }

    fn decrypt(&self, passphrase: &[u8]) -> Option<PrivateKeyDer<'static>> {
        let iv = &self.iv[..];
        let key = |length| derive(passphrase, iv.get(..8)?, length);
        let der = match self.cipher.as_str() {
            "AES-128-CBC" => cbc_decrypt::<cbc::Decryptor<aes::Aes128>>(&key(16)?, iv, &self.body),
            "AES-192-CBC" => cbc_decrypt::<cbc::Decryptor<aes::Aes192>>(&key(24)?, iv, &self.body),
            "AES-256-CBC" => cbc_decrypt::<cbc::Decryptor<aes::Aes256>>(&key(32)?, iv, &self.body),
            "DES-EDE3-CBC" => cbc_decrypt::<cbc::Decryptor<des::TdesEde3>>(&key(24)?, iv, &self.body),
            _ => None,
        }?;
        Some(match self.label.as_str() {
            "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(der).into(),
            "EC PRIVATE KEY" => PrivateSec1KeyDer::from(der).into(),
            _ => PrivatePkcs8KeyDer::from(der).into(),
        })
    }
}

fn cbc_decrypt<D: BlockModeDecrypt + KeyIvInit>(key: &[u8], iv: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    D::new_from_slices(key, iv).ok()?.decrypt_padded_vec::<Pkcs7>(body).ok()
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round, which the DEK-Info form is defined by.
fn derive(passphrase: &[u8], salt: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    while key.len() < length {
        let digest = Md5::new().chain_update(&last).chain_update(passphrase).chain_update(salt).finalize();
        last = digest.to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    Some(key)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
