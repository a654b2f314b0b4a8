//! The configuration file, read into values that can be trusted.
//!
//! Every key is known or refused by name, and so is every value that this build could not act on:
//! nothing in the file is passed over in silence. What only a command can know (whether a source is
//! needed, where the state of a user without a home goes) is left to it.

mod boot;
mod cloud;
mod error;
mod publication;
mod reader;
mod rollout;
mod schema;
mod value;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

pub use boot::{
    BootCloud, BootConfig, BootError, BootSettings, KeySource, OnFailure, PointerUrl, Verify,
};
pub use cloud::{CloudConfig, CloudKind};
pub use error::{ConfigError, ConfigFault};
pub use publication::{PublishConfig, SnapshotConfig};
use reader::Reader;
pub use rollout::{Order, RolloutConfig};
pub use schema::nearest;
pub use value::{Period, Rate, Share, ValueError};

/// What a configuration file says, with defaults for what it doesn't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The tree that is given out.
    pub source: Option<PathBuf>,
    /// Where it goes on each host.
    pub destination: DestinationConfig,
    /// Where hosts are listed, apart from [`Config::hosts`].
    pub cloud: CloudConfig,
    /// How hosts are reached.
    pub ssh: SshConfig,
    /// The hosts that are listed in the file itself.
    pub hosts: Vec<HostConfig>,
    /// How trees are made equal.
    pub sync: SyncConfig,
    /// In which order hosts get a release.
    pub rollout: RolloutConfig,
    /// What new instances start from.
    pub snapshot: SnapshotConfig,
    /// How new instances learn of it.
    pub publish: PublishConfig,
    /// What is remembered from one run to the next.
    pub state: StateConfig,
}

/// `[destination]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationConfig {
    /// The directory that receives, on each host that names no other; absolute.
    pub path: Option<PathBuf>,
    /// Keep what a commit displaces, so that going back needs no transfer. Default: `true`.
    pub keep_undo: bool,
    /// A directory that is not a mount point yet is not ready. Default: `false`.
    pub require_mount: bool,
}

/// `[ssh]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshConfig {
    /// The user who logs in, on each host that names no other. Default: `www`.
    pub user: String,
    /// TCP port of each host that names no other. Default: 22.
    pub port: u16,
    /// What proves who we are. Default: the key file `/etc/release/id_ed25519`.
    pub identity: IdentityConfig,
    /// The file of known host keys. Default: `/etc/release/known_hosts`.
    pub known_hosts: PathBuf,
    /// What is done about a host whose key is not known. Default: refuse it.
    pub host_keys: HostKeyPolicy,
    /// A command that leads to a host's SSH server, as OpenSSH's `ProxyCommand`, with `%h`, `%p`, `%r`
    /// and `%%`. Default: none, which is a TCP connection.
    pub proxy_command: Option<String>,
    /// Longest time for TCP, key exchange and log-in together. Default: 20 s.
    pub connect_timeout: Duration,
    /// Where the agent is kept on a host, relative to the home directory of the user who logs in
    /// unless it is absolute. Default: `.cache/release-sync`.
    pub agent_directory: String,
}

/// What proves to hosts who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityConfig {
    /// The private key in this file.
    File(PathBuf),
    /// The keys of the running ssh-agent.
    Agent,
}

/// What is done about a host whose key is not known. A key that *changed* is refused always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// Refuse the host.
    Strict,
    /// Write the key down and go on.
    AcceptNew,
    /// Take an instance's key from its console, as EC2 shows it, and write it down; refuse all others.
    Ec2Console,
}

/// `[[host]]`, with what it inherits from `[ssh]` and `[destination]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// What reports call it; unique. Default: its address.
    pub name: String,
    /// Host name or IP address.
    pub address: String,
    /// TCP port. Default: `ssh.port`, else 22.
    pub port: u16,
    /// The user who logs in. Default: `ssh.user`, else `www`.
    pub user: String,
    /// The directory that receives; absolute. Default: `destination.path`; `None` where that is
    /// missing too.
    pub destination: Option<PathBuf>,
    /// What proves to it who we are. Default: as `[ssh]` says.
    pub identity: IdentityConfig,
    /// A command that leads to its SSH server. Default: `ssh.proxy_command`; the empty text stands for
    /// none, where that has one.
    pub proxy_command: Option<String>,
    /// Where the agent is kept there. Default: `ssh.agent_directory`.
    pub agent_directory: String,
}

/// `[sync]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncConfig {
    /// Patterns of entries that are neither sent nor deleted.
    pub exclude: Vec<String>,
    /// Patterns of entries on hosts that deletion spares.
    pub protect: Vec<String>,
    /// Delete what the release does not have. Default: `true`.
    pub delete: bool,
    /// A host where more entries would be deleted is refused, untouched. Default: no limit.
    pub max_delete: Option<u64>,
    /// Hash every file anew. Default: `false`.
    pub checksum: bool,
    /// Hosts whose transfers run at one time, 1 to 4,096. Default: 32.
    pub parallel: usize,
    /// Set owners by number even where the host knows the name. Default: `false`.
    pub numeric_owner: bool,
    /// A source without entries is meant to be so. Default: `false`.
    pub allow_empty: bool,
    /// Longest silence of a host before it is given up. Default: 30 s.
    pub silence: Duration,
    /// Longest time in which a host that has something to do gets no further. Default: 10 min.
    pub stall: Duration,
    /// Most bytes a second that are sent to one host. Default: no limit.
    pub bwlimit: Rate,
    /// Most bytes a second that are sent to all hosts together. Default: no limit.
    pub bwlimit_total: Rate,
    /// Commit nowhere before every host has staged or failed. Default: `false`.
    pub together: bool,
    /// How often a host is tried again after a failure that may pass, up to 100. Default: 2.
    pub retries: u32,
}

/// `[state]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateConfig {
    /// Where generations and locks are kept; whoever reads the file knows the default.
    pub directory: Option<PathBuf>,
    /// How long to wait for another deploy to end. Default: not at all.
    pub lock_wait: Duration,
}

impl Config {
    /// Reads a file's content. The empty text gives the defaults.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(text.len(), |span| span.start);
            let fault = ConfigFault::Syntax(error.message().to_owned());
            ConfigError::at(text, offset, fault)
        })?;
        let top = Reader::top(text, document.get_ref())?;
        let destination = DestinationConfig::read(&top.table("destination")?)?;
        let ssh = SshConfig::read(&top.table("ssh")?)?;
        Ok(Self {
            source: top.text("source")?.map(PathBuf::from),
            cloud: CloudConfig::read(&top.table("cloud")?)?,
            hosts: read_hosts(&top.tables("host")?, &ssh, destination.path.as_deref())?,
            ssh,
            sync: SyncConfig::read(&top.table("sync")?)?,
            rollout: RolloutConfig::read(&top.table("rollout")?)?,
            snapshot: SnapshotConfig::read(&top.table("snapshot")?)?,
            publish: PublishConfig::read(&top.table("publish")?)?,
            state: StateConfig::read(&top.table("state")?)?,
            destination,
        })
    }
}

impl DestinationConfig {
    fn read(table: &Reader<'_>) -> Result<Self, ConfigError> {
        table.choice("layout", &[("tree", Some(())), ("versions", None)])?;
        // It counts what layout `versions` keeps; of `tree` there is never more than one.
        table.number("keep", 1..=10_000)?;
        Ok(Self {
            path: absolute(table, "path")?,
            keep_undo: table.flag("keep_undo")?.unwrap_or(true),
            require_mount: table.flag("require_mount")?.unwrap_or(false),
        })
    }
}

impl SshConfig {
    fn read(table: &Reader<'_>) -> Result<Self, ConfigError> {
        let identity = match (table.text("identity")?, table.flag("agent")?) {
            (Some(_), Some(true)) => {
                let fault = ConfigFault::Contradiction("ssh.identity", "ssh.agent");
                return Err(table.fault("agent", fault));
            }
            (None, Some(true)) => IdentityConfig::Agent,
            (Some(file), _) => IdentityConfig::File(file.into()),
            (None, _) => IdentityConfig::File("/etc/release/id_ed25519".into()),
        };
        let policies = [
            ("strict", Some(HostKeyPolicy::Strict)),
            ("accept-new", Some(HostKeyPolicy::AcceptNew)),
            ("ec2-console", Some(HostKeyPolicy::Ec2Console)),
        ];
        Ok(Self {
            user: table.text("user")?.unwrap_or_else(|| "www".to_owned()),
            port: port(table)?.unwrap_or(22),
            proxy_command: proxy_command(table)?.flatten(),
            identity,
            known_hosts: table
                .text("known_hosts")?
                .map_or_else(|| "/etc/release/known_hosts".into(), PathBuf::from),
            host_keys: table
                .choice("host_keys", &policies)?
                .unwrap_or(HostKeyPolicy::Strict),
            connect_timeout: period(table, "connect_timeout", Duration::from_secs(20))?,
            agent_directory: table
                .text("agent_directory")?
                .unwrap_or_else(|| ".cache/release-sync".to_owned()),
        })
    }
}

fn read_hosts(
    hosts: &[Reader<'_>],
    ssh: &SshConfig,
    destination: Option<&Path>,
) -> Result<Vec<HostConfig>, ConfigError> {
    let mut names = HashSet::new();
    hosts
        .iter()
        .map(|table| {
            let Some(address) = table.text("address")? else {
                let fault = ConfigFault::Missing("host.address".to_owned());
                return Err(table.fault("address", fault));
            };
            let name = table.text("name")?.unwrap_or_else(|| address.clone());
            if !names.insert(name.clone()) {
                return Err(table.fault("name", ConfigFault::DoubledHost(name)));
            }
            Ok(HostConfig {
                name,
                address,
                port: port(table)?.unwrap_or(ssh.port),
                user: table.text("user")?.unwrap_or_else(|| ssh.user.clone()),
                destination: absolute(table, "destination")?
                    .or_else(|| destination.map(Path::to_owned)),
                identity: match table.text("identity")? {
                    Some(file) => IdentityConfig::File(file.into()),
                    None => ssh.identity.clone(),
                },
                proxy_command: proxy_command(table)?.unwrap_or_else(|| ssh.proxy_command.clone()),
                agent_directory: table
                    .text("agent_directory")?
                    .unwrap_or_else(|| ssh.agent_directory.clone()),
            })
        })
        .collect()
}

impl SyncConfig {
    fn read(table: &Reader<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            exclude: table.texts("exclude")?,
            protect: table.texts("protect")?,
            delete: table.flag("delete")?.unwrap_or(true),
            max_delete: table.number("max_delete", 0..=u64::MAX)?,
            checksum: table.flag("checksum")?.unwrap_or(false),
            parallel: table
                .number("parallel", 1..=4096)?
                .map_or(32, |number| number as usize),
            numeric_owner: table.flag("numeric_owner")?.unwrap_or(false),
            allow_empty: table.flag("allow_empty")?.unwrap_or(false),
            silence: period(table, "silence", Duration::from_secs(30))?,
            stall: period(table, "stall", Duration::from_secs(600))?,
            bwlimit: table.parse("bwlimit")?.unwrap_or_default(),
            bwlimit_total: table.parse("bwlimit_total")?.unwrap_or_default(),
            together: table.flag("together")?.unwrap_or(false),
            retries: table
                .number("retries", 0..=100)?
                .map_or(2, |number| number as u32),
        })
    }
}

impl StateConfig {
    fn read(table: &Reader<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            directory: table.text("directory")?.map(PathBuf::from),
            lock_wait: table.parse::<Period>("lock_wait")?.unwrap_or_default().0,
        })
    }
}

/// A deadline; one of no time at all would only ever be missed.
fn period(table: &Reader<'_>, key: &str, default: Duration) -> Result<Duration, ConfigError> {
    match table.parse(key)? {
        None => Ok(default),
        Some(Period(Duration::ZERO)) => Err(table.refuse(key, "it is longer than nothing")),
        Some(Period(duration)) => Ok(duration),
    }
}

/// The empty text stands for "none": a file can show the key, and a host be without what others have.
fn proxy_command(table: &Reader<'_>) -> Result<Option<Option<String>>, ConfigError> {
    let said = table.string("proxy_command")?;
    Ok(said.map(|command| Some(command.to_owned()).filter(|command| !command.is_empty())))
}

fn port(table: &Reader<'_>) -> Result<Option<u16>, ConfigError> {
    let number = table.number("port", 1..=u64::from(u16::MAX))?;
    Ok(number.map(|number| number as u16))
}

/// A path on a host, where "relative" would depend on who logs in.
fn absolute(table: &Reader<'_>, key: &str) -> Result<Option<PathBuf>, ConfigError> {
    match table.text(key)? {
        Some(path) if !path.starts_with('/') => {
            Err(table.refuse(key, "a path on a host begins with `/`"))
        }
        path => Ok(path.map(PathBuf::from)),
    }
}

#[cfg(test)]
mod tests;
