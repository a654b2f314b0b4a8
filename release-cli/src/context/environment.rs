//! What surrounds the process.

use std::env;
use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::path::{Path, PathBuf};

/// Everything that the process is told without being asked. Read once, at the start.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// The working directory.
    pub(crate) directory: PathBuf,
    /// This program's file.
    pub(crate) executable: PathBuf,
    /// Where temporary folders go.
    pub(crate) temporary: PathBuf,
    pub(crate) home: Option<PathBuf>,
    pub(crate) state_home: Option<PathBuf>,
    /// The socket of the running ssh-agent.
    pub(crate) ssh_agent: Option<PathBuf>,
    /// Where AWS's services answer instead of at their own addresses.
    pub(crate) aws_endpoint: Option<String>,
    /// The certificate authorities that AWS's services are checked with, instead of those that are built in.
    pub(crate) aws_authorities: Option<PathBuf>,
    pub(crate) user: String,
    pub(crate) host: String,
    pub(crate) process: u32,
    pub(crate) is_root: bool,
    /// Colours are not wanted, or not understood.
    pub(crate) no_color: bool,
    /// The terminal can't move its cursor.
    pub(crate) is_dumb: bool,
    pub(crate) stdin_is_terminal: bool,
    pub(crate) stdout_is_terminal: bool,
    pub(crate) stderr_is_terminal: bool,
}

impl Environment {
    pub(crate) fn read() -> Self {
        let uid = rustix::process::geteuid();
        let is_dumb = said("TERM").is_some_and(|term| term == "dumb");
        Self {
            directory: env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            executable: env::current_exe().unwrap_or_default(),
            temporary: env::temp_dir(),
            home: said("HOME").map(PathBuf::from),
            state_home: said("XDG_STATE_HOME").map(PathBuf::from),
            ssh_agent: said("SSH_AUTH_SOCK").map(PathBuf::from),
            aws_endpoint: said("AWS_ENDPOINT_URL").map(lossy),
            aws_authorities: said("AWS_CA_BUNDLE").map(PathBuf::from),
            user: ["USER", "LOGNAME"]
                .into_iter()
                .find_map(said)
                .map(lossy)
                .or_else(|| name_of(&std::fs::read_to_string("/etc/passwd").ok()?, uid.as_raw()))
                .unwrap_or_else(|| format!("user {}", uid.as_raw())),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            process: std::process::id(),
            is_root: uid.is_root(),
            no_color: said("NO_COLOR").is_some() || is_dumb,
            is_dumb,
            stdin_is_terminal: stdin().is_terminal(),
            stdout_is_terminal: stdout().is_terminal(),
            stderr_is_terminal: stderr().is_terminal(),
        }
    }

    /// Who deploys.
    pub(crate) fn operator(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }

    /// Who deploys, in words that help whoever finds a lock.
    pub(crate) fn holder(&self) -> String {
        format!("{} (process {})", self.operator(), self.process)
    }

    /// Where the state goes unless the file says otherwise; `None` where there is no such place.
    pub(crate) fn state_directory(&self) -> Option<PathBuf> {
        if self.is_root {
            return Some(PathBuf::from("/var/lib/release"));
        }
        // The XDG specification has relative paths ignored.
        let state_home = self.state_home.clone().filter(|path| path.is_absolute());
        let in_home = || Some(self.home.as_ref()?.join(".local/state"));
        Some(state_home.or_else(in_home)?.join("release"))
    }

    /// Where the agents lie.
    pub(crate) fn beside_executable(&self) -> PathBuf {
        self.executable
            .parent()
            .unwrap_or(Path::new("/"))
            .to_owned()
    }
}

/// The user of this number, in the words of `passwd(5)`.
fn name_of(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

/// A variable that is set to something.
fn said(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn lossy(text: OsString) -> String {
    text.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nwww:x:33:33::/:\n";
        assert_eq!(name_of(passwd, 0).as_deref(), Some("root"));
        assert_eq!(name_of(passwd, 33).as_deref(), Some("www"));
        assert_eq!(name_of(passwd, 1), None);
    }
}
