//! Getting an agent to run on a host.
//!
//! An agent lies in a directory on the host under a name that is made of its content's digest, so the name
//! alone says whether it is the right one. Starting it is one command; only where that shows that it is
//! missing is it sent, by a second one, and then started by a third.
//!
//! All of this goes through the user's login shell, whatever that is, and past what it prints: an agent
//! is known to run when its magic is heard.

use std::io;

use crate::Error;
use crate::transport::{
    MagicError, SshSession, SshTransport, Transport, Waker, await_magic, harmless,
};

mod agents;
mod script;
#[cfg(test)]
mod tests;

pub(crate) use agents::AgentFiles;

use agents::AgentFile;
use script::Place;

/// What the error of a step says it was doing.
const STARTING: &str = "starting the agent";

/// An agent that runs.
#[derive(Debug)]
pub(crate) struct Started {
    /// Its streams; the first bytes to be read are its magic.
    pub(crate) transport: SshTransport,
    /// What the login shell printed before that.
    pub(crate) noise: Vec<u8>,
    /// Bytes of the agent that had to be sent first; mostly zero.
    pub(crate) agent_bytes: u64,
}

/// What is the same for all hosts of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bootstrap<'a> {
    /// The agents that can be sent.
    pub(crate) agents: &'a AgentFiles,
    /// Where agents are kept on a host, relative to the user's home directory unless it is absolute.
    pub(crate) directory: &'a str,
    /// What the agent is told on its command line.
    pub(crate) arguments: &'a [&'a str],
    /// What an agent says first, without being asked.
    pub(crate) magic: &'a [u8; 8],
    /// What the agent is told at once, to spare the round trip that waiting for its magic would cost.
    pub(crate) opening: &'a [u8],
}

/// What came of a try to start an agent.
#[derive(Debug)]
enum Attempt {
    Started(Started),
    Missing { architecture: String },
    Ended(End),
}

/// How a command ended that was not an agent.
#[derive(Debug)]
struct End {
    status: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Bootstrap<'_> {
    /// Starts the agent on a host, and sends it there first if it is missing. Each step may take as long
    /// as the session's `connect_timeout`; an upload may last as long as it goes on.
    ///
    /// # Errors
    /// - [`Error::NoAgent`]: there is none for the host's architecture.
    /// - [`Error::Bootstrap`]: it can't be put there or does not run there; says why.
    /// - [`Error::NoCommand`]: nothing can be started there; says what came instead.
    /// - [`Error::Silence`]: the host says nothing.
    /// - [`Error::Ssh`]: the connection failed.
    pub(crate) fn start(&self, session: &SshSession) -> Result<Started, Error> {
        let place = Place::new(self.directory)?;
        let ours = std::env::consts::ARCH;
        let architecture = match self.agents.of(ours) {
            Ok(agent) => match self.attempt(session, &place, &agent)? {
                Attempt::Started(started) => return Ok(started),
                Attempt::Missing { architecture } => architecture,
                // A file that was damaged, or a shell that runs no commands: a plain one shows which.
                Attempt::Ended(end) => probe(session)?.map_err(|_| end.into_no_command())?,
            },
            Err(Error::NoAgent { .. }) => probe(session)?.map_err(End::into_no_command)?,
            Err(error) => return Err(error),
        };
        let agent = self.agents.of(&architecture)?;
        if architecture != ours
            && let Attempt::Started(started) = self.attempt(session, &place, &agent)?
        {
            return Ok(started);
        }
        upload(session, &place, &agent)?;
        match self.attempt(session, &place, &agent)? {
            Attempt::Started(started) => Ok(Started {
                agent_bytes: agent.bytes.len() as u64,
                ..started
            }),
            Attempt::Ended(end) => Err(end.into_error()),
            Attempt::Missing { .. } => Err(Error::Bootstrap {
                reason: format!("it was put into {place}, and is not there any more"),
            }),
        }
    }

    fn attempt(
        &self,
        session: &SshSession,
        place: &Place,
        agent: &AgentFile,
    ) -> Result<Attempt, Error> {
        let command = script::start(place, &agent.digest, self.arguments);
        let mut transport = session.exec(&command)?;
        let failed = |source| session.failed(STARTING, source);
        let waker = Waker::new().map_err(failed)?;
        say(&mut transport, self.opening);
        let patience = session.patience();
        match await_magic(&mut transport, self.magic, &waker, patience) {
            Ok(noise) => Ok(Attempt::Started(Started {
                transport,
                noise,
                agent_bytes: 0,
            })),
            Err(MagicError::Ended(stdout)) => {
                let end = End {
                    status: transport.exit_status(),
                    stdout,
                    stderr: transport.stderr().to_vec(),
                };
                Ok(match end.architecture() {
                    Some(architecture) => Attempt::Missing { architecture },
                    None => Attempt::Ended(end),
                })
            }
            Err(MagicError::Silent(noise)) if noise.is_empty() => Err(Error::Silence {
                doing: STARTING,
                silence: patience,
            }),
            Err(MagicError::Silent(noise) | MagicError::Noise(noise)) => Err(Error::NoCommand {
                reason: format!("instead of an answer, the host says: {}", harmless(&noise)),
            }),
            Err(MagicError::Failed(error)) => Err(failed(error)),
        }
    }
}

/// Writes what there is room for at once, which a fresh channel has for much more than an opening. Where
/// it fails, the far end has something to say about it.
fn say(transport: &mut SshTransport, mut opening: &[u8]) {
    while let Some(count) = transport
        .write(opening)
        .ok()
        .filter(|_| !opening.is_empty())
    {
        opening = &opening[count..];
    }
}

/// Asks for the host's architecture, and for nothing else. The inner error says what came instead.
fn probe(session: &SshSession) -> Result<Result<String, End>, Error> {
    let output = session.run(&script::probe(), None)?;
    let end = End {
        status: output.status,
        stdout: output.stdout,
        stderr: output.stderr,
    };
    Ok(end.architecture().ok_or(end))
}

fn upload(session: &SshSession, place: &Place, agent: &AgentFile) -> Result<(), Error> {
    let command = script::upload(place, &agent.digest, agent.bytes.len());
    let mut bytes = agent.bytes.as_slice();
    let input: &mut dyn io::Read = &mut bytes;
    let output = session.run(&command, Some(input))?;
    match script::upload_fault(place, output.status, &output.stderr) {
        None => Ok(()),
        Some(reason) => Err(Error::Bootstrap { reason }),
    }
}

impl End {
    /// What the host's report that an agent is missing says of its architecture.
    fn architecture(&self) -> Option<String> {
        script::reported_architecture(self.status, &self.stdout)
    }

    /// Where the agent did not start.
    fn into_error(self) -> Error {
        Error::Bootstrap {
            reason: self.reason(),
        }
    }

    /// Where nothing starts.
    fn into_no_command(self) -> Error {
        Error::NoCommand {
            reason: self.reason(),
        }
    }

    fn reason(self) -> String {
        let said: Vec<String> = [&self.stdout, &self.stderr]
            .into_iter()
            .map(|words| harmless(words))
            .filter(|words| !words.is_empty())
            .collect();
        let ended = match self.status {
            Some(status) => format!("it ended with status {status}"),
            None => String::from("it ended"),
        };
        if said.is_empty() {
            format!("{ended} and said nothing")
        } else {
            format!("{ended}; the host said: {}", said.join(" / "))
        }
    }
}
