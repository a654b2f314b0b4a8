//! What a tree claims to be.

use serde::{Deserialize, Serialize};

use crate::{Generation, ReleaseId};

/// `.release/marker`: the release that a tree holds, and the generation of the deploy that put it there.
///
/// A claim, not a proof: files may have been edited since. One line of JSON, so that a person and a
/// shell script can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Which release.
    pub release: ReleaseId,
    /// Which deploy.
    pub generation: Generation,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    release: String,
    generation: Generation,
}

const FORMAT: u32 = 1;

/// Why bytes are not a marker.
#[derive(Debug, thiserror::Error)]
pub enum MarkerError {
    /// No JSON, or not with the marker's fields.
    #[error("the marker is damaged")]
    Syntax(#[source] serde_json::Error),
    /// A format that this build does not read.
    #[error("marker format {0} is not known here; this build reads format {FORMAT}")]
    Format(u32),
    /// The release is no id.
    #[error("the marker is damaged")]
    Release(#[from] crate::ParseIdError),
}

impl Marker {
    /// Longest file that is read as a marker, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// The file's content, a newline at its end.
    pub fn encode(&self) -> Vec<u8> {
        let Self {
            release,
            generation,
        } = self;
        format!("{{\"format\":{FORMAT},\"release\":\"{release}\",\"generation\":{generation}}}\n")
            .into_bytes()
    }

    /// Reads a file's content. Unknown fields are let pass: a later build may have more to say.
    pub fn decode(bytes: &[u8]) -> Result<Self, MarkerError> {
        let document: Document = serde_json::from_slice(bytes).map_err(MarkerError::Syntax)?;
        if document.format != FORMAT {
            return Err(MarkerError::Format(document.format));
        }
        Ok(Self {
            release: document.release.parse()?,
            generation: document.generation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn a_marker_survives_its_file() {
        let marker = Marker {
            release: ReleaseId::new(Digest::of(b"x")),
            generation: Generation::new(7),
        };
        assert_eq!(Marker::decode(&marker.encode()).expect("decodes"), marker);
    }

    #[test]
    fn damage_is_told_from_a_later_format() {
        assert!(matches!(Marker::decode(b"{"), Err(MarkerError::Syntax(_))));
        let later = br#"{"format":2,"release":"x","generation":1}"#;
        assert!(matches!(Marker::decode(later), Err(MarkerError::Format(2))));
    }
}
