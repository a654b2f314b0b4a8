//! What a host says is wrong, as this library's error.

use release_core::escape;

use crate::Error;
use crate::wire::{Begin, Fault, FaultKind};

/// Words from a host are cut and made harmless before they reach anyone's eyes.
pub(crate) fn error_of(fault: Fault, begin: &Begin) -> Error {
    let destination = escape(&begin.destination);
    let reason = harmless(&fault.reason);
    match fault.kind {
        FaultKind::Locked => Error::Locked {
            destination,
            holder: reason,
        },
        FaultKind::Fenced(seen) => Error::Fenced {
            seen,
            ours: begin.generation,
        },
        FaultKind::NotMounted => Error::NotMounted { destination },
        FaultKind::ReadOnly => Error::ReadOnly { destination },
        FaultKind::NoSpace => Error::NoSpace { destination },
        FaultKind::MaxDelete { would } => Error::MaxDelete {
            would,
            limit: begin.max_delete.unwrap_or(u64::MAX),
        },
        FaultKind::NoUndo => Error::NoUndo { destination },
        FaultKind::Commit => Error::Commit { reason },
        FaultKind::Protocol => Error::Protocol {
            what: format!("it says: {reason}"),
        },
        FaultKind::Forbidden => Error::Forbidden {
            destination,
            reason,
        },
        FaultKind::Destination | FaultKind::Internal => Error::Destination {
            destination,
            reason,
        },
    }
}

/// Text from a host, cut to a length that a screen can take and free of control characters.
fn harmless(text: &str) -> String {
    escape(text.chars().take(600).collect::<String>().as_bytes())
}
