//! What a tree claims to be.

use serde::{Deserialize, Serialize};

use crate::{Generation, ReleaseId};

/// `.release/marker`: the release that a tree holds, and the generation of the deploy that put it there.
///
/// A claim, not a proof: files may have been edited since. One line of JSON, so that a person and a
/// shell script can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marker {
    /// Which release.
    pub release: ReleaseId,
    /// Which deploy.
    pub generation: Generation,
}

/// What every format has, so that a later one is told from damage whatever else it holds.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[derive(Deserialize)]
struct Document {
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
        let head: Head = serde_json::from_slice(bytes).map_err(MarkerError::Syntax)?;
        if head.format != FORMAT {
            return Err(MarkerError::Format(head.format));
        }
        let document: Document = serde_json::from_slice(bytes).map_err(MarkerError::Syntax)?;
        Ok(Self {
            release: document.release.parse()?,
            generation: document.generation,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::Digest;

    /// Format 1 as hosts have it. Never edited: a marker that can't be read any more makes every host
    /// forget its generation.
    const GOLDEN: &[u8] = include_bytes!("fixtures/marker-v1.json");

    fn golden() -> Marker {
        Marker {
            release: ReleaseId::new(Digest::of(b"release")),
            generation: Generation::new(42),
        }
    }

    #[test]
    fn the_format_stays_what_it_is() {
        assert_eq!(
            golden().encode(),
            GOLDEN,
            "{:?}",
            String::from_utf8(golden().encode())
        );
        assert_eq!(Marker::decode(GOLDEN).unwrap(), golden());
    }

    #[test]
    fn damage_is_told_from_a_later_format() {
        let later = br#"{"format":2,"generation":"x"}"#;
        assert!(matches!(Marker::decode(later), Err(MarkerError::Format(2))));
        for damaged in [
            &b""[..],
            b"{",
            b"[]",
            br#"{"release":"x","generation":1}"#,
            br#"{"format":-1,"release":"x","generation":1}"#,
            br#"{"format":1,"generation":1}"#,
            br#"{"format":1,"release":7,"generation":1}"#,
        ] {
            let decoded = Marker::decode(damaged);
            assert!(
                matches!(decoded, Err(MarkerError::Syntax(_))),
                "{decoded:?}"
            );
        }
        let no_id = br#"{"format":1,"release":"x","generation":1}"#;
        assert!(matches!(
            Marker::decode(no_id),
            Err(MarkerError::Release(_))
        ));
    }

    #[test]
    fn a_marker_that_is_cut_off_is_damaged() {
        // All but the newline at the end is needed.
        for length in 0..GOLDEN.len() - 1 {
            assert!(Marker::decode(&GOLDEN[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_later_build_may_say_more() {
        let text = String::from_utf8(GOLDEN.to_vec()).unwrap();
        let more = text.replace("\"format\"", "\"note\":[1],\"format\"");
        assert_eq!(Marker::decode(more.as_bytes()).unwrap(), golden());
    }

    proptest! {
        #[test]
        fn a_marker_survives_its_file(digest: [u8; 32], number: u64) {
            let marker = Marker {
                release: ReleaseId::new(Digest::from_bytes(digest)),
                generation: Generation::new(number),
            };
            let bytes = marker.encode();
            prop_assert!(bytes.len() <= Marker::MAX_LEN);
            prop_assert_eq!(Marker::decode(&bytes).unwrap(), marker);
        }

        #[test]
        fn any_bytes_are_taken_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Marker::decode(&bytes);
        }
    }
}
