//! A publish directory that is full, or can't be written to: a small file system of its own, really mounted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use release_tests::ec2::Delays;

use crate::scene::{Scene, outcomes, wait_for};
use crate::server::Run;

/// A small disk in memory, mounted until it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Over an existing directory, with what is in it; room for some files of a page each.
    fn over(path: &Path) -> Self {
        let files: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|file| file.unwrap())
            .map(|file| (file.file_name(), fs::read(file.path()).unwrap()))
            .collect();
        mount(&["-t", "tmpfs", "-o", "size=64k,mode=755", "none"], path);
        for (name, content) in files {
            fs::write(path.join(name), content).unwrap();
        }
        Self(path.to_owned())
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let error = fs::write(self.0.join(".filler"), vec![1; 1 << 20]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join(".filler")).unwrap();
    }

    fn allow(&self, what: &str) {
        mount(&["-o", &format!("remount,{what}"), "none"], &self.0);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn mount(words: &[&str], path: &Path) {
    let done = Command::new("mount")
        .args(words)
        .arg(path)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// Hosts have the release, and nothing was published; what was, still verifies.
#[track_caller]
fn assert_unpublished(scene: &Scene, run: &Run, instance: &str, before: &crate::scene::Published) {
    run.assert_fails(3, &["the pointer is as it was", "publish.directory"]);
    assert_eq!(outcomes(run)[instance], "committed", "{run:#?}");
    assert!(run.named("published").is_empty());
    assert_eq!(scene.published(), *before);
    // That of the release that is published. Nobody looks for the other any more.
    assert_eq!(scene.server.ec2.inventory().snapshots(), 1);
    assert!(!scene.server.at("state/snapshots.json").exists());
}

#[test]
fn a_full_disk_leaves_the_old_pointer_as_it_was() {
    let (scene, instance) = Scene::deployed();
    let disk = SmallDisk::over(&scene.server.at("www"));
    let before = scene.published();
    disk.fill();
    scene.server.write("index.html", "two");
    let run = scene.deploy();
    assert_unpublished(&scene, &run, &instance, &before);
    assert!(run.said.contains("No space left"), "{}", run.said);
    disk.make_room();
    // The same release again: the host has it, and it is published now.
    let run = scene.deploy();
    run.assert_done();
    assert_eq!(outcomes(&run)[instance.as_str()], "unchanged", "{run:#?}");
    scene.assert_settled(&instance, "two", 2);
}

#[test]
fn a_disk_that_is_read_only_is_found_before_anything_is_changed() {
    let (scene, instance) = Scene::deployed();
    let disk = SmallDisk::over(&scene.server.at("www"));
    let before = scene.published();
    disk.allow("ro");
    scene.server.write("index.html", "two");
    let run = scene.deploy();
    run.assert_fails(1, &["Read-only file system", "publish.directory"]);
    assert_eq!(scene.on(&instance).as_deref(), Some("hello"));
    assert_eq!(scene.published(), before);
    scene.server.assert_clean(1);
    disk.allow("rw");
    scene.assert_next_is_clean(&instance, "three", 2);
}

#[test]
fn a_disk_that_becomes_read_only_meanwhile_leaves_the_old_pointer_as_it_was() {
    let (scene, instance) = Scene::deployed();
    let disk = SmallDisk::over(&scene.server.at("www"));
    let before = scene.published();
    let ec2 = scene.server.ec2.clone();
    ec2.set_delays(Delays {
        snapshot: Duration::from_secs(1),
        ..Delays::default()
    });
    scene.server.write("index.html", "two");
    let deploy = scene.command(&[]).spawn().unwrap();
    wait_for("a snapshot", || ec2.count("CreateSnapshot") == 1);
    disk.allow("ro");
    let run = Run::of(deploy.wait_with_output().unwrap());
    assert_unpublished(&scene, &run, &instance, &before);
    disk.allow("rw");
    scene.assert_next_is_clean(&instance, "three", 2);
}
