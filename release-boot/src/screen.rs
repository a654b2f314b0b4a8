//! What is told: a line a step on standard error, which is the console in early boot; with `--json`, events on
//! standard output as well.

use std::error::Error;
use std::io::Write;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use release_core::Moment;
use release_core::boot::{Announced, Answer, Ended, Kind, Reason, Source, Step};
use serde_json::{Value, json};

use crate::machine::Proved;
use crate::trouble::{Chain, Trouble};

/// What is told.
pub(crate) struct Screen {
    began: Instant,
    json: bool,
    /// A step that may be repeated: it is told when another one follows.
    open: Option<Line>,
}

/// What is told of a step, and of its repetitions.
struct Line {
    words: &'static str,
    since: Instant,
    until: Instant,
    times: u32,
    text: Result<String, String>,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            began: Instant::now(),
            json,
            open: None,
        }
    }

    /// Since when.
    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    /// A step that was done, or failed. Waits are told by the time that the next one took.
    pub(crate) fn step(&mut self, step: &Step, outcome: Result<&Answer, &Trouble>) {
        if matches!(step, Step::Wait(_)) {
            return;
        }
        let text = match outcome {
            Ok(answer) => Ok(details(step, answer)),
            Err(trouble) => Err(Chain(&*trouble.cause).to_string()),
        };
        self.told(step.words(), text);
    }

    /// Something that is tried until it succeeds.
    pub(crate) fn waits_for(&mut self, words: &'static str, error: &(dyn Error + 'static)) {
        self.told(words, Err(Chain(error).to_string()));
    }

    /// It fails, and what follows is clearing away.
    pub(crate) fn failing(&mut self, reason: &Reason) {
        self.flush();
        self.say(&format!("{reason}"));
    }

    /// Something worth knowing.
    pub(crate) fn note(&mut self, text: &str) {
        self.flush();
        self.say(text);
        self.event(&json!({"event": "note", "text": text}));
    }

    fn told(&mut self, words: &'static str, text: Result<String, String>) {
        let now = Instant::now();
        if let Some(open) = self.open.as_mut().filter(|open| open.words == words) {
            open.times += 1;
            open.until = now;
            open.text = text;
            return;
        }
        let since = self.flush();
        self.open = Some(Line {
            words,
            since,
            until: now,
            times: 1,
            text,
        });
    }

    /// Tells what is still open. Returns when the next step began.
    pub(crate) fn flush(&mut self) -> Instant {
        let Some(line) = self.open.take() else {
            return Instant::now();
        };
        let seconds = line.until.duration_since(line.since).as_secs_f64();
        let (result, text) = match &line.text {
            Ok(text) => ("ok", text),
            Err(text) => ("failed", text),
        };
        let failed = if line.text.is_err() { ": failed" } else { "" };
        let colon = if text.is_empty() { "" } else { ": " };
        let times = match line.times {
            1 => String::new(),
            times => format!(" ({times} times)"),
        };
        self.say(&format!(
            "{}{times}{failed}{colon}{text} [{seconds:.3} s]",
            line.words
        ));
        self.event(&json!({
            "event": "step", "step": line.words, "result": result, "text": text,
            "times": line.times, "seconds": seconds,
        }));
        line.until
    }

    /// The end.
    pub(crate) fn ended(&mut self, ended: &Ended, trouble: Option<&Trouble>) {
        self.flush();
        let seconds = self.began.elapsed().as_secs_f64();
        let left = match ended {
            Ended::Ready(ready) => &ready.left,
            Ended::Failed { left, .. } => left,
        };
        for volume in left {
            self.say(&format!("{volume} could not be deleted; it ends with the instance, or is found the next time"));
        }
        let mut event = json!({"event": "finished", "left": left, "seconds": seconds});
        match ended {
            Ended::Ready(ready) => {
                let release = ready.marker.map(|marker| marker.release.to_string());
                let generation = ready.marker.map(|marker| marker.generation);
                self.say(&format!(
                    "ready in {seconds:.3} s: {}, {}",
                    match ready.marker {
                        Some(marker) => format!(
                            "release {}, generation {}",
                            marker.release, marker.generation
                        ),
                        None => "a tree that nobody signed".to_owned(),
                    },
                    source(ready.source),
                ));
                event["outcome"] = "ready".into();
                event["release"] = json!(release);
                event["generation"] = json!(generation);
                event["volume"] = json!(ready.volume);
                event["source"] = source(ready.source).into();
            }
            Ended::Failed { reason, .. } => {
                let text = match trouble {
                    Some(trouble) => format!("{reason}: {}", Chain(&*trouble.cause)),
                    None => reason.to_string(),
                };
                self.say(&format!("not ready after {seconds:.3} s: {text}"));
                event["outcome"] = kind(reason.kind()).into();
                event["reason"] = text.into();
            }
        }
        self.event(&event);
    }

    /// A tree that was compared, and is what it should be.
    pub(crate) fn verified(&mut self, proved: &Proved) {
        let Proved {
            marker,
            files,
            unlisted,
            other_owners,
        } = *proved;
        self.say(&format!(
            "release {}, generation {}: {files} files hold what they should",
            marker.release, marker.generation
        ));
        if unlisted > 0 {
            self.say(&format!("{unlisted} entries are not part of the release"));
        }
        if other_owners > 0 {
            self.say(&format!(
                "{other_owners} entries have another owner than the release's"
            ));
        }
        self.event(&json!({
            "event": "verified", "release": marker.release.to_string(), "generation": marker.generation,
            "files": files, "unlisted": unlisted, "other_owners": other_owners,
            "seconds": self.began.elapsed().as_secs_f64(),
        }));
    }

    /// What made it end before it began.
    pub(crate) fn failed(&mut self, outcome: &str, text: &str) {
        self.flush();
        self.say(text);
        let seconds = self.began.elapsed().as_secs_f64();
        self.event(&json!({
            "event": "finished", "outcome": outcome, "reason": text, "left": [], "seconds": seconds,
        }));
    }

    /// Where nobody listens any more, there is nobody to tell that.
    fn say(&self, text: &str) {
        let now = self.began.elapsed().as_secs_f64();
        let _ = writeln!(std::io::stderr(), "release-boot: {now:8.3} {text}");
    }

    fn event(&self, event: &Value) {
        if !self.json {
            return;
        }
        let mut event = event.clone();
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        event["at"] = json!(Moment::from_unix_millis(0).after(since));
        let _ = writeln!(std::io::stdout(), "{event}");
    }
}

/// An exit code's word.
const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Failed => "failed",
        Kind::Refused => "refused",
        Kind::Late => "late",
    }
}

const fn source(source: Source) -> &'static str {
    match source {
        Source::Mounted => "mounted already",
        Source::Attached => "attached already",
        Source::Adopted => "adopted",
        Source::Made => "made",
    }
}

/// What is worth a word of an answer.
fn details(step: &Step, answer: &Answer) -> String {
    match (step, answer) {
        (_, Answer::Looked(looked)) => match looked.mounted.as_ref().map(|one| one.marker) {
            None => "nothing".to_owned(),
            Some(None) => "something that says not what it is".to_owned(),
            Some(Some(marker)) => format!("generation {}", marker.generation),
        },
        (_, Answer::Group(group)) => match group {
            Some(group) => release_core::escape(group.as_str().as_bytes()),
            None => "none".to_owned(),
        },
        (_, Answer::Pointer(Announced::Signed(pointer))) => {
            format!("generation {}, {}", pointer.generation, pointer.snapshot)
        }
        (_, Answer::Pointer(Announced::Bare(snapshot))) => format!("{snapshot}, unsigned"),
        (_, Answer::Snapshot(Some(snapshot))) => format!("{} {}", snapshot.id, snapshot.state),
        (_, Answer::Snapshot(None) | Answer::Volume(None)) => "not there".to_owned(),
        (_, Answer::Highest(Some(generation))) => format!("generation {generation}"),
        (_, Answer::Volumes(volumes)) => volumes.len().to_string(),
        (_, Answer::Volume(Some(volume))) => format!("{} {}", volume.id, volume.state),
        (_, Answer::Opened(opened)) => match opened.marker {
            Some(marker) => format!(
                "release {}, generation {}",
                marker.release.short(),
                marker.generation
            ),
            None => "no marker".to_owned(),
        },
        (Step::Attach { volume, device, .. }, _) => format!("{volume} as {device}"),
        (Step::Detach { volume, .. } | Step::Delete(volume) | Step::Show(volume), _) => {
            volume.to_string()
        }
        (Step::Record(generation), _) => generation.to_string(),
        (Step::CompleteLifecycle(held, result), _) => {
            format!(
                "{} {result:?}",
                release_core::escape(held.hook.as_str().as_bytes())
            )
        }
        _ => String::new(),
    }
}
