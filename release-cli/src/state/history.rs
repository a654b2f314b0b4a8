//! `history.jsonl`: what was done, a line each.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use jiff::Timestamp;
use release_core::SnapshotId;
use release_sync::{Generation, ReleaseId, Report};
use serde::{Deserialize, Serialize};

use super::{DeployLock, Places, State};
use crate::exit::{Overall, Verdict, of_error};
use crate::failure::Failure;

const NAME: &str = "history.jsonl";
/// So much of the file's end is read: some hundred deploys to a thousand hosts.
const MAX: u64 = 16 << 20;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Deed {
    /// A release was pushed.
    #[default]
    Deploy,
    /// An earlier one was made current again.
    Rollback,
    /// One was published without being pushed.
    Snapshot,
}

impl Deed {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Snapshot => "snapshot",
        }
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When it ended, RFC 3339.
    pub(crate) at: String,
    /// Who did it.
    pub(crate) by: String,
    #[serde(default)]
    pub(crate) deed: Deed,
    /// Where the release came from, made harmless.
    pub(crate) source: String,
    pub(crate) release: String,
    pub(crate) generation: u64,
    /// The snapshot that was published, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<SnapshotId>,
    /// `ok`, `partial` or `failed`.
    pub(crate) outcome: String,
    pub(crate) exit: u8,
    pub(crate) seconds: f64,
    pub(crate) hosts: Vec<HostEntry>,
}

/// What came of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostEntry {
    pub(crate) host: String,
    /// Which directory of which machine it is. Lines of before that was written down have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<String>,
    pub(crate) outcome: String,
    /// The kind of what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// What is known before the hosts' part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doing<'a> {
    pub(crate) deed: Deed,
    pub(crate) release: ReleaseId,
    pub(crate) generation: Generation,
    pub(crate) source: &'a str,
    pub(crate) by: &'a str,
    pub(crate) snapshot: Option<&'a SnapshotId>,
}

impl Doing<'_> {
    /// With what came of each host.
    pub(crate) fn with(
        &self,
        places: &Places,
        report: &Report,
        verdict: Verdict,
        now: Timestamp,
    ) -> Entry {
        let hosts = report.hosts.iter().map(|host| HostEntry {
            host: host.host.clone(),
            place: places.get(&host.host).map(str::to_owned),
            outcome: host.outcome.as_str().to_owned(),
            error: host
                .error
                .as_ref()
                .map(|error| of_error(error).kind.to_owned()),
        });
        Entry {
            hosts: hosts.collect(),
            outcome: verdict.overall.as_str().to_owned(),
            exit: verdict.exit.code(),
            ..self.without_hosts(report.seconds, now)
        }
    }

    /// Of something that had no hosts to do with, and went well.
    pub(crate) fn without_hosts(&self, seconds: f64, now: Timestamp) -> Entry {
        Entry {
            at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            by: self.by.to_owned(),
            deed: self.deed,
            source: self.source.to_owned(),
            release: self.release.to_string(),
            generation: self.generation.get(),
            snapshot: self.snapshot.cloned(),
            outcome: Overall::Ok.as_str().to_owned(),
            exit: 0,
            seconds,
            hosts: Vec::new(),
        }
    }
}

impl Entry {
    /// Was any of these hosts given something then? With one state directory for several applications, the
    /// lines of all of them are in one file.
    pub(crate) fn concerns(&self, places: &Places) -> bool {
        let mut hosts = self.hosts.iter();
        hosts.any(|host| places.have(&host.host, host.place.as_deref()))
    }
}

/// What was done, the latest last.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct History {
    pub(crate) entries: Vec<Entry>,
    /// Lines that are none. One that was cut off at the end is not counted: a process died there.
    pub(crate) damaged: usize,
}

impl State {
    /// The last so many lines; fewer, where they are very long.
    pub(crate) fn history(&self, most: usize) -> Result<History, Failure> {
        let read = || {
            let mut file = match File::open(self.directory.join(NAME)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                file => file?,
            };
            let length = file.metadata()?.len();
            let begin = length.saturating_sub(MAX);
            file.seek(SeekFrom::Start(begin))?;
            let mut text = Vec::new();
            file.take(MAX).read_to_end(&mut text)?;
            if begin > 0 {
                // It begins within a line.
                let line = text.iter().position(|byte| *byte == b'\n');
                text.drain(..line.map_or(text.len(), |end| end + 1));
            }
            Ok(text)
        };
        let text = read().map_err(self.fault())?;
        Ok(parse(&text, most))
    }
}

impl DeployLock<'_> {
    /// Adds a line. One write, so that it is in the file whole or not at all; after a line that was cut off it
    /// begins anew.
    pub(crate) fn append(&self, entry: &Entry) -> Result<(), Failure> {
        let append = || {
            let mut options = OpenOptions::new();
            let path = self.state.directory.join(NAME);
            let mut file = options.read(true).append(true).create(true).open(path)?;
            let mut line = Vec::new();
            if !ends_well(&mut file)? {
                line.push(b'\n');
            }
            serde_json::to_writer(&mut line, entry)?;
            line.push(b'\n');
            file.write_all(&line)?;
            file.sync_all()
        };
        append().map_err(self.state.fault())
    }
}

/// Is it empty, or its last line ended?
fn ends_well(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn parse(text: &[u8], most: usize) -> History {
    let mut history = History::default();
    let mut lines = text.split(|byte| *byte == b'\n').rev();
    // What comes after the last line end: nothing, or a line that was cut off.
    let rest = lines.next().unwrap_or_default();
    history.entries.extend(serde_json::from_slice(rest));
    for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
        if history.entries.len() >= most {
            break;
        }
        match serde_json::from_slice(line) {
            Ok(entry) => history.entries.push(entry),
            Err(_) => history.damaged += 1,
        }
    }
    history.entries.truncate(most);
    history.entries.reverse();
    history
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::exit::Exit;
    use crate::ui::samples;

    const PARTIAL: Verdict = Verdict {
        exit: Exit::Partial,
        overall: Overall::Partial,
    };

    fn entry(generation: u64) -> Entry {
        let doing = Doing {
            deed: Deed::Deploy,
            release: ReleaseId::new(release_sync::Digest::from_bytes([7; 32])),
            generation: Generation::new(generation),
            source: "/srv/app",
            by: "ada@build-1",
            snapshot: None,
        };
        let places = samples::places();
        doing.with(&places, &samples::report(), PARTIAL, Timestamp::UNIX_EPOCH)
    }

    fn generations(state: &State, most: usize) -> Vec<u64> {
        let entries = state.history(most).unwrap().entries;
        entries.iter().map(|entry| entry.generation).collect()
    }

    #[test]
    fn a_line_a_deploy() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        assert_eq!(state.history(10).unwrap(), History::default());
        let lock = state.lock("ada").unwrap();
        let mut second = entry(12);
        second.snapshot = Some("snap-0123456789abcdef0".parse().unwrap());
        second.deed = Deed::Rollback;
        lock.append(&entry(11)).unwrap();
        lock.append(&second).unwrap();
        let text = fs::read_to_string(directory.path().join(NAME)).unwrap();
        insta::assert_snapshot!(text.trim_end());
        let history = state.history(10).unwrap();
        assert_eq!(history.entries, [entry(11), second]);
        assert_eq!(generations(&state, 1), [12]);
    }

    /// Lines of a version that didn't know of snapshots.
    #[test]
    fn old_lines_are_read() {
        let old = br#"{"at":"2026-01-01T00:00:00Z","by":"a","source":"/s","release":"07","generation":3,"outcome":"ok","exit":0,"seconds":1.5,"hosts":[{"host":"web-1","outcome":"committed"}],"later":[1]}
"#;
        let history = parse(old, 9);
        assert_eq!(history.damaged, 0);
        assert_eq!(history.entries[0].deed, Deed::Deploy);
        assert_eq!(history.entries[0].hosts[0].error, None);
    }

    #[test]
    fn a_line_that_was_cut_off_is_passed_over_and_spoils_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let lock = state.lock("ada").unwrap();
        lock.append(&entry(1)).unwrap();
        lock.append(&entry(2)).unwrap();
        let path = directory.path().join(NAME);
        let whole = fs::read(&path).unwrap();
        for cut in 1..whole.len() / 2 - 1 {
            fs::write(&path, &whole[..whole.len() - 1 - cut]).unwrap();
            let history = state.history(9).unwrap();
            assert_eq!((history.entries.len(), history.damaged), (1, 0), "{cut}");
        }
        lock.append(&entry(3)).unwrap();
        let history = state.history(9).unwrap();
        assert_eq!(history.damaged, 1);
        assert_eq!(generations(&state, 9), [1, 3]);
        // Without its line end alone, a line is whole.
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(generations(&state, 9), [1, 2]);
    }

    #[test]
    fn no_more_is_read_than_there_is_room_for() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let path = directory.path().join(NAME);
        let file = File::create(&path).unwrap();
        // Sparse, and without a line end.
        file.set_len(1 << 40).unwrap();
        let lock = state.lock("ada").unwrap();
        lock.append(&entry(1)).unwrap();
        assert_eq!(generations(&state, 9), [1]);
    }
}
