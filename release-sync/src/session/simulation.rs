//! Both halves of a session in one thread, over a network that a test makes up: any latency, windows of
//! a few bytes, any order of events, and death at any moment.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use release_core::{
    Digest, Entry, Generation, Kind, Manifest, Marker, Meta, Principal, ProofClass, RelPath,
    Timestamp,
};

use super::{Agent, Controller, Goal, Order, Patience, Release, Step};
use crate::delta::{Blocks, Index, Op, OpReader, OpWriter, Signature};
use crate::plan::{Action, Origin, Plan, Situation, plan};
use crate::tree::{Found, FoundKind, Stamp};
use crate::unit::Units;
use crate::wire::{
    self, Ask, Basis, Begin, FrameBytes, Have, PartFlags, Payload, PayloadBuilder, Purpose,
    Settled, Staged, ToController, Want, Welcome, control,
};
use crate::{Error, Options};

type Files = BTreeMap<String, Vec<u8>>;

fn manifest(files: &Files) -> Manifest {
    let meta = Meta {
        mode: 0o644,
        user: 0,
        group: 0,
        mtime: Timestamp::default(),
    };
    let mut entries = vec![Entry {
        path: RelPath::root(),
        meta: Meta {
            mode: 0o755,
            ..meta
        },
        kind: Kind::Directory,
    }];
    entries.extend(files.iter().map(|(name, content)| Entry {
        path: RelPath::parse(name.as_bytes()).unwrap(),
        meta,
        kind: Kind::File {
            size: content.len() as u64,
            digest: Digest::of(content),
        },
    }));
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let root = vec![Principal { id: 0, name: None }];
    Manifest::new(root.clone(), root, entries).unwrap()
}

/// A host whose disk is a map. What is staged outlives a session.
#[derive(Default)]
struct Host {
    tree: Files,
    staged: HashMap<Digest, Vec<u8>>,
    marker: Option<Marker>,
    /// Files asked for, over all sessions.
    asked: Vec<Digest>,
}

impl Host {
    fn found(&self) -> Vec<Found> {
        let entries = manifest(&self.tree).entries().to_vec();
        let found = entries.into_iter().map(|entry| Found {
            path: entry.path,
            mode: entry.meta.mode,
            uid: 0,
            gid: 0,
            mtime: entry.meta.mtime,
            stamp: Stamp::default(),
            kind: match entry.kind {
                Kind::File { size, digest } => FoundKind::File {
                    size,
                    digest: Some(digest),
                },
                _ => FoundKind::Directory,
            },
        });
        found.collect()
    }
}

/// The agent's half, with a map for a disk.
struct AgentParty<'a> {
    host: &'a mut Host,
    session: Agent,
    output: VecDeque<u8>,
    begin: Option<Begin>,
    target: Option<(Manifest, Plan)>,
    lacking: HashSet<u32>,
    open: HashMap<u32, Vec<u8>>,
}

impl<'a> AgentParty<'a> {
    fn new(host: &'a mut Host) -> Self {
        Self {
            host,
            session: Agent::new(),
            output: wire::greeting().into(),
            begin: None,
            target: None,
            lacking: HashSet::new(),
            open: HashMap::new(),
        }
    }

    fn say(&mut self, message: &ToController) {
        self.output.extend(control(message));
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.session.handle_bytes(bytes);
        while let Some(order) = self.session.poll_order().unwrap() {
            self.obey(order);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Begin(begin) => {
                self.begin = Some(begin);
                let build = String::from("sim");
                self.say(&ToController::Welcome(Welcome {
                    build,
                    superuser: true,
                    free: 0,
                    clock: 0,
                }));
                let now = manifest(&self.host.tree);
                self.say(&ToController::Have(Have {
                    marker: self.host.marker.map(|marker| (marker, 0)),
                    proofs: vec![now.proof(ProofClass::Full)],
                    intact: None,
                    files: 0,
                    bytes: 0,
                }));
                self.session.handle_scanned();
            }
            Order::Same(_) => {
                let now = manifest(&self.host.tree);
                self.target = Some((now, Plan::default()));
                self.say_staged();
            }
            Order::Stage(bytes) => self.stage(Manifest::decode(&bytes).unwrap()),
            Order::Payload(body) => self.payload(&body),
            Order::Commit(release) => {
                let (target, _) = self.target.take().unwrap();
                assert_eq!(target.release_id(), release);
                self.commit(&target);
            }
            // Nothing was given out before.
            Order::StageFrom { .. } => unreachable!("nobody has told of a base"),
            Order::Undo(_) | Order::Abort | Order::Supply(_) | Order::Refused(_) => {}
        }
    }

    fn stage(&mut self, target: Manifest) {
        let tree = self.host.found();
        let staged = target
            .entries()
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| {
                let (_, digest) = entry.file()?;
                self.host
                    .staged
                    .contains_key(&digest)
                    .then_some(index as u32)
            });
        let staged = staged.collect();
        let plan = plan(&Situation {
            manifest: &target,
            tree: &tree,
            holding: &[],
            mounts: &[],
            kept: &[],
            staged: &staged,
            owners: None,
            delete: true,
        });
        let units = Units::of(&target);
        let mut asks: BTreeMap<u32, Vec<Ask>> = BTreeMap::new();
        for step in &plan.steps {
            if let Action::File(Origin::Wanted { basis }) = step.action {
                let (_, digest) = target.entries()[step.entry as usize].file().unwrap();
                self.host.asked.push(digest);
                self.lacking.insert(step.entry);
                let basis = basis.map(|old| self.basis(&tree[old as usize]));
                let unit = units.of_entry(step.entry).unwrap();
                asks.entry(unit).or_default().push(Ask {
                    entry: step.entry,
                    basis,
                });
            }
        }
        for (unit, asks) in asks {
            self.output.extend(Want::encode(unit, &asks));
        }
        self.say(&ToController::WantEnd {
            files: self.lacking.len() as u64,
            bytes: 0,
        });
        self.target = Some((target, plan));
        self.say_staged();
    }

    fn basis(&self, found: &Found) -> Basis {
        let content = &self.host.tree[&found.path.to_string()];
        let size = content.len() as u64;
        Basis {
            size,
            signature: Signature::of_piece(content, Blocks::of(size).unwrap()),
        }
    }

    fn payload(&mut self, body: &[u8]) {
        let (target, _) = self.target.as_ref().unwrap();
        for part in Payload::decode(body).unwrap().parts() {
            let (index, flags, ops) = part.unwrap();
            let entry = &target.entries()[index as usize];
            let old = self.host.tree.get(&entry.path.to_string());
            let file = self.open.entry(index).or_default();
            for op in OpReader::new(ops, old.map_or(0, Vec::len) as u64) {
                match op.unwrap() {
                    Op::Literal(bytes) => file.extend_from_slice(bytes),
                    Op::Copy { offset, length } => {
                        let range = offset as usize..(offset + length) as usize;
                        file.extend_from_slice(&old.unwrap()[range]);
                    }
                }
            }
            if flags == PartFlags::End {
                let content = self.open.remove(&index).unwrap();
                let digest = Digest::of(&content);
                assert_eq!(entry.file().unwrap().1, digest);
                self.host.staged.insert(digest, content);
                assert!(
                    self.lacking.remove(&index),
                    "an answer to what was not asked"
                );
            }
        }
        self.say_staged();
    }

    fn say_staged(&mut self) {
        let Some((target, plan)) = self.target.as_ref().filter(|_| self.lacking.is_empty()) else {
            return;
        };
        let staged = Staged {
            release: target.release_id(),
            unchanged: plan.is_empty(),
            deletions: plan.deleted(),
            refused: 0,
            literal_bytes: 0,
            matched_bytes: 0,
            local_bytes: 0,
            notes: Vec::new(),
        };
        self.say(&ToController::Staged(staged));
        self.session.handle_staged();
    }

    fn commit(&mut self, target: &Manifest) {
        let here: HashMap<Digest, Vec<u8>> = self
            .host
            .tree
            .values()
            .map(|content| (Digest::of(content), content.clone()))
            .collect();
        let files = target.entries().iter().filter_map(|entry| {
            let (_, digest) = entry.file()?;
            let content = self.host.staged.get(&digest).or_else(|| here.get(&digest));
            let content = content.cloned().unwrap_or_default();
            Some((entry.path.to_string(), content))
        });
        self.host.tree = files.collect();
        self.host.staged.clear();
        let generation = self.begin.as_ref().unwrap().generation;
        self.host.marker = Some(Marker {
            release: target.release_id(),
            generation,
        });
        let proof = manifest(&self.host.tree).proof(ProofClass::Full);
        self.say(&ToController::Done(Settled {
            proof,
            deleted: 0,
            notes: Vec::new(),
        }));
    }
}

/// Answers a want from a map.
fn answer(source: &Files, release: &Release, want: &Want) -> Vec<Arc<FrameBytes>> {
    let mut frames = Vec::new();
    let mut frame = PayloadBuilder::default();
    for ask in &want.asks {
        let content = &source[&release.manifest.entries()[ask.entry as usize]
            .path
            .to_string()];
        let mut ops = Vec::new();
        match &ask.basis {
            Some(basis) => {
                let signature = Signature::parse(&basis.signature, basis.size).unwrap();
                Index::new(signature).diff(content, 0..content.len(), &mut ops);
            }
            None => {
                let mut writer = OpWriter::new(&mut ops);
                writer.literal(content);
                writer.finish();
            }
        }
        // Now and then a frame of its own, so that answers of several frames are seen as well.
        if frame.length() > 1000 {
            frames.push(frame.finish(want.unit, false, 1).into());
        }
        frame.push(ask.entry, PartFlags::End, &ops);
    }
    frames.push(frame.finish(want.unit, true, 1).into());
    frames
}

/// How the network behaves.
#[derive(Clone, Debug)]
struct Network {
    /// From one end to the other.
    latency: Duration,
    /// Bytes that may be under way in one direction.
    window: usize,
    /// Longest piece that arrives at once.
    piece: usize,
    /// Whether the controller (or else the agent) goes first, round by round.
    order: Vec<bool>,
    /// The session dies when so many pieces have arrived.
    death: Option<usize>,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Died,
    /// With the time that it took.
    Done(Duration),
}

struct Line {
    pieces: VecDeque<(Instant, Vec<u8>)>,
}

impl Line {
    fn under_way(&self) -> usize {
        self.pieces.iter().map(|(_, piece)| piece.len()).sum()
    }

    fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.pieces.front().filter(|(at, _)| *at <= now)?;
        self.pieces.pop_front().map(|(_, piece)| piece)
    }
}

/// Runs one session to its end.
fn converse(host: &mut Host, source: &Files, generation: u64, network: &Network) -> End {
    let release = Arc::new(Release::new(manifest(source)));
    let start = Instant::now();
    let mut now = start;
    let begin = begin(generation);
    let patience = Patience::of(&Options::default());
    let mut controller = Controller::new(Goal::Push(Arc::clone(&release)), begin, patience, now);
    let mut agent = AgentParty::new(host);
    let (mut down, mut up) = (
        Line {
            pieces: VecDeque::new(),
        },
        Line {
            pieces: VecDeque::new(),
        },
    );
    let mut answers: VecDeque<Arc<FrameBytes>> = VecDeque::new();
    let mut lasts: VecDeque<usize> = VecDeque::new();
    let mut pieces = 0;
    let mut spoken = now;
    for round in 0.. {
        assert!(round < 2_000_000, "the session does not come to an end");
        let controller_first = network.order[round % network.order.len()];
        for turn in 0..2 {
            if (turn == 0) == controller_first {
                while let Some(bytes) = up.arrived(now) {
                    pieces += 1;
                    controller.handle_bytes(&bytes, now).unwrap();
                }
                while let Some(want) = controller.poll_encode() {
                    let frames = answer(source, &release, &want);
                    lasts.push_back(frames.len());
                    answers.extend(frames);
                }
                while controller.wants_answer()
                    && let Some(frame) = answers.pop_front()
                {
                    let left = lasts.front_mut().unwrap();
                    *left -= 1;
                    let last = *left == 0;
                    if last {
                        lasts.pop_front();
                    }
                    controller.handle_answer(frame, last);
                }
                while let Some(step) = controller.poll_step() {
                    if let Step::Staged(_) = step {
                        controller.commit();
                    }
                }
                let room = network.window.saturating_sub(down.under_way());
                if let Some(bytes) = controller.poll_transmit().filter(|_| room > 0) {
                    let piece = bytes[..bytes.len().min(room).min(network.piece)].to_vec();
                    controller.handle_transmitted(piece.len(), now);
                    down.pieces.push_back((now + network.latency, piece));
                }
                if controller.is_over() {
                    return End::Done(now - start);
                }
            } else {
                while let Some(bytes) = down.arrived(now) {
                    pieces += 1;
                    agent.hear(&bytes);
                }
                let room = network.window.saturating_sub(up.under_way());
                let count = agent.output.len().min(room).min(network.piece);
                if count > 0 {
                    let piece = agent.output.drain(..count).collect();
                    up.pieces.push_back((now + network.latency, piece));
                }
            }
            if network.death.is_some_and(|death| pieces >= death) {
                return End::Died;
            }
        }
        // Nothing moves before the next piece arrives, unless somebody can still send.
        let next = down
            .pieces
            .front()
            .into_iter()
            .chain(up.pieces.front())
            .map(|(at, _)| *at)
            .min();
        let idle = controller.poll_transmit().is_none() && agent.output.is_empty();
        let full = down.under_way() >= network.window || up.under_way() >= network.window;
        if (idle || full)
            && let Some(next) = next
        {
            now = now.max(next);
        }
        // As the agent's sender does when there is nothing else to say.
        if now.duration_since(spoken) >= Duration::from_secs(5) && agent.output.is_empty() {
            spoken = now;
            agent.say(&ToController::KeepAlive);
        }
        controller.handle_timeout(now).unwrap();
    }
    unreachable!("the loop ends by returning")
}

fn begin(generation: u64) -> Begin {
    Begin {
        holder: String::from("simulation"),
        ..Begin::plain(Purpose::Push, b"/release", Generation::new(generation))
    }
}

fn files() -> impl Strategy<Value = Files> {
    let content = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        (any::<u8>(), 1000usize..6000).prop_map(|(byte, length)| {
            (0..length)
                .map(|i| byte.wrapping_add((i / 7) as u8))
                .collect()
        }),
    ];
    proptest::collection::btree_map("[a-f]{1,2}", content, 1..12)
}

fn network() -> impl Strategy<Value = Network> {
    (
        0u64..200,
        1usize..4000,
        1usize..3000,
        proptest::collection::vec(any::<bool>(), 1..9),
    )
        .prop_map(|(latency, window, piece, order)| Network {
            latency: Duration::from_millis(latency),
            window,
            piece,
            order,
            death: None,
        })
}

proptest! {
    #![proptest_config(crate::testing::cases(200))]

    #[test]
    fn any_network_brings_the_release(old in files(), new in files(), network in network()) {
        let mut host = Host { tree: old, ..Host::default() };
        let end = converse(&mut host, &new, 1, &network);
        prop_assert!(matches!(end, End::Done(_)));
        prop_assert_eq!(&host.tree, &new);
        prop_assert_eq!(host.marker.unwrap().release, manifest(&new).release_id());
    }

    #[test]
    fn after_any_death_the_next_session_completes_and_asks_for_nothing_twice(
        old in files(), new in files(), network in network(), death in 1usize..60,
    ) {
        let mut host = Host { tree: old.clone(), ..Host::default() };
        let mortal = Network { death: Some(death), ..network.clone() };
        let end = converse(&mut host, &new, 1, &mortal);
        if end == End::Died {
            prop_assert!(host.tree == old || host.tree == new, "neither old nor new");
        }
        let staged: HashSet<Digest> = host.staged.keys().copied().collect();
        host.asked.clear();
        let end = converse(&mut host, &new, 2, &network);
        prop_assert!(matches!(end, End::Done(_)));
        prop_assert_eq!(&host.tree, &new);
        prop_assert!(host.asked.iter().all(|digest| !staged.contains(digest)));
    }
}

#[test]
fn an_update_takes_four_round_trips_and_a_repeat_three() {
    let old: Files = (0..50)
        .map(|n| (format!("f{n}"), vec![n as u8; 3000]))
        .collect();
    let new: Files = (0..50)
        .map(|n| (format!("f{n}"), vec![n as u8 + 1; 3100]))
        .collect();
    let network = Network {
        latency: Duration::from_millis(50),
        window: 1 << 20,
        piece: 1 << 20,
        order: vec![true],
        death: None,
    };
    let mut host = Host {
        tree: old,
        ..Host::default()
    };
    assert_eq!(
        converse(&mut host, &new, 1, &network),
        End::Done(Duration::from_millis(400))
    );
    assert_eq!(
        converse(&mut host, &new, 2, &network),
        End::Done(Duration::from_millis(300))
    );
}

#[test]
fn a_host_that_falls_silent_is_given_up() {
    let release = Arc::new(Release::new(manifest(&Files::new())));
    let now = Instant::now();
    let patience = Patience::of(&Options::default());
    let mut controller = Controller::new(Goal::Push(release), begin(1), patience, now);
    assert!(
        controller
            .handle_timeout(now + Duration::from_secs(29))
            .is_ok()
    );
    let late = controller.handle_timeout(now + Duration::from_secs(30));
    assert!(matches!(
        late,
        Err(Error::Silence {
            doing: "starting the agent",
            ..
        })
    ));
}
