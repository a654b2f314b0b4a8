//! What can be told on this machine, before any host is reached.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use release_sync::{HostKeys, Identity, Reach};
use rustix::fs::{Access, access};

use super::key::Key;
use crate::context::Checkup;
use crate::ui::{Check, count};

/// No private key is longer.
const LONGEST_KEY: u64 = 64 << 10;

/// One of each part that a deploy needs here.
pub(super) fn checks(checkup: &Checkup) -> Vec<Check> {
    let hosts = count(checkup.hosts.len() as u64, "host");
    let configuration = format!("{}: {hosts}", checkup.file.display());
    let keys = identities(checkup)
        .into_iter()
        .map(|identity| match identity {
            Identity::File(path) => key(path),
            Identity::Agent(socket) => ssh_agent(socket),
        });
    let mut checks = vec![Check::ok("configuration", configuration)];
    checks.extend(keys);
    if checkup.has_ssh {
        let ssh = &checkup.ssh;
        checks.push(known_hosts(&ssh.known_hosts, ssh.host_keys));
    }
    checks.extend([
        agents(&checkup.ssh.agents),
        match &checkup.state {
            Some(directory) => state(directory),
            None => Check::fault(
                "state",
                "there is no place for it: neither XDG_STATE_HOME nor HOME is set",
                Some("name a directory in `state.directory`".into()),
            ),
        },
        match &checkup.source {
            Some(directory) => source(directory),
            None => Check::warning(
                "source",
                "none is configured",
                Some("name one in `source`, or with --source at each deploy".into()),
            ),
        },
    ]);
    checks
}

/// What the hosts ask for, each once.
fn identities(checkup: &Checkup) -> Vec<&Identity> {
    let mut identities = Vec::new();
    for host in &checkup.hosts {
        // Nobody logs in to an instance that is a folder.
        let Reach::Ssh(target) = &host.reach else {
            continue;
        };
        let identity = &target.ssh.as_deref().unwrap_or(&checkup.ssh).identity;
        if !identities.contains(&identity) {
            identities.push(identity);
        }
    }
    identities
}

fn key(path: &Path) -> Check {
    let shown = path.display();
    let (text, metadata) = match read_key(path) {
        Ok(read) => read,
        Err(error) => {
            let mend = match error.kind() {
                io::ErrorKind::NotFound => {
                    format!("make one: ssh-keygen -t ed25519 -N \'\' -f {shown}")
                }
                _ => "run as a user who may read it, or name another in `ssh.identity`".to_owned(),
            };
            return Check::fault("key", format!("{shown} can't be read: {error}"), Some(mend));
        }
    };
    match Key::of(&text) {
        Key::Foreign => {
            let mend = "name a private key in `ssh.identity`, not its public half".to_owned();
            Check::fault("key", format!("{shown} is no private key"), Some(mend))
        }
        Key::Passphrase => {
            let mend = format!(
                "add it to an ssh-agent and set `ssh.agent = true`, or take the passphrase away: \
                 ssh-keygen -p -N \'\' -f {shown}"
            );
            Check::fault("key", format!("{shown} has a passphrase"), Some(mend))
        }
        Key::Plain if metadata.permissions().mode() & 0o077 != 0 => {
            let mode = metadata.permissions().mode() & 0o7777;
            let text = format!("{shown} is not its owner\'s alone: its mode is {mode:04o}");
            Check::warning("key", text, Some(format!("chmod 600 {shown}")))
        }
        Key::Plain => Check::ok("key", shown.to_string()),
    }
}

fn read_key(path: &Path) -> io::Result<(String, Metadata)> {
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    let mut content = Vec::new();
    file.take(LONGEST_KEY).read_to_end(&mut content)?;
    Ok((String::from_utf8_lossy(&content).into_owned(), metadata))
}

fn ssh_agent(socket: &Path) -> Check {
    match UnixStream::connect(socket) {
        Ok(_) => Check::ok(
            "key",
            format!("those of the ssh-agent at {}", socket.display()),
        ),
        Err(error) => Check::fault(
            "key",
            format!(
                "the ssh-agent at {} does not answer: {error}",
                socket.display()
            ),
            Some("start one and add a key to it, or name a key file in `ssh.identity`".into()),
        ),
    }
}

fn known_hosts(path: &Path, policy: HostKeys) -> Check {
    let shown = path.display();
    match (fs::read(path), policy) {
        (Ok(content), _) => {
            let keys = content.split(|byte| *byte == b'\n');
            let is_key = |line: &&[u8]| !line.trim_ascii().is_empty() && !line.starts_with(b"#");
            let keys = keys.filter(is_key).count();
            Check::ok(
                "known_hosts",
                format!("{shown}: {}", count(keys as u64, "key")),
            )
        }
        (Err(error), HostKeys::AcceptNew) if error.kind() == io::ErrorKind::NotFound => Check::ok(
            "known_hosts",
            format!("{shown} is made when a deploy accepts the first key"),
        ),
        (Err(error), _) => Check::fault(
            "known_hosts",
            format!("{shown} can't be read: {error}"),
            Some(format!(
                "collect the keys (ssh-keyscan -t ed25519 HOST… >> {shown}) and compare them with the hosts\' own"
            )),
        ),
    }
}

fn agents(directory: &Path) -> Check {
    let own = std::env::consts::ARCH;
    let mut found = Vec::new();
    if directory.join("release-agent").is_file() {
        found.push(own.to_owned());
    }
    for entry in fs::read_dir(directory.join("agents"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(architecture) = name.strip_prefix("release-agent-") {
            found.push(architecture.to_owned());
        }
    }
    found.sort();
    found.dedup();
    let shown = directory.display();
    let mend =
        format!("put release-agent beside release-cli, in {shown} (`./dev build` makes both)");
    if found.is_empty() {
        return Check::fault("agents", format!("there is none in {shown}"), Some(mend));
    }
    let text = format!("for {}, in {shown}", found.join(", "));
    if found.iter().any(|architecture| architecture == own) {
        Check::ok("agents", text)
    } else {
        let text = format!("{text}; none for {own}, which this machine is");
        Check::warning("agents", text, Some(mend))
    }
}

/// The directory is made by the first deploy, so it is enough that it can be.
fn state(directory: &Path) -> Check {
    let shown = directory.display();
    let existing = directory.ancestors().find(|path| path.exists());
    let existing = existing.unwrap_or(Path::new("/"));
    let usable = if existing.is_dir() {
        access(existing, Access::WRITE_OK | Access::EXEC_OK)
    } else {
        Err(rustix::io::Errno::NOTDIR)
    };
    match usable {
        Ok(()) if existing == directory => Check::ok("state", shown.to_string()),
        Ok(()) => Check::ok("state", format!("{shown} is made by the first deploy")),
        Err(error) => Check::fault(
            "state",
            format!("{shown} can't be written to: {}", io::Error::from(error)),
            Some("name a directory that you may write to in `state.directory`".into()),
        ),
    }
}

fn source(directory: &Path) -> Check {
    let shown = directory.display();
    match fs::read_dir(directory).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Check::ok("source", shown.to_string()),
        Ok(false) => Check::warning(
            "source",
            format!("{shown} is empty"),
            Some("a deploy refuses that, unless --allow-empty is said".into()),
        ),
        Err(error) => Check::fault(
            "source",
            format!("{shown} can't be read: {error}"),
            Some("check `source`, or run as a user who may read it".into()),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::Permissions;

    use super::*;
    use crate::ui::Finding::{self, Fault, Ok, Warning};

    fn finding(check: Check) -> Finding {
        assert_eq!(check.finding == Ok, check.mend.is_none(), "{check:?}");
        check.finding
    }

    #[test]
    fn keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id");
        assert_eq!(finding(key(&path)), Fault);
        for (content, mode, expected) in [
            ("-----BEGIN PRIVATE KEY-----\nMC4C\n", 0o600, Ok),
            ("-----BEGIN PRIVATE KEY-----\nMC4C\n", 0o640, Warning),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMC4C\n",
                0o600,
                Fault,
            ),
            ("ssh-ed25519 AAAA", 0o600, Fault),
        ] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(finding(key(&path)), expected, "{content} {mode:o}");
        }
        assert_eq!(finding(ssh_agent(&path)), Fault);
    }

    #[test]
    fn known_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        assert_eq!(finding(known_hosts(&path, HostKeys::Strict)), Fault);
        assert_eq!(finding(known_hosts(&path, HostKeys::AcceptNew)), Ok);
        fs::write(&path, "# ours\n\nweb-1 ssh-ed25519 AAAA\n").unwrap();
        let check = known_hosts(&path, HostKeys::Strict);
        assert!(check.text.ends_with(": 1 key"), "{}", check.text);
    }

    #[test]
    fn agents_of_architectures() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(finding(agents(folder.path())), Fault);
        fs::create_dir(folder.path().join("agents")).unwrap();
        fs::write(folder.path().join("agents/release-agent-riscv64"), "").unwrap();
        assert_eq!(finding(agents(folder.path())), Warning);
        fs::write(folder.path().join("release-agent"), "").unwrap();
        let check = agents(folder.path());
        assert_eq!(check.finding, Ok);
        assert!(check.text.contains("riscv64"), "{}", check.text);
    }

    #[test]
    fn directories() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(finding(state(folder.path())), Ok);
        assert_eq!(finding(state(&folder.path().join("a/b"))), Ok);
        assert_eq!(finding(source(folder.path())), Warning);
        assert_eq!(finding(source(&folder.path().join("a"))), Fault);
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(finding(source(folder.path())), Ok);
        assert_eq!(finding(state(&folder.path().join("file/state"))), Fault);
    }
}
