//! QEMU's monitor: JSON, a line a command.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[derive(Debug)]
pub(super) struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    pub(super) fn connect(socket: &Path) -> Option<Self> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let writer = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() > deadline => return None,
                Err(_) => sleep(Duration::from_millis(10)),
            }
        };
        let reader = BufReader::new(writer.try_clone().ok()?);
        let mut qmp = Self { reader, writer };
        qmp.line()?;
        qmp.ask("qmp_capabilities", json!({}))?;
        Some(qmp)
    }

    pub(super) fn insert(&mut self, serial: &str, node: &Path, port: usize) {
        let drive = json!({
            "driver": "raw", "node-name": serial,
            "file": {"driver": "host_device", "filename": node},
        });
        self.must("blockdev-add", drive);
        let device = json!({
            "driver": "nvme", "id": format!("disk-{serial}"), "serial": serial, "drive": serial,
            "bus": format!("rp{port}"),
        });
        self.must("device_add", device);
    }

    /// The guest lets go of it in its own time, or is gone.
    pub(super) fn remove(&mut self, serial: &str) {
        let _ = self.ask("device_del", json!({"id": format!("disk-{serial}")}));
    }

    fn must(&mut self, command: &str, arguments: Value) {
        let answer = self.ask(command, arguments);
        let is_done = answer
            .as_ref()
            .is_some_and(|answer| answer.get("return").is_some());
        assert!(is_done, "{command}: {answer:?}");
    }

    /// What comes back, events aside.
    fn ask(&mut self, command: &str, arguments: Value) -> Option<Value> {
        let line = json!({"execute": command, "arguments": arguments});
        writeln!(self.writer, "{line}").ok()?;
        loop {
            let answer = self.line()?;
            if answer.get("event").is_none() {
                return Some(answer);
            }
        }
    }

    fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}
