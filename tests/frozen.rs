//! Freezing a file system: it is thawed whoever is killed, and what must not be frozen is not.

mod refusals;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use release_tests::cli;
use release_tests::disk::{Disk, Kind};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A limit that no test reaches.
const LONG: u64 = 20_000;
/// How long it may take until something is to be seen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// A watchdog that is left alone thaws at once, not at its limit.
const AT_ONCE: Duration = Duration::from_secs(5);

/// An operator, with a folder that is on another disk.
struct Operator {
    folder: TempDir,
    program: PathBuf,
    directory: PathBuf,
}

impl Operator {
    fn new() -> Self {
        let folder = TempDir::with_prefix("release-operator-").unwrap();
        let operator = Self {
            program: cli::agent().with_file_name("release-cli"),
            directory: folder.path().to_owned(),
            folder,
        };
        operator.keep_state_in(&operator.at("state"));
        operator
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn keep_state_in(&self, state: &Path) {
        let config = format!(
            "destination.path = \"/release\"\nstate.directory = {state:?}\n\
             ssh.identity = \"/nonexistent\"\n[[host]]\naddress = \"127.0.0.1\"\nport = 1\n"
        );
        fs::write(self.at("release.toml"), config).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(self.at("release.toml"))
            .args(words)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Runs to the end: the exit code, and what was said.
    fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.command(words).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    }

    /// Tries to freeze something, and do nothing meanwhile.
    fn try_to_freeze(&self, path: &Path) -> (Option<i32>, String) {
        self.run(&["freeze", path.to_str().unwrap(), "--", "true"])
    }

    /// Freezes the disk until [`Operator::let_go`], and comes back when it is frozen.
    fn freeze(&self, disk: &Disk, limit: u64) -> Freezing {
        let sign = self.at("frozen");
        let limit = limit.to_string();
        // Ends when the sign is gone, as it is after the test in any case, and at last by itself.
        let action = format!(
            "touch {sign}; for _ in $(seq 600); do [ -e {sign} ] || break; sleep 0.05; done",
            sign = sign.display()
        );
        let path = disk.path().to_str().unwrap();
        let mut command = self.command(&["freeze", path, "--limit", &limit]);
        let child = command.args(["--", "sh", "-c", &action]).process_group(0);
        let child = child.spawn().unwrap();
        wait_for("the freeze", || sign.exists());
        Freezing { child }
    }

    /// Lets whatever is done while the disk is frozen come to its end.
    fn let_go(&self) {
        fs::remove_file(self.at("frozen")).unwrap();
    }
}

/// `release-cli freeze`, at work.
#[must_use]
struct Freezing {
    child: Child,
}

impl Freezing {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Leaves the disk frozen, and nobody who would thaw it.
    fn kill_both(&self) {
        let watchdog = self.watchdog();
        // The watchdog first: it would have thawed.
        kill(watchdog);
        kill(self.pid());
        wait_for("both ends", || is_dead(watchdog) && is_dead(self.pid()));
    }

    /// The process that thaws if this one can't.
    fn watchdog(&self) -> Pid {
        let me = self.child.id();
        let children = fs::read_to_string(format!("/proc/{me}/task/{me}/children")).unwrap();
        let is_it = |pid: &&str| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|&byte| byte == 0).nth(1) == Some(b"watchdog")
        };
        let pid = children
            .split(' ')
            .find(is_it)
            .expect("there is a watchdog");
        Pid::from_raw(pid.parse().unwrap()).unwrap()
    }

    fn finish(self) -> (Option<i32>, String) {
        let output = self.child.wait_with_output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }
}

fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).unwrap();
}

/// Also of one that nobody has reaped yet.
fn is_dead(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.map_or(true, |stat| {
        stat.rsplit(')').next().unwrap().starts_with(" Z")
    })
}

#[track_caller]
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what} didn't come");
        sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn assert_says((code, said): (Option<i32>, String), expected: i32, words: &[&str]) {
    assert_eq!(code, Some(expected), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` should be in: {said}");
    }
}

/// Nothing is frozen, nothing is written down, and a freeze works again.
#[track_caller]
fn assert_all_is_well(operator: &Operator, disk: &Disk) {
    disk.write("afterwards").assert_done();
    let record = fs::read(operator.at("state/freeze.lock")).unwrap();
    assert_eq!(record, b"", "{}", String::from_utf8_lossy(&record));
    assert_says(operator.run(&["thaw"]), 0, &["nothing was left frozen"]);
    assert_says(operator.try_to_freeze(disk.path()), 0, &[" ms"]);
}

#[test]
fn who_writes_to_a_frozen_disk_waits_until_it_is_thawed() {
    for kind in [Kind::Ext4, Kind::Xfs] {
        let (disk, operator) = (Disk::new(kind), Operator::new());
        let freezing = operator.freeze(&disk, LONG);
        let watchdog = freezing.watchdog();
        let writing = disk.write("meanwhile");
        writing.assert_hangs();
        operator.let_go();
        assert_says(freezing.finish(), 0, &["nobody could write there for"]);
        writing.assert_done();
        assert!(is_dead(watchdog), "it is not needed any more");
        assert_all_is_well(&operator, &disk);
    }
}

#[test]
fn the_watchdog_thaws_at_once_when_its_parent_is_killed() {
    for kind in [Kind::Ext4, Kind::Xfs] {
        let (disk, operator) = (Disk::new(kind), Operator::new());
        let freezing = operator.freeze(&disk, LONG);
        let watchdog = freezing.watchdog();
        let writing = disk.write("meanwhile");
        writing.assert_hangs();
        kill(freezing.pid());
        let waited = writing.assert_done();
        assert!(waited < AT_ONCE, "{waited:?}");
        wait_for("the watchdog's end", || is_dead(watchdog));
        // Whoever comes next finds the record, and nothing to thaw.
        let said = operator.run(&["thaw"]);
        assert_says(said, 0, &["is not frozen", "a drill"]);
        assert_all_is_well(&operator, &disk);
    }
}

#[test]
fn whoever_froze_it_thaws_it_without_a_watchdog() {
    let (disk, operator) = (Disk::new(Kind::Ext4), Operator::new());
    let freezing = operator.freeze(&disk, LONG);
    let writing = disk.write("meanwhile");
    kill(freezing.watchdog());
    writing.assert_hangs();
    operator.let_go();
    assert_says(freezing.finish(), 0, &[]);
    writing.assert_done();
    assert_all_is_well(&operator, &disk);
}

#[test]
fn the_next_command_thaws_what_two_dead_processes_left() {
    for (kind, verb) in [(Kind::Ext4, "status"), (Kind::Xfs, "thaw")] {
        let (disk, operator) = (Disk::new(kind), Operator::new());
        let freezing = operator.freeze(&disk, LONG);
        freezing.kill_both();
        let writing = disk.write("meanwhile");
        writing.assert_hangs();
        let (_, said) = operator.run(&[verb]);
        assert!(said.contains("was frozen, and is thawed now"), "{said}");
        assert!(said.contains(disk.path().to_str().unwrap()), "{said}");
        writing.assert_done();
        assert_all_is_well(&operator, &disk);
    }
}

#[test]
fn a_disk_that_was_left_frozen_is_thawed_wherever_it_is_mounted() {
    let (disk, operator) = (Disk::new(Kind::Ext4), Operator::new());
    let freezing = operator.freeze(&disk, LONG);
    freezing.kill_both();
    disk.unmount();
    let words = ["was left frozen, and is no longer mounted", "a drill"];
    assert_says(operator.run(&["thaw"]), 1, &words);
    disk.mount();
    disk.write("still frozen").assert_hangs();
    let other = operator.at("other");
    fs::create_dir(&other).unwrap();
    let move_to = |from: &Path, to: &Path| {
        let moved = Command::new("mount")
            .arg("--move")
            .args([from, to])
            .status();
        assert!(moved.unwrap().success());
    };
    move_to(disk.path(), &other);
    let (code, said) = operator.run(&["thaw"]);
    move_to(&other, disk.path());
    assert_says((code, said), 0, &["is thawed now"]);
    assert_all_is_well(&operator, &disk);
}

#[test]
fn an_action_that_takes_too_long_is_found_out() {
    let (disk, operator) = (Disk::new(Kind::Ext4), Operator::new());
    let freezing = operator.freeze(&disk, 800);
    let writing = disk.write("meanwhile");
    writing.assert_hangs();
    writing.assert_done();
    // The disk is writable although the action has not ended.
    assert!(!is_dead(freezing.pid()));
    operator.let_go();
    assert_says(freezing.finish(), 1, &["was thawed before", "watchdog"]);
    assert_all_is_well(&operator, &disk);
}

#[test]
fn a_stopped_process_keeps_nothing_frozen() {
    let (disk, operator) = (Disk::new(Kind::Xfs), Operator::new());
    let freezing = operator.freeze(&disk, 1000);
    kill_process(freezing.pid(), Signal::STOP).unwrap();
    let writing = disk.write("meanwhile");
    writing.assert_done();
    operator.let_go();
    kill_process(freezing.pid(), Signal::CONT).unwrap();
    assert_says(freezing.finish(), 1, &["was thawed before"]);
    assert_all_is_well(&operator, &disk);
}

#[test]
fn no_signal_but_the_last_ends_a_watchdog() {
    let (disk, operator) = (Disk::new(Kind::Ext4), Operator::new());
    let freezing = operator.freeze(&disk, LONG);
    let watchdog = freezing.watchdog();
    let parent = freezing.pid();
    let session = rustix::process::getsid(Some(watchdog)).unwrap();
    assert_eq!(session, watchdog, "a session of its own");
    for signal in [
        Signal::INT,
        Signal::TERM,
        Signal::HUP,
        Signal::QUIT,
        Signal::TSTP,
    ] {
        kill_process(watchdog, signal).unwrap();
    }
    let writing = disk.write("meanwhile");
    writing.assert_hangs();
    kill(parent);
    writing.assert_done();
}

#[test]
fn a_deploy_at_work_is_not_disturbed() {
    let (disk, operator) = (Disk::new(Kind::Ext4), Operator::new());
    let freezing = operator.freeze(&disk, LONG);
    operator.run(&["status"]);
    assert_says(operator.run(&["thaw"]), 4, &["another deploy", "a drill"]);
    assert_says(operator.try_to_freeze(disk.path()), 4, &[]);
    disk.write("meanwhile").assert_hangs();
    // By hand everything can be thawed, and whoever froze it notices.
    let path = disk.path().to_str().unwrap();
    assert_says(operator.run(&["thaw", path]), 0, &["is thawed now"]);
    disk.write("thawed").assert_done();
    operator.let_go();
    assert_says(freezing.finish(), 1, &["was thawed before"]);
    assert_all_is_well(&operator, &disk);
}

#[test]
fn what_somebody_else_froze_stays_so() {
    let (disk, operator) = (Disk::new(Kind::Ext4), Operator::new());
    disk.freeze();
    assert_says(
        operator.try_to_freeze(disk.path()),
        1,
        &["by somebody else"],
    );
    let writing = disk.write("meanwhile");
    writing.assert_hangs();
    let path = disk.path().to_str().unwrap();
    assert_says(operator.run(&["thaw", path]), 0, &["is thawed now"]);
    writing.assert_done();
    assert_says(operator.run(&["thaw", path]), 0, &["is not frozen"]);
    assert_all_is_well(&operator, &disk);
}
