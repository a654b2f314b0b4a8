//! The small messages, one enum a direction, in postcard.
//!
//! Postcard names a variant and a field by its position: add variants at the end, never reorder. Any
//! other change is one that an older peer misreads, and raises [`VERSION`](super::VERSION).

use release_core::{Generation, Marker, Proof, ProofClass, ReleaseId};
use serde::{Deserialize, Serialize};

use super::{Frame, FrameKind, WireError};

/// Most bytes of the patterns of a [`Begin`], with [`PATTERN_COST`] for each: half of its frame, so that
/// there is room for all else.
pub(crate) const MAX_PATTERNS: usize = FrameKind::Control.limit() / 2;

/// What a pattern costs on top of its own bytes.
pub(crate) const PATTERN_COST: usize = 4;

/// From the controller.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToAgent {
    /// What this session is about.
    Begin(Begin),
    /// The tree that the agent has is the release.
    Same(ReleaseId),
    /// The manifest follows, in [`FrameKind::Manifest`] frames.
    Manifest {
        /// Bytes of its canonical form.
        length: u64,
        /// Bytes of the zstd frame that carries it.
        packed: u64,
    },
    /// Stage the tree that the last commit displaced.
    Undo,
    /// Make current what is staged.
    Commit(ReleaseId),
    /// Forget it; keep what is staged for another time.
    Abort,
    /// Nothing, so that there is no silence.
    KeepAlive,
    /// Exchange the roles: what follows in both directions is a session in which the agent's side gives
    /// a tree out. In place of `Begin`.
    Supply(Supply),
    /// The side that gives a tree out can't; in words. Ends the session.
    Refuse(String),
    /// From the side that gives a tree out, at least every 5 s while it scans.
    Working {
        /// How much it has done, in whatever units: a number that grows while it gets on.
        done: u64,
    },
    /// As `Undo`, unless the tree's marker names another release than this one: then the tree has gone
    /// back already.
    UndoFrom(ReleaseId),
    /// As `Manifest`, but the zstd frame has the bytes of another manifest as its dictionary: that of the
    /// tree as the agent has just shown it.
    ManifestFrom {
        /// The release that the other manifest describes.
        base: ReleaseId,
        /// Bytes of the canonical form.
        length: u64,
        /// Bytes of the zstd frame that carries it.
        packed: u64,
    },
}

/// From the agent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToController {
    /// The destination is open.
    Welcome(Welcome),
    /// What is there.
    Have(Have),
    /// Every want was sent, retries apart.
    WantEnd {
        /// Files that were asked for.
        files: u64,
        /// Their bytes, as the manifest has them.
        bytes: u64,
    },
    /// How far staging is.
    Progress {
        /// Files staged, of those that were asked for.
        files: u64,
        /// Their bytes, and those of what has come of large files.
        bytes: u64,
    },
    /// A file that can't be put in place. The session goes on.
    Refusal(Refusal),
    /// All is staged, or refused.
    Staged(Staged),
    /// The commit is done.
    Done(Settled),
    /// The session is over, and why.
    Fault(Fault),
    /// Nothing, so that there is no silence.
    KeepAlive,
    /// Changes that a push would make, for [`Purpose::Plan`].
    Items(Vec<Item>),
    /// What a push would do; ends a session for [`Purpose::Plan`].
    Planned(Planned),
    /// At least every 5 s, whatever else is said.
    Working {
        /// How much the agent has done in this session, in whatever units: a number that grows while it
        /// gets on, and stands still while it waits or is stuck.
        done: u64,
    },
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// Make the tree equal to a release.
    Push,
    /// Look, and leave no trace: no lock, no file.
    Inspect,
    /// Look, compare with a release, and leave no trace.
    Plan {
        /// Is every change to be listed?
        itemize: bool,
    },
    /// Say only that the destination can be reached.
    Probe,
    /// Make a source equal to a tree that a host gives out: no generation, no marker. Never on the
    /// wire, since no fencing goes with it.
    #[serde(skip)]
    Pull,
}

/// The controller's first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begin {
    /// What for.
    pub(crate) purpose: Purpose,
    /// The directory, as bytes of a path.
    pub(crate) destination: Vec<u8>,
    /// Of this run.
    pub(crate) generation: Generation,
    /// Delete what the release does not have.
    pub(crate) delete: bool,
    /// Hash everything.
    pub(crate) checksum: bool,
    /// Neither sent nor deleted.
    pub(crate) exclude: Vec<String>,
    /// Spared by deletion.
    pub(crate) protect: Vec<String>,
    /// Refuse when more than this would be deleted.
    pub(crate) max_delete: Option<u64>,
    /// Keep what a commit displaces.
    pub(crate) keep_undo: bool,
    /// The destination must be a mount point.
    pub(crate) require_mount: bool,
    /// Owners by number.
    pub(crate) numeric_owner: bool,
    /// Who holds the destination's lock.
    pub(crate) holder: String,
    /// Longest silence before the agent gives up, in seconds.
    pub(crate) silence_seconds: u32,
}

impl Begin {
    /// One in which nothing is special: all is carried, the rest deleted, and the displaced kept.
    pub(crate) fn plain(
        purpose: Purpose,
        destination: impl Into<Vec<u8>>,
        generation: Generation,
    ) -> Self {
        Self {
            purpose,
            destination: destination.into(),
            generation,
            delete: true,
            checksum: false,
            exclude: Vec::new(),
            protect: Vec::new(),
            max_delete: None,
            keep_undo: true,
            require_mount: false,
            numeric_owner: false,
            holder: String::new(),
            silence_seconds: 30,
        }
    }
}

/// The agent's first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Welcome {
    /// The agent's build id, for messages.
    pub(crate) build: String,
    /// Can it set owners?
    pub(crate) superuser: bool,
    /// Free space at the destination, in bytes.
    pub(crate) free: u64,
    /// The host's clock, in nanoseconds since 1970.
    pub(crate) clock: i64,
}

/// What a tree is given out with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Supply {
    /// The directory, as bytes of a path.
    pub(crate) source: Vec<u8>,
    /// Patterns of what is not given out.
    pub(crate) exclude: Vec<String>,
    /// Hash everything.
    pub(crate) checksum: bool,
    /// Owners by number.
    pub(crate) numeric_owner: bool,
    /// A tree without entries is meant.
    pub(crate) allow_empty: bool,
    /// Longest silence before the session is given up, in seconds.
    pub(crate) silence_seconds: u32,
}

/// One change that a push would make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    /// Eleven letters, as rsync's `%i`.
    pub(crate) flags: String,
    /// Bytes of the path inside the tree.
    pub(crate) path: Vec<u8>,
}

/// What a push would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// Entries made.
    pub(crate) created: u64,
    /// Entries whose content changes.
    pub(crate) changed: u64,
    /// Entries of which only attributes change.
    pub(crate) attributes: u64,
    /// Entries deleted.
    pub(crate) deleted: u64,
    /// Entries that can't be put in place.
    pub(crate) refused: u64,
    /// Files whose content is sent.
    pub(crate) files_sent: u64,
    /// Their bytes.
    pub(crate) bytes_wanted: u64,
    /// Bytes of content that the host has elsewhere.
    pub(crate) local_bytes: u64,
}

/// What is at the destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Have {
    /// What the tree claims to be, and since when (seconds since 1970).
    pub(crate) marker: Option<(Marker, i64)>,
    /// What it is found to be, in each class that the agent can show: at most two, none where
    /// something can't be read.
    pub(crate) proofs: Vec<Proof>,
    /// The class in which the tree is what its marker claims; only looked at for an inspection.
    pub(crate) intact: Option<ProofClass>,
    /// Regular files in the tree.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// A file that can't be put in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// Index of the entry in the manifest.
    pub(crate) entry: u32,
    /// In words.
    pub(crate) reason: String,
}

/// What was staged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Staged {
    /// The release that a commit would make current.
    pub(crate) release: ReleaseId,
    /// Does the tree need any change?
    pub(crate) unchanged: bool,
    /// Entries that the commit deletes.
    pub(crate) deletions: u64,
    /// Entries that were refused.
    pub(crate) refused: u64,
    /// Bytes of content that came as they are.
    pub(crate) literal_bytes: u64,
    /// Bytes of content that deltas took from old files.
    pub(crate) matched_bytes: u64,
    /// Bytes of content that were here, elsewhere.
    pub(crate) local_bytes: u64,
    /// Things worth knowing that are no faults.
    pub(crate) notes: Vec<String>,
}

/// What was committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settled {
    /// What the tree is now, from what is on the disk.
    pub(crate) proof: Proof,
    /// Entries that were deleted.
    pub(crate) deleted: u64,
    /// Things worth knowing that are no faults.
    pub(crate) notes: Vec<String>,
}

impl Planned {
    /// Would nothing change?
    pub(crate) fn is_nothing(&self) -> bool {
        self.created + self.changed + self.attributes + self.deleted + self.refused == 0
    }
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// What kind.
    pub(crate) kind: FaultKind,
    /// In words, where the kind does not say it all.
    pub(crate) reason: String,
}

/// Kinds of faults that end a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FaultKind {
    /// Another session holds the destination; the reason is its holder.
    Locked,
    /// The host has seen a later generation.
    Fenced(Generation),
    /// The destination is no mount point.
    NotMounted,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The destination can't be used.
    Destination,
    /// The disk is full.
    NoSpace,
    /// More would be deleted than may be.
    MaxDelete {
        /// How many would be.
        would: u64,
    },
    /// There is nothing to go back to.
    NoUndo,
    /// The commit stopped half-way; the next run completes it.
    Commit,
    /// The controller said something that it should not have.
    Protocol,
    /// Something else failed on the host.
    Internal,
    /// No release may take this directory.
    Forbidden,
}

/// The frame that carries a control message. Strings in it are cut by who makes the message, so that
/// it fits its frame.
pub(crate) fn control<M: Serialize>(message: &M) -> Vec<u8> {
    // Postcard fails only on types that these messages don't have (maps of unknown length).
    let body = postcard::to_allocvec(message).unwrap_or_default();
    Frame::encode(FrameKind::Control, &body)
}

impl ToAgent {
    /// Reads a control frame's body.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, WireError> {
        whole(body).ok_or(WireError::Body("a message to the agent"))
    }
}

impl ToController {
    /// Reads a control frame's body.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, WireError> {
        whole(body).ok_or(WireError::Body("a message to the controller"))
    }
}

/// A message, if it is all that there is.
fn whole<'b, M: Deserialize<'b>>(body: &'b [u8]) -> Option<M> {
    let (message, rest) = postcard::take_from_bytes(body).ok()?;
    rest.is_empty().then_some(message)
}
