//! The library as its program uses it, for what the program's configuration has no words for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use release_sync::{
    Error, Fleet, Generation, Host, HostKeys, HostReport, Identity, Options, Reach, Report,
    SshOptions, SshTarget, scan,
};

use crate::cli;
use crate::sshd::Rack;

/// Some hosts of a rack, and how they are reached.
#[derive(Debug)]
pub struct Engine {
    hosts: Vec<Host>,
    destination: PathBuf,
    generation: u64,
    /// All that can be said about a run but for SSH.
    pub options: Options,
    /// How SSH is spoken. The agents are those that were built.
    pub ssh: SshOptions,
}

impl Engine {
    /// No hosts yet.
    pub fn new(rack: &Rack) -> Self {
        let program = cli::program();
        let agents = program.parent().expect("a program is in a folder");
        Self {
            hosts: Vec::new(),
            destination: rack.destination(),
            generation: 0,
            options: Options::default(),
            ssh: SshOptions {
                identity: Identity::File(rack.identity()),
                known_hosts: rack.known_hosts(),
                host_keys: HostKeys::Strict,
                proxy_command: None,
                connect_timeout: Duration::from_secs(20),
                agents: agents.to_owned(),
                agent_directory: String::from(".cache/release-sync"),
            },
        }
    }

    /// Adds a host, on which root logs in.
    pub fn reach(&mut self, name: &str, address: SocketAddr) {
        let target = SshTarget {
            address: address.ip().to_string(),
            port: address.port(),
            user: String::from("root"),
            key_name: None,
            ssh: None,
        };
        self.hosts.push(Host {
            name: name.to_owned(),
            destination: self.destination.clone(),
            reach: Reach::Ssh(target),
        });
    }

    /// From now on the host of this name has that address, whatever it is.
    pub fn address_of(&mut self, name: &str, address: &str) {
        for host in self.hosts.iter_mut().filter(|host| host.name == name) {
            if let Reach::Ssh(target) = &mut host.reach {
                address.clone_into(&mut target.address);
            }
        }
    }

    /// Gives every host the source.
    pub fn push(&mut self, source: &Path) -> Report {
        self.generation += 1;
        let mut options = self.options.clone();
        options.ssh = Some(self.ssh.clone());
        let source = scan(source, &options, &()).expect("a source can be scanned");
        let fleet =
            Fleet::new(self.hosts.clone(), options).expect("the hosts and options are sound");
        let generation = Generation::new(self.generation);
        fleet.push(&source, generation, &())
    }

    /// Gives the one host the source; what came of it.
    pub fn push_to_one(&mut self, source: &Path) -> HostReport {
        let mut report = self.push(source);
        assert_eq!(report.hosts.len(), 1, "{report:#?}");
        report.hosts.remove(0)
    }
}

/// An error with all its causes, as a person is told.
pub fn in_words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words += &format!(": {error}");
        cause = error.source();
    }
    words
}
