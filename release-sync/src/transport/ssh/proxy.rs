//! A command that leads to a host: OpenSSH's `ProxyCommand`.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::PollFlags;

use crate::transport::child::ChildGroup;
use crate::transport::text::Tail;
use crate::transport::waker::sleep;
use crate::transport::{Waker, harmless};
use crate::{Error, SshTarget};

/// How long the command may take to end once its streams have.
const GRACE: Duration = Duration::from_millis(200);

/// A running command; its standard input and output are the other end of a socket. It ends, with all that
/// it started, when this is dropped.
#[derive(Debug)]
pub(super) struct ProxyCommand {
    socket: UnixStream,
    child: Mutex<ChildGroup>,
    errors: Arc<Errors>,
    waker: Waker,
}

/// What the command writes to its standard error, and whether anybody wants it still.
#[derive(Debug, Default)]
struct Errors {
    said: Mutex<Said>,
    over: Condvar,
    unwanted: AtomicBool,
}

#[derive(Debug, Default)]
struct Said {
    tail: Tail,
    is_over: bool,
}

impl ProxyCommand {
    /// Has `/bin/sh` run the command, with the target's parts in the place of `%h`, `%p` and `%r`.
    ///
    /// # Errors
    /// [`Error::Spawn`]: the shell can't be started, or a part of the target must not be shown to it.
    pub(super) fn start(command: &str, target: &SshTarget) -> Result<Self, Error> {
        let failed = |source| Error::Spawn {
            program: String::from(command),
            source,
        };
        let line = expand(command, target)
            .map_err(|why| failed(io::Error::new(io::ErrorKind::InvalidInput, why)))?;
        Self::spawn(&line).map_err(failed)
    }

    fn spawn(line: &str) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let waker = Waker::new()?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line])
            .stdin(OwnedFd::from(theirs.try_clone()?))
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::piped());
        let mut child = ChildGroup::spawn(&mut command)?;
        let errors = Arc::<Errors>::default();
        if let (.., Some(stderr)) = child.take_streams() {
            rustix::io::ioctl_fionbio(&stderr, true)?;
            let (errors, waker) = (Arc::clone(&errors), waker.clone());
            std::thread::Builder::new()
                .name(String::from("proxy-errors"))
                .spawn(move || errors.listen(stderr, &waker))?;
        }
        Ok(Self {
            socket,
            child: Mutex::new(child),
            errors,
            waker,
        })
    }

    /// Adds to an error how the command has ended and what it said, if it has.
    pub(super) fn explain(&self, error: io::Error) -> io::Error {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = child
            .wait(GRACE)
            .map(|status| match (status.code(), status.signal()) {
                (Some(code), _) => format!("ended with status {code}"),
                (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
            });
        let patience = if ended.is_some() {
            GRACE
        } else {
            Duration::ZERO
        };
        let said = self.errors.words(patience);
        let more = match (ended, said.is_empty()) {
            (None, true) => return error,
            (None, false) => format!("the proxy command said: {said}"),
            (Some(ended), true) => format!("the proxy command {ended}"),
            (Some(ended), false) => format!("the proxy command {ended} and said: {said}"),
        };
        io::Error::new(error.kind(), format!("{error}; {more}"))
    }

    pub(super) fn hang_up(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl AsFd for ProxyCommand {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for ProxyCommand {
    fn drop(&mut self) {
        self.hang_up();
        self.child
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .end(GRACE);
        // Somebody who left the command's group may hold its standard error open for ever.
        self.errors.unwanted.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl Errors {
    /// Takes in all that is said, so that the command never blocks on it.
    fn listen(&self, mut stderr: ChildStderr, waker: &Waker) {
        let mut buffer = [0; 4096];
        while !self.unwanted.load(Ordering::Acquire) {
            match stderr.read(&mut buffer) {
                Ok(count @ 1..) => self.said().tail.push(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let interest = (stderr.as_fd(), PollFlags::IN);
                    if sleep(&[interest], waker, Duration::MAX).is_err() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        self.said().is_over = true;
        self.over.notify_all();
    }

    /// What was said; waits for the end of it, if not for long.
    fn words(&self, patience: Duration) -> String {
        let (said, _) = self
            .over
            .wait_timeout_while(self.said(), patience, |said| !said.is_over)
            .unwrap_or_else(PoisonError::into_inner);
        harmless(said.tail.bytes())
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the target into a command line. What might mean something to a shell is refused rather than
/// quoted: a command may have put its own quotes around a token, and nobody can tell here. So is a dash
/// in front, which would make an option of a name.
fn expand(command: &str, target: &SshTarget) -> Result<String, String> {
    let mut line = String::with_capacity(command.len());
    let mut rest = command.chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            line.push(character);
            continue;
        }
        match rest.next() {
            Some('%') => line.push('%'),
            Some('h') => line += plain("address", &target.address)?,
            Some('r') => line += plain("user", &target.user)?,
            Some('p') => line += &target.port.to_string(),
            Some(other) => return Err(format!("`%{other}` stands for nothing in it")),
            None => return Err(String::from("it ends with a `%`")),
        }
    }
    Ok(line)
}

fn plain<'v>(what: &str, value: &'v str) -> Result<&'v str, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:@%+".contains(&byte);
    if !value.is_empty() && !value.starts_with('-') && value.bytes().all(is_plain) {
        Ok(value)
    } else {
        let shown = harmless(value.as_bytes());
        Err(format!(
            "the {what} `{shown}` can't go into a shell command"
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn target(address: &str, user: &str) -> SshTarget {
        SshTarget {
            address: String::from(address),
            port: 2222,
            user: String::from(user),
            key_name: None,
            ssh: None,
        }
    }

    #[test]
    fn tokens_are_replaced() {
        let expand = |command| expand(command, &target("fe80::1%eth0", "joe")).unwrap();
        assert_eq!(
            expand("ssh -W [%h]:%p %r@j"),
            "ssh -W [fe80::1%eth0]:2222 joe@j"
        );
        assert_eq!(expand("100%% %%h"), "100% %h");
        assert_eq!(expand(""), "");
    }

    #[test]
    fn what_stands_for_nothing_is_refused() {
        let refusal = |command| expand(command, &target("h", "r")).unwrap_err();
        assert_eq!(refusal("nc %x"), "`%x` stands for nothing in it");
        assert_eq!(refusal("nc %"), "it ends with a `%`");
    }

    #[test]
    fn a_name_that_a_shell_would_read_is_refused() {
        for bad in [
            "",
            "-oProxyCommand=x",
            "a b",
            "$(id)",
            "`id`",
            "a;b",
            "a'b",
            "a\nb",
            "ä",
            "a\\b",
        ] {
            assert!(expand("nc %h", &target(bad, "r")).is_err(), "{bad:?}");
            assert!(expand("nc %r", &target("h", bad)).is_err(), "{bad:?}");
            // Where it does not get into the command there is nothing to fear.
            assert!(expand("nc %p", &target(bad, bad)).is_ok(), "{bad:?}");
        }
    }

    proptest! {
        #![proptest_config(crate::testing::cases(64))]

        /// Whatever gets through reaches a program as it is, in one word.
        #[test]
        fn a_name_is_one_word_or_none(name in "[ -~ä\\n]{0,12}") {
            for command in ["printf '<%%s>' %h", "printf '<%%s>' '%h'", "printf '<%%s>' \"%h\""] {
                if let Ok(line) = expand(command, &target(&name, "r")) {
                    let output = Command::new("/bin/sh").args(["-c", &line]).output().unwrap();
                    prop_assert_eq!(output.stdout, format!("<{name}>").into_bytes());
                }
            }
        }
    }
}
