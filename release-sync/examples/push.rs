//! Makes one directory on this machine equal to another, as a deploy does it to hosts.
//!
//! ```text
//! cargo run -p release-sync --example push SOURCE DESTINATION [AGENT [ARGUMENT…]]
//! ```
//! The words at the end, if there are any, start the agent as a process of its own; so a tool that
//! watches processes (`strace`, `time`) can stand before it.
#![allow(clippy::print_stdout)]

use std::path::Path;

use release_sync::{Event, Fleet, Generation, Host, Monitor, Options, Reach, scan};

/// Says what happens.
struct Aloud;

impl Monitor for Aloud {
    fn event(&self, event: Event<'_>) {
        if let Event::State { host, state } = event {
            println!("{host}: {}", state.as_str());
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(source), Some(destination)) = (arguments.next(), arguments.next()) else {
        return Err("two directories, please".into());
    };
    let options = Options::default();
    let source = scan(Path::new(&source), &options, &Aloud)?;
    let host = Host {
        name: "here".to_owned(),
        destination: destination.into(),
        // Over SSH: `Reach::Ssh` with an `SshTarget`, and `SshOptions` in the options.
        reach: match arguments.collect::<Vec<_>>() {
            words if words.is_empty() => Reach::Local,
            words => Reach::Command(words),
        },
    };
    let fleet = Fleet::new(vec![host], options)?;
    // Generations only grow. A real deploy writes down the last one; here the clock serves.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let report = fleet.push(&source, Generation::new(now.as_secs()), &Aloud);
    for host in &report.hosts {
        println!(
            "{}: {}, proof {:?}, {} files, {} bytes sent",
            host.host,
            host.outcome.as_str(),
            host.proof,
            host.counts.files_sent,
            host.counts.bytes_sent
        );
    }
    let failed = report.hosts.into_iter().find_map(|host| host.error);
    failed.map_or(Ok(()), |error| Err(error.into()))
}
