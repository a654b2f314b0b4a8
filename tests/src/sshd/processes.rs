//! The processes of a namespace, found in /proc.

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

/// The one child of a process, once there is one.
pub(super) fn only_child(parent: u32) -> Option<u32> {
    children(parent).first().copied()
}

/// The children of a process that has one thread.
pub(super) fn children(parent: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.unwrap_or_default();
    (children.split_whitespace())
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// All processes in the process namespace of `init`, but not that one.
pub(super) fn beside(init: u32) -> Vec<u32> {
    let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(wanted) = namespace(init) else {
        return Vec::new();
    };
    (fs::read_dir("/proc").into_iter().flatten())
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != init && namespace(pid).as_ref() == Some(&wanted))
        .collect()
}

/// Those of them whose program is an agent. One that is dead already, and not yet waited for, has no program.
pub(super) fn agents_beside(init: u32) -> Vec<u32> {
    let is_agent = |pid: &u32| {
        let program = program(*pid)?;
        let name = program.file_name()?.to_str()?;
        Some(name.starts_with("agent-") || name.starts_with("release-agent"))
    };
    let mut found = beside(init);
    found.retain(|pid| is_agent(pid).unwrap_or(false));
    found
}

pub(super) fn program(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Kills a process; was it there?
pub(super) fn kill(pid: u32) -> bool {
    signal(pid, Signal::KILL)
}

/// Sends a signal to a process; was it there?
pub(super) fn signal(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}
