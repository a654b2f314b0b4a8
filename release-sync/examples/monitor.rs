//! Watches a push: a [`Monitor`] that keeps the time that each host spends in each state.
//!
//! ```text
//! cargo run -p release-sync --example monitor SOURCE DESTINATION…
//! ```
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use release_sync::{Event, Fleet, Generation, Host, HostState, Monitor, Options, scan};

/// What each host does now, and since when; and how long it did what.
#[derive(Default)]
struct Stopwatch {
    running: Mutex<BTreeMap<String, (HostState, Instant)>>,
    taken: Mutex<Vec<(String, HostState, Duration)>>,
}

impl Stopwatch {
    fn turn(&self, host: &str, to: Option<HostState>) {
        let now = Instant::now();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match to {
            Some(state) => running.insert(host.to_owned(), (state, now)),
            None => running.remove(host),
        };
        if let Some((state, since)) = before {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.push((host.to_owned(), state, now - since));
        }
    }
}

impl Monitor for Stopwatch {
    // Called from the hosts' threads: it takes note, and returns.
    fn event(&self, event: Event<'_>) {
        match event {
            Event::State { host, state } => self.turn(host, Some(state)),
            Event::Finished { report } => self.turn(&report.host, None),
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let source = arguments.next().ok_or("SOURCE DESTINATION…, please")?;
    let host =
        |(number, destination): (usize, OsString)| Host::local(number.to_string(), destination);
    let hosts = arguments.enumerate().map(host).collect();
    let options = Options::default();
    let source = scan(source.as_ref(), &options, &())?;
    let generation = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let stopwatch = Stopwatch::default();
    let report = Fleet::new(hosts, options)?.push(&source, Generation::new(generation), &stopwatch);

    let taken = stopwatch
        .taken
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    for (host, state, time) in taken {
        println!(
            "host {host}: {:10} {:7.1} ms",
            state.as_str(),
            time.as_secs_f64() * 1e3
        );
    }
    let failed = report.hosts.into_iter().find_map(|host| host.error);
    failed.map_or(Ok(()), |error| Err(error.into()))
}
