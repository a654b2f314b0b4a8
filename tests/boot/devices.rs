//! Which device is mounted: by identity, whatever its name is and whatever is on it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use release_core::{FileSystem, Pointer};
use release_tests::ec2::Delays;
use release_tests::volumes::Content;
use serde_json::json;

use crate::scene::Scene;

/// Volumes of the instance's, under the names that are to be taken.
const TAKE: &str = r#"
for name in args["names"]:
    volume = ec2.create_volume(AvailabilityZone=args["zone"], Size=1)["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=args["instance"], Device=name)
"#;

const BLANK: &str = r#"
volume = ec2.create_volume(AvailabilityZone=args, Size=1)["VolumeId"]
tags = [{"Key": "release-fleet", "Value": "web"}]
snapshot = ec2.create_snapshot(VolumeId=volume, TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
result = [volume, snapshot["SnapshotId"]]
"#;

#[test]
fn every_file_system_is_mounted_restarted_and_replaced() {
    for content in [Content::Ext4, Content::Xfs] {
        let scene = Scene::with(content, |_| ());
        scene.boot(&["--verify=full"]).assert_code(0);
        scene.assert_settled(1);
        scene.restart_with_its_volume();
        scene.publish(2);
        scene.boot(&["reconcile"]).assert_code(0);
        scene.assert_settled(2);
    }
}

#[test]
fn btrfs_is_replaced_where_the_kernel_can_have_two_of_one_origin() {
    let scene = Scene::with(Content::Btrfs, |_| ());
    let next = scene.prepare(2);
    // Here, the server's own would be such a twin as well.
    scene.close_source();
    scene.boot(&["--verify=full"]).assert_code(0);
    scene.assert_settled(1);
    scene.announce(&next);
    let ended = scene.boot(&["reconcile"]);
    if Path::new("/sys/fs/btrfs/features/temp_fsid").exists() {
        ended.assert_code(0);
    } else {
        ended.assert_code(1);
        ended.assert_says("that takes Linux 6.7, or a restart");
        assert_eq!(scene.ec2.count("CreateVolume"), 1);
        scene.assert_settled(1);
        scene.restart();
        scene.boot(&[]).assert_code(0);
    }
    scene.assert_settled(2);
    scene.restart_with_its_volume();
}

#[test]
fn a_disk_with_partitions_is_mounted_by_its_partition() {
    let scene = Scene::with(Content::Partitioned, |_| ());
    for source in ["made", "attached already"] {
        let ended = scene.boot(&["--verify=full"]);
        ended.assert_code(0);
        assert_eq!(ended.last()["source"], source, "{}", ended.text);
        scene.assert_settled(1);
        scene.restart();
    }
}

#[test]
fn on_xen_the_name_leads_to_it_and_the_marker_tells() {
    for content in [Content::Ext4, Content::Partitioned] {
        let scene = Scene::with(content, |_| ());
        scene.machine.set_xen();
        scene.boot(&[]).assert_code(0);
        scene.assert_settled(1);
        assert!(scene.machine.dev().join("xvdf").exists());
        scene.restart_with_its_volume();
        scene.publish(2);
        scene.boot(&["reconcile"]).assert_code(0);
        scene.assert_settled(2);
        // Which volume was mounted no serial number said: the list of what is attached did.
        assert!(scene.machine.dev().join("xvdg").exists());
    }
}

#[test]
fn where_no_marker_can_tell_a_device_without_a_serial_number_is_refused() {
    let scene = Scene::new();
    scene.machine.set_xen();
    let pointer = scene.publish(2);
    let untag = "ec2.delete_tags(Resources=[args], Tags=[{'Key': 'release-id'}])";
    scene.ec2.aside(untag, &json!(pointer.snapshot.as_str()));
    let bare = scene.path("published").join(Pointer::SNAPSHOT_FILE);
    let place = format!("file://{}", bare.display());
    let output = scene.command_at(&place, &["--allow-unsigned"]).output();
    let ended = crate::scene::Ended::of(&output.unwrap());
    ended.assert_code(5);
    ended.assert_says("it can't be shown that the device is vol-");
    scene.assert_untouched();
}

#[test]
fn a_disk_that_only_has_the_name_is_refused() {
    for (content, words) in [
        // No release: nothing shows that it is the volume.
        (Content::Ext4, "it can't be shown that the device is vol-"),
        (
            Content::Blank,
            "there is no file system that can be mounted",
        ),
    ] {
        let scene = Scene::new();
        scene.ec2.set_delays(Delays {
            device: Duration::from_secs(3600),
            ..Delays::default()
        });
        scene.volumes.create("vol-0dec0y", 64 << 20, content);
        scene.machine.set_xen();
        (scene.volumes).attach_as("vol-0dec0y", &scene.machine, "/dev/sdf");
        let ended = scene.boot(&[]);
        assert_ne!(ended.code, 0, "{}", ended.text);
        ended.assert_says(words);
        scene.assert_untouched();
    }
}

#[test]
fn a_disk_that_says_that_it_is_another_is_not_even_opened() {
    let scene = Scene::new();
    scene.ec2.set_delays(Delays {
        device: Duration::from_secs(3600),
        ..Delays::default()
    });
    // Under the name that Xen would have, and with a node that would be an error to open.
    (scene.machine).insert_as("xvdf", Some("vol0dec0y"), 0, None);
    let ended = scene.boot(&["--interval=200ms"]);
    ended.assert_code(1);
    ended.assert_says("was not there after 3 attempts");
    scene.assert_untouched();
}

#[test]
fn names_that_are_taken_are_passed_over_until_there_is_none() {
    let scene = Scene::new();
    let take = |names: &[String]| {
        let args = json!({
            "names": names, "instance": scene.instance, "zone": "us-east-1a",
        });
        scene.ec2.aside(TAKE, &args);
    };
    let names: Vec<_> = ('f'..='p').map(|one| format!("/dev/sd{one}")).collect();
    take(&names[..1]);
    let ended = scene.boot(&[]);
    ended.assert_code(0);
    let attach = scene.ec2.calls().into_iter().rev();
    let mut attach = attach.filter(|call| call.action == "AttachVolume");
    assert_eq!(attach.next().unwrap().params["Device"], "/dev/sdg");
    // Nothing is asked to be detached for a newer one: it needs a name of its own for a while.
    take(&names[2..]);
    scene.publish(2);
    let before = scene.ec2.inventory();
    let ended = scene.boot(&["reconcile"]);
    ended.assert_code(1);
    ended.assert_says("no free device name from /dev/sdf to /dev/sdp");
    assert_eq!(scene.ec2.inventory(), before);
    let app = fs::read_to_string(scene.release().join("app")).unwrap();
    assert_eq!(app, "release 1\n");
}

#[test]
fn what_is_on_the_volume_has_to_be_what_was_announced() {
    let scene = Scene::new();
    let pointer = scene.prepare(2);
    scene.announce(&Pointer {
        file_system: FileSystem::Xfs,
        ..pointer
    });
    let ended = scene.boot(&[]);
    ended.assert_code(1);
    ended.assert_says("holds ext4, and the pointer says xfs");
    scene.assert_untouched();
}

#[test]
fn a_volume_without_a_file_system_ends_it() {
    let scene = Scene::new();
    let made = scene.ec2.aside(BLANK, &json!("us-east-1a"));
    let [volume, snapshot] = [0, 1].map(|at| made[at].as_str().unwrap().to_owned());
    scene.volumes.create(&snapshot, 64 << 20, Content::Blank);
    let delete = "ec2.delete_volume(VolumeId=args)";
    scene.ec2.aside(delete, &json!(volume));
    let pointer = scene.prepare(2);
    scene.announce(&Pointer {
        snapshot: snapshot.parse().unwrap(),
        ..pointer
    });
    let ended = scene.boot(&[]);
    ended.assert_code(1);
    ended.assert_says("there is no file system that can be mounted on vol-");
    scene.assert_untouched();
}

#[test]
fn a_file_system_that_is_damaged_ends_it() {
    use std::os::unix::fs::FileExt;
    let scene = Scene::new();
    let pointer = scene.publish(2);
    let image = scene.volumes.image(pointer.snapshot.as_str());
    let image = fs::File::options().write(true).open(image).unwrap();
    // All of the superblock but for its mark.
    image.write_all_at(&[0xff; 56], 1024).unwrap();
    let ended = scene.boot(&[]);
    ended.assert_code(1);
    ended.assert_says("can't be mounted");
    scene.assert_untouched();
}
