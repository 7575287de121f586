//! Whom a client trusts: webpki's judgement, and the two everyday set-ups that OpenSSL accepts and webpki does not.
//!
//! 1. The server's certificate is itself in the given CA file (self-signed, `CA:TRUE` or not).
//! 2. The server's certificate is of X.509 version 1, as `openssl x509 -req` makes without an extension file, and was
//!    signed by a certificate of the CA file.
//!
//! Expiry and the handshake's signature are checked in every case.

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime},
    server::ParsedCertificate,
};
use std::sync::Arc;
use x509_cert::{
    Certificate, TbsCertificate, Version,
    der::{
        Decode, Encode,
        asn1::{BitString, ObjectIdentifier},
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
    spki::AlgorithmIdentifierOwned,
};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Judges a server as mosquitto's clients with OpenSSL do.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) roots: Arc<RootCertStore>,
    /// The certificates of the CA file, to the byte.
    pub(super) given: Vec<CertificateDer<'static>>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// `--insecure` ignores the name, and only the name.
    pub(super) ignores_name: bool,
}

impl Verifier {
    fn check_trust(
        &self,
        leaf_der: &CertificateDer<'_>,
        leaf: &Certificate,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if let Some(judgement) = self.judge_directly(leaf_der, leaf, now) {
            return judgement;
        }
        let parsed = ParsedCertificate::try_from(leaf_der)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )
    }

    /// What OpenSSL thinks of a certificate that webpki does not read; `None` for those that it does.
    pub(super) fn judge_directly(
        &self,
        leaf_der: &CertificateDer<'_>,
        leaf: &Certificate,
        now: UnixTime,
    ) -> Option<Result<(), Error>> {
        let tbs = leaf.tbs_certificate();
        if self.given.iter().any(|given| given.as_ref() == leaf_der.as_ref()) {
            return Some(check_validity(tbs, now));
        }
        (tbs.version() == Version::V1)
            .then(|| check_validity(tbs, now).and_then(|()| self.check_issuer(leaf, now)))
    }

    /// A version 1 certificate must have been signed by one of the CA file's.
    fn check_issuer(&self, leaf: &Certificate, now: UnixTime) -> Result<(), Error> {
        for given in &self.given {
            let Ok(issuer) = Certificate::from_der(given) else {
                continue;
            };
            let issuer = issuer.tbs_certificate();
            if issuer.subject() == leaf.tbs_certificate().issuer()
                && check_validity(issuer, now).is_ok()
                && self.is_signed_by(leaf, issuer).is_some()
            {
                return Ok(());
            }
        }
        Err(CertificateError::UnknownIssuer.into())
    }

    fn is_signed_by(&self, leaf: &Certificate, issuer: &TbsCertificate) -> Option<()> {
        let message = leaf.tbs_certificate().to_der().ok()?;
        self.verify_signed(&message, leaf.signature_algorithm(), leaf.signature(), issuer)
    }

    /// Whether `signer` made the signature under a certificate or a revocation list.
    pub(super) fn verify_signed(
        &self,
        message: &[u8],
        algorithm: &AlgorithmIdentifierOwned,
        signature: &BitString,
        signer: &TbsCertificate,
    ) -> Option<()> {
        let wanted = algorithm_body(algorithm)?;
        let fitting =
            self.algorithms.all.iter().filter(|algorithm| algorithm.signature_alg_id().as_ref() == wanted);
        verify_with_any(fitting.copied(), signer, message, signature.as_bytes()?)
    }

    /// Checks the handshake's signature with the leaf's key, whatever the certificate's version.
    pub(super) fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let certificate = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let fitting = self
            .algorithms
            .mapping
            .iter()
            .filter(|(scheme, _)| *scheme == signed.scheme)
            .flat_map(|(_, algorithms)| algorithms.iter().copied());
        verify_with_any(fitting, certificate.tbs_certificate(), message, signed.signature())
            .map(|()| HandshakeSignatureValid::assertion())
            .ok_or_else(|| CertificateError::BadSignature.into())
    }
}

/// Tries every algorithm that fits the signer's key.
fn verify_with_any<'a>(
    algorithms: impl Iterator<Item = &'a dyn SignatureVerificationAlgorithm>,
    signer: &TbsCertificate,
    message: &[u8],
    signature: &[u8],
) -> Option<()> {
    let key = signer.subject_public_key_info();
    let key_algorithm = algorithm_body(&key.algorithm)?;
    let key_bytes = key.subject_public_key.as_bytes()?;
    algorithms
        .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == key_algorithm)
        .any(|algorithm| algorithm.verify_signature(key_bytes, message, signature).is_ok())
        .then_some(())
}

/// The DER of an algorithm identifier without its outer tag and length, as rustls keeps it.
fn algorithm_body(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    // Identifiers of signature and key algorithms are far below 128 bytes, so the length is one byte.
    (*der.get(1)? < 0x80).then(|| der[2..].to_vec())
}

fn check_validity(tbs: &TbsCertificate, now: UnixTime) -> Result<(), Error> {
    let validity = tbs.validity();
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Whether the certificate is for `name`: its Subject Alternative Names, and without any the Common Name.
fn is_for_name(leaf_der: &CertificateDer<'_>, leaf: &Certificate, name: &ServerName<'_>) -> bool {
    let alternatives = leaf.tbs_certificate().get_extension::<SubjectAltName>().ok().flatten();
    let has_names = alternatives.is_some_and(|(_, names)| {
        names.0.iter().any(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_)))
    });
    if has_names {
        return ParsedCertificate::try_from(leaf_der)
            .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, name).is_ok())
            || is_alternative_of_self_signed(leaf, name);
    }
    let host = name.to_str();
    common_names(leaf).any(|common_name| matches_host(&common_name, &host))
}

/// webpki does not read some certificates that are trusted to the byte; their names are compared here.
fn is_alternative_of_self_signed(leaf: &Certificate, name: &ServerName<'_>) -> bool {
    let Ok(Some((_, names))) = leaf.tbs_certificate().get_extension::<SubjectAltName>() else {
        return false;
    };
    names.0.iter().any(|alternative| match (alternative, name) {
        (GeneralName::DnsName(pattern), ServerName::DnsName(host)) => {
            matches_host(pattern.as_str(), host.as_ref())
        }
        (GeneralName::IpAddress(octets), ServerName::IpAddress(address)) => {
            let address: std::net::IpAddr = (*address).into();
            match address {
                std::net::IpAddr::V4(address) => octets.as_bytes() == address.octets(),
                std::net::IpAddr::V6(address) => octets.as_bytes() == address.octets(),
            }
        }
        _ => false,
    })
}

pub(super) fn common_names(leaf: &Certificate) -> impl Iterator<Item = String> {
    leaf.tbs_certificate().subject().iter().filter(|attribute| attribute.oid == COMMON_NAME).filter_map(
        |attribute| {
            let text = String::from_utf8_lossy(attribute.value.value()).into_owned();
            (!text.contains('\0')).then_some(text)
        },
    )
}

/// Compares without case; `*` may stand for the whole leftmost label.
fn matches_host(pattern: &str, host: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix("*.") {
        return host
            .split_once('.')
            .is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest) && rest.contains('.'));
    }
    pattern.eq_ignore_ascii_case(host)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let leaf = Certificate::from_der(end_entity)
            .map_err(|error| CertificateError::Other(OtherError(Arc::new(error))))?;
        self.check_trust(end_entity, &leaf, intermediates, now)?;
        if !self.ignores_name && !is_for_name(end_entity, &leaf, server_name) {
            return Err(CertificateError::NotValidForName.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::matches_host;

    #[test]
    fn a_wildcard_stands_for_one_label_under_a_domain() {
        assert!(matches_host("*.example.org", "mqtt.EXAMPLE.org"));
        assert!(!matches_host("*.example.org", "a.b.example.org"));
        assert!(!matches_host("*.example.org", "example.org"));
        assert!(!matches_host("*.org", "example.org"));
        assert!(matches_host("localhost", "LOCALHOST"));
        assert!(!matches_host("localhost", "localhost.evil"));
    }
}
