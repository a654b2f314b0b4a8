//! Whom a TLS connection trusts.

use base64ct::{Base64, Encoding};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// The certificate authorities by one of which a server's certificate has to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust(String);

/// A text is no list of certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There is no `-----BEGIN CERTIFICATE-----` in it.
    #[error("there is no certificate in PEM form")]
    None,
    /// One of them can't be read.
    #[error("certificate {number} can't be read: {why}")]
    Broken {
        /// Which, from 1.
        number: usize,
        /// Why.
        why: String,
    },
}

impl Trust {
    /// The authorities that Mozilla trusts, as they were when this was built: a program in an initramfs
    /// finds no others.
    pub fn web() -> Self {
        TLS_SERVER_ROOT_CERTS
            .iter()
            .fold(Self(String::new()), Self::with)
    }

    /// The authorities of a text with certificates in PEM form, and no others. What stands between the
    /// certificates is ignored.
    pub fn of_pem(text: &[u8]) -> Result<Self, TrustError> {
        let mut trust = Self(String::new());
        for (index, certificate) in CertificateDer::pem_slice_iter(text).enumerate() {
            let broken = |why: String| TrustError::Broken {
                number: index + 1,
                why,
            };
            let certificate = certificate.map_err(|error| broken(error.to_string()))?;
            // The client takes it for granted that it gets authorities, and panics.
            RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|error| broken(error.to_string()))?;
            trust = trust.with(&certificate);
        }
        if trust.0.is_empty() {
            return Err(TrustError::None);
        }
        Ok(trust)
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// All of them in PEM form.
    pub(super) fn as_pem(&self) -> &str {
        &self.0
    }

    fn with(mut self, certificate: &CertificateDer<'_>) -> Self {
        self.0.push_str("-----BEGIN CERTIFICATE-----\n");
        self.0.push_str(&Base64::encode_string(certificate));
        self.0.push_str("\n-----END CERTIFICATE-----\n");
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_built_in_passes_our_own_check() {
        let web = Trust::web();
        assert_eq!(Trust::of_pem(web.as_pem().as_bytes()), Ok(web.clone()));
        assert!(TLS_SERVER_ROOT_CERTS.len() > 50);
        let lines = web.as_pem().lines().count();
        assert_eq!(lines, 3 * TLS_SERVER_ROOT_CERTS.len());
    }

    #[test]
    fn what_is_no_authority_is_refused_before_it_is_used() {
        assert_eq!(Trust::of_pem(b""), Err(TrustError::None));
        assert_eq!(Trust::of_pem(b"nothing\n"), Err(TrustError::None));
        let noise = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        let second = Trust::web().and(&Trust(noise.to_owned()));
        let number = TLS_SERVER_ROOT_CERTS.len() + 1;
        let refused = Trust::of_pem(second.as_pem().as_bytes()).unwrap_err();
        assert!(
            matches!(refused, TrustError::Broken { number: found, .. } if found == number),
            "{refused}"
        );
        let cut = "-----BEGIN CERTIFICATE-----\naGVs*\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            Trust::of_pem(cut.as_bytes()),
            Err(TrustError::Broken { number: 1, .. })
        ));
    }
}
