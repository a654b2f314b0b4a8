//! Reads the pointer from where it is published.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use hyper::Method;
use release_core::boot::{Announced, Fault};
use release_core::{Generation, ParseNameError, Pointer, PointerError, PointerUrl, PublicKey};

use crate::net::{Ask, Client, NetError, Url, UrlError};
use crate::trouble::Trouble;

/// How often document and signature are read that do not fit each other, and how long it is waited in between:
/// five seconds, in which whoever is replacing one after the other is done.
const READINGS: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(500);

/// Who reads pointers.
#[derive(Debug)]
pub(crate) struct Reader {
    client: Client,
    places: Vec<PointerUrl>,
    key: Option<PublicKey>,
    allow_unsigned: bool,
}

/// Why there is no pointer at a place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("{place} can't be read")]
    Net { place: String, source: NetError },
    #[error("{place} can't be read")]
    File { place: String, source: io::Error },
    #[error("{place} is answered with status {status}")]
    Status { place: String, status: u16 },
    #[error("the pointer's place makes no sense")]
    Url(#[from] UrlError),
    #[error("{place}")]
    Refused { place: String, source: PointerError },
    #[error("{place} does not hold the name of a snapshot")]
    Name {
        place: String,
        source: ParseNameError,
    },
    #[error("there is no key to check {0} with")]
    NoKey(String),
}

impl ReadError {
    const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::NoKey(_))
    }
}

impl Reader {
    pub(crate) const fn new(
        client: Client,
        places: Vec<PointerUrl>,
        key: Option<PublicKey>,
        allow_unsigned: bool,
    ) -> Self {
        Self {
            client,
            places,
            key,
            allow_unsigned,
        }
    }

    /// What is announced at the first place that says something that can be believed. What can't be believed is
    /// told only if no other place is better: a place that lies does not keep the others from being heard. Nor does
    /// one that has fallen behind `least`: of such places the latest is heard, if there is no better one.
    pub(crate) async fn read(&self, least: Option<Generation>) -> Result<Announced, Trouble> {
        let (mut behind, mut refusal, mut failure) = (None, None, None);
        for place in &self.places {
            match self.read_at(place.as_str()).await {
                Ok(Announced::Signed(pointer)) if Some(pointer.generation) < least => {
                    behind = later(behind, pointer);
                }
                Ok(announced) => return Ok(announced),
                Err(error) if error.is_refusal() => refusal = refusal.or(Some(error)),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if let Some(pointer) = behind {
            return Ok(Announced::Signed(pointer));
        }
        Err(match (refusal, failure) {
            (Some(error), _) => Trouble::new(Fault::Refused, error),
            (None, Some(error)) => Trouble::new(Fault::Unreachable, error),
            (None, None) => Trouble::new(Fault::Unreachable, "there is no place to read it from"),
        })
    }

    async fn read_at(&self, place: &str) -> Result<Announced, ReadError> {
        if self.allow_unsigned && place.ends_with(Pointer::SNAPSHOT_FILE) {
            let bytes = self.fetch(place, Pointer::MAX_SNAPSHOT_LEN).await?;
            let name = Pointer::read_snapshot_file(&bytes);
            return name.map(Announced::Bare).map_err(|source| ReadError::Name {
                place: place.to_owned(),
                source,
            });
        }
        let Some(key) = &self.key else {
            return Err(ReadError::NoKey(place.to_owned()));
        };
        let mut reading = 1;
        loop {
            let document = self.fetch(place, Pointer::MAX_LEN).await?;
            let signature = self.signature(place).await?;
            match Pointer::open(&document, &signature, key) {
                Ok(pointer) => return Ok(Announced::Signed(Box::new(pointer))),
                Err(error) if error.is_retryable() && reading < READINGS => {}
                Err(source) => {
                    return Err(ReadError::Refused {
                        place: place.to_owned(),
                        source,
                    });
                }
            }
            reading += 1;
            tokio::time::sleep(BETWEEN).await;
        }
    }

    /// The signature; empty where there is none, which is no signature of ours.
    async fn signature(&self, place: &str) -> Result<Vec<u8>, ReadError> {
        let place = signature_of(place);
        match self.fetch(&place, Pointer::MAX_SIGNATURE_LEN).await {
            Err(ReadError::Status {
                status: 404 | 410, ..
            }) => Ok(Vec::new()),
            Err(ReadError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Vec::new())
            }
            outcome => outcome,
        }
    }

    async fn fetch(&self, place: &str, most: usize) -> Result<Vec<u8>, ReadError> {
        if let Some(path) = place.strip_prefix("file://") {
            return read_file(Path::new(path), most).map_err(|source| ReadError::File {
                place: place.to_owned(),
                source,
            });
        }
        let url = Url::parse(place)?;
        let ask = Ask {
            method: Method::GET,
            url: &url,
            headers: &[],
            most,
        };
        let answer = self.client.ask(&ask).await;
        let answer = answer.map_err(|source| ReadError::Net {
            place: place.to_owned(),
            source,
        })?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(ReadError::Status {
                place: place.to_owned(),
                status,
            }),
        }
    }
}

/// The one with the higher generation.
fn later(one: Option<Box<Pointer>>, other: Box<Pointer>) -> Option<Box<Pointer>> {
    match one {
        Some(one) if one.generation >= other.generation => Some(one),
        _ => Some(other),
    }
}

/// Where the signature of a document is; a query stays at the end.
fn signature_of(place: &str) -> String {
    let (path, query) = match place.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (place, String::new()),
    };
    format!("{path}.minisig{query}")
}

fn read_file(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(io::Error::other(format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
}
