//! A `release-cli` that still runs.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Event, Run};

/// No run of a test takes this long; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// A process whose events come in. It is killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    incoming: Receiver<Event>,
    events: Vec<Event>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    pub(super) fn new(mut child: Child) -> Self {
        let stdout = child.stdout.take().expect("the output is a pipe");
        let mut errors = child.stderr.take().expect("the errors are a pipe");
        let (sender, incoming) = channel();
        thread::spawn(move || {
            for event in events_of(stdout) {
                // Nobody listens once the run was dropped.
                let _ = sender.send(event);
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
            stderr: Some(stderr),
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
        let stderr = self.stderr.take().expect("a run finishes once");
        Run {
            code: status.code(),
            events: std::mem::take(&mut self.events),
            stderr: stderr.join().expect("reading does not panic"),
        }
    }

    fn next(&mut self) -> Option<Event> {
        match self.incoming.recv_timeout(PATIENCE) {
            Ok(event) => {
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

/// Each line is an event; a line that isn't one is a defect.
fn events_of(stdout: ChildStdout) -> impl Iterator<Item = Event> {
    (BufReader::new(stdout).lines().map_while(Result::ok)).map(|line| {
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("`{line}` is not an event: {error}"))
    })
}
