//! What a run took.
//!
//! Processor time is what the kernel charges, user and system, read from `/proc/PID/stat` before and after,
//! to a hundredth of a second:
//! - on the controller's side, that of the program and of all its descendants that were waited for (rsync's
//!   `ssh`, `xargs`, the shell of a loop);
//! - on the hosts' side, that of each host's `sshd` and all its descendants, after the last of them has ended.
//!
//! Memory is the sum of `RssAnon` over the processes of a side, looked at every few milliseconds. That costs
//! time, so it is done in a run of its own, whose times are not used.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use release_tests::sshd::Sshd;
use serde::Serialize;

/// How often memory is looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// What a run took, and what it said.
#[derive(Debug)]
pub struct Taken {
    /// By the clock, from the start of the program to its end, in seconds.
    pub wall: f64,
    /// Processor time of the controller's side, in seconds.
    pub controller_cpu: f64,
    /// Processor time of all hosts, in seconds.
    pub hosts_cpu: f64,
    /// Peaks of memory, where they were looked for.
    pub memory: Option<Memory>,
    /// How it ended, and its words.
    pub output: Output,
}

/// The largest sums of anonymous memory that were seen, in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// Of the program and its descendants.
    pub controller: u64,
    /// Of what a host runs, without its `sshd`; of several hosts, the one with the most.
    pub host: u64,
}

/// Runs a program to its end.
pub fn measure(command: &mut Command, hosts: &[Sshd], watch: bool) -> Taken {
    let inits: Vec<u32> = hosts.iter().map(Sshd::init).collect();
    hosts.iter().for_each(Sshd::wait_until_idle);
    let before = (children_cpu(), hosts_cpu(&inits));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let child = command.spawn().expect("the program can be started");
    let pid = child.id();
    let over = AtomicBool::new(false);
    let (wall, output, memory) = thread::scope(|scope| {
        let watching = watch.then(|| scope.spawn(|| watch_memory(pid, &inits, &over)));
        let output = child
            .wait_with_output()
            .expect("our child can be waited for");
        let wall = started.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        let memory = watching.map(|thread| thread.join().expect("looking does not panic"));
        (wall, output, memory)
    });
    hosts.iter().for_each(Sshd::wait_until_idle);
    Taken {
        wall,
        controller_cpu: children_cpu() - before.0,
        hosts_cpu: hosts_cpu(&inits) - before.1,
        memory,
        output,
    }
}

/// Processor time of this process, all its threads, in seconds.
pub fn own_cpu() -> f64 {
    cpu("self")[..2].iter().sum()
}

/// Peak of this process's own anonymous memory while something runs, in bytes.
pub fn own_memory<R>(run: impl FnOnce() -> R) -> (R, u64) {
    let over = AtomicBool::new(false);
    let pid = std::process::id();
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(anonymous(pid));
                thread::sleep(GLANCE);
            }
            most
        });
        let result = run();
        over.store(true, Ordering::Relaxed);
        (result, watching.join().expect("looking does not panic"))
    })
}

fn children_cpu() -> f64 {
    cpu("self")[2..].iter().sum()
}

fn hosts_cpu(inits: &[u32]) -> f64 {
    let of = |pid: &u32| cpu(&pid.to_string()).iter().sum::<f64>();
    inits.iter().map(of).sum()
}

/// Own user and system time, and that of children that were waited for, in seconds.
fn cpu(pid: &str) -> [f64; 4] {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    // The program's name is in parentheses, and may have any character in it.
    let (_, fields) = stat.rsplit_once(')').expect("a stat has a name");
    let mut fields = fields.split_whitespace().skip(11);
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    std::array::from_fn(|_| {
        let field = fields.next().and_then(|field| field.parse::<f64>().ok());
        field.expect("a stat has four times") / ticks
    })
}

fn watch_memory(program: u32, inits: &[u32], over: &AtomicBool) -> Memory {
    let mut peak = Memory::default();
    while !over.load(Ordering::Relaxed) {
        let controller = family(program).into_iter().map(anonymous).sum();
        peak.controller = peak.controller.max(controller);
        for &init in inits {
            let payload = family(init).into_iter().filter(|&pid| !is_sshd(pid));
            peak.host = peak.host.max(payload.map(anonymous).sum());
        }
        thread::sleep(GLANCE);
    }
    peak
}

/// A process and all its descendants.
fn family(pid: u32) -> Vec<u32> {
    let mut members = vec![pid];
    let mut next = 0;
    while let Some(&member) = members.get(next) {
        next += 1;
        let threads = fs::read_dir(format!("/proc/{member}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            members.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
    }
    members
}

fn is_sshd(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("sshd"))
}

/// A process that has ended has none.
fn anonymous(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}
