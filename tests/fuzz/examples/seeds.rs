//! `seeds DIRECTORY`: lays down what each target begins with, in a directory of its own, and prints their names.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let directory = std::env::args().nth(1).expect("usage: seeds DIRECTORY");
    let targets = release_core::fuzz::TARGETS
        .iter()
        .chain(release_sync::fuzz::TARGETS);
    for (name, _, seeds) in targets {
        let of_target = Path::new(&directory).join(name);
        std::fs::create_dir_all(&of_target)?;
        for (number, seed) in seeds().iter().enumerate() {
            std::fs::write(of_target.join(format!("seed-{number}")), seed)?;
        }
        println!("{name}");
    }
    Ok(())
}
