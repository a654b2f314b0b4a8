//! Pushes from an async program, and stops when it is told to.
//!
//! ```text
//! cargo run -p release-sync --example under_tokio SOURCE DESTINATION
//! ```
//! Calls block, so they go where tokio allows that. Events come back through a channel.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use release_sync::{Event, Fleet, Generation, Host, Monitor, Options, scan};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Sends what should be told as text.
struct Channel(UnboundedSender<String>);

impl Monitor for Channel {
    fn event(&self, event: Event<'_>) {
        if let Event::State { host, state } = event {
            // Nobody listens any more: fine.
            let _ = self.0.send(format!("{host}: {}", state.as_str()));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(source), Some(destination)) = (arguments.next(), arguments.next()) else {
        return Err("SOURCE DESTINATION, please".into());
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?
        .block_on(push(source, destination))
}

async fn push(source: PathBuf, destination: PathBuf) -> Result<(), Box<dyn Error>> {
    let options = Options::default();
    let generation = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let fleet = Fleet::new(vec![Host::local("here", destination)], options.clone())?;
    let cancel = fleet.cancel_handle();
    let (sender, mut events) = unbounded_channel();
    let mut run = tokio::task::spawn_blocking(move || {
        let monitor = Channel(sender);
        let source = scan(&source, &options, &monitor)?;
        Ok(fleet.push(&source, Generation::new(generation), &monitor))
    });
    let deadline = tokio::time::sleep(std::time::Duration::from_secs(60));
    tokio::pin!(deadline);
    let mut late = false;
    let report: Result<_, release_sync::Error> = loop {
        tokio::select! {
            Some(text) = events.recv() => println!("{text}"),
            () = &mut deadline, if !late => {
                // The run ends soon, and its report says how far it came.
                late = true;
                cancel.cancel();
            }
            ended = &mut run => break ended?,
        }
    };
    for host in report?.hosts {
        println!("{}: {}", host.host, host.outcome.as_str());
        if let Some(error) = host.error {
            return Err(error.into());
        }
    }
    Ok(())
}
