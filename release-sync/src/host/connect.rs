//! A way to an agent that the caller brings.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::Host;

/// Reaches an agent by some way of its own: a message bus, a serial line, a virtual machine's socket.
///
/// At the far end there has to be an agent: `release-agent serve` between these streams, or
/// [`serve`](crate::serve) in some thread.
pub trait Connect: Send + Sync {
    /// Starts a session with an agent on `host`. Called from the host's thread, once for every attempt;
    /// nothing limits how long it takes, and a cancellation waits for it, so it should have a time limit
    /// of its own.
    ///
    /// # Errors
    /// Any: they are taken for one that may pass, and the host is tried again as often as
    /// [`Options::retries`](crate::Options::retries) says.
    fn connect(&self, host: &Host) -> io::Result<Streams>;
}

/// Both directions of a session with an agent. Either blocks, and each is used by a thread of its own.
pub struct Streams {
    /// What the agent reads. Dropped at the session's end: the agent must then see the end of its input.
    pub to_agent: Box<dyn Write + Send>,
    /// What the agent writes. It must end when the agent does, or soon after `to_agent` was dropped: the
    /// thread that reads it lives until then.
    pub from_agent: Box<dyn Read + Send>,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}

/// A [`Connect`], shared by the hosts that are reached by it.
#[derive(Clone)]
pub struct Connector(Arc<dyn Connect>);

impl Connector {
    /// Wraps it.
    pub fn new(connect: impl Connect + 'static) -> Self {
        Self(Arc::new(connect))
    }

    pub(crate) fn connect(&self, host: &Host) -> io::Result<Streams> {
        self.0.connect(host)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// Two are equal that are one.
impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Connector {}
