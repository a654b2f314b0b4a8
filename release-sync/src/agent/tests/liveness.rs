//! That an agent says how much it does, waits for nobody for ever, and hides no panic.

use std::os::unix::net::UnixStream;

use super::*;

/// A release of one file.
fn single(name: &str) -> Manifest {
    let entries = release().entries().to_vec();
    let [root, file, ..] = &entries[..] else {
        unreachable!("it has some");
    };
    let file = Entry {
        path: RelPath::parse(name.as_bytes()).unwrap(),
        ..file.clone()
    };
    let owners = vec![Principal { id: 0, name: None }];
    Manifest::new(owners.clone(), owners, vec![root.clone(), file]).unwrap()
}

fn frames(manifest: &Manifest) -> Vec<u8> {
    let bytes = manifest.encode();
    let packed = zstd::bulk::compress(&bytes, 1).unwrap();
    let head = ToAgent::Manifest {
        length: bytes.len() as u64,
        packed: packed.len() as u64,
    };
    [control(&head), Frame::encode(FrameKind::Manifest, &packed)].concat()
}

fn payload(flags: PartFlags, entries: &[u32]) -> Vec<u8> {
    let mut ops = Vec::new();
    let mut writer = crate::delta::OpWriter::new(&mut ops);
    writer.literal(&content(0));
    writer.finish();
    let mut frame = PayloadBuilder::default();
    for &entry in entries {
        frame.push(entry, flags, &ops);
    }
    frame.finish(0, true, 1).to_vec()
}

/// A receiver in a thread, and the other side of its conversation, which stays open.
struct Receiving {
    stream: UnixStream,
    thread: std::thread::JoinHandle<Received>,
    latch: Latch,
    tree: Tree,
}

impl Receiving {
    fn start(stall: Duration) -> Self {
        let tree = Tree::new();
        let (stream, theirs) = UnixStream::pair().unwrap();
        let latch = Latch::default();
        let begin = Begin {
            purpose: Purpose::Pull,
            silence_seconds: 30,
            ..begin(&tree)
        };
        let receiver = Receiver {
            begin,
            stall,
            latch: latch.clone(),
        };
        let input = theirs.try_clone().unwrap();
        let thread = std::thread::spawn(move || receive(input, theirs, receiver));
        Self {
            stream,
            thread,
            latch,
            tree,
        }
    }

    fn say(&mut self, parts: &[&[u8]]) {
        self.stream.write_all(&greeting()).unwrap();
        let begin = control(&ToAgent::Begin(begin(&self.tree)));
        self.stream.write_all(&begin).unwrap();
        for part in parts {
            self.stream.write_all(part).unwrap();
        }
    }

    /// What came of it, well before anybody's patience has ended.
    fn end(self) -> Received {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.thread.is_finished() {
            assert!(Instant::now() < deadline, "it hangs");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.thread.join().unwrap()
    }
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_tree_is_received_or_given_up() {
    for gives_up in [false, true] {
        let mut receiving = Receiving::start(LONG);
        let release = single("a");
        receiving.say(&[&frames(&release), &payload(PartFlags::End, &[1])]);
        // A commit may come only when all is staged.
        std::thread::sleep(Duration::from_millis(500));
        let latch = receiving.latch.clone();
        assert!(!gives_up || latch.cancel());
        let commit = control(&ToAgent::Commit(release.release_id()));
        receiving.stream.write_all(&commit).unwrap();
        let received = receiving.end();
        assert_eq!(received.files, 1);
        assert_eq!(received.settled.is_some(), !gives_up, "{received:?}");
        assert!(!latch.cancel() && !latch.commit(), "it is decided");
    }
}

#[test]
fn an_answer_without_its_files_ends_it() {
    let mut receiving = Receiving::start(LONG);
    receiving.say(&[&frames(&single("a")), &payload(PartFlags::End, &[])]);
    let fault = receiving.end().fault.unwrap();
    assert_eq!(fault.kind, FaultKind::Protocol);
    assert!(fault.reason.contains("without a file"), "{}", fault.reason);
}

#[test]
fn a_side_that_only_says_that_it_is_there_is_given_up() {
    let mut receiving = Receiving::start(Duration::from_secs(3));
    receiving.say(&[]);
    let mut stream = receiving.stream.try_clone().unwrap();
    let started = Instant::now();
    let babble = std::thread::spawn(move || {
        let word = |done| control(&ToAgent::Working { done });
        // For three seconds it does something, then no more.
        let mut done = 0;
        while stream
            .write_all(&[word(done), control(&ToAgent::KeepAlive)].concat())
            .is_ok()
        {
            std::thread::sleep(Duration::from_millis(100));
            done = (done + 1).min(30);
        }
    });
    let received = receiving.end();
    assert!(received.stalled, "{received:?}");
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(6), "{took:?}");
    babble.join().unwrap();
}

/// An output that takes no more.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Long before it would be taken for silent: until then nobody else could have the destination.
#[test]
fn a_controller_that_takes_nothing_is_left_after_what_it_said_was_done() {
    for goes_on in [false, true] {
        let tree = Tree::new();
        let (mut stream, theirs) = UnixStream::pair().unwrap();
        let begin = Begin {
            silence_seconds: 60,
            ..begin(&tree)
        };
        let opening = [greeting(), control(&ToAgent::Begin(begin))].concat();
        stream.write_all(&opening).unwrap();
        if goes_on {
            let release = single("a");
            let files = [frames(&release), payload(PartFlags::End, &[1])].concat();
            stream.write_all(&files).unwrap();
        }
        let started = Instant::now();
        serve(theirs, Closed, None);
        assert!(started.elapsed() < Duration::from_secs(10));
        let staged = tree.path().join(".release/stage");
        assert_eq!(staged.is_dir(), goes_on);
    }
}

#[test]
fn a_panic_in_any_thread_is_told() {
    for name in [
        "panics in a writer",
        "panics in the session",
        "panics in the asker",
    ] {
        let mut receiving = Receiving::start(LONG);
        receiving.say(&[&frames(&single(name)), &payload(PartFlags::End, &[1])]);
        let received = receiving.end();
        let fault = received.fault.unwrap_or_else(|| panic!("{name}"));
        assert_eq!(fault.kind, FaultKind::Internal, "{name}");
    }
}

/// Whatever else there is to say, and however often the same.
#[test]
fn an_agent_says_every_few_seconds_how_much_it_has_done() {
    let output = Output::default();
    let sender = Sender::start(output.clone());
    sender.effort().add(42);
    let started = Instant::now();
    while started.elapsed() < limits::KEEP_ALIVE + Duration::from_secs(1) {
        sender.send(&ToController::Progress { files: 1, bytes: 1 });
        std::thread::sleep(Duration::from_millis(100));
    }
    sender.finish();
    let said = messages(&output.0.lock().unwrap());
    let working = said
        .iter()
        .filter(|said| matches!(said, ToController::Working { .. }));
    let working: Vec<_> = working.collect();
    assert_eq!(working, [&ToController::Working { done: 42 }]);
}

/// Each act that takes long for a large tree is counted while it goes on, wherever it takes place.
#[test]
fn what_an_agent_does_is_counted() {
    let tree = Tree::new();
    for number in 0..50 {
        tree.write(format!("old-{number}").as_bytes(), vec![1; 10_000]);
    }
    let sender = Sender::start(Output::default());
    let effort = sender.effort().clone();
    let destination = Destination::open(begin(&tree), None, &sender).unwrap();
    let scanned = effort.total();
    assert!(scanned >= 500_000 + 50, "looked at and read: {scanned}");
    let private = &destination.store.private;
    for number in 0..50 {
        tree.write(format!(".release/stage/x/{number}").as_bytes(), "");
    }
    crate::store::discard_stages(private).unwrap();
    assert!(effort.total() >= scanned + 50, "removed");
    sender.finish();
}
