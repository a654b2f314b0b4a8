//! Shows what a push to a directory would do, and does nothing.
//!
//! ```text
//! cargo run -p release-sync --example plan SOURCE DESTINATION
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use release_sync::{Fleet, Host, Options, scan};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(source), Some(destination)) = (arguments.next(), arguments.next()) else {
        return Err("SOURCE DESTINATION, please".into());
    };
    let options = Options::default();
    let source = scan(source.as_ref(), &options, &())?;
    let fleet = Fleet::new(vec![Host::local("here", destination)], options)?;
    for plan in fleet.plan(&source, true, &()) {
        if let Some(error) = plan.error {
            return Err(error.into());
        }
        for item in &plan.items {
            println!("{} {}", item.flags, item.path);
        }
        println!(
            "{}: {} to create, {} to change, {} to delete; {} bytes are not there yet",
            plan.host, plan.created, plan.changed, plan.deleted, plan.bytes_wanted
        );
    }
    Ok(())
}
