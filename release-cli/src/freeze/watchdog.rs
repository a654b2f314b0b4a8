//! Starting the watchdog, and telling it that all is well.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::vigil::{DONE, READY};

/// How long it may take to get ready. Nothing is frozen yet.
const TO_GET_READY: Duration = Duration::from_secs(5);
/// How long it may take to end when it is told to. After that it is left to itself: it thaws what isn't
/// frozen, which does no harm.
const TO_END: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(2);

const SYSTEMD: &str = "/run/systemd/system";
const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";

/// A watchdog that is ready. If this is dropped, or ends with its process, the watchdog thaws at once.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    voice: Option<ChildStdin>,
}

impl Watchdog {
    /// Starts one that thaws the file system which `mount` is in when `limit` has passed.
    ///
    /// Under systemd it gets a scope of its own: stopping the unit that we run in kills all that is in the
    /// unit, and would not leave even a watchdog. Where that doesn't work, it is our child and no more.
    pub(super) fn start(mount: &OwnedFd, limit: Duration) -> io::Result<Self> {
        let verb = [String::from("watchdog"), limit.as_millis().to_string()];
        if Path::new(SYSTEMD).is_dir() && Path::new(SYSTEMD_RUN).is_file() {
            let us = std::env::current_exe()?;
            let mut command = Command::new(SYSTEMD_RUN);
            command.args(["--scope", "--quiet", "--collect", "--"]);
            command.arg(us).args(&verb);
            if let Ok(watchdog) = Self::run(command, mount) {
                return Ok(watchdog);
            }
        }
        // Not by its path, where another version may lie by now.
        let mut command = Command::new("/proc/self/exe");
        command.args(&verb);
        Self::run(command, mount)
    }

    fn run(mut command: Command, mount: &OwnedFd) -> io::Result<Self> {
        command
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(mount.try_clone()?));
        let mut child = command.spawn()?;
        let voice = child.stdin.take();
        let answer = child.stdout.take();
        let ready = answer.map_or(Ok(false), |mut answer| answers(&mut answer));
        let mut watchdog = Self { child, voice };
        let unfit = match ready {
            Ok(true) => return Ok(watchdog),
            Ok(false) => io::Error::other("it ended, or did not answer in time"),
            Err(error) => error,
        };
        // Should it get ready after all, it would thaw what another one watches over.
        let _ = watchdog.child.kill();
        Err(unfit)
    }

    /// Says that the file system is not frozen any more, and waits for its end.
    pub(super) fn dismiss(mut self) {
        if let Some(mut voice) = self.voice.take() {
            // One that is dead already needn't hear it.
            let _ = voice.write_all(&[DONE]);
        }
    }
}

impl Drop for Watchdog {
    /// The end of the pipe is a word, too.
    fn drop(&mut self) {
        drop(self.voice.take());
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < TO_END {
            sleep(STEP);
        }
    }
}

/// Whether it says that it is ready.
fn answers(answer: &mut ChildStdout) -> io::Result<bool> {
    let deadline = Instant::now() + TO_GET_READY;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).ok();
        let mut fds = [PollFd::from_borrowed_fd(answer.as_fd(), PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut word = [0];
    let length = answer.read(&mut word)?;
    Ok(length == 1 && word == [READY])
}
