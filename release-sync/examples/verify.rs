//! Hashes every file of a directory that was pushed to, and says whether it still is what its marker claims.
//!
//! ```text
//! cargo run -p release-sync --example verify DIRECTORY
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use release_sync::{Fleet, Host, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("DIRECTORY, please")?;
    let fleet = Fleet::new(vec![Host::local("here", directory)], Options::default())?;
    for status in fleet.status(true, &()) {
        if let Some(error) = status.error {
            return Err(error.into());
        }
        let Some((marker, _since)) = status.marker else {
            return Err("nothing was ever pushed there".into());
        };
        println!(
            "release {}, generation {}",
            marker.release, marker.generation
        );
        if status.intact != Some(true) {
            return Err("it is not that release any more".into());
        }
        println!("{} files hold what they should", status.files);
    }
    Ok(())
}
