//! What is to be done, and what comes of it.

use crate::Moment;
use crate::cloud::Standing;

/// Something to do. Each is answered by one of the events that it names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step<H> {
    /// List the instances of all groups: [`Event::Listed`] or [`Event::NotListed`].
    List,
    /// Connect to these hosts and lay the release down beside what is current; then wait for
    /// [`Step::Commit`]. Each host: [`Event::Staged`] when it waits, and [`Event::Ended`] in any case.
    Stage(Vec<H>),
    /// Freeze, begin a snapshot, thaw: [`Event::Taken`] or [`Event::NotTaken`].
    Snapshot,
    /// Wait until the snapshot can be used: [`Event::Usable`] or [`Event::NotUsable`].
    Await,
    /// Write down, so that it outlasts a crash, that this deploy is not finished and these hosts are not
    /// proven: [`Event::Recorded`] or [`Event::NotRecorded`].
    Record(Vec<H>),
    /// Let the hosts that wait make the release current. What comes of it is their [`Event::Ended`].
    Commit,
    /// Publish the pointer: [`Event::Published`] or [`Event::NotPublished`].
    Publish,
    /// Connect to these hosts, now, and make the release current there: [`Event::Ended`] of each.
    Push(Vec<H>),
    /// Give up what is under way and can be given up: whoever waits for a commit does not commit, whoever is
    /// committing ends that. Not answered; the events of what was under way come as ever.
    Stop,
    /// Delete the snapshot, which nobody heard of: [`Event::Discarded`], whether it succeeds or not.
    Discard,
    /// Write down for good what became of each host, and then remove what [`Step::Record`] wrote:
    /// [`Event::Forgotten`], whether it succeeds or not.
    Forget,
    /// Delete snapshots that are not kept any more: [`Event::Retained`], whether it succeeds or not.
    Retain,
    /// It is over.
    Finish(Ending),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event<H> {
    /// The instances that there are.
    Listed {
        /// When the listing began: what it shows is not older than this by more than the list may lag.
        begun: Moment,
        /// Each instance once.
        seen: Vec<Sighting<H>>,
    },
    /// There is no list.
    NotListed,
    /// A host has the release beside its current tree, and waits.
    Staged(H),
    /// What was tried with a host is over.
    Ended(H, Attempt),
    /// A snapshot was begun, and nothing is frozen any more.
    Taken,
    /// No snapshot was begun, or none that could be relied on; nothing is frozen, and nothing is left of it.
    NotTaken,
    /// The snapshot can be used.
    Usable,
    /// The snapshot can't be used, or was not waited for to the end.
    NotUsable,
    /// The record is on the disk.
    Recorded,
    /// The record could not be written.
    NotRecorded,
    /// The pointer is published.
    Published(Publication),
    /// The pointer could not be published: what was published before still is.
    NotPublished,
    /// The snapshot is deleted, as far as it could be.
    Discarded,
    /// The record is removed, as far as it could be.
    Forgotten,
    /// Old snapshots are deleted, as far as they could be.
    Retained,
    /// A human wants it to end.
    Interrupted,
}

/// An instance in a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sighting<H> {
    /// Which one.
    pub host: H,
    /// What can be done about it.
    pub standing: Standing,
    /// When it was last started, by the cloud's clock; `None` where that is not known yet.
    pub launched: Option<Moment>,
}

/// What came of trying to bring a host to the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// It has the release and has proven it.
    Proven,
    /// Not now; it may be possible later.
    Later,
    /// Trying again would not help.
    Failed,
}

/// The moment p at which a pointer became what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Publication {
    /// By the clock of whoever drives the deploy; not before it.
    pub at: Moment,
    /// By the cloud's clock: not after it …
    pub earliest: Moment,
    /// … and not before it.
    pub latest: Moment,
}

impl Publication {
    /// One where both clocks are known to agree.
    pub const fn at(at: Moment) -> Self {
        Self {
            at,
            earliest: at,
            latest: at,
        }
    }
}

/// What is known of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It has the release, by a proof that counts.
    Proven,
    /// It could not be brought to the release, and trying again would not help.
    Failed,
    /// It has not proven that it has the release.
    Unproven,
    /// It is stopped or hibernated, and sees to itself when it wakes.
    Asleep,
    /// It was launched so late that its own boot brings it to the release; without a publication, so late
    /// that nothing was done about it.
    Booting,
    /// It is ending or gone.
    Gone,
}

/// How a deploy ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Published, and every host is accounted for.
    Complete,
    /// Published, and the deadline has passed; [`Fate::Unproven`] are those that are missing.
    Late,
    /// A human ended it.
    Interrupted,
    /// Nobody knows which hosts there are. Nothing was changed.
    NotListed,
    /// Too many hosts could not be staged. Nothing was changed.
    NotStaged,
    /// There is no usable snapshot.
    NoSnapshot,
    /// It could not be written down that something was about to change. Nothing was changed.
    NotRecorded,
    /// The pointer could not be written.
    NotPublished,
}
