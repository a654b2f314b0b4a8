//! Real SSH servers on loopback. Each is a host: its own host key, its own home, its own processes, and
//! its own tree under a path that all hosts share.
//!
//! A host is a mount namespace and a process namespace with `sshd` as its first process. So its end takes
//! everything with it, agents too, and touches nothing else; mounts vanish with it. Needs root.

mod processes;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::loopback;

/// Hosts that share a path, a client's key and a known_hosts file. The key lets in root, and `www`. Clones
/// are the same rack.
#[derive(Clone, Debug)]
pub struct Rack(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: TempDir,
    /// The path that is another folder on each host.
    mount_point: PathBuf,
}

/// The user id of `www`, who exists on hosts only.
pub const WWW: u32 = 4242;

/// What is special about a host.
#[derive(Debug, Default)]
pub struct SshdOptions {
    /// Lines for `sshd_config`, such as `RekeyLimit 1M`.
    pub config: Vec<String>,
    /// The shell that root logs in with: a program's path. Default: `/bin/sh`.
    pub login_shell: Option<PathBuf>,
    /// The shared path is a tmpfs of this many bytes: a disk that is easily full.
    pub disk: Option<u64>,
    /// Where it listens. Default: a free port of some address.
    pub address: Option<SocketAddr>,
    /// Addresses on which it listens besides its own, at most 15: it may pass for as many hosts.
    pub more_addresses: usize,
}

/// A running host.
#[derive(Debug)]
pub struct Sshd {
    rack: Arc<Shared>,
    folder: PathBuf,
    address: SocketAddr,
    more_addresses: Vec<SocketAddr>,
    child: Child,
    /// The namespace's first process, as seen from outside.
    init: u32,
    own_disk: bool,
}

impl Rack {
    /// An empty one.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("release-rack-")
            .tempdir()
            .expect("a temporary folder can be made");
        let unique = folder.path().file_name().expect("a folder has a name");
        let mount_point = Path::new("/srv/release-test").join(unique);
        fs::create_dir_all(&mount_point).expect("a mount point can be made: are you root?");
        fs::create_dir_all("/run/sshd").expect("sshd's own folder can be made");
        // What it holds is not secret, but for the key: `www` looks in here too.
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("it is ours");
        fs::write(folder.path().join("known_hosts"), "").expect("a file can be written");
        generate_key(&folder.path().join("id_ed25519"));
        Self(Arc::new(Shared {
            folder,
            mount_point,
        }))
    }

    /// The private key that every host lets in.
    pub fn identity(&self) -> PathBuf {
        self.0.folder.path().join("id_ed25519")
    }

    /// The file that holds every host's key.
    pub fn known_hosts(&self) -> PathBuf {
        self.0.folder.path().join("known_hosts")
    }

    /// A path that exists on every host, and is another folder on each.
    pub fn shared(&self) -> &Path {
        &self.0.mount_point
    }

    /// Where releases go, on every host. Nothing is there at first.
    pub fn destination(&self) -> PathBuf {
        self.shared().join("release")
    }

    /// Starts a host without anything special.
    pub fn host(&self) -> Sshd {
        self.start(SshdOptions::default())
    }

    /// Starts a host and waits until it takes connections. Call it from a thread that outlives the
    /// host: the host dies with it.
    pub fn start(&self, options: SshdOptions) -> Sshd {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = self.0.folder.path().join(format!("host-{number}"));
        for below in ["shared", "home"] {
            fs::create_dir_all(folder.join(below)).expect("a folder can be made");
        }
        generate_key(&folder.join("host_key"));
        let address = options.address.unwrap_or_else(|| loopback::free(10));
        let more_addresses: Vec<_> = (0..options.more_addresses)
            .map(|_| loopback::free(10))
            .collect();
        let addresses = [&[address], &more_addresses[..]].concat();
        fs::write(
            folder.join("sshd_config"),
            config(&folder, &self.identity(), &addresses, &options),
        )
        .expect("a configuration can be written");
        let child = spawn(&folder, self.shared(), &options);
        let mut host = Sshd {
            rack: Arc::clone(&self.0),
            folder,
            address,
            more_addresses,
            child,
            init: 0,
            own_disk: options.disk.is_some(),
        };
        host.wait_until_it_listens();
        for address in addresses {
            host.trust_as(address);
        }
        host
    }
}

impl Default for Rack {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Not recursively: what is in there belongs to a host that still runs.
        let _ = fs::remove_dir(&self.mount_point);
    }
}

impl Sshd {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where else it listens.
    pub fn more_addresses(&self) -> &[SocketAddr] {
        &self.more_addresses
    }

    /// The tree that this host has at [`Rack::destination`], as a path for this process.
    pub fn tree(&self) -> PathBuf {
        self.shared().join("release")
    }

    /// What this host has at [`Rack::shared`], as a path for this process.
    pub fn shared(&self) -> PathBuf {
        if self.own_disk {
            // Mounted inside the host only. rsync, as the judge, refuses such a path.
            let path = self.rack.mount_point.strip_prefix("/");
            let root = PathBuf::from(format!("/proc/{}/root", self.init));
            root.join(path.expect("it is absolute"))
        } else {
            self.folder.join("shared")
        }
    }

    /// Root's home directory on this host, as a path for this process.
    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// Writes this host's key into the rack's known_hosts, as the key of whoever answers at `address`: a
    /// proxy, say.
    pub fn trust_as(&self, address: SocketAddr) {
        let key = self.public_key();
        let file = self.rack.folder.path().join("known_hosts");
        let mut known = fs::read_to_string(&file).expect("known_hosts is there");
        known += &format!("[{}]:{} {key}", address.ip(), address.port());
        fs::write(file, known).expect("known_hosts can be written");
    }

    /// This host's public key: a line as `ssh-keygen` writes it.
    pub fn public_key(&self) -> String {
        fs::read_to_string(self.folder.join("host_key.pub")).expect("a key was made")
    }

    /// Runs a shell line inside the host, and fails if that fails. For what an administrator might do
    /// there: mounts, above all.
    pub fn run(&self, line: &str) -> String {
        let output = Command::new("nsenter")
            .args(["-t", &self.init.to_string(), "-m", "-p", "sh", "-ec", line])
            .output()
            .expect("nsenter is there: it comes with util-linux");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{line}` on a host: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What `sshd` wrote so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The host's first process, as this process sees it: all others of the host descend from it.
    pub fn init(&self) -> u32 {
        self.init
    }

    /// Puts other lines before those of `sshd_config`, in place of [`SshdOptions::config`], and waits until
    /// connections are taken as they say.
    pub fn reconfigure(&self, lines: &[String]) {
        let options = SshdOptions {
            config: lines.to_vec(),
            ..SshdOptions::default()
        };
        let addresses = [&[self.address], &self.more_addresses[..]].concat();
        let identity = self.rack.folder.path().join("id_ed25519");
        let text = config(&self.folder, &identity, &addresses, &options);
        fs::write(self.folder.join("sshd_config"), text).expect("a configuration can be written");
        let listens = || self.log().matches("Server listening on").count();
        let wanted = listens() + addresses.len();
        processes::signal(self.init, rustix::process::Signal::HUP);
        let deadline = Instant::now() + Duration::from_secs(20);
        while listens() < wanted {
            assert!(Instant::now() < deadline, "sshd: {}", self.log());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until nothing runs here but `sshd` itself; fails if something goes on.
    pub fn wait_until_idle(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !processes::children(self.init).is_empty() {
            assert!(Instant::now() < deadline, "something goes on on a host");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The agents that run on this host: process ids as this process sees them.
    pub fn agents(&self) -> Vec<u32> {
        processes::agents_beside(self.init)
    }

    /// Kills every agent on this host, as `kill -9` does; how many there were.
    pub fn kill_agents(&self) -> usize {
        let agents = self.agents();
        agents
            .iter()
            .filter(|&&agent| processes::kill(agent))
            .count()
    }

    /// Waits until no agent runs here any more; fails if one goes on without its controller.
    pub fn wait_for_the_end_of_agents(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.agents().is_empty() {
            assert!(
                Instant::now() < deadline,
                "an agent goes on without its controller"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_until_it_listens(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(init) = processes::only_child(self.child.id()) {
                self.init = init;
                if std::net::TcpStream::connect(self.address).is_ok() {
                    return;
                }
            }
            let ended = self.child.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "sshd does not listen at {}: {}",
                self.address,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // The death of a namespace's first process is that of all others in it.
        if self.init != 0 {
            processes::kill(self.init);
        } else {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Starts `sshd` as the first process of new namespaces.
fn spawn(folder: &Path, mount_point: &Path, options: &SshdOptions) -> Child {
    let mut script = String::from("mount --bind home /root\n");
    script += &match options.disk {
        None => format!("mount --bind shared {}\n", mount_point.display()),
        Some(size) => format!(
            "mount -t tmpfs -o size={size} none {}\n",
            mount_point.display()
        ),
    };
    fs::write(folder.join("passwd"), users(folder, options)).expect("a file can be written");
    script += "mount --bind passwd /etc/passwd\n";
    // By its whole path: sshd goes to `/`, and starts itself anew when it is told to read it again.
    script += &format!(
        "exec /usr/sbin/sshd -D -e -f {}/sshd_config",
        folder.display()
    );
    let log = File::create(folder.join("log")).expect("a log can be made");
    // setpriv: if this thread is killed, the host must not stay behind.
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare"])
        .args(["--mount", "--propagation", "private"])
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-ec", &script])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be cloned"))
        .stderr(log)
        .spawn()
        .expect("setpriv and unshare are there: they come with util-linux")
}

/// The machine's users, but root with the shell that was asked for, and `www` beside it.
fn users(folder: &Path, options: &SshdOptions) -> String {
    let www = folder.join("www");
    fs::create_dir_all(&www).expect("a folder can be made");
    chown(&www, Some(WWW), Some(WWW)).expect("root can give a folder away");
    let machine = fs::read_to_string("/etc/passwd").expect("a machine has users");
    let shell = options
        .login_shell
        .as_deref()
        .unwrap_or(Path::new("/bin/sh"));
    let ours = format!(
        "root:x:0:0:root:/root:{}\nwww:x:{WWW}:{WWW}:www:{}:/bin/sh\n",
        shell.display(),
        www.display()
    );
    let is_ours = |line: &&str| line.starts_with("root:") || line.starts_with("www:");
    let others = machine.lines().filter(|line| !is_ours(line));
    ours + &others.collect::<Vec<_>>().join("\n") + "\n"
}

fn config(
    folder: &Path,
    identity: &Path,
    addresses: &[SocketAddr],
    options: &SshdOptions,
) -> String {
    let lines = [
        format!("HostKey {}/host_key", folder.display()),
        format!("AuthorizedKeysFile {}.pub", identity.display()),
        "PidFile none".into(),
        "PermitRootLogin prohibit-password".into(),
        "PasswordAuthentication no".into(),
        "StrictModes no".into(),
        "UsePAM no".into(),
        "UseDNS no".into(),
        "MaxStartups 200".into(),
    ];
    let listens = addresses
        .iter()
        .map(|address| format!("ListenAddress {address}\n"));
    // sshd takes the first of two values, so what is special goes first.
    let mut text = options.config.join("\n");
    text.push('\n');
    text.extend(listens);
    text += &lines.join("\n");
    text += "\nMaxSessions 100\n";
    text
}

fn generate_key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen is there: it comes with openssh-client");
    assert!(made.success(), "ssh-keygen: {made}");
}

#[cfg(test)]
mod tests;
