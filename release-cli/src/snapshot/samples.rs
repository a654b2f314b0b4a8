//! Shots that were never taken, for tests of what is made of them.
#![allow(clippy::unwrap_used)]

use release_core::Moment;
use release_core::cloud::{Snapshot, SnapshotState, Tags};

use super::Shot;

pub(crate) fn shot(started: Moment, asked: (Moment, Moment)) -> Shot {
    Shot {
        snapshot: Snapshot {
            id: "snap-00000001".parse().unwrap(),
            owner: "123456789012".parse().unwrap(),
            volume: "vol-00000001".parse().unwrap(),
            state: SnapshotState::Completed,
            progress: 100,
            started,
            size_gib: 8,
            encrypted: false,
            description: String::new(),
            tags: Tags::new(),
        },
        held: None,
        asked,
        tag: String::new(),
    }
}
