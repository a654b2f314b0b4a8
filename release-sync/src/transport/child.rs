//! A child process, with all that it starts.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::waker::sleep_on;

/// How long a killed process may take to be gone.
const DEATH: Duration = Duration::from_secs(1);

/// A child that leads a process group of its own, so that a terminal's interrupt reaches only us, who may
/// end the conversation as it should be ended; and so that what it started ends with it. Ended at the
/// latest when it is dropped.
#[derive(Debug)]
pub(super) struct ChildGroup {
    child: Child,
    status: Option<ExitStatus>,
}

impl ChildGroup {
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).spawn()?;
        Ok(Self {
            child,
            status: None,
        })
    }

    /// Our ends of its streams, of those that were asked for as pipes; once.
    pub(super) fn take_streams(
        &mut self,
    ) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        let child = &mut self.child;
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    }

    #[cfg(test)]
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Gives the child some time to end by itself; how it did, if it has. What is left of its group then
    /// ends too.
    pub(super) fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        if self.status.is_none() && self.has_ended(patience) {
            self.reap();
        }
        self.status
    }

    /// Gives the child some time to end by itself, and ends it and its group.
    pub(super) fn end(&mut self, grace: Duration) {
        if self.status.is_none() {
            self.has_ended(grace);
            self.reap();
        }
    }

    fn has_ended(&self, patience: Duration) -> bool {
        let interest = |fd: &OwnedFd| sleep_on((fd.as_fd(), PollFlags::IN), patience);
        pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())
            .is_ok_and(|fd| interest(&fd).is_ok_and(|flags| flags.contains(PollFlags::IN)))
    }

    fn reap(&mut self) {
        // Not reaped, so its process id, which is its group's too, can't be another's by now.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        self.has_ended(DEATH);
        self.status = self.child.try_wait().ok().flatten();
    }
}

impl Drop for ChildGroup {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}
