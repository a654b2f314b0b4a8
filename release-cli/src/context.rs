//! What was meant: arguments and file become the values that the engine takes.
//!
//! The only place that looks at the environment and the working directory.

mod cloud;
mod environment;
mod hosts;
mod present;
mod publication;
mod rollout;

use std::path::{Path, PathBuf};
use std::time::Duration;

use release_core::{CloudKind, Config, Rate};
use release_sync::{Host, Options, Reach, SshOptions};

use crate::args::{DeployArgs, HostArgs, PullArgs, StatusArgs};
use crate::failure::Failure;
pub(crate) use cloud::CloudFlags;
pub(crate) use environment::Environment;
pub(crate) use hosts::find_all;
pub(crate) use present::Absent;
pub(crate) use publication::{Publication, Reversal, Snapshotting};
pub(crate) use rollout::{Listed, Rollout};

/// What `deploy` and `plan` need.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) source: PathBuf,
    pub(crate) hosts: Vec<Host>,
    /// Instances that nothing can be done about now.
    pub(crate) absent: Vec<Absent>,
    pub(crate) options: Options,
    /// `None` where nothing says where it is.
    state: Option<PathBuf>,
    pub(crate) lock_wait: Duration,
    /// The directory of the pointer that new instances read, if there is one.
    pub(crate) pointer: Option<PathBuf>,
    /// What the file says of groups, where no cloud is asked for them.
    pub(crate) unasked: Option<String>,
}

impl Deployment {
    /// The state directory.
    pub(crate) fn state(&self) -> Result<&Path, Failure> {
        self.state.as_deref().ok_or(Failure::NoStateHome)
    }
}

/// What `status` needs.
#[derive(Debug)]
pub(crate) struct Inquiry {
    pub(crate) hosts: Vec<Host>,
    /// Instances that can't be asked now.
    pub(crate) absent: Vec<Absent>,
    pub(crate) options: Options,
    pub(crate) verify: bool,
    /// The state directory, where something says where it is.
    pub(crate) state: Option<PathBuf>,
}

/// What `pull` needs.
#[derive(Debug)]
pub(crate) struct Pulling {
    pub(crate) host: Host,
    /// The tree that receives.
    pub(crate) into: PathBuf,
    pub(crate) options: Options,
    pub(crate) state: PathBuf,
    pub(crate) lock_wait: Duration,
}

/// What `doctor` looks at.
#[derive(Debug)]
pub(crate) struct Checkup {
    /// The configuration file.
    pub(crate) file: PathBuf,
    pub(crate) source: Option<PathBuf>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) absent: Vec<Absent>,
    /// Why the instances of groups are not known.
    pub(crate) unlisted: Option<Failure>,
    pub(crate) options: Options,
    pub(crate) ssh: SshOptions,
    /// Is any host reached by SSH, or could be?
    pub(crate) has_ssh: bool,
    pub(crate) state: Option<PathBuf>,
}

/// A configuration file that was read.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
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
        Ok(Self {
            path: path.to_owned(),
            config,
            directory,
        })
    }

    /// The file, overridden by the flags of a `deploy` that only pushes.
    pub(crate) fn deployment(
        self,
        args: &DeployArgs,
        environment: &Environment,
    ) -> Result<Deployment, Failure> {
        self.plan(args, environment)
    }

    /// As [`File::deployment`], for a command that only looks and takes no snapshot.
    pub(crate) fn plan(
        self,
        args: &DeployArgs,
        environment: &Environment,
    ) -> Result<Deployment, Failure> {
        let source = self.source(args.source.as_deref(), environment);
        let source = source.ok_or(Failure::Unsaid {
            what: "which tree to deploy",
            flag: "--source DIR",
            key: "source",
        })?;
        let lock_wait = args.lock_wait.map(Duration::from_secs);
        let mut options = self.options(environment)?;
        override_options(&mut options, args);
        let flags = CloudFlags {
            region: args.region.as_deref(),
            groups: &args.groups,
        };
        let present = self.present(flags, &args.hosts, args.dest.as_deref(), environment)?;
        self.check_rollout(args, present.hosts.len())?;
        Ok(Deployment {
            source,
            hosts: present.hosts,
            absent: present.absent,
            options,
            state: self.state(environment),
            lock_wait: lock_wait.unwrap_or(self.config.state.lock_wait),
            pointer: self.config.publish.directory.clone(),
            unasked: self.unasked_groups(),
        })
    }

    /// Are generations counted by more than the state directory?
    pub(crate) fn has_cloud(&self) -> bool {
        self.config.cloud.kind != CloudKind::None
    }

    /// The file, overridden by the flags of `status`.
    pub(crate) fn inquiry(
        self,
        args: &StatusArgs,
        environment: &Environment,
    ) -> Result<Inquiry, Failure> {
        let present = self.present(CloudFlags::default(), &args.hosts, None, environment)?;
        Ok(Inquiry {
            hosts: present.hosts,
            absent: present.absent,
            options: self.options(environment)?,
            verify: args.verify,
            state: self.state(environment),
        })
    }

    /// The file, overridden by the flags of `pull`.
    pub(crate) fn pulling(
        self,
        args: &PullArgs,
        environment: &Environment,
    ) -> Result<Pulling, Failure> {
        let into = self.source(args.source.as_deref(), environment);
        let into = into.ok_or(Failure::Unsaid {
            what: "which tree receives",
            flag: "--source DIR",
            key: "source",
        })?;
        let mut options = self.options(environment)?;
        options.delete &= !args.no_delete;
        options.checksum |= args.checksum;
        options.allow_empty |= args.allow_empty;
        options.max_delete = args.max_delete.or(options.max_delete);
        options.exclude.extend_from_slice(&args.exclude);
        let lock_wait = args.lock_wait.map(Duration::from_secs);
        Ok(Pulling {
            host: self.remote(&args.from, environment)?,
            into,
            options,
            state: self.state(environment).ok_or(Failure::NoStateHome)?,
            lock_wait: lock_wait.unwrap_or(self.config.state.lock_wait),
        })
    }

    /// The whole file, for the hosts that were asked for.
    pub(crate) fn checkup(
        &self,
        args: &HostArgs,
        environment: &Environment,
    ) -> Result<Checkup, Failure> {
        let (present, unlisted) = self.as_far_as_known(args, environment)?;
        let mut hosts = present.hosts.iter();
        let has_ssh = hosts.any(|host| matches!(host.reach, Reach::Ssh(_)));
        Ok(Checkup {
            source: self.source(None, environment),
            hosts: present.hosts,
            absent: present.absent,
            unlisted,
            options: self.options(environment)?,
            has_ssh: self.config.cloud.kind != CloudKind::Local || has_ssh,
            ssh: self.ssh(environment)?,
            state: self.state(environment),
            file: self.path.clone(),
        })
    }

    /// A flag is relative to the working directory, the file's word to the file.
    pub(crate) fn source(&self, flag: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
        let from_flag = flag.map(|path| environment.directory.join(path));
        let from_file = || Some(self.directory.join(self.config.source.as_ref()?));
        from_flag.or_else(from_file)
    }

    fn options(&self, environment: &Environment) -> Result<Options, Failure> {
        let sync = &self.config.sync;
        Ok(Options {
            bwlimit: limit(sync.bwlimit),
            bwlimit_total: limit(sync.bwlimit_total),
            retries: sync.retries,
            together: sync.together,
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
            stall: sync.stall,
            ssh: Some(self.ssh(environment)?),
        })
    }

    pub(crate) fn state(&self, environment: &Environment) -> Option<PathBuf> {
        match &self.config.state.directory {
            Some(path) => Some(self.directory.join(path)),
            None => environment.state_directory(),
        }
    }
}

/// The engine's word for no limit is 0.
fn limit(rate: Rate) -> u64 {
    rate.0.unwrap_or(0)
}

fn override_options(options: &mut Options, args: &DeployArgs) {
    options.delete = args.deletion().unwrap_or(options.delete);
    options.checksum |= args.checksum;
    options.allow_empty |= args.allow_empty;
    options.max_delete = args.max_delete.or(options.max_delete);
    options.together |= args.together;
    options.bwlimit = args.bwlimit.map_or(options.bwlimit, limit);
    options.parallel = args.parallel.map_or(options.parallel, usize::from);
    // Added, not put in their place: what the file excludes would else be deleted on the hosts.
    options.exclude.extend_from_slice(&args.exclude);
}

#[cfg(test)]
mod tests;
