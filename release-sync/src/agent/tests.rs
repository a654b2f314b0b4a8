//! An agent against a controller that says anything at all.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{self, Read};
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use release_core::{
    Digest, Entry, Generation, Kind, Manifest, Meta, Principal, RelPath, Timestamp,
};

mod liveness;

use super::*;
use crate::scan::testing::Tree;
use crate::wire::{
    Decoder, Frame, FrameKind, PartFlags, PayloadBuilder, ToAgent, control, greeting,
};

/// What a controller might say, in any order and any number.
#[derive(Clone, Debug)]
enum Say {
    Manifest,
    Message(u8),
    Payload {
        unit: u32,
        entry: u32,
        flags: u8,
        content: u8,
        last: bool,
    },
    Frame(u8, Vec<u8>),
    Noise(Vec<u8>),
}

fn say() -> impl Strategy<Value = Say> {
    let payload = (0..4u32, 0..6u32, 0..3u8, 0..3u8, any::<bool>()).prop_map(
        |(unit, entry, flags, content, last)| Say::Payload {
            unit,
            entry,
            flags,
            content,
            last,
        },
    );
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        2 => Just(Say::Manifest),
        3 => (0..9u8).prop_map(Say::Message),
        6 => payload,
        1 => (any::<u8>(), bytes()).prop_map(|(kind, body)| Say::Frame(kind, body)),
        1 => bytes().prop_map(Say::Noise),
    ]
}

fn content(number: u8) -> Vec<u8> {
    vec![number; usize::from(number) * 200 + 1]
}

fn release() -> Manifest {
    let meta = Meta {
        mode: 0o644,
        user: 0,
        group: 0,
        mtime: Timestamp::default(),
    };
    let directory = |path: &str| Entry {
        path: RelPath::parse(path.as_bytes()).unwrap(),
        meta: Meta {
            mode: 0o755,
            ..meta
        },
        kind: Kind::Directory,
    };
    let file = |path: &str, number: u8| Entry {
        path: RelPath::parse(path.as_bytes()).unwrap(),
        meta,
        kind: Kind::File {
            size: content(number).len() as u64,
            digest: Digest::of(&content(number)),
        },
    };
    let entries = vec![
        directory(""),
        file("a", 0),
        directory("d"),
        file("d/b", 1),
        file("d/twin", 1),
        file("old", 2),
    ];
    let root = vec![Principal { id: 0, name: None }];
    Manifest::new(root.clone(), root, entries).unwrap()
}

fn begin(tree: &Tree) -> Begin {
    use std::os::unix::ffi::OsStrExt;
    let destination = tree.path().as_os_str().as_bytes();
    Begin {
        holder: String::from("anybody"),
        silence_seconds: 5,
        ..Begin::plain(Purpose::Push, destination, Generation::new(1))
    }
}

impl Say {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Manifest => {
                let bytes = release().encode();
                let packed = zstd::bulk::compress(&bytes, 1).unwrap();
                let head = ToAgent::Manifest {
                    length: bytes.len() as u64,
                    packed: packed.len() as u64,
                };
                [control(&head), Frame::encode(FrameKind::Manifest, &packed)].concat()
            }
            Self::Message(which) => control(&match which {
                0 => ToAgent::Same(release().release_id()),
                1 => ToAgent::Commit(release().release_id()),
                2 => ToAgent::Undo,
                3 => ToAgent::KeepAlive,
                4 => ToAgent::UndoFrom(release().release_id()),
                5 => ToAgent::Manifest {
                    length: u64::MAX,
                    packed: 3,
                },
                6 => ToAgent::ManifestFrom {
                    base: release().release_id(),
                    length: 100,
                    packed: 3,
                },
                7 => ToAgent::ManifestFrom {
                    base: release().release_id(),
                    length: 100,
                    packed: u64::MAX,
                },
                _ => ToAgent::Abort,
            }),
            Self::Payload {
                unit,
                entry,
                flags,
                content: number,
                last,
            } => {
                let mut ops = Vec::new();
                let mut writer = crate::delta::OpWriter::new(&mut ops);
                writer.literal(&content(*number));
                writer.finish();
                let flags = [PartFlags::More, PartFlags::End, PartFlags::Failed][*flags as usize];
                let mut frame = PayloadBuilder::default();
                frame.push(*entry, flags, &ops);
                frame.finish(*unit, *last, 1).to_vec()
            }
            Self::Frame(kind, body) => {
                let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
                bytes.push(*kind);
                bytes.extend_from_slice(body);
                bytes
            }
            Self::Noise(bytes) => bytes.clone(),
        }
    }
}

/// Hands bytes out, waits a little so that they can have their effect, and ends.
struct Input {
    bytes: io::Cursor<Vec<u8>>,
    linger: Duration,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        if count == 0 {
            std::thread::sleep(self.linger);
        }
        Ok(count)
    }
}

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Panics of threads that nobody joins; those of tests have names.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if std::thread::current().name().is_none() {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(info);
        }));
    });
}

/// Serves what is said and gives back what was answered. Fails if it panics or does not end.
fn serve_all(bytes: Vec<u8>) -> Vec<u8> {
    serve_for(bytes, Duration::from_millis(15))
}

/// The same, with so much time between what is said and the end.
fn serve_for(bytes: Vec<u8>, linger: Duration) -> Vec<u8> {
    count_panics();
    let (output, started) = (Output::default(), Instant::now());
    let input = Input {
        bytes: io::Cursor::new(bytes),
        linger,
    };
    serve(input, output.clone(), None);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(
        PANICS.load(Ordering::SeqCst),
        0,
        "a thread of the agent has panicked"
    );
    let said = output.0.lock().unwrap().clone();
    let fault = b"by a fault of its own";
    let has_panicked = said.windows(fault.len()).any(|words| words == fault);
    assert!(!has_panicked, "the session has panicked");
    said
}

/// All that an agent says is a greeting and whole frames.
fn messages(said: &[u8]) -> Vec<ToController> {
    let mut decoder = Decoder::default();
    decoder.push(said);
    decoder.greeting().unwrap().unwrap();
    let mut messages = Vec::new();
    while let Some(frame) = decoder.frame().unwrap() {
        if frame.kind == FrameKind::Control {
            messages.push(ToController::decode(&frame.body).unwrap());
        }
    }
    messages
}

/// The tree is the old one, or else the release, whole.
fn assert_old_or_new(tree: &Tree) {
    let read = |name: &str| std::fs::read(tree.at(name.as_bytes())).ok();
    let files = ["a", "d/b", "d/twin", "old"].map(read);
    let new = [0, 1, 1, 2].map(|number| Some(content(number)));
    let old = [None, None, None, Some(b"of old".to_vec())];
    assert!(files == old || files == new, "{files:?}");
}

proptest! {
    #![proptest_config(crate::testing::cases(150))]

    #[test]
    fn any_messages_end_and_break_nothing(said in prop::collection::vec(say(), 0..12)) {
        let tree = Tree::new();
        tree.write(b"old", "of old");
        let opening = [greeting(), control(&ToAgent::Begin(begin(&tree)))].concat();
        let rest: Vec<u8> = said.iter().flat_map(Say::bytes).collect();
        let messages = messages(&serve_all([opening, rest].concat()));
        assert_old_or_new(&tree);
        if messages.iter().any(|message| matches!(message, ToController::Done(_))) {
            prop_assert!(tree.at(b"d/twin").exists());
        }
        // Whatever it was, the next session finds its way.
        let opening = [greeting(), control(&ToAgent::Begin(begin(&tree)))].concat();
        let welcomed = |message: &ToController| matches!(message, ToController::Have(_));
        prop_assert!(super::tests::messages(&serve_all(opening)).iter().any(welcomed));
    }

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200), greeted in any::<bool>()) {
        let opening = if greeted { greeting() } else { Vec::new() };
        messages(&serve_all([opening, bytes].concat()));
    }

    #[test]
    fn a_flipped_byte_ends_or_does_no_harm(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let tree = Tree::new();
        tree.write(b"old", "of old");
        let parts = [(0, 0, 0), (0, 3, 1), (0, 5, 2)];
        let payload = parts.map(|(unit, entry, content)| {
            Say::Payload { unit, entry, flags: 1, content, last: entry == 5 }.bytes()
        });
        let mut bytes = [
            control(&ToAgent::Begin(begin(&tree))),
            Say::Manifest.bytes(),
            payload.concat(),
            Say::Message(1).bytes(),
        ]
        .concat();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        // A destination that was flipped into another path would be made: it is to be none.
        let destination = tree.path().as_os_str().len();
        if at > destination + 20 {
            messages(&serve_all([greeting(), bytes].concat()));
            assert_old_or_new(&tree);
        }
    }
}

/// A list that is told by another one is refused where the tree is not that other one.
#[test]
fn a_base_that_was_not_shown_is_none() {
    let tree = Tree::new();
    tree.write(b"old", "of old");
    let bytes = release().encode();
    let packed = crate::wire::pack_from(&bytes, &bytes).unwrap();
    let head = ToAgent::ManifestFrom {
        base: release().release_id(),
        length: bytes.len() as u64,
        packed: packed.len() as u64,
    };
    let said = [
        greeting(),
        control(&ToAgent::Begin(begin(&tree))),
        control(&head),
        Frame::encode(FrameKind::Manifest, &packed),
    ]
    .concat();
    let messages = messages(&serve_for(said, Duration::from_secs(1)));
    let refused = |message: &ToController| matches!(message, ToController::Fault(fault) if fault.kind == FaultKind::Protocol);
    assert!(messages.iter().any(refused), "{messages:?}");
    assert_old_or_new(&tree);
}

/// A controller that takes nothing of what is said to it does not keep the destination.
#[test]
fn a_controller_that_reads_nothing_holds_no_lock() {
    struct Stuck;
    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                std::thread::park();
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let tree = Tree::new();
    let opening = |holder: &str| {
        let holder = String::from(holder);
        let begin = Begin {
            holder,
            ..begin(&tree)
        };
        [greeting(), control(&ToAgent::Begin(begin))].concat()
    };
    let input = Input {
        bytes: io::Cursor::new(opening("stuck")),
        linger: Duration::from_millis(50),
    };
    let agent = std::thread::spawn(move || serve(input, Stuck, None));
    let deadline = Instant::now() + Duration::from_secs(5);
    let holder = || std::fs::read_to_string(tree.at(b".release/lock")).unwrap_or_default();
    while !holder().starts_with("stuck") {
        assert!(Instant::now() < deadline, "the lock was never taken");
        std::thread::sleep(Duration::from_millis(1));
    }
    while !holder().starts_with("next") {
        assert!(Instant::now() < deadline, "the lock is never let go of");
        serve_all(opening("next"));
    }
    let started = Instant::now();
    agent.join().unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "and the agent ends"
    );
}

/// Whatever was staged is staged: a second copy of it is no part of the conversation.
#[test]
fn a_file_that_comes_twice_is_refused() {
    let tree = Tree::new();
    let payload = |last| {
        let say = Say::Payload {
            unit: 0,
            entry: 1,
            flags: 1,
            content: 0,
            last,
        };
        say.bytes()
    };
    let bytes = [
        greeting(),
        control(&ToAgent::Begin(begin(&tree))),
        Say::Manifest.bytes(),
        payload(false),
        payload(false),
    ];
    // It ends by itself as soon as it has seen the second.
    let said = serve_for(bytes.concat(), Duration::from_secs(8));
    let fault = messages(&said)
        .into_iter()
        .find_map(|message| match message {
            ToController::Fault(fault) => Some(fault.kind),
            _ => None,
        });
    assert_eq!(fault, Some(FaultKind::Protocol));
}

/// A tree is marked as what it was shown to be, not as what a controller takes it for.
#[test]
fn a_tree_is_not_marked_as_what_it_is_not() {
    let tree = Tree::new();
    tree.write(b"old", "of old");
    let bytes = [
        greeting(),
        control(&ToAgent::Begin(begin(&tree))),
        Say::Message(0).bytes(),
        Say::Message(1).bytes(),
    ];
    let said = messages(&serve_for(bytes.concat(), Duration::from_secs(8)));
    let is_refused = |message: &ToController| matches!(message, ToController::Fault(fault) if fault.kind == FaultKind::Protocol);
    assert!(said.iter().any(is_refused), "{said:?}");
    assert!(!tree.at(b".release/marker").exists());
}
