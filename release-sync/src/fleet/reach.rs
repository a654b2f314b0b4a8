//! Getting to an agent, whatever way a host is reached.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bootstrap::{AgentFiles, Bootstrap};
use crate::transport::{
    Newcomers, PipeTransport, SshSession, Transport, harmless, memory_pair, over_streams,
};
use crate::wire::MAGIC;
use crate::{Cancel, Error, Host, Options, Reach};

/// An agent that can be spoken to.
pub(super) struct Reached {
    pub(super) transport: Box<dyn Transport>,
    /// Bytes of the agent's own upload; 0 where it was there.
    pub(super) agent_bytes: u64,
    /// What the login shell printed before the agent spoke.
    pub(super) noise: Vec<u8>,
    /// Was the session's opening sent along?
    pub(super) opened: bool,
}

impl Reached {
    /// That the login shell prints something, if it does.
    pub(super) fn remark(&self) -> Option<String> {
        let said = (!self.noise.is_empty()).then(|| harmless(&self.noise))?;
        Some(format!("its login shell prints: {said}"))
    }
}

/// Bytes on their way inside this process, in each direction.
const MEMORY: usize = 1 << 20;

/// What all hosts of a run are reached with.
#[derive(Debug)]
pub(super) struct Means {
    agents: Agents,
    newcomers: Newcomers,
}

impl Means {
    /// For a run that brings something about: keys of new hosts are written down where that is asked for.
    pub(super) fn to_work() -> Self {
        Self {
            agents: Agents::default(),
            newcomers: Newcomers::Written,
        }
    }

    /// For one that changes nothing.
    pub(super) fn to_look() -> Self {
        Self {
            newcomers: Newcomers::remembered(),
            ..Self::to_work()
        }
    }
}

/// The agents' files, read once for all hosts.
#[derive(Debug, Default)]
struct Agents(Mutex<BTreeMap<PathBuf, Arc<AgentFiles>>>);

impl Agents {
    /// Those of one directory; as a rule there is no other.
    fn in_directory(&self, directory: &Path) -> Arc<AgentFiles> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let files = all
            .entry(directory.to_owned())
            .or_insert_with(|| Arc::new(AgentFiles::new(directory)));
        Arc::clone(files)
    }
}

/// Starts or finds an agent on a host, unless the run is cancelled meanwhile. `opening` is what it is told
/// first: over SSH it is sent along, since waiting for the agent's greeting would cost a round trip.
pub(super) fn reach(
    host: &Host,
    options: &Options,
    means: &Means,
    opening: &[u8],
    cancel: &Cancel,
) -> Result<Reached, Error> {
    let reached = go(host, options, means, opening, cancel);
    // Whatever broke then was broken by us.
    match cancel.is_cancelled() {
        true => Err(Error::Cancelled),
        false => reached,
    }
}

fn go(
    host: &Host,
    options: &Options,
    means: &Means,
    opening: &[u8],
    cancel: &Cancel,
) -> Result<Reached, Error> {
    match &host.reach {
        Reach::Local => local(),
        Reach::Command(words) => {
            let transport = Box::new(PipeTransport::spawn(words)?);
            Ok(Reached {
                transport,
                agent_bytes: 0,
                noise: Vec::new(),
                opened: false,
            })
        }
        Reach::Custom(connector) => {
            let failed = |source| Error::Transport {
                doing: "connecting",
                source,
            };
            let streams = connector.connect(host).map_err(failed)?;
            Ok(Reached {
                transport: Box::new(over_streams(streams).map_err(failed)?),
                agent_bytes: 0,
                noise: Vec::new(),
                opened: false,
            })
        }
        Reach::Ssh(target) => {
            let ssh = options
                .ssh_of(host)?
                .ok_or_else(|| Error::NoSshOptions(host.name.clone()))?;
            let session = SshSession::connect(target, ssh, &means.newcomers, cancel)?;
            let bootstrap = Bootstrap {
                agents: &means.agents.in_directory(&ssh.agents),
                directory: &ssh.agent_directory,
                arguments: &["serve"],
                magic: &MAGIC,
                opening,
            };
            let started = bootstrap.start(&session)?;
            let transport = Box::new(started.transport);
            Ok(Reached {
                transport,
                agent_bytes: started.agent_bytes,
                noise: started.noise,
                opened: true,
            })
        }
    }
}

fn local() -> Result<Reached, Error> {
    let failed = |source| Error::Transport {
        doing: "starting",
        source,
    };
    let (transport, input, output) = memory_pair(MEMORY).map_err(failed)?;
    std::thread::spawn(move || crate::agent::serve(input, output, None));
    Ok(Reached {
        transport: Box::new(transport),
        agent_bytes: 0,
        noise: Vec::new(),
        opened: false,
    })
}
