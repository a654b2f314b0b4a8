//! TLS with authorities and a clock of our own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// Who is believed about a server's identity.
#[derive(Clone, Debug)]
pub(crate) struct Authorities(Arc<RootCertStore>);

/// A text is no list of certificates.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthoritiesError {
    #[error("there is no certificate in PEM form")]
    None,
    #[error("a certificate can't be read")]
    Pem(#[source] rustls::pki_types::pem::Error),
    #[error("a certificate is no authority's")]
    Certificate(#[source] rustls::Error),
}

impl Authorities {
    /// Those that Mozilla trusts, as they were when this was built, and those of a text in PEM form.
    pub(crate) fn web_and(pem: Option<&[u8]>) -> Result<Self, AuthoritiesError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(TLS_SERVER_ROOT_CERTS.iter().cloned());
        let built_in = store.len();
        for certificate in pem.into_iter().flat_map(CertificateDer::pem_slice_iter) {
            let certificate = certificate.map_err(AuthoritiesError::Pem)?;
            store
                .add(certificate)
                .map_err(AuthoritiesError::Certificate)?;
        }
        if pem.is_some() && store.len() == built_in {
            return Err(AuthoritiesError::None);
        }
        Ok(Self(Arc::new(store)))
    }
}

/// What makes connections secure.
pub(crate) struct Tls {
    connector: TlsConnector,
    clock: Arc<Clock>,
}

/// This machine's clock, put right by so many seconds.
#[derive(Debug, Default)]
struct Clock(AtomicI64);

impl Tls {
    pub(crate) fn new(authorities: &Authorities) -> Result<Self, rustls::Error> {
        let clock = Arc::new(Clock::default());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_details(provider, clock.clone())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities.0.clone())
            .with_no_client_auth();
        Ok(Self {
            connector: Arc::new(config).into(),
            clock,
        })
    }

    /// Sets how many seconds this machine's clock is behind.
    pub(crate) fn set_clock_offset(&self, seconds: i64) {
        self.clock.0.store(seconds, Ordering::Relaxed);
    }

    /// Makes a connection secure, and sure of its other end.
    pub(super) async fn secure(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.connector.connect(name, stream).await
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let offset = self.0.load(Ordering::Relaxed);
        let right = now.as_secs().saturating_add_signed(offset);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(right)))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(…)")
    }
}
