//! Pairs of real releases from public registries, fetched by the registries' ordinary clients and kept
//! below the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::target;

/// Two releases of one thing, unpacked, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Corpus {
    /// What tests call it.
    pub name: &'static str,
    origin: Origin,
    versions: [&'static str; 2],
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    /// A wheel, by pip.
    Python,
    /// A crate and all that it depends on, by cargo.
    Rust,
}

/// Source text and translations, about 4,000 files.
pub const DJANGO: Corpus = Corpus {
    name: "django",
    origin: Origin::Python,
    versions: ["5.0.6", "5.0.7"],
};

/// Large JSON documents, about 100 MB.
pub const BOTOCORE: Corpus = Corpus {
    name: "botocore",
    origin: Origin::Python,
    versions: ["1.34.100", "1.34.101"],
};

/// The sources of a crate and its dependencies.
pub const REGEX: Corpus = Corpus {
    name: "regex",
    origin: Origin::Rust,
    versions: ["1.10.4", "1.10.5"],
};

impl Corpus {
    /// The two trees, older first. They are shared: copy them before changing anything.
    pub fn fetch(&self) -> [PathBuf; 2] {
        self.versions.map(|version| {
            let place = place().join(format!("{}-{version}", self.name));
            if !place.exists() {
                self.fetch_version(version, &place);
            }
            place
        })
    }

    fn fetch_version(&self, version: &str, place: &Path) {
        let scratch = tempfile::tempdir_in(place.parent().expect("it is in a folder"))
            .expect("a temporary folder can be made");
        let tree = scratch.path().join("tree");
        let fetch = || match self.origin {
            Origin::Python => python(self.name, version, scratch.path(), &tree),
            Origin::Rust => rust(self.name, version, scratch.path(), &tree),
        };
        // Once more: registries are far away.
        if let Err(error) = fetch().or_else(|_| fetch()) {
            panic!("{} {version} can't be fetched: {error}", self.name);
        }
        // Another test may have been faster.
        if fs::rename(&tree, place).is_err() {
            assert!(place.exists(), "{} can't be made", place.display());
        }
    }
}

/// Where corpora are kept from run to run.
fn place() -> PathBuf {
    let place = target::directory().join("corpora");
    fs::create_dir_all(&place).expect("the target directory can be written");
    place
}

fn python(name: &str, version: &str, scratch: &Path, tree: &Path) -> Result<(), String> {
    let wheels = scratch.join("wheels");
    let pip = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
    ];
    run(Command::new("python3")
        .args(pip)
        .args(["--only-binary=:all:", "--dest"])
        .arg(&wheels)
        .arg(format!("{name}=={version}")))?;
    let wheel = fs::read_dir(&wheels)
        .and_then(|mut files| files.next().transpose())
        .map_err(|error| error.to_string())?
        .ok_or("pip has fetched nothing")?;
    run(Command::new("python3")
        .args(["-m", "zipfile", "-e"])
        .args([&wheel.path(), tree]))
}

fn rust(name: &str, version: &str, scratch: &Path, tree: &Path) -> Result<(), String> {
    let wish = scratch.join("wish");
    let manifest = format!(
        "[package]\nname = \"wish\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n[dependencies]\n{name} = \"={version}\"\n"
    );
    fs::create_dir_all(&wish)
        .and_then(|()| fs::write(wish.join("Cargo.toml"), manifest))
        .and_then(|()| fs::write(wish.join("lib.rs"), ""))
        .map_err(|error| error.to_string())?;
    run(Command::new("cargo")
        .args(["vendor", "--quiet", "--manifest-path"])
        .args([&wish.join("Cargo.toml"), tree]))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {errors}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;

    #[test]
    fn pairs_are_fetched_and_alike() {
        for corpus in [DJANGO, BOTOCORE, REGEX] {
            let [old, new] = corpus.fetch().map(|tree| Snapshot::of(&tree));
            assert!(old.files() > 100, "{}: {}", corpus.name, old.files());
            let changed = old.content_differences(&new);
            assert!(changed > 0, "{}", corpus.name);
            assert!(
                changed < old.files() / 2,
                "{}: {changed} of {}",
                corpus.name,
                old.files()
            );
        }
    }
}
