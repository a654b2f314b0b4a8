//! The metadata service of an instance, version 2.
//!
//! A token is asked for first, and again when it is refused; the data has the schema of one day, so that a later one
//! does not surprise a program that lies in an image for years. In an instance's first seconds the
//! service, or the network, may not be there: whoever asks tries again, until the deadline.

mod document;

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::Method;
use release_core::boot::InstanceIdentity;
use release_core::{Backoff, Moment, ParseNameError};

use crate::net::{Answer, Ask, Client, NetError, Url, UrlError};

pub(crate) use document::RoleKeys;

/// Where it is, unless told otherwise.
const ENDPOINT: &str = "http://169.254.169.254";
/// The first day on which all that is asked here was there.
const SCHEMA: &str = "2021-07-15";
const TOKEN: &str = "x-aws-ec2-metadata-token";
const TOKEN_TIME: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const SIX_HOURS: &str = "21600";
/// Longest answer, in bytes: an identity document has some 500.
const MOST: usize = 64 << 10;
/// A clock is let be if it is off by no more.
const CLOCK_TOLERANCE: i64 = 60;

/// Waits between tries: until the deadline, which is the caller's.
const PATIENCE: Backoff = Backoff {
    first: Duration::from_millis(200),
    longest: Duration::from_secs(3),
    deadline: Duration::MAX,
};

/// The metadata service.
#[derive(Debug)]
pub(crate) struct Imds {
    client: Client,
    endpoint: Url,
    token: Mutex<Option<String>>,
}

/// Why the service does not tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImdsError {
    #[error("the metadata service can't be reached")]
    Net(#[from] NetError),
    #[error("the metadata service's address makes no sense")]
    Endpoint(#[from] UrlError),
    #[error("the metadata service answers {path} with status {status}")]
    Status { path: String, status: u16 },
    #[error("the metadata service's answer to {path} makes no sense")]
    Answer {
        path: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the instance has no role, so that it has no keys")]
    NoRole,
}

impl ImdsError {
    /// Whether asking again may help: the service, the network or a role may not be there yet.
    const fn is_retryable(&self) -> bool {
        match self {
            Self::Net(_) | Self::NoRole => true,
            Self::Status { status, .. } => matches!(status, 401 | 404 | 408 | 429 | 500..),
            Self::Endpoint(_) | Self::Answer { .. } => false,
        }
    }
}

/// What the service says of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) identity: InstanceIdentity,
    /// What its group means it to become, where it is in one.
    pub(crate) destiny: Option<String>,
    /// How many seconds this machine's clock is behind; 0 if it is about right.
    pub(crate) clock_offset: i64,
}

impl Imds {
    /// At an endpoint other than that of every instance, if one is given.
    pub(crate) fn new(client: Client, endpoint: Option<&str>) -> Result<Self, ImdsError> {
        let endpoint = endpoint.unwrap_or(ENDPOINT).trim_end_matches('/');
        Ok(Self {
            client,
            endpoint: Url::parse(endpoint)?,
            token: Mutex::new(None),
        })
    }

    /// Asks who this is, until there is an answer. `retried` hears of every try that failed.
    pub(crate) async fn facts(
        &self,
        draw: impl Fn() -> f64,
        mut retried: impl FnMut(&ImdsError),
    ) -> Result<Facts, ImdsError> {
        let mut schedule = PATIENCE.schedule();
        loop {
            let error = match self.try_facts().await {
                Err(error) if error.is_retryable() => error,
                outcome => return outcome,
            };
            retried(&error);
            let wait = schedule.next(Duration::ZERO, draw());
            tokio::time::sleep(wait.unwrap_or_default()).await;
        }
    }

    async fn try_facts(&self) -> Result<Facts, ImdsError> {
        const DOCUMENT: &str = "dynamic/instance-identity/document";
        let answer = self.get(DOCUMENT).await?;
        let clock_offset = clock_offset(&answer);
        let identity = document::identity(&answer.body).map_err(|source| ImdsError::Answer {
            path: DOCUMENT,
            source,
        })?;
        let destiny = self
            .find("meta-data/autoscaling/target-lifecycle-state")
            .await?;
        Ok(Facts {
            identity,
            destiny,
            clock_offset,
        })
    }

    /// The keys of the instance's role.
    pub(crate) async fn keys(&self) -> Result<RoleKeys, ImdsError> {
        const ROLES: &str = "meta-data/iam/security-credentials/";
        let roles = self.find(ROLES).await?.ok_or(ImdsError::NoRole)?;
        let role = roles.lines().next().unwrap_or_default().trim();
        if !document::is_role(role) {
            return Err(ImdsError::NoRole);
        }
        let answer = self.get(&format!("{ROLES}{role}")).await?;
        document::keys(&answer.body).map_err(|source| ImdsError::Answer {
            path: ROLES,
            source,
        })
    }

    /// A text, if there is one at this path.
    async fn find(&self, path: &'static str) -> Result<Option<String>, ImdsError> {
        match self.get(path).await {
            Ok(answer) => match String::from_utf8(answer.body) {
                Ok(text) => Ok(Some(text.trim().to_owned())),
                Err(error) => Err(ImdsError::Answer {
                    path,
                    source: error.into(),
                }),
            },
            Err(ImdsError::Status { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn get(&self, path: &str) -> Result<Answer, ImdsError> {
        let path = format!("{SCHEMA}/{path}");
        let first = self.get_once(&path).await;
        match first {
            // The token has expired, or is another boot's.
            Err(ImdsError::Status { status: 401, .. }) => {
                self.set_token(None);
                self.get_once(&path).await
            }
            outcome => outcome,
        }
    }

    async fn get_once(&self, path: &str) -> Result<Answer, ImdsError> {
        let token = match self.known_token() {
            Some(token) => token,
            None => self.renew_token().await?,
        };
        self.ask(Method::GET, path, (TOKEN, &token)).await
    }

    async fn renew_token(&self) -> Result<String, ImdsError> {
        const PATH: &str = "latest/api/token";
        let answer = self.ask(Method::PUT, PATH, (TOKEN_TIME, SIX_HOURS)).await?;
        let token = String::from_utf8(answer.body).map_err(|error| ImdsError::Answer {
            path: PATH,
            source: error.into(),
        })?;
        self.set_token(Some(token.clone()));
        Ok(token)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        header: (&'static str, &str),
    ) -> Result<Answer, ImdsError> {
        let url = Url::parse(&format!("{}/{path}", self.endpoint))?;
        let ask = Ask {
            method,
            url: &url,
            headers: &[header],
            most: MOST,
        };
        let answer = self.client.ask(&ask).await?;
        match answer.status {
            200 => Ok(answer),
            status => Err(ImdsError::Status {
                path: path.to_owned(),
                status,
            }),
        }
    }

    fn known_token(&self) -> Option<String> {
        let token = self
            .token
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        token.clone()
    }

    fn set_token(&self, token: Option<String>) {
        let mut known = self
            .token
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *known = token;
    }
}

/// How many seconds this machine's clock is behind the service's, if that is worth a word.
fn clock_offset(answer: &Answer) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = Moment::from_unix_millis(0).after(now);
    let theirs = answer.date.as_deref().and_then(document::http_date);
    let offset = theirs.map_or(0, |theirs| theirs.unix_seconds() - now.unix_seconds());
    if offset.abs() > CLOCK_TOLERANCE {
        offset
    } else {
        0
    }
}

/// An identity that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("the identity document is not one")]
struct NoIdentity(#[from] ParseNameError);
