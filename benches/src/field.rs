//! Where the sides meet: a source, hosts with real `sshd`, and a way to each host for both programs.
//!
//! Each host has two destinations, one for each program, so that the sides can take turns. Everything is
//! in temporary folders; `./dev versus` sees to it that they are on a tmpfs.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use rayon::prelude::*;
use release_tests::judge;
use release_tests::proxy::{Proxy, ProxyOptions};
use release_tests::sshd::{Rack, Sshd, SshdOptions};
use tempfile::TempDir;

use crate::side::{Cipher, Exchange, Order, Side};

/// What both programs encrypt with, or one of them.
const CIPHER: &str = "aes128-gcm@openssh.com";

/// rsync's destination on each host, beside ours.
const PEER: &str = "peer";

/// Trees that a run leads from and to.
#[derive(Debug)]
pub struct Trees {
    /// What is on the hosts before; `None`: nothing.
    pub old: Option<PathBuf>,
    /// What is given out.
    pub new: PathBuf,
}

/// A source and its hosts. The order of the fields is that in which they go.
#[derive(Debug)]
pub struct Field {
    hosts: Vec<Sshd>,
    rack: Rack,
    trees: Trees,
    /// Files of `new` that are not as in `old`: a build has just written them.
    fresh: Vec<PathBuf>,
    program: PathBuf,
    /// What the hosts take now.
    cipher: Mutex<Cipher>,
    folder: TempDir,
}

impl Field {
    /// Hosts that have nothing yet.
    pub fn new(program: &Path, hosts: usize, make: impl FnOnce(&Path) -> Trees) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("release-field-")
            .tempdir()
            .expect("a temporary folder can be made");
        let trees = make(folder.path());
        let rack = Rack::new();
        Self {
            hosts: (0..hosts)
                .map(|_| rack.start(SshdOptions::default()))
                .collect(),
            rack,
            fresh: fresh_files(&trees),
            trees,
            program: program.to_owned(),
            cipher: Mutex::new(Cipher::Own),
            folder,
        }
    }

    /// The hosts.
    pub fn hosts(&self) -> &[Sshd] {
        &self.hosts
    }

    /// What is given out.
    pub fn source(&self) -> &Path {
        &self.trees.new
    }

    /// Are the hosts to have already what is given out?
    pub fn is_settled(&self) -> bool {
        self.trees.old.as_ref() == Some(&self.trees.new)
    }

    /// The key that hosts let in.
    pub fn identity(&self) -> PathBuf {
        self.rack.identity()
    }

    /// The tree of a side on a host.
    pub fn tree(&self, host: &Sshd, side: &Side) -> PathBuf {
        if side.is_ours() {
            host.tree()
        } else {
            host.shared().join(PEER)
        }
    }

    /// Puts a network before each host.
    pub fn proxies(&self, latency: Duration) -> Vec<Proxy> {
        let options = ProxyOptions {
            latency,
            ..ProxyOptions::default()
        };
        let proxy = |host: &Sshd| {
            let proxy = Proxy::start(host.address(), options);
            host.trust_as(proxy.address());
            proxy
        };
        self.hosts.iter().map(proxy).collect()
    }

    /// Where the hosts are with nothing before them.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.hosts.iter().map(Sshd::address).collect()
    }

    /// Brings a side's trees to where a run begins. What survives is what survives in life: the index of
    /// what was scanned, and `.release` of the hosts without what it keeps of the tree that is to come.
    pub fn reset(&self, side: &Side) {
        let Side::Ours { cipher, index } = side else {
            self.hosts
                .par_iter()
                .for_each(|host| self.reset_peer(&self.tree(host, side)));
            return;
        };
        if let Some(old) = &self.trees.old {
            self.reset_ours(old);
        } else {
            self.install_agents();
            self.hosts.par_iter().for_each(|host| remove(&host.tree()));
        }
        if !index {
            remove(&self.trees.new.join(".release"));
        }
        self.take_only(*cipher);
    }

    fn take_only(&self, cipher: Cipher) {
        let mut now = self.cipher.lock().expect("nobody panics with the lock");
        if *now != cipher {
            *now = cipher;
            let lines = match cipher {
                Cipher::Own => Vec::new(),
                Cipher::Aes => vec![format!("Ciphers {CIPHER}")],
            };
            self.hosts
                .par_iter()
                .for_each(|host| host.reconfigure(&lines));
        }
    }

    fn reset_ours(&self, old: &Path) {
        if self.is_settled() && self.hosts.iter().all(|host| host.tree().exists()) {
            return;
        }
        if !self.trees.new.join(".release").exists() {
            self.deploy_aside(&self.trees.new);
        }
        self.deploy_aside(old);
        self.remember(old);
        for host in &self.hosts {
            for kept in ["undo", "stage"] {
                remove(&host.tree().join(".release").join(kept));
            }
        }
        // A new ctime, as a build gives: the source's index must not know these any more.
        for file in &self.fresh {
            let mode = fs::symlink_metadata(file).expect("it was there").mode();
            fs::set_permissions(file, Permissions::from_mode(mode)).expect("it is ours");
        }
    }

    /// In life the new tree takes the place of the old one, and finds there what was kept of that one's list.
    fn remember(&self, old: &Path) {
        let [from, to] = [old, &self.trees.new].map(|tree| tree.join(".release/recent"));
        if from == to {
            return;
        }
        remove(&to);
        fs::create_dir(&to).expect("it was removed");
        for list in fs::read_dir(from).expect("a deploy has kept a list") {
            let list = list.expect("a directory can be read");
            fs::copy(list.path(), to.join(list.file_name())).expect("a file can be copied");
        }
    }

    /// A host's agent is no part of a release: it is there before.
    fn install_agents(&self) {
        let caches = |host: &Sshd| host.home().join(".cache/release-sync").exists();
        if !self.hosts.iter().all(caches) {
            self.deploy_aside(&self.trees.new);
        }
    }

    /// Deploys when nothing is measured.
    pub fn deploy_aside(&self, source: &Path) {
        let mut command = self.deploy(source, &self.addresses());
        let output = command.output().expect("release-cli can be started");
        assert!(output.status.success(), "release-cli: {output:#?}");
    }

    fn reset_peer(&self, destination: &Path) {
        let Some(old) = &self.trees.old else {
            remove(destination);
            return;
        };
        let made = Command::new("rsync")
            .args(["-a", "--delete", "--exclude=/.release"])
            .args([old.join(""), destination.join("")])
            .status()
            .expect("rsync is installed");
        assert!(made.success(), "rsync: {made}");
    }

    /// A side's command line for hosts at these addresses.
    pub fn command(&self, side: &Side, addresses: &[SocketAddr]) -> Command {
        match side {
            Side::Ours { .. } => self.deploy(&self.trees.new, addresses),
            Side::Rsync {
                flags,
                order,
                exchange,
            } => self.rsync(flags, *order, *exchange, addresses),
        }
    }

    fn deploy(&self, source: &Path, addresses: &[SocketAddr]) -> Command {
        let mut text = format!(
            "source = {source:?}\n[destination]\npath = {:?}\n[cloud]\nkind = \"none\"\n[ssh]\n\
             user = \"root\"\nidentity = {:?}\nknown_hosts = {:?}\nhost_keys = \"strict\"\n[state]\n\
             directory = {:?}\n",
            self.rack.destination(),
            self.rack.identity(),
            self.rack.known_hosts(),
            self.folder.path().join("state"),
        );
        for (number, address) in addresses.iter().enumerate() {
            let (ip, port) = (address.ip(), address.port());
            let _ = write!(
                text,
                "[[host]]\nname = \"h{number}\"\naddress = \"{ip}\"\nport = {port}\n"
            );
        }
        let file = self.write("release.toml", &text);
        let mut command = self.bare(&self.program);
        command
            .arg("--config")
            .arg(file)
            .args(["--json", "deploy", "--no-snapshot"]);
        command
    }

    fn rsync(
        &self,
        flags: &str,
        order: Order,
        exchange: Exchange,
        addresses: &[SocketAddr],
    ) -> Command {
        let ssh = self.ssh_configuration(exchange, addresses);
        let rsync = format!(
            "rsync {flags} --delete --stats --exclude=/.release -e 'ssh -F {}' {}/ {{}}:{}/",
            ssh.display(),
            self.trees.new.display(),
            self.rack.shared().join(PEER).display()
        );
        let names: Vec<String> = (0..addresses.len())
            .map(|number| format!("h{number}"))
            .collect();
        let names = names.join(" ");
        let line = match order {
            _ if addresses.len() == 1 => format!("exec {}", rsync.replace("{}", "h0")),
            Order::Loop => format!(
                "set -e; for h in {names}; do {}; done",
                rsync.replace("{}", "$h")
            ),
            Order::Eight => format!("printf '%s\\n' {names} | xargs -P8 -I{{}} {rsync}"),
        };
        let mut command = self.bare(Path::new("/bin/sh"));
        command.arg("-c").arg(line);
        command
    }

    fn ssh_configuration(&self, exchange: Exchange, addresses: &[SocketAddr]) -> PathBuf {
        let mut text = String::new();
        for (number, address) in addresses.iter().enumerate() {
            let (ip, port) = (address.ip(), address.port());
            let _ = write!(text, "Host h{number}\n  HostName {ip}\n  Port {port}\n");
        }
        let _ = write!(
            text,
            "Host *\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
             GlobalKnownHostsFile none\n  BatchMode yes\n  Ciphers {CIPHER}\n",
            self.rack.identity().display(),
            self.rack.known_hosts().display()
        );
        if exchange == Exchange::Same {
            text += "  KexAlgorithms curve25519-sha256\n";
        }
        self.write("ssh_config", &text)
    }

    /// A program that knows nothing of whoever runs it.
    fn bare(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir(&self.folder);
        command
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, text).expect("a file can be written");
        file
    }

    /// Fails unless a side's trees on the first and the last host are what was given out, by content. Of rsync's, what
    /// its quick check can't see may be left as it was: how many entries that are.
    pub fn judge(&self, side: &Side) -> usize {
        let ends = [self.hosts.first(), self.hosts.last()];
        let mut overlooked = 0;
        for host in ends.into_iter().flatten().take(self.hosts.len()) {
            let tree = self.tree(host, side);
            let lines = judge::rsync_lines(&self.trees.new, &tree);
            let looks_equal = |line: &String| self.looks_equal(&tree, line);
            let excused = !side.is_ours() && lines.iter().all(looks_equal);
            assert!(
                lines.is_empty() || excused,
                "{} left {lines:#?}",
                side.label()
            );
            overlooked = overlooked.max(lines.len());
        }
        overlooked
    }

    /// Are size and time, to the second, of the entry that the judge names equal in both trees?
    fn looks_equal(&self, tree: &Path, line: &str) -> bool {
        // Eleven letters and a blank stand before the name.
        let Some(name) = line.get(12..) else {
            return false;
        };
        let look = |tree: &Path| {
            let found = fs::symlink_metadata(tree.join(name)).ok()?;
            let size = found.is_file().then(|| found.size());
            Some((found.file_type(), size, found.mtime()))
        };
        let (here, there) = (look(&self.trees.new), look(tree));
        here.is_some() && here == there
    }
}

fn remove(tree: &Path) {
    if let Err(error) = fs::remove_dir_all(tree) {
        let gone = error.kind() == std::io::ErrorKind::NotFound;
        assert!(gone, "{} can't be removed: {error}", tree.display());
    }
}

/// Regular files whose size or time is not as in the old tree.
fn fresh_files(trees: &Trees) -> Vec<PathBuf> {
    let Some(old) = trees.old.as_ref().filter(|old| **old != trees.new) else {
        return Vec::new();
    };
    let mut fresh = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(trees.new.join(&directory)).expect("a tree can be read") {
            let name = directory.join(entry.expect("a tree can be read").file_name());
            let now = fs::symlink_metadata(trees.new.join(&name)).expect("it is there");
            if now.is_dir() {
                directories.push(name);
            } else if now.is_file() {
                let before = fs::symlink_metadata(old.join(&name)).ok();
                let same = before.is_some_and(|before| {
                    (before.size(), before.mtime(), before.mtime_nsec())
                        == (now.size(), now.mtime(), now.mtime_nsec())
                });
                if !same {
                    fresh.push(trees.new.join(&name));
                }
            }
        }
    }
    fresh
}
