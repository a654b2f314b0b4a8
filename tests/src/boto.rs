//! The independent client: snippets of Python with boto3, to set a scene and to judge what became of it.
//!
//! One interpreter runs them for all tests of a process, side by side: it takes a second to start.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread;

use serde_json::{Value, json};

use crate::{moto, target};

/// What boto3 made of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotoError {
    /// The service's own code, such as `InvalidVolume.NotFound`; else the exception's name.
    pub code: String,
    /// What it says.
    pub message: String,
}

/// Who waits for which answer.
type Waiting = Mutex<HashMap<u64, Sender<Value>>>;

struct Worker {
    input: Mutex<ChildStdin>,
    waiting: Arc<Waiting>,
}

/// Runs a snippet with the clients `ec2`, `autoscaling` and `sts` and with `args`; what it assigns to
/// `result` comes back. Nothing is retried.
pub(crate) fn run(
    endpoint: &str,
    region: &str,
    code: &str,
    args: &Value,
) -> Result<Value, BotoError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static WORKER: OnceLock<Worker> = OnceLock::new();
    let worker = WORKER.get_or_init(Worker::start);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let (sender, receiver) = channel();
    lock(&worker.waiting).insert(id, sender);
    let task =
        json!({"id": id, "endpoint": endpoint, "region": region, "code": code, "args": args});
    let mut input = (worker.input.lock()).expect("nobody panics with the lock");
    writeln!(input, "{task}").expect("Python reads");
    drop(input);
    let mut answer = receiver.recv().expect("Python answers");
    match answer["code"].as_str() {
        None => Ok(answer["result"].take()),
        Some(code) => Err(BotoError {
            code: code.to_owned(),
            message: answer["message"].as_str().unwrap_or_default().to_owned(),
        }),
    }
}

impl Worker {
    fn start() -> Self {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(target::python("python"))
            .args(["-c", include_str!("boto.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let (input, output) = moto::keep(command);
        let output = output.expect("it is piped");
        let waiting = Arc::new(Waiting::default());
        let served = Arc::clone(&waiting);
        thread::spawn(move || hand_out(BufReader::new(output), &served));
        Self {
            input: Mutex::new(input.expect("it is piped")),
            waiting,
        }
    }
}

/// Gives each answer to the one who waits for it.
fn hand_out(output: impl BufRead, waiting: &Waiting) {
    for line in output.lines().map_while(Result::ok) {
        let answer: Value = serde_json::from_str(&line).expect("Python writes JSON");
        let id = answer["id"].as_u64().expect("an answer has an id");
        if let Some(sender) = lock(waiting).remove(&id) {
            let _ = sender.send(answer);
        }
    }
    // Python is gone, and nobody is to wait for it.
    lock(waiting).clear();
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, HashMap<u64, Sender<Value>>> {
    waiting.lock().expect("nobody panics with the lock")
}
