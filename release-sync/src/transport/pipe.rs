//! A transport to a child process, over its standard input, output and error.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::PollFlags;

use super::child::ChildGroup;
use super::text::Tail;
use super::waker::{Interest, sleep};
use super::{Inbox, Transport, Waker};
use crate::Error;

/// What a pipe should hold, so that neither side has to be woken for every few pages. More than a user
/// without privileges gets by default would be refused.
const PIPE_BYTES: usize = 1 << 20;

/// How long a child may take to end after its input has.
const GRACE: Duration = Duration::from_secs(1);

/// A child process that speaks on its standard input and output.
#[derive(Debug)]
pub(crate) struct PipeTransport {
    child: ChildGroup,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    said: Tail,
    inbox: Inbox,
}

impl PipeTransport {
    /// Starts a program; the first of the words is its name, the others are its arguments.
    ///
    /// # Errors
    /// [`Error::Spawn`] where there is no such program, or it can't be started.
    pub(crate) fn spawn(words: &[OsString]) -> Result<Self, Error> {
        let failed = |source| Error::Spawn {
            program: words
                .first()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            source,
        };
        let [program, arguments @ ..] = words else {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = ChildGroup::spawn(&mut command).map_err(failed)?;
        let (stdin, stdout, stderr) = child.take_streams();
        let transport = Self {
            child,
            stdin,
            stdout,
            stderr,
            said: Tail::default(),
            inbox: Inbox::default(),
        };
        // From here on the child is ended with the transport, if this fails.
        transport.prepare_pipes().map_err(failed)?;
        Ok(transport)
    }

    fn prepare_pipes(&self) -> io::Result<()> {
        let ends = [
            self.stdin.as_ref().map(AsFd::as_fd),
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ];
        for end in ends.into_iter().flatten() {
            rustix::io::ioctl_fionbio(end, true)?;
        }
        for end in ends.into_iter().take(2).flatten() {
            // A wish: where the limit is lower, the pipe stays as it is.
            let _ = rustix::pipe::fcntl_setpipe_size(end, PIPE_BYTES);
        }
        Ok(())
    }

    fn drain_stderr(&mut self) {
        let mut buffer = [0; 4096];
        // Bounded, so that a flood does not keep us from the rest.
        for _ in 0..16 {
            let Some(stderr) = &mut self.stderr else {
                return;
            };
            match stderr.read(&mut buffer) {
                Ok(count @ 1..) => self.said.push(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => self.stderr = None,
            }
        }
    }
}

impl Transport for PipeTransport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.inbox.is_empty() {
            return Ok(self.inbox.take(buffer));
        }
        let Some(stdout) = &mut self.stdout else {
            return Ok(0);
        };
        let count = match stdout.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Only now: a child that blocks on its standard error soon has no more output either.
                self.drain_stderr();
                return Err(error);
            }
            other => other?,
        };
        if count == 0 && !buffer.is_empty() {
            self.stdout = None;
            self.drain_stderr();
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stdin {
            Some(stdin) => stdin.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn wait(&mut self, want_write: bool, waker: &Waker, timeout: Duration) -> io::Result<()> {
        if !self.inbox.is_empty() {
            return Ok(());
        }
        // An end that was closed is always ready, so only what is of use is polled.
        let mut interests: Vec<Interest<'_>> = Vec::with_capacity(3);
        interests.extend(self.stdout.as_ref().map(|end| (end.as_fd(), PollFlags::IN)));
        interests.extend(self.stderr.as_ref().map(|end| (end.as_fd(), PollFlags::IN)));
        if want_write {
            interests.extend(self.stdin.as_ref().map(|end| (end.as_fd(), PollFlags::OUT)));
        }
        sleep(&interests, waker, timeout)?;
        self.drain_stderr();
        Ok(())
    }

    fn unread(&mut self, bytes: &[u8]) {
        self.inbox.put_back(bytes);
    }

    fn stderr(&self) -> &[u8] {
        self.said.bytes()
    }

    fn exit_status(&mut self) -> Option<i32> {
        let status = self.child.wait(GRACE)?;
        self.drain_stderr();
        status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
    }

    fn close(&mut self) {
        self.stdin = None;
        self.stdout = None;
        self.child.end(GRACE);
    }
}

impl Drop for PipeTransport {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Instant;

    use super::*;
    use crate::transport::testing::{collect, exchange};

    fn shell(script: &str) -> PipeTransport {
        PipeTransport::spawn(&["/bin/sh", "-c", script].map(OsString::from)).unwrap()
    }

    #[test]
    fn both_ways_at_once() {
        let mut transport = shell("exec cat");
        exchange(&mut transport, 64 << 20);
        transport.close();
        assert_eq!(transport.exit_status(), Some(0));
    }

    #[test]
    fn a_flood_on_stderr_blocks_nothing() {
        let mut transport = shell("head -c 8000000 /dev/zero >&2; echo end >&2; echo done; exit 7");
        assert_eq!(collect(&mut transport), b"done\n");
        assert_eq!(transport.exit_status(), Some(7));
        assert!(transport.stderr().ends_with(b"end\n"));
        assert!(transport.stderr().len() <= 32 << 10);
    }

    #[test]
    fn a_signal_has_a_status_too() {
        let mut transport = shell("kill -9 $$");
        assert_eq!(collect(&mut transport), b"");
        assert_eq!(transport.exit_status(), Some(137));
        assert_eq!(
            transport.write(b"x").unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[test]
    fn closing_leaves_no_process() {
        let mut transport = shell("trap : TERM HUP; sleep 1000 & echo $!; while :; do wait; done");
        let mut buffer = [0; 100];
        let waker = Waker::new().unwrap();
        let count = loop {
            match transport.read(&mut buffer) {
                Ok(count) => break count,
                Err(_) => transport.wait(false, &waker, GRACE).unwrap(),
            }
        };
        let grandchild = std::str::from_utf8(&buffer[..count]).unwrap().trim();
        let children = [transport.child.id().to_string(), grandchild.to_owned()];
        let start = Instant::now();
        transport.close();
        assert!(start.elapsed() < GRACE * 3);
        // The grandchild is reaped by init, in its own time: it may be a zombie for a while.
        let alive = |pid: &String| {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .is_ok_and(|stat| !stat.contains(") Z "))
        };
        std::thread::sleep(Duration::from_millis(50));
        assert!(!children.iter().any(alive));
        assert_eq!(transport.exit_status(), Some(137));
    }

    #[test]
    fn a_program_that_is_not_there() {
        let spawned = PipeTransport::spawn(&[OsString::from("/nonexistent/agent")]);
        assert!(
            matches!(spawned, Err(Error::Spawn { program, .. }) if program == "/nonexistent/agent")
        );
        assert!(matches!(
            PipeTransport::spawn(&[]),
            Err(Error::Spawn { .. })
        ));
    }
}
