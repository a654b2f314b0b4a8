//! Which hosts are meant, and how each is reached.

use std::path::Path;

use release_core::{HostConfig, HostKeyPolicy, IdentityConfig, nearest};
use release_sync::{Host, HostKeys, Identity, Reach, SshOptions, SshTarget};

use super::{Environment, File};
use crate::args::{HostArgs, Remote};
use crate::failure::Failure;

impl File {
    /// The hosts that were asked for, in the file's order.
    pub(super) fn hosts(
        &self,
        args: &HostArgs,
        destination: Option<&Path>,
        environment: &Environment,
    ) -> Result<Vec<Host>, Failure> {
        let hosts = &self.config.hosts;
        if hosts.is_empty() {
            return Err(Failure::NoHosts);
        }
        if let Some(path) = destination.filter(|path| !path.is_absolute()) {
            return Err(Failure::RelativeDestination(path.to_owned()));
        }
        find_all(&args.only, hosts.iter().map(|host| host.name.as_str()))?;
        hosts
            .iter()
            .filter(|host| args.only.is_empty() || args.only.contains(&host.name))
            .map(|host| self.host(host, destination, environment))
            .collect()
    }

    /// All hosts of the file.
    pub(super) fn all_hosts(
        &self,
        destination: Option<&Path>,
        environment: &Environment,
    ) -> Result<Vec<Host>, Failure> {
        self.hosts(&HostArgs::default(), destination, environment)
    }

    fn host(
        &self,
        host: &HostConfig,
        destination: Option<&Path>,
        environment: &Environment,
    ) -> Result<Host, Failure> {
        let destination = destination.or(host.destination.as_deref());
        let destination = destination.ok_or(Failure::Unsaid {
            what: "which directory receives the release",
            flag: "--dest DIR",
            key: "destination.path",
        })?;
        Ok(Host {
            name: host.name.clone(),
            destination: destination.to_owned(),
            reach: Reach::Ssh(self.target(host, environment)?),
        })
    }

    fn target(&self, host: &HostConfig, environment: &Environment) -> Result<SshTarget, Failure> {
        let ssh = self.ssh(environment)?;
        let own = SshOptions {
            identity: self.identity(&host.identity, environment)?,
            proxy_command: host.proxy_command.clone(),
            agent_directory: host.agent_directory.clone(),
            ..ssh.clone()
        };
        Ok(SshTarget {
            address: host.address.clone(),
            port: host.port,
            user: host.user.clone(),
            key_name: None,
            ssh: (own != ssh).then(|| Box::new(own)),
        })
    }

    /// A host that the file names, else an address that is reached as `[ssh]` says.
    pub(super) fn remote(
        &self,
        remote: &Remote,
        environment: &Environment,
    ) -> Result<Host, Failure> {
        let mut hosts = self.config.hosts.iter();
        let known = hosts.find(|host| host.name == remote.host);
        let ssh = &self.config.ssh;
        let mut target = match known {
            Some(host) => self.target(host, environment)?,
            None => SshTarget {
                address: remote.host.clone(),
                port: ssh.port,
                user: ssh.user.clone(),
                key_name: None,
                ssh: None,
            },
        };
        if let Some(user) = &remote.user {
            target.user.clone_from(user);
        }
        Ok(Host {
            name: remote.host.clone(),
            destination: remote.path.clone(),
            reach: Reach::Ssh(target),
        })
    }

    /// What holds for hosts that say nothing else.
    pub(super) fn ssh(&self, environment: &Environment) -> Result<SshOptions, Failure> {
        let ssh = &self.config.ssh;
        Ok(SshOptions {
            proxy_command: ssh.proxy_command.clone(),
            identity: self.identity(&ssh.identity, environment)?,
            known_hosts: self.directory.join(&ssh.known_hosts),
            host_keys: match ssh.host_keys {
                // Of an instance, the key is taken from its console; of a host in the file, it is not.
                HostKeyPolicy::Strict | HostKeyPolicy::Ec2Console => HostKeys::Strict,
                HostKeyPolicy::AcceptNew => HostKeys::AcceptNew,
            },
            connect_timeout: ssh.connect_timeout,
            agents: environment.beside_executable(),
            agent_directory: ssh.agent_directory.clone(),
        })
    }

    fn identity(
        &self,
        identity: &IdentityConfig,
        environment: &Environment,
    ) -> Result<Identity, Failure> {
        match identity {
            IdentityConfig::File(path) => Ok(Identity::File(self.directory.join(path))),
            IdentityConfig::Agent => {
                let socket = environment.ssh_agent.clone();
                Ok(Identity::Agent(socket.ok_or(Failure::NoSshAgent)?))
            }
        }
    }
}

/// Makes sure that each of the names that were asked for is somebody's.
///
/// # Errors
/// The first one that nobody has, with the nearest that somebody has.
pub(crate) fn find_all<'n>(
    wanted: &[String],
    names: impl Iterator<Item = &'n str> + Clone,
) -> Result<(), Failure> {
    let unknown = wanted
        .iter()
        .find(|wanted| !names.clone().any(|name| name == *wanted));
    match unknown {
        None => Ok(()),
        Some(name) => Err(Failure::UnknownHost {
            nearest: nearest(name, names).unwrap_or_default().to_owned(),
            name: name.clone(),
        }),
    }
}
