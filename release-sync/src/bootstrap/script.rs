//! The commands that a host's login shell is given.
//!
//! That shell may be sh, bash, dash, csh, tcsh, fish or another, so it only has to understand one single
//! line: a program, an option and a word in single quotes. In that word none of these may stand: a single
//! quote; a newline and an exclamation mark, which csh takes for its own even there; two backslashes,
//! which fish makes one of. All else is POSIX sh's.

use std::fmt;
use std::fmt::Write as _;

use crate::Error;
use crate::transport::harmless;

/// What the host answers where the agent is missing, before its system and its architecture.
const REPORT: &str = "release-sync-missing";

/// The exit status that goes with the report.
const MISSING: i32 = 97;

/// The exit status of an upload that came off. Not 0, which could not be told from none as long as
/// something in the background holds the command's streams.
const PUT: i32 = 90;

// Why an upload failed, as its exit status.
const NO_HOME: i32 = 91;
const NO_DIRECTORY: i32 = 92;
const NOT_WRITTEN: i32 = 93;
const CUT_SHORT: i32 = 94;
const NOT_PUT_IN_PLACE: i32 = 95;
const NOT_EXECUTABLE: i32 = 96;

/// A directory on a host.
#[derive(Debug)]
pub(super) struct Place {
    shown: String,
    path: String,
}

impl Place {
    /// Refuses what no directory of agents is called, rather than to quote it.
    pub(super) fn new(directory: &str) -> Result<Self, Error> {
        let path = directory.strip_prefix("~/").unwrap_or(directory);
        if path.is_empty() || path.contains(char::is_control) {
            let shown = harmless(directory.as_bytes());
            let reason = format!("`{shown}` is not a directory for it");
            return Err(Error::Bootstrap { reason });
        }
        let (shown, path) = if path.starts_with('/') {
            (String::from(path), String::from(path))
        } else {
            (format!("~/{path}"), format!("./{path}"))
        };
        Ok(Self { shown, path })
    }

    /// Goes to where the path starts from, or does `otherwise`.
    fn enter(&self, otherwise: &str) -> String {
        match self.path.starts_with('/') {
            true => String::new(),
            false => format!("cd {otherwise}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

/// Becomes the agent, or reports that it is missing.
pub(super) fn start(place: &Place, digest: &str, arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|argument| word(argument)).collect();
    wrap(&format!(
        r#"{enter}a={directory}/agent-{digest} && test -x "$a" && exec "$a" {arguments}; {report}"#,
        enter = place.enter("&& "),
        directory = word(&place.path),
        arguments = arguments.join(" "),
        report = report(),
    ))
}

/// Reports what [`start`] does for an agent that is missing.
pub(super) fn probe() -> String {
    wrap(&report())
}

fn report() -> String {
    format!("echo {REPORT} $(uname -s) $(uname -m); exit {MISSING}")
}

/// Puts its standard input, which is to have `size` bytes, in place as an agent. The name is only given to
/// a file that is whole. Agents that nobody has sent for a month go, and what an upload left that was cut
/// off.
pub(super) fn upload(place: &Place, digest: &str, size: usize) -> String {
    let any_digest = "?".repeat(digest.len());
    wrap(&format!(
        r#"LC_ALL=C; export LC_ALL; umask 077; {enter}d={directory}; mkdir -p "$d" || exit {NO_DIRECTORY}; t="$d/.agent-{digest}.$$"; fail() {{ rm -f "$t"; exit $1; }}; cat >"$t" || fail {NOT_WRITTEN}; test $(wc -c <"$t") -eq {size} || fail {CUT_SHORT}; chmod 700 "$t" || fail {NOT_PUT_IN_PLACE}; test -x "$t" || fail {NOT_EXECUTABLE}; mv -f "$t" "$d/agent-{digest}" || fail {NOT_PUT_IN_PLACE}; find "$d" -maxdepth 1 -type f -name "agent-{any_digest}" -mtime +30 -exec rm -f {{}} + 2>/dev/null; find "$d" -maxdepth 1 -type f -name ".agent-{any_digest}.*" -mtime +0 -exec rm -f {{}} + 2>/dev/null; exit {PUT}"#,
        enter = place.enter(&format!("|| exit {NO_HOME}; ")),
        directory = word(&place.path),
    ))
}

/// Why an upload failed, from its exit status and what it said; `None` if it did not.
pub(super) fn upload_fault(place: &Place, status: Option<i32>, stderr: &[u8]) -> Option<String> {
    let said = harmless(stderr);
    let is_full = said.contains("No space left") || said.contains("quota exceeded");
    let fault = match status {
        Some(PUT) => return None,
        Some(NO_HOME) => String::from("the home directory can't be entered"),
        Some(NO_DIRECTORY | NOT_WRITTEN | NOT_PUT_IN_PLACE) if is_full => {
            format!("the disk with {place} is full")
        }
        Some(NO_DIRECTORY) => format!("{place} can't be made"),
        Some(NOT_WRITTEN) => format!("{place} can't be written to"),
        Some(CUT_SHORT) => format!("not all of it arrived in {place}"),
        Some(NOT_PUT_IN_PLACE) => format!("it can't be put in place in {place}"),
        Some(NOT_EXECUTABLE) => format!(
            "{place} is on a file system that programs can't be run from (mounted noexec); \
             another directory for agents must be configured"
        ),
        Some(status) => format!("sending it ended with status {status}"),
        None => String::from("sending it was cut off"),
    };
    Some(if said.is_empty() {
        fault
    } else {
        format!("{fault}; the host said: {said}")
    })
}

/// The architecture in a report that an agent is missing, if there is one amid the noise. It becomes part
/// of a file's name here, so it has to look like one.
pub(super) fn reported_architecture(status: Option<i32>, stdout: &[u8]) -> Option<String> {
    if status != Some(MISSING) {
        return None;
    }
    let text = String::from_utf8_lossy(stdout);
    let report = text.lines().rev().find_map(|line| {
        let (_, report) = line.split_once(REPORT)?;
        Some(report)
    })?;
    let mut words = report.split_whitespace();
    let (system, machine) = (words.next()?, words.next()?);
    let machine = match machine {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    };
    let is_plain = |text: &str| {
        text.len() <= 32
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    if !is_plain(system) || !is_plain(machine) {
        return None;
    }
    // Agents are made for Linux; one for another system would be called so.
    Some(match system {
        "Linux" => String::from(machine),
        other => format!("{machine}-{other}"),
    })
}

fn wrap(script: &str) -> String {
    debug_assert!(!script.contains(['\'', '\n', '!']) && !script.contains(r"\\"));
    format!("exec /bin/sh -c '{script}'")
}

/// A text as one word of sh. Bytes that mean something to any shell go as octal numbers, and sh's own
/// printf makes them what they are.
fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return String::from(text);
    }
    let mut encoded = String::new();
    for byte in text.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string can't fail.
            let _ = write!(encoded, r"\0{byte:03o}");
        }
    }
    format!(r#""$(printf %b "{encoded}")""#)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_usual_start() {
        let place = Place::new(".cache/release-sync").unwrap();
        assert_eq!(
            start(&place, "0123abcd", &["serve"]),
            r#"exec /bin/sh -c 'cd && a=./.cache/release-sync/agent-0123abcd && test -x "$a" && exec "$a" serve; echo release-sync-missing $(uname -s) $(uname -m); exit 97'"#
        );
    }

    #[test]
    fn places() {
        assert_eq!(Place::new("~/x").unwrap().path, "./x");
        assert_eq!(Place::new("-x").unwrap().path, "./-x");
        assert_eq!(Place::new("/opt/agents").unwrap().path, "/opt/agents");
        assert_eq!(Place::new("x/y").unwrap().to_string(), "~/x/y");
        for bad in ["", "~/", "a\nb", "\0"] {
            assert!(
                matches!(Place::new(bad), Err(Error::Bootstrap { .. })),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn reports() {
        let parse = |text: &str| reported_architecture(Some(MISSING), text.as_bytes());
        assert_eq!(
            parse("release-sync-missing Linux x86_64\n").unwrap(),
            "x86_64"
        );
        assert_eq!(
            parse("hi\nbye release-sync-missing Linux arm64\n").unwrap(),
            "aarch64"
        );
        assert_eq!(
            parse("release-sync-missing Darwin arm64").unwrap(),
            "aarch64-Darwin"
        );
        assert_eq!(parse("release-sync-missing Linux ../../etc"), None);
        assert_eq!(parse("release-sync-missing Linux"), None);
        assert_eq!(parse(""), None);
        let report = b"release-sync-missing Linux x86_64";
        assert_eq!(reported_architecture(Some(0), report), None);
        assert_eq!(reported_architecture(None, report), None);
    }

    #[test]
    fn faults_in_words() {
        let place = Place::new("/opt/agents").unwrap();
        let fault = |status, stderr: &str| upload_fault(&place, Some(status), stderr.as_bytes());
        assert_eq!(fault(PUT, "warning"), None);
        let full = fault(NOT_WRITTEN, "cat: write error: No space left on device\n").unwrap();
        assert!(full.starts_with("the disk with /opt/agents is full; the host said: cat: "));
        assert!(fault(NOT_EXECUTABLE, "").unwrap().contains("noexec"));
        assert_eq!(fault(1, "").unwrap(), "sending it ended with status 1");
        assert_eq!(
            upload_fault(&place, None, b"").unwrap(),
            "sending it was cut off"
        );
    }

    proptest! {
        #![proptest_config(crate::testing::cases(64))]

        /// Whatever a directory or an argument is called, the login shell gets a word that it takes as it
        /// is, and sh makes the text of it.
        #[test]
        fn words_survive_shells(text in "[ -~äß€]{0,40}") {
            let command = wrap(&format!("printf %s {}", word(&text)));
            let inner = command.strip_prefix("exec /bin/sh -c '").unwrap();
            let inner = inner.strip_suffix('\'').unwrap();
            prop_assert!(!inner.contains(['\'', '!', '\n']) && !inner.contains(r"\\"));
            for shell in ["sh", "bash"] {
                let output = Command::new(shell).args(["-c", &command]).output().unwrap();
                prop_assert_eq!(&output.stdout, text.as_bytes());
            }
        }
    }
}
