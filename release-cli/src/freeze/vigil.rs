//! What the watchdog does, in a process of its own.
//!
//! It must be able to run whatever becomes of the file system, of whoever started it, and of the terminal:
//! it has its own session, no signal but SIGKILL ends it, its memory stays in memory, and it has nothing open
//! but a directory of the file system, which it never reads.
//!
//! Descriptors are how it is told everything: standard input is the pipe on which it hears, standard output
//! the one on which it answers, standard error the file system.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2,
};

use super::ioctl::{Thaw, thaw};

/// The watchdog's answer when it can be relied on.
pub(super) const READY: u8 = b'R';
/// What it is told when the file system was thawed.
pub(super) const DONE: u8 = b'D';

/// How long to wait before a thaw is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// Everything that somebody may send who wants a program to end or to stop.
const DEAF_TO: [i32; 10] = [
    SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2,
];

/// Watches over a file system that is about to be frozen, until it is thawed.
///
/// # Errors
/// When it can't get ready, which whoever started it notices.
pub(crate) fn keep(limit: Duration) -> io::Result<()> {
    for signal in DEAF_TO {
        // A handler that does nothing of note; it doesn't outlive an exec, and there is none.
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let (mut hearing, mut answer, mount) = leave_everything()?;
    answer.write_all(&[READY])?;
    let deadline = Instant::now().checked_add(limit);
    watch(&mut hearing, &mount, deadline);
    Ok(())
}

/// Takes the three descriptors, and lets go of all else that ties it to a place.
fn leave_everything() -> io::Result<(File, File, OwnedFd)> {
    let hearing = io::stdin().as_fd().try_clone_to_owned()?;
    let answer = io::stdout().as_fd().try_clone_to_owned()?;
    let mount = io::stderr().as_fd().try_clone_to_owned()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    std::env::set_current_dir("/")?;
    // Each of the rest makes it safer still, and may be more than this user is allowed. A scope of its own
    // gives a session, too.
    let _ = rustix::process::setsid();
    let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE);
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    Ok((hearing.into(), answer.into(), mount))
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Done,
    /// Whoever started us is dead.
    Orphaned,
    Nothing,
}

/// Waits to be told that all is well; else thaws.
fn watch(hearing: &mut File, mount: &OwnedFd, deadline: Option<Instant>) {
    let mut orphaned = match listen(hearing, deadline) {
        Word::Done => return,
        Word::Orphaned => true,
        Word::Nothing => false,
    };
    loop {
        match thaw(mount) {
            // It is frozen once only; a second thaw could only hit somebody else's freeze.
            Ok(Thaw::Thawed) => return,
            // A dead process freezes nothing any more. One that lives may still be about to.
            Ok(Thaw::WasNot) if orphaned => return,
            Err(error) if orphaned && is_hopeless(error) => return,
            _ => {}
        }
        if orphaned {
            sleep(PAUSE);
            continue;
        }
        match listen(hearing, Instant::now().checked_add(PAUSE)) {
            Word::Done => return,
            Word::Orphaned => orphaned = true,
            Word::Nothing => {}
        }
    }
}

/// An answer that will be the same for ever.
fn is_hopeless(error: Errno) -> bool {
    matches!(
        error,
        Errno::PERM | Errno::BADF | Errno::NOTTY | Errno::OPNOTSUPP
    )
}

/// Listens until the deadline; without one, for ever.
fn listen(hearing: &mut File, deadline: Option<Instant>) -> Word {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = [PollFd::new(&*hearing, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => return Word::Nothing,
            Err(Errno::INTR) => continue,
            // A poll that fails must not keep us from thawing.
            Err(_) => return Word::Nothing,
            Ok(_) => {}
        }
        let mut word = [0];
        return match hearing.read(&mut word) {
            Ok(0) => Word::Orphaned,
            Ok(_) if word == [DONE] => Word::Done,
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => Word::Orphaned,
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn pipe() -> (File, File) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        (reader.into(), writer.into())
    }

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(10))
    }

    #[test]
    fn words_are_told_apart() {
        let (mut hearing, mut voice) = pipe();
        assert_eq!(listen(&mut hearing, soon()), Word::Nothing);
        voice.write_all(b"?").unwrap();
        assert_eq!(listen(&mut hearing, soon()), Word::Nothing);
        voice.write_all(&[DONE]).unwrap();
        assert_eq!(listen(&mut hearing, None), Word::Done);
        drop(voice);
        assert_eq!(listen(&mut hearing, None), Word::Orphaned);
    }

    /// A directory that is not frozen, and that nobody may freeze.
    #[test]
    fn an_orphan_that_has_nothing_to_thaw_ends() {
        let (mut hearing, voice) = pipe();
        let mount = File::open("/proc").unwrap().into();
        drop(voice);
        watch(&mut hearing, &mount, None);
    }
}
