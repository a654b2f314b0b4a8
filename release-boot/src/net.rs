//! HTTP, as little of it as this takes: one request a connection, a bounded answer.
//!
//! It brings along what an initramfs lacks: a resolver, certificate authorities, and the right time.

mod names;
mod tls;
mod url;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONNECTION, DATE, HOST, HeaderMap, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use names::Names;
use tls::{Authorities, AuthoritiesError, Tls};
pub(crate) use url::{Url, UrlError};

/// To connect to one address.
const CONNECT: Duration = Duration::from_secs(3);
/// One request, from looking for the name to the whole answer.
const WHOLE: Duration = Duration::from_secs(10);

/// All that the world outside is reached with.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) names: Arc<Names>,
    pub(crate) tls: Arc<Tls>,
    /// Authorities besides those of the web, in PEM form.
    pub(crate) authorities: Option<Vec<u8>>,
    pub(crate) client: Client,
}

/// The world outside can't be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetUpError {
    #[error("the authorities can't be used")]
    Authorities(#[from] AuthoritiesError),
    #[error("TLS can't be used")]
    Tls(#[from] rustls::Error),
    #[error("names can't be resolved")]
    Names(#[from] io::Error),
}

impl Net {
    /// With authorities besides those of the web, in PEM form.
    pub(crate) fn new(authorities: Option<Vec<u8>>) -> Result<Self, SetUpError> {
        let tls = Tls::new(&Authorities::web_and(authorities.as_deref())?)?;
        let (names, tls) = (Arc::new(Names::new()?), Arc::new(tls));
        let client = Client {
            names: names.clone(),
            tls: tls.clone(),
        };
        Ok(Self {
            names,
            tls,
            authorities,
            client,
        })
    }
}

/// A client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    names: Arc<Names>,
    tls: Arc<Tls>,
}

/// What to ask.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    pub(crate) headers: &'a [(&'static str, &'a str)],
    /// Longest answer, in bytes.
    pub(crate) most: usize,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The server's clock, as it says.
    pub(crate) date: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetError {
    #[error("the name `{name}` can't be resolved")]
    Name { name: String, source: io::Error },
    #[error("{address} can't be reached")]
    Connect {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("the connection to `{host}` is not secure")]
    Tls { host: String, source: io::Error },
    #[error("`{host}` did not answer as HTTP has it")]
    Http { host: String, source: hyper::Error },
    #[error("the request to `{host}` can't be written")]
    Request {
        host: String,
        source: hyper::http::Error,
    },
    #[error("the answer of `{host}` is longer than {most} bytes, or was cut off")]
    Body {
        host: String,
        most: usize,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("`{host}` did not answer within {} s", WHOLE.as_secs())]
    Late { host: String },
}

/// Whatever a connection is made of.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Client {
    /// Asks once.
    pub(crate) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, NetError> {
        match timeout(WHOLE, self.ask_at_leisure(ask)).await {
            Ok(answer) => answer,
            Err(_) => Err(NetError::Late {
                host: ask.url.host().to_owned(),
            }),
        }
    }

    async fn ask_at_leisure(&self, ask: &Ask<'_>) -> Result<Answer, NetError> {
        let host = || ask.url.host().to_owned();
        let http = |source| NetError::Http {
            host: host(),
            source,
        };
        let stream = TokioIo::new(self.connect(ask.url).await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(http)?;
        // It ends with the answer, or when both are dropped.
        tokio::spawn(connection);
        let request = request(ask).map_err(|source| NetError::Request {
            host: host(),
            source,
        })?;
        let response = sender.send_request(request).await.map_err(http)?;
        let (status, date) = (response.status().as_u16(), date(response.headers()));
        let body = Limited::new(response.into_body(), ask.most);
        let body = body.collect().await.map_err(|source| NetError::Body {
            host: host(),
            most: ask.most,
            source,
        })?;
        Ok(Answer {
            status,
            date,
            body: body.to_bytes().to_vec(),
        })
    }

    async fn connect(&self, url: &Url) -> Result<Box<dyn Stream>, NetError> {
        let stream = self.dial(url).await?;
        if !url.is_https() {
            return Ok(Box::new(stream));
        }
        let secured = self.tls.secure(url.host(), stream).await;
        let secured = secured.map_err(|source| NetError::Tls {
            host: url.host().to_owned(),
            source,
        })?;
        Ok(Box::new(secured))
    }

    /// Connects to the first of the host's addresses that takes it.
    async fn dial(&self, url: &Url) -> Result<TcpStream, NetError> {
        let mut failure = None;
        for ip in self.addresses(url.host()).await? {
            let address = SocketAddr::new(ip, url.port());
            let tried = timeout(CONNECT, TcpStream::connect(address)).await;
            match tried.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => return Ok(stream),
                Err(source) => failure = Some(NetError::Connect { address, source }),
            }
        }
        Err(failure.unwrap_or_else(|| NetError::Name {
            name: url.host().to_owned(),
            source: io::Error::other("it has no address"),
        }))
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NetError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let found = self.names.find(host).await;
        found.map_err(|source| NetError::Name {
            name: host.to_owned(),
            source,
        })
    }
}

fn request(ask: &Ask<'_>) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
    let mut request = Request::builder()
        .method(&ask.method)
        .uri(ask.url.target())
        .header(HOST, ask.url.authority())
        .header(
            USER_AGENT,
            concat!("release-boot/", env!("CARGO_PKG_VERSION")),
        )
        .header(CACHE_CONTROL, "no-cache")
        .header(CONNECTION, "close");
    for (name, value) in ask.headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new())
}

fn date(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(DATE)?.to_str().ok()?.to_owned())
}
