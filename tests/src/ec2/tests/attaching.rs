//! Attachments, and the devices that they make.

use std::fs;

use super::*;
use crate::volumes::Content;

const ATTACH: &str = "result = ec2.attach_volume(VolumeId=args['volume'], InstanceId=args['instance'], Device='/dev/sdf')['State']";
const DETACH: &str = "result = ec2.detach_volume(VolumeId=args['volume'])['State']";
const STATE: &str = r#"
volume, = ec2.describe_volumes(VolumeIds=[args["volume"]])["Volumes"]
instance = ec2.describe_instances(InstanceIds=[args["instance"]])["Reservations"][0]["Instances"][0]
result = [volume["State"]] + [a["State"] for a in volume["Attachments"]] + [
    m["Ebs"]["Status"] for m in instance["BlockDeviceMappings"] if m["Ebs"]["VolumeId"] == args["volume"]]
"#;

#[test]
fn an_attachment_takes_its_time() {
    let scene = Scene::new();
    let long = Delays {
        attach: seconds(3600),
        detach: seconds(3600),
        ..Delays::default()
    };
    scene.ec2.set_delays(long);
    assert_eq!(scene.get(STATE), json!(["available"]));
    assert_eq!(scene.get(ATTACH), "attaching");
    assert_eq!(
        scene.get(STATE),
        json!(["in-use", "attaching", "attaching"])
    );
    scene.ec2.set_delays(Delays::default());
    assert_eq!(scene.get(STATE), json!(["in-use", "attached", "attached"]));
    scene.ec2.set_delays(long);
    assert_eq!(scene.get(DETACH), "detaching");
    assert_eq!(scene.get(STATE), json!(["in-use", "detaching"]));
    assert_eq!(scene.refused(ATTACH), "VolumeInUse");
    scene.ec2.set_delays(Delays::default());
    assert_eq!(scene.get(STATE), json!(["available"]));
    assert_eq!(scene.refused(DETACH), "IncorrectState");
    scene.get(ATTACH);
}

#[test]
fn an_attachment_may_be_stuck() {
    let scene = Scene::new();
    scene.ec2.stick_attachments(1);
    scene.get(ATTACH);
    assert_eq!(
        scene.get(STATE),
        json!(["in-use", "attaching", "attaching"])
    );
    scene.get(DETACH);
    scene.get(ATTACH);
    assert_eq!(scene.get(STATE), json!(["in-use", "attached", "attached"]));
}

#[test]
fn an_attachment_has_to_make_sense() {
    let scene = Scene::new();
    let attach = |volume: &str, device: &str| {
        format!(
            "ec2.attach_volume(VolumeId={volume}, InstanceId=args['instance'], Device='{device}')"
        )
    };
    let elsewhere =
        scene.get("result = ec2.create_volume(AvailabilityZone='us-east-1b', Size=1)['VolumeId']");
    let other =
        scene.get("result = ec2.create_volume(AvailabilityZone='us-east-1a', Size=1)['VolumeId']");
    let (elsewhere, other) = (elsewhere.to_string(), other.to_string());
    assert_eq!(
        scene.refused(&attach(&elsewhere, "/dev/sdf")),
        "InvalidVolume.ZoneMismatch"
    );
    scene.get(&attach("args['volume']", "/dev/sdf"));
    assert_eq!(
        scene.refused(&attach("args['volume']", "/dev/sdg")),
        "VolumeInUse"
    );
    assert_eq!(
        scene.refused(&attach(&other, "/dev/sdf")),
        "InvalidParameterValue"
    );
    assert_eq!(
        scene.refused("ec2.delete_volume(VolumeId=args['volume'])"),
        "VolumeInUse"
    );
}

#[test]
fn what_is_on_its_way_cannot_be_attached_yet() {
    let ec2 = Ec2::start();
    let delays = |volume| Delays {
        instance: seconds(3600),
        volume,
        ..Delays::default()
    };
    ec2.set_delays(delays(seconds(3600)));
    let scene = Scene::on(ec2);
    let not_available = scene.run(ATTACH).unwrap_err();
    assert_eq!(not_available.code, "IncorrectState");
    assert!(not_available.message.contains("is not 'available'"));
    scene.ec2.set_delays(delays(seconds(0)));
    let not_running = scene.run(ATTACH).unwrap_err();
    assert_eq!(not_running.code, "IncorrectState");
    assert!(not_running.message.contains("is not 'running'"));
    scene.ec2.set_delays(Delays::default());
    scene.get(ATTACH);
}

/// A snapshot of a volume that has a file system with a file in it.
fn with_snapshot() -> (Volumes, Scene, String) {
    let volumes = Volumes::new();
    let mut scene = Scene::on(Ec2::with_volumes(&volumes));
    volumes.create(&scene.volume, 32 << 20, Content::Ext4);
    let source = volumes.mount(&scene.volume);
    fs::write(source.join("file"), "released").unwrap();
    volumes.detach(&scene.volume);
    let restore = r#"
snapshot = ec2.create_snapshot(VolumeId=args["volume"])["SnapshotId"]
volume = ec2.create_volume(AvailabilityZone="us-east-1a", SnapshotId=snapshot)["VolumeId"]
result = [snapshot, volume]
"#;
    let made = scene.get(restore);
    let [snapshot, volume] = [0, 1].map(|index| made[index].as_str().unwrap().to_owned());
    scene.volume = volume;
    (volumes, scene, snapshot)
}

fn disks(volumes: &Volumes, scene: &Scene) -> Vec<String> {
    let sys = volumes.machine(&scene.instance).sys().join("block");
    let entries = fs::read_dir(sys).unwrap().flatten();
    entries
        .map(|entry| fs::read_to_string(entry.path().join("device/serial")).unwrap())
        .map(|serial| serial.trim_end().to_owned())
        .collect()
}

#[test]
fn an_attached_volume_holds_what_its_snapshot_was_made_of() {
    let (volumes, scene, snapshot) = with_snapshot();
    scene.get(ATTACH);
    assert_eq!(disks(&volumes, &scene), [scene.volume.replacen('-', "", 1)]);
    let node = volumes.machine(&scene.instance).dev().join("nvme0n1");
    let point = tempfile::tempdir().unwrap();
    let mount = std::process::Command::new("mount")
        .arg(node)
        .arg(point.path())
        .status();
    assert!(mount.unwrap().success());
    assert_eq!(
        fs::read_to_string(point.path().join("file")).unwrap(),
        "released"
    );
    scene.get(DETACH);
    assert_eq!(disks(&volumes, &scene), [""; 0]);
    assert_eq!(volumes.device(&scene.volume), None);
    scene.get("ec2.delete_volume(VolumeId=args['volume'])");
    assert!(!volumes.has(&scene.volume));
    scene.get(&format!("ec2.delete_snapshot(SnapshotId='{snapshot}')"));
    assert!(!volumes.has(&snapshot));
}

#[test]
fn a_device_appears_late_or_not_at_all() {
    let (volumes, scene, _) = with_snapshot();
    scene.ec2.set_delays(Delays {
        device: Duration::from_millis(300),
        ..Delays::default()
    });
    scene.get(ATTACH);
    assert_eq!(disks(&volumes, &scene), [""; 0]);
    let deadline = Instant::now() + seconds(10);
    while disks(&volumes, &scene).is_empty() {
        assert!(Instant::now() < deadline, "no device appears");
        std::thread::sleep(Duration::from_millis(10));
    }
    scene.get(DETACH);
    scene.get(ATTACH);
    scene.get(DETACH);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(disks(&volumes, &scene), [""; 0]);
    scene.ec2.stick_attachments(1);
    scene.get(ATTACH);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(disks(&volumes, &scene), [""; 0]);
}

#[test]
fn an_instance_takes_its_disks_with_it() {
    let (volumes, scene, _) = with_snapshot();
    scene.get(ATTACH);
    let keep = r#"
ec2.modify_instance_attribute(InstanceId=args["instance"], BlockDeviceMappings=[
    {"DeviceName": "/dev/sdf", "Ebs": {"DeleteOnTermination": True}}])
ec2.terminate_instances(InstanceIds=[args["instance"]])
"#;
    scene.get(keep);
    assert_eq!(disks(&volumes, &scene), [""; 0]);
    // What is left is the volume of which the snapshot was made.
    assert_eq!(scene.ec2.inventory().volumes(), 1);
}
