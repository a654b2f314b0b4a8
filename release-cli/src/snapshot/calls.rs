//! Calls that are made for a snapshot, now or later.

use release_core::cloud::{
    CloudFault, Resource, Snapshot, SnapshotQuery, TAG_DEPLOY, TAG_FLEET, TAG_GENERATION,
    TAG_PUBLISHED, Tags,
};
use release_core::{Generation, Moment, SnapshotId};

use crate::cloud::OpenCloud;
use crate::failure::Failure;
use crate::state::Begun;

/// Says on a snapshot which generation it is, and since when.
pub(crate) fn tag_published(
    cloud: &OpenCloud,
    id: &SnapshotId,
    generation: Generation,
    at: Moment,
) -> Result<(), Failure> {
    let tags = [
        (TAG_GENERATION, generation.to_string()),
        (TAG_PUBLISHED, at.to_string()),
    ];
    let tags = Tags::from(tags.map(|(key, value)| (key.to_owned(), value)));
    let resource = Resource::Snapshot(id.clone());
    Ok(cloud.run(cloud.port().tag(&resource, &tags))?)
}

/// What became of a snapshot that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deletion {
    Done,
    /// It is gone already, or so young that it can't be seen yet.
    NotSeen,
}

/// Deletes a snapshot.
pub(super) fn delete(cloud: &OpenCloud, id: &SnapshotId) -> Result<Deletion, Failure> {
    match cloud.run(cloud.port().delete_snapshot(id)) {
        Ok(()) => Ok(Deletion::Done),
        Err(error) if error.fault == CloudFault::NotFound => Ok(Deletion::NotSeen),
        Err(error) => Err(error.into()),
    }
}

/// What carries the tag that nothing else has.
pub(super) fn find(cloud: &OpenCloud, begun: &Begun) -> Result<Vec<Snapshot>, Failure> {
    let tags = [(TAG_FLEET, &begun.fleet), (TAG_DEPLOY, &begun.tag)];
    let tags = Tags::from(tags.map(|(key, value)| (key.to_owned(), value.clone())));
    Ok(cloud.run(cloud.port().snapshots(&SnapshotQuery::OwnTagged(tags)))?)
}

/// What a tag's value may have in any service.
pub(super) fn tag_character(character: char) -> char {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '@' | '.' | '_' | '-' | ':' => character,
        _ => '-',
    }
}
