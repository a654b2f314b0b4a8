//! What was meant: arguments and file become the values that the engine takes.
//!
//! The only place that looks at the environment and the working directory.

mod environment;

use std::path::{Path, PathBuf};
use std::time::Duration;

use release_core::{Config, HostConfig, HostKeyPolicy, IdentityConfig, nearest};
use release_sync::{Host, HostKeys, Identity, Options, Reach, SshOptions, SshTarget};

use crate::args::{DeployArgs, HostArgs, StatusArgs};
use crate::failure::Failure;
pub(crate) use environment::Environment;

/// What `deploy` needs.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) source: PathBuf,
    pub(crate) hosts: Vec<Host>,
    pub(crate) options: Options,
    pub(crate) state: PathBuf,
    pub(crate) lock_wait: Duration,
}

/// What `status` needs.
#[derive(Debug)]
pub(crate) struct Inquiry {
    pub(crate) hosts: Vec<Host>,
    pub(crate) options: Options,
    pub(crate) verify: bool,
}

/// A configuration file that was read.
#[derive(Debug)]
pub(crate) struct File {
    config: Config,
    /// What relative paths in it are relative to: the directory that it lies in.
    directory: PathBuf,
}

impl File {
    /// Reads the file that was named, else the first of the usual ones that exists.
    pub(crate) fn load(named: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        let candidates = match named {
            Some(path) => vec![environment.directory.join(path)],
            None => vec![
                environment.directory.join("release.toml"),
                PathBuf::from("/etc/release/release.toml"),
            ],
        };
        for path in &candidates {
            match std::fs::read_to_string(path) {
                Ok(text) => return Self::parse(path, &text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => {
                    let path = path.clone();
                    return Err(Failure::ConfigUnreadable { path, source });
                }
            }
        }
        Err(Failure::NoConfig {
            looked_for: candidates,
        })
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let config = Config::parse(text).map_err(|source| Failure::Config {
            path: path.to_owned(),
            source,
        })?;
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { config, directory })
    }

    /// The file, overridden by the flags of `deploy`.
    pub(crate) fn deployment(
        self,
        args: &DeployArgs,
        environment: &Environment,
    ) -> Result<Deployment, Failure> {
        if !args.no_snapshot {
            return Err(Failure::NothingToSnapshot);
        }
        let from_flag = args
            .source
            .as_ref()
            .map(|path| environment.directory.join(path));
        let from_file = || {
            self.config
                .source
                .as_ref()
                .map(|path| self.directory.join(path))
        };
        let source = from_flag.or_else(from_file).ok_or(Failure::Unsaid {
            what: "which tree to deploy",
            flag: "--source DIR",
            key: "source",
        })?;
        let lock_wait = args.lock_wait.map(Duration::from_secs);
        let mut options = self.options(environment)?;
        override_options(&mut options, args);
        Ok(Deployment {
            source,
            hosts: self.hosts(&args.hosts, args.dest.as_deref())?,
            options,
            state: self.state(environment)?,
            lock_wait: lock_wait.unwrap_or(self.config.state.lock_wait),
        })
    }

    /// The file, overridden by the flags of `status`.
    pub(crate) fn inquiry(
        self,
        args: &StatusArgs,
        environment: &Environment,
    ) -> Result<Inquiry, Failure> {
        Ok(Inquiry {
            hosts: self.hosts(&args.hosts, None)?,
            options: self.options(environment)?,
            verify: args.verify,
        })
    }

    fn options(&self, environment: &Environment) -> Result<Options, Failure> {
        let sync = &self.config.sync;
        Ok(Options {
            bwlimit: 0,
            bwlimit_total: 0,
            together: false,
            retries: Options::default().retries,
            delete: sync.delete,
            checksum: sync.checksum,
            exclude: sync.exclude.clone(),
            protect: sync.protect.clone(),
            max_delete: sync.max_delete,
            parallel: sync.parallel,
            keep_undo: self.config.destination.keep_undo,
            require_mount: self.config.destination.require_mount,
            numeric_owner: sync.numeric_owner,
            allow_empty: sync.allow_empty,
            holder: environment.holder(),
            silence: sync.silence,
            ssh: Some(self.ssh(environment)?),
        })
    }

    fn ssh(&self, environment: &Environment) -> Result<SshOptions, Failure> {
        let ssh = &self.config.ssh;
        let identity = match &ssh.identity {
            IdentityConfig::File(path) => Identity::File(self.directory.join(path)),
            IdentityConfig::Agent => {
                let socket = environment.ssh_agent.clone();
                Identity::Agent(socket.ok_or(Failure::NoSshAgent)?)
            }
        };
        Ok(SshOptions {
            proxy_command: None,
            identity,
            known_hosts: self.directory.join(&ssh.known_hosts),
            host_keys: match ssh.host_keys {
                HostKeyPolicy::Strict => HostKeys::Strict,
                HostKeyPolicy::AcceptNew => HostKeys::AcceptNew,
            },
            connect_timeout: ssh.connect_timeout,
            agents: environment.beside_executable(),
            agent_directory: ssh.agent_directory.clone(),
        })
    }

    /// The hosts that were asked for, in the file's order.
    fn hosts(&self, args: &HostArgs, destination: Option<&Path>) -> Result<Vec<Host>, Failure> {
        let hosts = &self.config.hosts;
        if hosts.is_empty() {
            return Err(Failure::NoHosts);
        }
        if let Some(path) = destination.filter(|path| !path.is_absolute()) {
            return Err(Failure::RelativeDestination(path.to_owned()));
        }
        let names = || hosts.iter().map(|host| host.name.as_str());
        for wanted in &args.only {
            if !names().any(|name| name == wanted) {
                return Err(Failure::UnknownHost {
                    name: wanted.clone(),
                    nearest: nearest(wanted, names()).unwrap_or_default().to_owned(),
                });
            }
        }
        hosts
            .iter()
            .filter(|host| args.only.is_empty() || args.only.contains(&host.name))
            .map(|host| to_host(host, destination))
            .collect()
    }

    fn state(&self, environment: &Environment) -> Result<PathBuf, Failure> {
        match &self.config.state.directory {
            Some(path) => Ok(self.directory.join(path)),
            None => environment.state_directory().ok_or(Failure::NoStateHome),
        }
    }
}

fn to_host(host: &HostConfig, destination: Option<&Path>) -> Result<Host, Failure> {
    let destination = destination.or(host.destination.as_deref());
    let destination = destination.ok_or(Failure::Unsaid {
        what: "which directory receives the release",
        flag: "--dest DIR",
        key: "destination.path",
    })?;
    Ok(Host {
        name: host.name.clone(),
        destination: destination.to_owned(),
        reach: Reach::Ssh(SshTarget {
            address: host.address.clone(),
            port: host.port,
            user: host.user.clone(),
            key_name: None,
        }),
    })
}

fn override_options(options: &mut Options, args: &DeployArgs) {
    options.delete = args.deletion().unwrap_or(options.delete);
    options.checksum |= args.checksum;
    options.allow_empty |= args.allow_empty;
    options.max_delete = args.max_delete.or(options.max_delete);
    options.parallel = args.parallel.map_or(options.parallel, usize::from);
    // Added, not put in their place: what the file excludes would else be deleted on the hosts.
    options.exclude.extend_from_slice(&args.exclude);
}

#[cfg(test)]
mod tests;
