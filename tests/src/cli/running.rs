//! A `release-cli` that still runs.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Event, Run};

/// No run of a test takes this long; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// A process whose events come in. It is killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    incoming: Receiver<(Duration, Event)>,
    events: Vec<Event>,
    times: Vec<Duration>,
    readers: Option<(JoinHandle<()>, JoinHandle<String>)>,
}

impl Running {
    pub(super) fn new(mut child: Child) -> Self {
        let stdout = child.stdout.take().expect("the output is a pipe");
        let mut errors = child.stderr.take().expect("the errors are a pipe");
        let (sender, incoming) = channel();
        let started = Instant::now();
        let stdout = thread::spawn(move || {
            for event in events_of(stdout) {
                // Nobody listens once the run was dropped.
                let _ = sender.send((started.elapsed(), event));
            }
        });
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            child,
            incoming,
            events: Vec::new(),
            times: Vec::new(),
            readers: Some((stdout, stderr)),
        }
    }

    /// Waits for an event such as `wanted`; `false` if the run ends without.
    pub fn wait_for(&mut self, mut wanted: impl FnMut(&Event) -> bool) -> bool {
        while let Some(event) = self.next() {
            if wanted(&event) {
                return true;
            }
        }
        false
    }

    /// Waits until a host, any, is in this state; `false` if the run ends without.
    pub fn wait_for_state(&mut self, state: &str) -> bool {
        self.wait_for(|event| matches!(event, Event::Host(host) if host.state == state))
    }

    /// The largest amount of memory that the process was seen to have of its own (not of files), in bytes,
    /// from now to its end. Looks every few milliseconds.
    pub fn watch_memory(&self) -> JoinHandle<u64> {
        let status = format!("/proc/{}/status", self.child.id());
        thread::spawn(move || {
            let mut most = 0;
            // An ended process that was not waited for yet has no memory in its status.
            while let Some(bytes) = anonymous_bytes(&status) {
                most = most.max(bytes);
                thread::sleep(Duration::from_millis(5));
            }
            most
        })
    }

    /// Kills the process as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("our child can be killed");
    }

    /// Asks the process to stop, as Ctrl-C does.
    pub fn interrupt(&self) {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::INT).expect("our child can be sent a signal");
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Run {
        while self.next().is_some() {}
        let status = self.child.wait().expect("our child can be waited for");
        let (stdout, stderr) = self.readers.take().expect("a run finishes once");
        stdout.join().expect("every line of the output is an event");
        Run {
            code: status.code(),
            events: std::mem::take(&mut self.events),
            times: std::mem::take(&mut self.times),
            stderr: stderr.join().expect("reading does not panic"),
        }
    }

    fn next(&mut self) -> Option<Event> {
        match self.incoming.recv_timeout(PATIENCE) {
            Ok((time, event)) => {
                self.times.push(time);
                self.events.push(event.clone());
                Some(event)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("release-cli hangs; so far: {:#?}", self.events)
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn anonymous_bytes(status: &str) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes << 10)
}

/// Each line is an event, and says when it was; a line that isn't is a defect. One that has no end is what
/// a killed process leaves.
fn events_of(stdout: ChildStdout) -> impl Iterator<Item = Event> {
    let mut stdout = BufReader::new(stdout);
    std::iter::from_fn(move || {
        let mut line = String::new();
        stdout.read_line(&mut line).ok()?;
        line.ends_with('\n').then_some(line)
    })
    .map(|line| {
        let value: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("`{line}` is not JSON: {error}"));
        assert!(value["at"].is_string(), "`{line}` does not say when");
        serde_json::from_value(value)
            .unwrap_or_else(|error| panic!("`{line}` is not an event: {error}"))
    })
}
