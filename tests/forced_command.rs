//! The agent as the one thing that a key may do, and one directory as the one place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use release_tests::judge;
use release_tests::scene::{Scene, write};
use release_tests::sshd::{Rack, Sshd, SshdOptions};
use tempfile::TempDir;

/// A host whose authorized_keys lets our key start the agent below a root, and nothing else.
struct Confined {
    host: Sshd,
    scene: Scene,
    _folder: TempDir,
}

impl Confined {
    /// The root is that path below what hosts share.
    fn to(root: &str) -> Self {
        let mut scene = Scene::new(0);
        write(&scene.source(), "file", "content");
        write(&scene.source(), "below/file", "content");
        let folder = tempfile::tempdir().unwrap();
        let host = start(&scene.rack, folder.path(), root);
        scene.cli.reach("alpha", host.address());
        Self {
            host,
            scene,
            _folder: folder,
        }
    }

    /// Everything that is there, but for the agent itself.
    fn places(&self) -> Vec<String> {
        let listed = self.host.run(&format!(
            "cd {}; find . -mindepth 1 ! -name release-agent ! -path '*/.release*' | sort",
            self.scene.rack.shared().display()
        ));
        listed.lines().map(|line| line[2..].to_owned()).collect()
    }

    fn deploy_to(&self, destination: &str) -> release_tests::cli::Run {
        let destination = self.scene.rack.shared().join(destination);
        let destination = destination.to_str().unwrap();
        self.scene.cli.deploy_with(&["--dest", destination])
    }
}

fn start(rack: &Rack, folder: &Path, root: &str) -> Sshd {
    let agent = rack.shared().join("release-agent");
    let keys = folder.join("authorized_keys");
    let key = fs::read_to_string(rack.identity().with_extension("pub")).unwrap();
    let line = format!(
        "restrict,command=\"{} serve --root {}\" {key}",
        agent.display(),
        rack.shared().join(root).display()
    );
    fs::write(&keys, line).unwrap();
    let host = rack.start(SshdOptions {
        config: vec![format!("AuthorizedKeysFile {}", keys.display())],
        ..SshdOptions::default()
    });
    let built = release_tests::cli::agent();
    fs::copy(built, host.shared().join("release-agent")).unwrap();
    host
}

#[test]
fn the_root_and_what_is_below_it_are_served() {
    for (root, destination) in [
        ("release", "release"),
        ("release", "release/below/it"),
        ("release/", "release//twice/"),
        ("", "release"),
    ] {
        let confined = Confined::to(root);
        let run = confined.deploy_to(destination);
        run.assert_proven();
        let tree = confined.host.shared().join(destination);
        judge::assert_equal(&confined.scene.source(), &tree);
        assert_eq!(run.host("alpha").agent_bytes, 0);
    }
}

#[test]
fn everything_else_is_refused_and_left_alone() {
    let confined = Confined::to("root");
    let shared = confined.host.shared();
    for folder in ["root/here", "elsewhere", "rootless"] {
        fs::create_dir_all(shared.join(folder)).unwrap();
    }
    symlink("../elsewhere", shared.join("root/out")).unwrap();
    symlink(
        confined.scene.rack.shared().join("elsewhere"),
        shared.join("root/away"),
    )
    .unwrap();
    let before = confined.places();
    for destination in [
        "elsewhere",
        "elsewhere/new",
        "rootless",
        "",
        "root/../elsewhere",
        "root/here/../../elsewhere",
        "root/..",
        "root/out",
        "root/out/new",
        "root/away",
        "root/away/new",
        "/",
        "/tmp/release-outside",
    ] {
        let run = confined.deploy_to(destination);
        run.assert_failed(1, &["alpha"]);
        assert_eq!(confined.places(), before, "{destination}");
    }
    assert!(!Path::new("/tmp/release-outside").exists());
    confined.deploy_to("root/here").assert_proven();
}

#[test]
fn the_destination_outside_is_named_with_the_root() {
    let confined = Confined::to("root");
    let shared = confined.scene.rack.shared();
    let (outside, root) = (shared.join("elsewhere"), shared.join("root"));
    let run = confined.deploy_to("elsewhere");
    run.assert_failed(
        1,
        &["alpha", outside.to_str().unwrap(), root.to_str().unwrap()],
    );
}
