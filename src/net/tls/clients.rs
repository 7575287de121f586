//! Which clients' certificates a listener accepts: webpki's judgement, what OpenSSL accepts beside it, revocation.
//!
//! Revocation lists are read here and not by webpki, which refuses lists of version 1, as `openssl ca -gencrl` writes
//! them without further options.

use super::{TlsError, TlsServerSettings, keys, verify::Verifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime, pem::PemObject},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use std::{path::Path, sync::Arc, time::Duration};
use x509_cert::{
    Certificate,
    crl::CertificateList,
    der::{Decode, Encode},
};

/// Judges clients as mosquitto with OpenSSL does.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    webpki: Arc<dyn ClientCertVerifier>,
    trust: Verifier,
    /// `None` without a file of revocation lists.
    revoked: Option<Vec<CertificateList>>,
    ignores_dates: bool,
}

impl ClientVerifier {
    pub(super) fn new(
        settings: &TlsServerSettings,
        roots: RootCertStore,
        given: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let roots = Arc::new(roots);
        let webpki = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
            .build()
            .map_err(|_| TlsError::NoAuthority)?;
        let algorithms = provider.signature_verification_algorithms;
        let revoked = settings.crl_file.as_deref().map(revocation_lists).transpose()?;
        let trust = Verifier { roots, given, algorithms, ignores_name: true };
        Ok(Self { webpki, trust, revoked, ignores_dates: settings.ignores_dates })
    }

    /// A list of the leaf's issuer must be there, be signed by it, and not name the leaf.
    fn check_revocation(
        &self,
        lists: &[CertificateList],
        leaf: &Certificate,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let tbs = leaf.tbs_certificate();
        let mut lists = lists.iter().filter(|list| list.tbs_cert_list.issuer == *tbs.issuer()).peekable();
        if lists.peek().is_none() {
            return Err(CertificateError::UnknownRevocationStatus.into());
        }
        let signers: Vec<_> = intermediates
            .iter()
            .chain(&self.trust.given)
            .filter_map(|der| Certificate::from_der(der).ok())
            .filter(|signer| signer.tbs_certificate().subject() == tbs.issuer())
            .collect();
        for list in lists {
            let body = &list.tbs_cert_list;
            let message = body.to_der().map_err(|_| CertificateError::BadEncoding)?;
            let is_signed = signers.iter().any(|signer| {
                let signer = signer.tbs_certificate();
                self.trust
                    .verify_signed(&message, &list.signature_algorithm, &list.signature, signer)
                    .is_some()
            });
            if !is_signed {
                return Err(Error::InvalidCertRevocationList(rustls::CertRevocationListError::BadSignature));
            }
            let is_overdue =
                |until: x509_cert::time::Time| now.as_secs() > until.to_unix_duration().as_secs();
            if !self.ignores_dates && body.next_update.is_some_and(is_overdue) {
                return Err(CertificateError::UnknownRevocationStatus.into());
            }
            let mut entries = body.revoked_certificates.iter().flatten();
            if entries.any(|entry| entry.serial_number == *tbs.serial_number()) {
                return Err(CertificateError::Revoked.into());
            }
        }
        Ok(())
    }
}

/// All revocation lists of a PEM file.
fn revocation_lists(path: &Path) -> Result<Vec<CertificateList>, TlsError> {
    let pem = keys::read(path)?;
    let none = || TlsError::NoRevocationList { path: path.to_owned() };
    let sections = CertificateRevocationListDer::pem_slice_iter(&pem);
    let read = |section: Result<CertificateRevocationListDer<'_>, _>| {
        CertificateList::from_der(&section.map_err(|_| none())?).map_err(|_| none())
    };
    let lists = sections.map(read).collect::<Result<Vec<_>, _>>()?;
    if lists.is_empty() { Err(none()) } else { Ok(lists) }
}

/// A moment at which `leaf` is valid: now, if it can be.
fn moment_within(leaf: &Certificate, now: UnixTime) -> UnixTime {
    let validity = leaf.tbs_certificate().validity();
    let (from, until) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    if (from.as_secs()..=until.as_secs()).contains(&now.as_secs()) {
        return now;
    }
    // Its issuer was valid when it was made.
    UnixTime::since_unix_epoch(Duration::from_secs(from.as_secs()))
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let leaf = Certificate::from_der(end_entity)
            .map_err(|error| CertificateError::Other(OtherError(Arc::new(error))))?;
        let now = if self.ignores_dates { moment_within(&leaf, now) } else { now };
        match self.trust.judge_directly(end_entity, &leaf, now) {
            Some(judgement) => judgement?,
            None => {
                self.webpki.verify_client_cert(end_entity, intermediates, now)?;
            }
        }
        if let Some(lists) = &self.revoked {
            self.check_revocation(lists, &leaf, intermediates, now)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.check_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
