//! How far a session is.

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Greeting,
    Opening,
    Scanning,
    /// The host has said what it has, and the release is not known yet.
    Scanned,
    Staging,
    Staged,
    Committing,
    Over,
}

impl Phase {
    /// What is being done, for errors.
    pub(super) fn doing(self) -> &'static str {
        match self {
            Self::Greeting => "starting the agent",
            Self::Opening => "opening the destination",
            Self::Scanning => "scanning the destination",
            Self::Scanned => "waiting for the source",
            Self::Staging => "staging",
            Self::Staged => "waiting for the commit",
            Self::Committing => "committing",
            Self::Over => "ending the session",
        }
    }
}
