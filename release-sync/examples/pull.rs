//! Brings a tree from a host, through any command that leads to an agent there.
//!
//! ```text
//! cargo run -p release-sync --example pull DIRECTORY REMOTE-DIRECTORY COMMAND…
//! cargo run -p release-sync --example pull ./copy /srv/app ssh stage release-agent serve
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;

use release_sync::{Cancel, Host, Options, Reach, pull};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [into, from, command @ ..] = &arguments[..] else {
        return Err("DIRECTORY REMOTE-DIRECTORY COMMAND…, please".into());
    };
    let host = Host {
        reach: Reach::Command(command.to_vec()),
        ..Host::local("stage", from)
    };
    let report = pull(
        &host,
        Path::new(into),
        &Options::default(),
        &Cancel::default(),
        &(),
    );
    if let Some(error) = report.error {
        return Err(error.into());
    }
    println!(
        "{}: {} bytes",
        report.outcome.as_str(),
        report.counts.bytes_received
    );
    Ok(())
}
