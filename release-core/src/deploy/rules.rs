//! What a deploy goes by.

use std::time::Duration;

use crate::{Order, Share};

/// What a deploy goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Are there groups, whose instances come and go? Without any, nothing is listed or waited for.
    pub has_groups: bool,
    /// Whether hosts may be made current before the snapshot can be used.
    pub order: Order,
    /// How many of the hosts that are staged may fail for good before nothing is committed. That all of them
    /// fail is never borne.
    pub max_failures: Share,
    /// How many snapshots are begun at most, since one may end in an error.
    pub snapshots: u32,
    /// How long after something changed a list may still show what was before.
    pub settle: Duration,
    /// How long a boot takes at most, from the launch to its last look at the pointer.
    pub boot_deadline: Duration,
    /// How long after the publication hosts are waited for.
    pub deadline: Duration,
    /// From one listing to the next, and before a host that could not be reached is tried again for the first
    /// time.
    pub pause: Duration,
}
