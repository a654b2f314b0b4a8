//! `./dev versus`: our program and rsync, side by side.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Parser;
use release_benches::table::Extent;
use release_benches::verdict::Verdict;
use release_benches::{crowd, replay, table, workload};
use serde_json::json;

/// Timed runs of each side, if nothing else is said.
const RUNS: u16 = 5;

/// Runs release-cli and rsync in turns, and compares what they take with the targets.
#[derive(Debug, Parser)]
struct Arguments {
    /// The workloads, such as W1; all if there are none.
    workloads: Vec<String>,
    /// A tree of your own, to begin with.
    #[arg(long, requires = "new", conflicts_with = "workloads")]
    old: Option<PathBuf>,
    /// The tree that it becomes.
    #[arg(long, requires = "old")]
    new: Option<PathBuf>,
    /// Timed runs of each side; those that take very long have fewer, and say so.
    #[arg(long, default_value_t = RUNS, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Where everything that was measured is written.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Put the table into README.md and docs/performance.md; lines of workloads that were not run stay.
    #[arg(long, conflicts_with = "old")]
    write: bool,
    /// The program that is measured; its agent lies beside it.
    #[arg(long, default_value = "target/dist/release-cli")]
    program: PathBuf,
}

fn main() -> ExitCode {
    if let Some(result) = as_agent() {
        return result.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let arguments = Arguments::parse();
    match compare(&arguments) {
        Ok(verdicts) if verdicts.iter().all(|verdict| verdict.met != Some(false)) => {
            ExitCode::SUCCESS
        }
        Ok(_) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("versus: {message}");
            ExitCode::from(2)
        }
    }
}

fn compare(arguments: &Arguments) -> Result<Vec<Verdict>, String> {
    let program = fs::canonicalize(&arguments.program)
        .map_err(|error| format!("{}: {error}", arguments.program.display()))?;
    let (started, before) = (Instant::now(), busy());
    let mut results = Vec::new();
    for job in chosen(arguments)? {
        let tell = |what: &str| {
            eprintln!(
                "{:6.1} s  {}  {what}",
                started.elapsed().as_secs_f64(),
                job.names[0]
            );
        };
        let result = (job.run)(&program, arguments.runs.into(), &tell);
        println!("{}", table::of_samples(&result));
        results.push(result);
    }
    let verdicts: Vec<Verdict> = results
        .iter()
        .flat_map(|result| result.verdicts.clone())
        .collect();
    let words = circumstances(&results);
    let text = format!("{}\n{words}", table::of_verdicts(&verdicts));
    println!("{text}");
    if let Some(file) = &arguments.json {
        let all = json!({"rsync": rsync_version(), "processors": processors(), "results": results});
        fs::write(file, format!("{all:#}\n"))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if arguments.write {
        let judged: Vec<Verdict> = verdicts
            .iter()
            .filter(|verdict| verdict.met.is_some())
            .cloned()
            .collect();
        let short = format!("{}\n{words}", table::of_verdicts(&judged));
        let extent = match arguments.workloads.is_empty() {
            true => Extent::Whole,
            false => Extent::Part,
        };
        table::put(Path::new("README.md"), &short, extent)?;
        table::put(Path::new("docs/performance.md"), &text, extent)?;
    }
    tell_of_noise(before);
    eprintln!("{:6.1} s  altogether", started.elapsed().as_secs_f64());
    Ok(verdicts)
}

/// W13 runs this program in an agent's place: `record SCRIPT AGENT…` and `replay SCRIPT`.
fn as_agent() -> Option<std::io::Result<()>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match &words[..] {
        [verb, script, agent @ ..] if verb == "record" => {
            Some(replay::record(Path::new(script), agent))
        }
        [verb, script] if verb == "replay" => Some(replay::replay(Path::new(script))),
        _ => None,
    }
}

/// Something to be measured, and the names of its targets.
struct Job {
    names: Vec<&'static str>,
    run: Run,
}

type Run = Box<dyn Fn(&Path, usize, &dyn Fn(&str)) -> workload::Result>;

impl Job {
    fn of(workload: workload::Workload) -> Self {
        let mut names: Vec<_> = workload.goals.iter().map(|goal| goal.name).collect();
        names.dedup();
        Self {
            names,
            run: Box::new(move |program, runs, tell| workload.run(program, runs, tell)),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

fn chosen(arguments: &Arguments) -> Result<Vec<Job>, String> {
    if let (Some(old), Some(new)) = (&arguments.old, &arguments.new) {
        return Ok(workload::of_pair(old, new)
            .into_iter()
            .map(Job::of)
            .collect());
    }
    let mut jobs: Vec<Job> = workload::all().into_iter().map(Job::of).collect();
    jobs.push(Job {
        names: vec!["W10"],
        run: Box::new(|program, _, tell| crowd::memory(program, tell)),
    });
    jobs.push(Job {
        names: vec!["W13"],
        run: Box::new(crowd::processor_time),
    });
    for name in &arguments.workloads {
        if !jobs.iter().any(|job| job.has(name)) {
            return Err(format!("there is no workload {name}"));
        }
    }
    let wanted = |job: &Job| {
        arguments.workloads.is_empty() || arguments.workloads.iter().any(|name| job.has(name))
    };
    jobs.retain(wanted);
    Ok(jobs)
}

/// What has to be known to read the table. What is not so with every workload is in a note of that workload,
/// since their lines may be of several runs of this program.
fn circumstances(results: &[workload::Result]) -> String {
    let mut text = format!(
        "{}, {} processors, both ends on the same machine, trees on tmpfs, real sshd over loopback. Medians of \
         {RUNS} runs in turns (least–most), unless a line says otherwise. rsync's ssh speaks aes128-gcm; ours speaks \
         chacha20-poly1305 unless a line says otherwise.\n",
        rsync_version(),
        processors()
    );
    let mut notes = String::new();
    for result in results {
        if result.runs != usize::from(RUNS) {
            notes += &table::note(result, &format!("medians of {} runs.", result.runs));
        }
        if let Some(tampered) = result.tampered {
            let word = |mended: bool| if mended { "mended" } else { "overlooked" };
            let what = format!(
                "a file that was edited on the host, with size and time put back, was {} by release-cli and {} by \
                 `rsync -a`.",
                word(tampered.ours),
                word(tampered.rsync)
            );
            notes += &table::note(result, &what);
        }
    }
    if !notes.is_empty() {
        text += &format!("\n{notes}");
    }
    text
}

/// How many processes wanted to run in the last minute, on the average.
fn busy() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = load.split(' ').next().and_then(|first| first.parse().ok());
    first.unwrap_or(0.0)
}

/// Nothing that is measured beside other work is worth to be written down.
fn tell_of_noise(before: f64) {
    if before > 0.7 {
        eprintln!(
            "versus: others were at work on this machine before this began (load {before}): its times are noise"
        );
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn rsync_version() -> String {
    let output = Command::new("rsync")
        .arg("--version")
        .output()
        .expect("rsync is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    words.join(" ").replace("rsync version", "rsync")
}
