//! Makes one directory on this machine equal to another, as a deploy does it to hosts: staged beside the
//! current tree, verified, then moved into place.
//!
//! ```text
//! cargo run -p release-sync --example local SOURCE DESTINATION
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use release_sync::{Fleet, Generation, Host, Options, scan};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(source), Some(destination)) = (arguments.next(), arguments.next()) else {
        return Err("SOURCE DESTINATION, please".into());
    };
    let options = Options::default();
    let source = scan(source.as_ref(), &options, &())?;
    let generation = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let host = Host::local("here", destination);
    let mut report =
        Fleet::new(vec![host], options)?.push(&source, Generation::new(generation), &());
    let host = report.hosts.remove(0);
    if let Some(error) = host.error {
        return Err(error.into());
    }
    println!("{}, proof {:?}", host.outcome.as_str(), host.proof);
    Ok(())
}
