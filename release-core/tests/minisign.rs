//! Keys and signatures, held against Debian's minisign program.
#![cfg(feature = "sign")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use release_core::{FileSystem, Generation, Pointer, PublicKey, ReleaseId, SecretKey};

fn pointer() -> Pointer {
    Pointer {
        generation: Generation::new(7),
        release: ReleaseId::new(release_core::Digest::of(b"release")),
        snapshot: "snap-0123456789abcdef0".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        account: "123456789012".parse().unwrap(),
        volume_gib: 8,
        file_system: FileSystem::Xfs,
        label: None,
        created: "2026-01-31T12:00:00Z".parse().unwrap(),
        previous: None,
        who: "root@release-server".parse().unwrap(),
    }
}

/// Runs `minisign` in `folder`, with `input` as what is typed.
fn minisign(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new("minisign")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("minisign can't be started; please install Debian's package `minisign`");
    // It closes its input without reading where it asks for nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn expect(output: &Output, success: bool) {
    assert_eq!(output.status.success(), success, "{output:?}");
}

/// Writes the pointer and its signature by `key`, and the public half, as publishing does.
fn publish(folder: &Path, key: &SecretKey) {
    let (document, signature) = key.sign(&pointer()).unwrap();
    std::fs::write(folder.join(Pointer::FILE), document).unwrap();
    std::fs::write(folder.join(Pointer::SIGNATURE_FILE), signature).unwrap();
    std::fs::write(folder.join("release.pub"), key.public_file().unwrap()).unwrap();
}

#[test]
fn minisign_verifies_ours() {
    let folder = tempfile::tempdir().unwrap();
    let (key, _) = SecretKey::generate(None).unwrap();
    publish(folder.path(), &key);
    let verify = ["-V", "-m", Pointer::FILE, "-p", "release.pub"];
    let output = minisign(folder.path(), &verify, "");
    expect(&output, true);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("file:release.json\tgeneration:7"), "{shown}");

    // And it is able to say no.
    std::fs::write(folder.path().join(Pointer::FILE), b"{}").unwrap();
    expect(&minisign(folder.path(), &verify, ""), false);
}

#[test]
fn minisign_signs_with_our_keys() {
    for password in [None, Some("correct horse")] {
        let folder = tempfile::tempdir().unwrap();
        let (key, file) = SecretKey::generate(password).unwrap();
        publish(folder.path(), &key);
        std::fs::write(folder.path().join("release.key"), file).unwrap();
        let sign = ["-S", "-m", Pointer::FILE, "-s", "release.key"];
        let typed = password.map_or_else(String::new, |password| format!("{password}\n"));
        expect(&minisign(folder.path(), &sign, &typed), true);
        let signature = std::fs::read(folder.path().join(Pointer::SIGNATURE_FILE)).unwrap();
        let public = key.public_key().unwrap();
        let read = Pointer::open(&pointer().encode(), &signature, &public).unwrap();
        assert_eq!(read, pointer());
    }
}

#[test]
fn we_sign_with_its_keys_and_verify_its_signatures() {
    // Not protected, and protected: the latter takes 1 GiB and some seconds to open.
    for (make, typed, password) in [
        (&["-G", "-W"][..], "", None),
        (&["-G"], "horse\nhorse\n", Some("horse")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let make = [make, &["-p", "its.pub", "-s", "its.key"]].concat();
        expect(&minisign(path, &make, typed), true);
        let file = std::fs::read_to_string(path.join("its.key")).unwrap();
        let key = SecretKey::read(&file, password).unwrap();
        publish(path, &key);
        let verify = ["-V", "-m", Pointer::FILE, "-p", "its.pub"];
        expect(&minisign(path, &verify, ""), true);

        if password.is_none() {
            let sign = ["-S", "-m", Pointer::FILE, "-s", "its.key", "-t", "by hand"];
            expect(&minisign(path, &sign, ""), true);
            let text = std::fs::read_to_string(path.join("its.pub")).unwrap();
            let public: PublicKey = text.parse().unwrap();
            let signature = std::fs::read(path.join(Pointer::SIGNATURE_FILE)).unwrap();
            assert!(Pointer::open(&pointer().encode(), &signature, &public).is_ok());
        }
    }
}
