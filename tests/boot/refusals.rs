//! What is refused: exit code 5, in words, and with as many volumes afterwards as before.

use std::fs;
use std::process::Command;

use release_core::{Pointer, SecretKey};
use serde_json::json;

use crate::scene::Scene;

/// Words of the message, and what makes it be said.
type Refusal = (&'static str, fn(&Scene));

const REFUSALS: &[Refusal] = &[
    ("signed with another key", |scene| {
        let pointer = scene.prepare(2);
        scene.announce_by(&SecretKey::generate(None).unwrap().0, &pointer);
    }),
    ("does not fit the pointer", |scene| {
        let file = scene.path("published").join(Pointer::FILE);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(
            &file,
            text.replace("\"generation\": 1", "\"generation\": 9"),
        )
        .unwrap();
    }),
    ("tagged with 2", |scene| {
        let old = scene.publish(1);
        scene.publish(2);
        scene.announce(&old);
    }),
    ("this machine has seen 7", |scene| {
        let state = scene.path("root/var/lib/release");
        fs::create_dir_all(&state).unwrap();
        fs::write(state.join("generation"), "7\n").unwrap();
    }),
    ("its format 2 is not known here", |scene| {
        let file = scene.path("published").join(Pointer::FILE);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
        sign_by_hand(scene);
    }),
    ("of region eu-west-1", |scene| {
        let pointer = scene.prepare(2);
        scene.announce(&Pointer {
            region: "eu-west-1".parse().unwrap(),
            ..pointer
        });
    }),
    ("of account 999999999999", |scene| {
        let pointer = scene.prepare(2);
        scene.announce(&Pointer {
            account: "999999999999".parse().unwrap(),
            ..pointer
        });
    }),
    ("belongs to account 999999999999", |scene| {
        let pointer = scene.publish(2);
        scene.ec2.disown(pointer.snapshot.as_str(), "999999999999");
    }),
    ("is not tagged as a snapshot of this release", |scene| {
        let pointer = scene.publish(2);
        let untag = "ec2.delete_tags(Resources=[args], Tags=[{'Key': 'release-fleet'}])";
        scene.ec2.aside(untag, &json!(pointer.snapshot.as_str()));
    }),
    ("holds no release, and the pointer says", |scene| {
        let pointer = scene.prepare_with(2, |tree| {
            fs::remove_file(tree.join(".release/marker")).unwrap();
        });
        scene.announce(&pointer);
    }),
    ("and the pointer says", |scene| {
        let (old, new) = (scene.prepare(2), scene.prepare(3));
        let retag = "ec2.create_tags(Resources=[args['snapshot']], Tags=[{'Key': 'release-id', 'Value': args['release']}])";
        let args = json!({"snapshot": old.snapshot.as_str(), "release": new.release.to_string()});
        scene.ec2.aside(retag, &args);
        scene.announce(&Pointer {
            snapshot: old.snapshot,
            ..new
        });
    }),
];

/// Signs what is published with the scene's key, by the tool that is not ours.
fn sign_by_hand(scene: &Scene) {
    let key = scene.path("secret.key");
    fs::write(&key, &scene.secret).unwrap();
    let published = scene.path("published");
    fs::remove_file(published.join(Pointer::SIGNATURE_FILE)).unwrap();
    let signed = Command::new("minisign")
        .args(["-S", "-W", "-s"])
        .arg(key)
        .arg("-m")
        .arg(published.join(Pointer::FILE))
        .arg("-x")
        .arg(published.join(Pointer::SIGNATURE_FILE))
        .output()
        .unwrap();
    assert!(signed.status.success(), "{signed:?}");
}

#[test]
fn each_is_said_and_leaves_nothing() {
    for (words, change) in REFUSALS {
        let scene = Scene::new();
        change(&scene);
        let ended = scene.boot(&[]);
        ended.assert_code(5);
        ended.assert_says(words);
        ended.assert_says("refused");
        scene.assert_untouched();
    }
}

#[test]
fn another_disk_is_never_taken_for_the_volume() {
    let scene = Scene::new();
    // Of the same size and content, there first, under the name that would be the next.
    scene.volumes.create(
        "vol-0dec0y",
        64 << 20,
        release_tests::volumes::Content::Ext4,
    );
    scene.volumes.attach("vol-0dec0y", &scene.machine);
    let ended = scene.boot(&[]);
    ended.assert_code(0);
    scene.assert_settled(1);
}

#[test]
fn something_else_that_is_mounted_stays_and_is_not_taken_for_a_release() {
    let scene = Scene::new();
    fs::create_dir(scene.release()).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "none"])
        .arg(scene.release())
        .status();
    assert!(mounted.unwrap().success());
    let ended = scene.boot(&[]);
    ended.assert_code(5);
    ended.assert_says("something else is mounted");
    scene.assert_untouched();
}

#[test]
fn files_that_are_not_what_the_manifest_says_are_found_before_anybody_sees_them() {
    let scene = Scene::new();
    let pointer = scene.prepare_with(2, |tree| {
        fs::write(tree.join("app"), "release 9\n").unwrap();
    });
    scene.announce(&pointer);
    let ended = scene.boot(&["--verify=full"]);
    ended.assert_code(5);
    ended.assert_says("are not what its manifest says");
    scene.assert_untouched();
    // Without the hashing, the marker is believed; afterwards it is found, and nothing is changed.
    scene.boot(&[]).assert_code(0);
    scene.boot(&["verify"]).assert_code(5);
    assert_eq!(scene.ec2.inventory().volumes(), 3);
}
