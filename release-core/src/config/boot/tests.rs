#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

fn file(text: &str) -> Result<BootSettings, String> {
    BootSettings::parse(text).map_err(|error| error.to_string())
}

fn line(text: &str) -> Result<BootSettings, String> {
    BootSettings::parse_kernel_line(text).map_err(|error| error.to_string())
}

#[test]
fn a_pointer_and_a_key_are_enough() {
    let text = format!("pointer = \"http://release/release.json\"\npublic_key = \"{KEY}\"");
    let config = file(&text).unwrap().resolve().unwrap();
    assert_eq!(config.pointers[0].as_str(), "http://release/release.json");
    assert_eq!(
        config.public_key,
        Some(KeySource::Key(KEY.parse().unwrap()))
    );
    assert_eq!(
        (config.mount.to_str(), config.root.to_str()),
        (Some("/release"), Some("/"))
    );
    assert_eq!(config.options, "rw,nodev,nosuid");
    assert_eq!((config.attempts, config.interval.as_secs()), (10, 5));
    assert_eq!(
        (config.deadline.as_secs(), config.on_failure),
        (300, OnFailure::Fail)
    );
    assert_eq!(
        (config.verify, config.cloud),
        (Verify::Marker, BootCloud::Aws)
    );
    assert!(!config.fstab && !config.allow_unsigned && !config.json);
}

#[test]
fn what_is_needed_is_named() {
    let missing = |text: &str| file(text).unwrap().resolve().unwrap_err();
    assert_eq!(missing(""), BootError::Missing("pointer"));
    let pointer = "pointer = \"file:///release.json\"\n";
    assert_eq!(missing(pointer), BootError::Missing("public_key"));
    let unsigned = format!("{pointer}allow_unsigned = true");
    assert_eq!(file(&unsigned).unwrap().resolve().unwrap().public_key, None);
}

/// Every key with a value that is not its default, as the file has it and as the kernel's line has it.
#[test]
fn file_and_kernel_line_have_the_same_keys() {
    let in_file = r#"
        pointer = ["https://a/release.json", "file:///b"]
        public_key = "/etc/release/release.pub"
        allow_unsigned = true
        mount = "/srv/app"
        root = "/sysroot"
        options = "ro,nodev"
        attempts = 3
        interval = "500ms"
        deadline = "2m"
        on_failure = "abandon"
        lifecycle_hook = "ready"
        fstab = true
        verify = "full"
        cloud = "local:/tmp/fleet"
        volume_type = "io2"
        throughput = 250
        iops = 4000
        initialization_rate = 200
        kms_key = "alias/release"
        authorities = "/etc/release/ca.pem"
        state = "/var/release"
        json = true
        sys = "/t/sys"
        dev = "/t/dev"
    "#;
    let in_line = "BOOT_IMAGE=/vmlinuz root=/dev/sda1 release.pointer=https://a/release.json \
        release.pointer=file:///b release.public_key=/etc/release/release.pub release.allow-unsigned \
        release.mount=/srv/app \"release.root=/sysroot\" release.options=\"ro,nodev\" release.attempts=3 \
        release.interval=500ms release.deadline=2m release.on_failure=abandon \
        release.lifecycle_hook=ready release.fstab=true release.verify=full \
        release.cloud=local:/tmp/fleet release.volume_type=io2 release.throughput=250 \
        release.iops=4000 release.initialization_rate=200 release.kms_key=alias/release \
        release.authorities=/etc/release/ca.pem release.state=/var/release release.json \
        release.sys=/t/sys release.dev=/t/dev quiet -- release.attempts=9\n";
    let settings = file(in_file).unwrap();
    assert_eq!(line(in_line).unwrap(), settings);
    for key in BootSettings::KEYS {
        assert!(in_file.contains(&format!("{key} = ")), "{key}");
    }
    let config = settings.resolve().unwrap();
    assert_eq!(
        config.public_key,
        Some(KeySource::File("/etc/release/release.pub".into()))
    );
    assert_eq!(config.cloud, BootCloud::Local("/tmp/fleet".into()));
    assert_eq!((config.pointers.len(), config.attempts), (2, 3));
    assert_eq!(config.interval, Duration::from_millis(500));
    assert_eq!(config.root.to_str(), Some("/sysroot"));
    assert_eq!(config.state.to_str(), Some("/var/release"));
    assert_eq!(config.authorities, Some("/etc/release/ca.pem".into()));
}

#[test]
fn what_is_put_over_wins_key_by_key() {
    let under = file("pointer = \"http://a\"\nattempts = 3\nmount = \"/a\"").unwrap();
    let over = line("release.pointer=http://b release.attempts=5").unwrap();
    let both = over.over(under);
    let config = both
        .over(line("release.allow_unsigned").unwrap())
        .resolve()
        .unwrap();
    let pointers: Vec<_> = config.pointers.iter().map(PointerUrl::as_str).collect();
    assert_eq!((pointers, config.attempts), (vec!["http://b"], 5));
    assert_eq!(config.mount.to_str(), Some("/a"));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    for (text, message) in [
        ("x", "line 1, column 2: "),
        (
            "\natempts = 3",
            "line 2, column 1: there is no key `atempts`; the nearest is `attempts`",
        ),
        (
            "on-failure = \"fail\"",
            "line 1, column 1: there is no key `on-failure`; the nearest is `on_failure`",
        ),
        (
            "attempts = 0",
            "line 1, column 12: `attempts` can't be 0: it is a whole number between 1 and 1000",
        ),
        (
            "attempts = [1]",
            "`attempts` is a text, a decimal number, true or false, not array",
        ),
        (
            "pointer = [\"http://a\", 3]",
            "line 1, column 24: `pointer` can't be 3: it is a URL",
        ),
        (
            "pointer = \"ftp://a\"",
            "it is a URL that begins with `http://`, `https://` or `file:///`",
        ),
        ("pointer = \"http://a b\"", "it is a URL"),
        (
            "public_key = \"release.pub\"",
            "it is a minisign public key, or the absolute path of one",
        ),
        (
            "mount = \"/a/../b\"",
            "it is a path that begins with `/`, without `..`",
        ),
        (
            "options = \"rw nodev\"",
            "mount options are separated by commas",
        ),
        ("interval = \"0s\"", "it is longer than nothing"),
        (
            "deadline = 5",
            "a length of time is a whole number and a unit",
        ),
        ("cloud = \"gcp\"", "it is `aws`, or `local:` and a folder"),
        ("verify = \"some\"", "it is one of marker, full"),
        ("fstab = \"yes\"", "it is one of true, false"),
        ("volume_type = \"st1\"", "it is one of gp3, gp2, io2, io1"),
    ] {
        let refusal = file(text).unwrap_err();
        assert!(refusal.contains(message), "{text}: {refusal}");
    }
    let refusal = line("release.atempts=3").unwrap_err();
    assert_eq!(
        refusal,
        "there is no key `atempts`; the nearest is `attempts`"
    );
    assert!(line("release=1 released.x=2 other.release.x=3").unwrap() == BootSettings::default());
}

proptest! {
    #[test]
    fn no_text_panics(text in "(release\\.|pointer|mount|=|\"| |--|\\[|\\]|[a-z/:.é\u{1b}\n]){0,60}") {
        let _ = (BootSettings::parse(&text), BootSettings::parse_kernel_line(&text));
        for key in BootSettings::KEYS {
            let _ = BootSettings::default().set(key, &text);
        }
    }
}
