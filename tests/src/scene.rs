//! A source, some hosts, and an operator who deploys the one to the others.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cli::{Cli, Run};
use crate::judge;
use crate::proxy::{Proxy, ProxyOptions};
use crate::snapshot::Snapshot;
use crate::sshd::{Rack, Sshd, SshdOptions};
use crate::tree;

/// Everything that a deploy takes. The hosts are called [`NAMES`](crate::cli::NAMES).
#[derive(Debug)]
pub struct Scene {
    /// The hosts; dropped before the rack that they are in.
    pub hosts: Vec<Sshd>,
    /// What the hosts share.
    pub rack: Rack,
    /// Who deploys.
    pub cli: Cli,
    folder: TempDir,
}

impl Scene {
    /// So many hosts without anything special, and an empty source.
    pub fn new(hosts: usize) -> Self {
        Self::with((0..hosts).map(|_| SshdOptions::default()))
    }

    /// Such hosts, and an empty source.
    pub fn with(options: impl IntoIterator<Item = SshdOptions>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("release-source-")
            .tempdir()
            .expect("a temporary folder can be made");
        let source = folder.path().join("source");
        fs::create_dir(&source).expect("a folder can be made");
        let rack = Rack::new();
        let hosts: Vec<_> = (options.into_iter())
            .map(|options| rack.start(options))
            .collect();
        Self {
            cli: Cli::with_hosts(&rack, &source, &hosts),
            hosts,
            rack,
            folder,
        }
    }

    /// One host that has a generated release of `bytes` in `files` files.
    pub fn deployed(files: usize, bytes: usize) -> Self {
        let scene = Self::new(1);
        tree::release(&scene.source(), 1, files, bytes);
        scene.deploy_and_judge();
        scene
    }

    /// What is deployed.
    pub fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    /// A second operator, elsewhere, who deploys the same to the same hosts.
    pub fn colleague(&self) -> Cli {
        Cli::with_hosts(&self.rack, &self.source(), &self.hosts)
    }

    /// The first host, where there is one only.
    pub fn host(&self) -> &Sshd {
        &self.hosts[0]
    }

    /// Puts a network between the operator and the first host. It ends with the proxy; then the
    /// host has to be [`reach`](Self::reach_directly)ed again.
    pub fn through(&mut self, options: ProxyOptions) -> Proxy {
        let proxy = Proxy::start(self.host().address(), options);
        self.host().trust_as(proxy.address());
        self.cli.reach(crate::cli::NAMES[0], proxy.address());
        proxy
    }

    /// No network between the operator and the first host any more.
    pub fn reach_directly(&mut self) {
        let address = self.host().address();
        self.cli.reach(crate::cli::NAMES[0], address);
    }

    /// Deploys, and fails unless every host proves that it has the release and both judges agree.
    #[track_caller]
    pub fn deploy_and_judge(&self) -> Run {
        let run = self.cli.deploy();
        run.assert_proven();
        self.judge();
        run
    }

    /// Fails unless every host's tree is the source, by both judges.
    #[track_caller]
    pub fn judge(&self) {
        for host in &self.hosts {
            judge::assert_equal(&self.source(), &host.tree());
        }
    }

    /// Each host's tree.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        (self.hosts.iter())
            .map(|host| Snapshot::of(&host.tree()))
            .collect()
    }

    /// Fails unless each host's tree is as it was.
    #[track_caller]
    pub fn assert_unchanged(&self, before: &[Snapshot]) {
        for (host, before) in self.hosts.iter().zip(before) {
            judge::assert_unchanged(before, &host.tree());
        }
    }
}

/// Writes a file below a tree, with the directories above it.
pub fn write(tree: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = tree.join(name);
    fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("a folder");
    fs::write(path, content).expect("a file can be written");
}
