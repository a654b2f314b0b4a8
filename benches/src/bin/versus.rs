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
use release_benches::verdict::Verdict;
use release_benches::{table, workload};
use serde_json::json;

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
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Where everything that was measured is written.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Put the table into README.md and docs/performance.md.
    #[arg(long)]
    write: bool,
    /// The program that is measured; its agent lies beside it.
    #[arg(long, default_value = "target/dist/release-cli")]
    program: PathBuf,
}

fn main() -> ExitCode {
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
    let started = Instant::now();
    let mut results = Vec::new();
    for workload in chosen(arguments)? {
        let tell = |what: &str| {
            eprintln!(
                "{:6.1} s  {}  {what}",
                started.elapsed().as_secs_f64(),
                workload.name
            );
        };
        let result = workload.run(&program, arguments.runs.into(), &tell);
        println!("{}", table::of_samples(&result));
        results.push(result);
    }
    let verdicts: Vec<Verdict> = results
        .iter()
        .flat_map(|result| result.verdicts.clone())
        .collect();
    let text = format!(
        "{}\n{}",
        table::of_verdicts(&verdicts),
        circumstances(arguments.runs, &results)
    );
    println!("{text}");
    if let Some(file) = &arguments.json {
        let all = json!({"rsync": rsync_version(), "processors": processors(), "results": results});
        fs::write(file, format!("{all:#}\n"))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if arguments.write {
        for document in ["README.md", "docs/performance.md"] {
            table::put(Path::new(document), &text)?;
        }
    }
    eprintln!("{:6.1} s  altogether", started.elapsed().as_secs_f64());
    Ok(verdicts)
}

fn chosen(arguments: &Arguments) -> Result<Vec<workload::Workload>, String> {
    if let (Some(old), Some(new)) = (&arguments.old, &arguments.new) {
        return Ok(workload::of_pair(old, new));
    }
    let all = workload::all();
    let has = |workload: &workload::Workload, name: &str| {
        workload
            .goals
            .iter()
            .any(|goal| goal.name.eq_ignore_ascii_case(name))
    };
    for name in &arguments.workloads {
        if !all.iter().any(|workload| has(workload, name)) {
            return Err(format!("there is no workload {name}"));
        }
    }
    let wanted = |workload: &workload::Workload| {
        arguments.workloads.is_empty() || arguments.workloads.iter().any(|name| has(workload, name))
    };
    Ok(all.into_iter().filter(wanted).collect())
}

/// What has to be known to read the table.
fn circumstances(runs: u16, results: &[workload::Result]) -> String {
    let mut text = format!(
        "{}, {} processors, both ends on the same machine, trees on tmpfs, real sshd over loopback. Medians of \
         {runs} runs in turns (least–most)",
        rsync_version(),
        processors()
    );
    for result in results.iter().filter(|result| result.runs < runs.into()) {
        text += &format!("; {}: {} runs", result.name, result.runs);
    }
    text += ". rsync's ssh speaks aes128-gcm; ours speaks chacha20-poly1305 unless a line says otherwise.\n";
    for tampered in results.iter().filter_map(|result| result.tampered) {
        let word = |mended: bool| if mended { "mended" } else { "overlooked" };
        text += &format!(
            "\nA file that was edited on the host, with size and time put back: {} by release-cli, {} by `rsync -a`.\n",
            word(tampered.ours),
            word(tampered.rsync)
        );
    }
    text
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
