//! Tags, and which of them are ours.

use std::collections::BTreeMap;

use crate::{Digest, Generation, InstanceId, Moment, ReleaseId, SnapshotId};

/// Keys and values on a resource. As a query: a resource that has all of these.
pub type Tags = BTreeMap<String, String>;

/// The key that all our snapshots and volumes carry; its value names the fleet, so that two fleets of
/// one account leave each other alone.
pub const TAG_FLEET: &str = "release-fleet";
/// The generation that a snapshot holds, or that a volume was made for.
pub const TAG_GENERATION: &str = "release-generation";
/// When a snapshot's generation was published, as [`Moment`] writes it: until then the one before was current.
pub const TAG_PUBLISHED: &str = "release-published";
/// The release that a snapshot holds.
pub const TAG_RELEASE: &str = "release-id";
/// The deploy that a snapshot was made by: a text that no other deploy has, to find it by when the answer
/// to its making was lost.
pub const TAG_DEPLOY: &str = "release-deploy";
/// The instance that a volume was made for, to find it by when release-boot was interrupted.
pub const TAG_INSTANCE: &str = "release-instance";

/// The group of an instance, as Auto Scaling tags it.
pub const TAG_GROUP: &str = "aws:autoscaling:groupName";

/// What a tag says of the generation, if there is such a tag and it makes sense.
pub fn tagged_generation(tags: &Tags) -> Option<Generation> {
    tags.get(TAG_GENERATION)?.parse().ok().map(Generation::new)
}

/// What a tag says of when the generation was published, if there is such a tag and it makes sense.
pub fn tagged_publication(tags: &Tags) -> Option<Moment> {
    tags.get(TAG_PUBLISHED)?.parse().ok()
}

/// What a tag says of the release, if there is such a tag and it makes sense.
pub fn tagged_release(tags: &Tags) -> Option<ReleaseId> {
    tags.get(TAG_RELEASE)?.parse().ok()
}

/// A name for one request to make something: however often it arrives, one thing is made.
///
/// At most 64 ASCII characters, as EC2 takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientToken(String);

impl ClientToken {
    /// The token of the volume that an instance makes of a snapshot. A higher `attempt` is for when the
    /// volume of a lower one was deleted or failed, since a token never makes a second one.
    pub fn of_volume(
        instance: &InstanceId,
        snapshot: &SnapshotId,
        generation: Generation,
        attempt: u32,
    ) -> Self {
        // None of these texts has a blank in it.
        Self::of(&format!(
            "volume {instance} {snapshot} {generation} {attempt}"
        ))
    }

    /// The token that a purpose has.
    pub fn of(purpose: &str) -> Self {
        Self(Digest::of(purpose.as_bytes()).to_string())
    }

    /// The text, of 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_tag_that_makes_no_sense_says_nothing() {
        let tags = |value: &str| Tags::from([(TAG_GENERATION.to_owned(), value.to_owned())]);
        assert_eq!(tagged_generation(&tags("42")), Some(Generation::new(42)));
        for value in ["", "-1", "x", "18446744073709551616"] {
            assert_eq!(tagged_generation(&tags(value)), None, "{value}");
        }
        assert_eq!(tagged_generation(&Tags::new()), None);
        let id = ReleaseId::new(Digest::of(b"x"));
        let release = Tags::from([(TAG_RELEASE.to_owned(), id.to_string())]);
        assert_eq!(tagged_release(&release), Some(id));
        assert_eq!(tagged_release(&tags("42")), None);
    }

    #[test]
    fn tokens_differ_when_anything_does_and_only_then() {
        let token = |instance: &str, snapshot: &str, generation, attempt| {
            ClientToken::of_volume(
                &instance.parse().unwrap(),
                &snapshot.parse().unwrap(),
                Generation::new(generation),
                attempt,
            )
        };
        let all = [
            token("i-00000001", "snap-00000001", 1, 0),
            token("i-00000002", "snap-00000001", 1, 0),
            token("i-00000001", "snap-00000002", 1, 0),
            token("i-00000001", "snap-00000001", 2, 0),
            token("i-00000001", "snap-00000001", 1, 1),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(all[0], token("i-00000001", "snap-00000001", 1, 0));
        assert_eq!(all[0].as_str().len(), 64);
    }
}
