//! Who receives, and how they are reached.

mod connect;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub use self::connect::{Connect, Connector, Streams};

/// A machine, or a folder, that receives a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// What reports and events call it. Unique in a fleet.
    pub name: String,
    /// The directory that receives; made if it is missing.
    pub destination: PathBuf,
    /// How to get there.
    pub reach: Reach,
}

impl Host {
    /// A directory on this machine.
    pub fn local(name: impl Into<String>, destination: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            destination: destination.into(),
            reach: Reach::Local,
        }
    }

    /// A directory on a machine that is reached over SSH. The host is called by its address, and by its
    /// port too where that is not 22: `10.0.0.5`, `10.0.0.5:2222`, `[fd00::5]:2222`. Set
    /// [`name`](Self::name) for another name; two users or directories of one address need two.
    pub fn ssh(target: SshTarget, destination: impl Into<PathBuf>) -> Self {
        Self {
            name: target.place(),
            destination: destination.into(),
            reach: Reach::Ssh(target),
        }
    }
}

/// How a host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// Over SSH; the agent is put there if it is missing.
    Ssh(SshTarget),
    /// A child process that speaks the agent's protocol on its standard input and output: the program
    /// and its arguments.
    Command(Vec<OsString>),
    /// By a way that the caller brings.
    Custom(Connector),
    /// This machine, this process: the destination is a local directory.
    Local,
}

/// Where an SSH server listens, and who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshTarget {
    /// Host name or address.
    pub address: String,
    /// TCP port; 22 as a rule.
    pub port: u16,
    /// The user that logs in.
    pub user: String,
    /// A name of the host's own under which its key may be known, as an instance's id: it stays when addresses
    /// change hands. What is known under it goes before what is known under the address.
    pub key_name: Option<String>,
    /// How SSH is spoken to this host, where [`Options::ssh`](crate::Options::ssh) is not to hold.
    pub ssh: Option<Box<SshOptions>>,
}

impl SshTarget {
    /// A user at an address, on port 22.
    pub fn new(user: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            port: 22,
            user: user.into(),
            key_name: None,
            ssh: None,
        }
    }

    /// Address, and port where it is not the usual one.
    fn place(&self) -> String {
        match self.port {
            22 => self.address.clone(),
            _ => self.shown(),
        }
    }

    /// Address and port, as messages show them.
    pub(crate) fn shown(&self) -> String {
        let Self { address, port, .. } = self;
        match address.contains(':') {
            true => format!("[{address}]:{port}"),
            false => format!("{address}:{port}"),
        }
    }
}

/// How SSH is spoken; as a rule the same for all hosts of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshOptions {
    /// What proves to hosts who we are.
    pub identity: Identity,
    /// The file of known host keys, in OpenSSH's format. Read for every check; written by
    /// [`HostKeys::AcceptNew`].
    pub known_hosts: PathBuf,
    /// What is done about a host whose key is not known.
    pub host_keys: HostKeys,
    /// A command whose standard input and output lead to the host's SSH server, in place of a TCP
    /// connection: OpenSSH's `ProxyCommand`, run by `/bin/sh`. `%h` stands for the host's address, `%p`
    /// for its port, `%r` for the user, `%%` for a percent sign. An address or a user that a shell might
    /// take for more than a name is refused. The command can ask nobody for anything (`ssh` as one is best
    /// given `-o BatchMode=yes`); it is killed, with what it started, when the session is over.
    pub proxy_command: Option<String>,
    /// Longest time for TCP, key exchange and log-in together.
    pub connect_timeout: Duration,
    /// Where the agents lie: `release-agent` for this machine's architecture, or
    /// `agents/release-agent-<arch>` for any.
    pub agents: PathBuf,
    /// Where the agent is kept on a host, relative to the home directory unless it is absolute.
    pub agent_directory: String,
}

impl SshOptions {
    /// What a careful caller wants: unknown host keys are refused, connecting may take 20 s, and the agent
    /// is kept in `.cache/release-sync` of the user's home directory on a host.
    ///
    /// `agents` is the directory on this machine where the agents lie that are put on hosts.
    pub fn new(
        identity: Identity,
        known_hosts: impl Into<PathBuf>,
        agents: impl Into<PathBuf>,
    ) -> Self {
        Self {
            identity,
            known_hosts: known_hosts.into(),
            host_keys: HostKeys::Strict,
            proxy_command: None,
            connect_timeout: Duration::from_secs(20),
            agents: agents.into(),
            agent_directory: String::from(".cache/release-sync"),
        }
    }
}

/// What proves to a host who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A private key without a passphrase.
    File(PathBuf),
    /// Any key that the running ssh-agent offers; its socket.
    Agent(PathBuf),
}

/// What is done about a host whose key is not known. A key that *changed* is refused always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeys {
    /// Refuse.
    Strict,
    /// Write it down and go on. A run that changes nothing (a plan, a status, a probe) goes on, and leaves it
    /// to the first that does.
    AcceptNew,
}

#[cfg(all(test, feature = "ssh"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Fleet, Options};

    fn host(address: &str, port: u16) -> Host {
        let target = SshTarget {
            port,
            ..SshTarget::new("www", address)
        };
        Host::ssh(target, "/srv/app")
    }

    #[test]
    fn two_ports_of_one_address_are_two_hosts() {
        let hosts = [("10.0.0.5", 22), ("10.0.0.5", 2222), ("fd00::5", 2222)];
        let hosts = hosts.map(|(address, port)| host(address, port));
        let names = hosts.each_ref().map(|host| host.name.as_str());
        assert_eq!(names, ["10.0.0.5", "10.0.0.5:2222", "[fd00::5]:2222"]);
        let ssh = SshOptions::new(Identity::File("key".into()), "known_hosts", "agents");
        let options = Options {
            ssh: Some(ssh),
            ..Options::default()
        };
        Fleet::new(hosts.to_vec(), options).unwrap();
    }
}
