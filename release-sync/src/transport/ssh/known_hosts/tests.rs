#![allow(clippy::unwrap_used)]

use super::*;

const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINiFBBYctJCdAzPdI+2B/dhctBiuz4DxK/9p/xi2tsZ6";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICTH5t2M2boskq0nokTPwLhMW7KH1i3rNjBhjCk7sFVo";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJITJ2WivOYWPWDiUJ5Nt6TM8h56MEwrI+qfMR/g670PXwSBDAtcaB9MhrnVMY31bp386zW/3rDAVa+w4YWsWJc=";

fn key(line: &str) -> Vec<u8> {
    PublicKey::from_openssh(line).unwrap().to_bytes().unwrap()
}

fn known(text: &str) -> KnownHosts {
    KnownHosts {
        is_missing: false,
        path: PathBuf::from("known_hosts"),
        entries: parse(text.as_bytes()),
    }
}

fn named(address: &str) -> Names {
    Names {
        own: None,
        address: String::from(address),
    }
}

fn check(text: &str, name: &str) -> Verdict {
    known(text).check_name(name, &key(ED25519))
}

#[test]
fn names() {
    let mut target = SshTarget {
        address: String::from("Web1.example"),
        port: 22,
        user: String::from("www"),
        key_name: None,
        ssh: None,
    };
    assert_eq!(Names::of(&target).first(), "web1.example");
    target.port = 2222;
    assert_eq!(Names::of(&target).first(), "[web1.example]:2222");
    target.key_name = Some(String::from("I-0123456789abcdef0"));
    assert_eq!(Names::of(&target).first(), "i-0123456789abcdef0");
}

#[test]
fn plain_names_and_lists() {
    assert_eq!(check("", "web1"), Verdict::Unknown);
    assert_eq!(check(&format!("web1 {ED25519}"), "web1"), Verdict::Known);
    assert_eq!(
        check(&format!("web1 {ED25519} ops@here\r\n"), "web1"),
        Verdict::Known
    );
    assert_eq!(check(&format!("WEB1 {ED25519}"), "web1"), Verdict::Known);
    assert_eq!(
        check(&format!("web2,web1,10.0.0.1 {ED25519}"), "10.0.0.1"),
        Verdict::Known
    );
    assert_eq!(check(&format!("web1 {ED25519}"), "web11"), Verdict::Unknown);
    assert_eq!(
        check(&format!("[web1]:2222 {ED25519}"), "[web1]:2222"),
        Verdict::Known
    );
    assert_eq!(
        check(&format!("web1 {ED25519}"), "[web1]:2222"),
        Verdict::Unknown
    );
}

#[test]
fn wildcards_and_negation() {
    let text = format!("*.example,!db?.example {ED25519}");
    assert_eq!(check(&text, "web1.example"), Verdict::Known);
    assert_eq!(check(&text, "db1.example"), Verdict::Unknown);
    assert_eq!(check(&text, "db12.example"), Verdict::Known);
    assert_eq!(
        check(&format!("!db1.example {ED25519}"), "web1.example"),
        Verdict::Unknown
    );
    for (pattern, name, fit) in [
        ("*", "", true),
        ("a*b*c", "axxbyybzc", true),
        ("a*b*c", "axxbyybz", false),
        ("??", "ab", true),
        ("??", "abc", false),
        ("*a", "aaab", false),
        ("**a", "ba", true),
    ] {
        assert_eq!(
            fits(pattern.as_bytes(), name.as_bytes()),
            fit,
            "{pattern} {name}"
        );
    }
}

/// Made by `ssh-keygen -H` from `web1` and `[web1]:2222`.
#[test]
fn hashed_names() {
    let text = format!(
        "|1|{WEB1} {ED25519}\n|1|{WEB1_2222} {ED25519}\n|1|garbage| {ED25519}",
        WEB1 = "FwiTMwwK6YU0+htZI2XBea6qKCw=|2mTwbvIuCwo2HYYOKhF82VAT/0o=",
        WEB1_2222 = "V9LhbSR2j25lxWbRbZE38cP+o/8=|y29rBd0Tc/0Ek12zNtH+55I5sgc=",
    );
    assert_eq!(check(&text, "web1"), Verdict::Known);
    assert_eq!(check(&text, "[web1]:2222"), Verdict::Known);
    assert_eq!(check(&text, "web2"), Verdict::Unknown);
}

#[test]
fn several_keys_of_one_host() {
    let text = format!("web1 {OTHER}\nweb1 {ECDSA}\n");
    assert_eq!(check(&text, "web1"), Verdict::Changed);
    assert_eq!(
        check(&format!("{text}web1 {ED25519}"), "web1"),
        Verdict::Known
    );
}

#[test]
fn markers() {
    let revoked = format!("web1 {ED25519}\n@revoked * {ED25519}\n");
    assert_eq!(check(&revoked, "web1"), Verdict::Revoked);
    let other_revoked = format!("web1 {ED25519}\n@revoked * {OTHER}\n");
    assert_eq!(check(&other_revoked, "web1"), Verdict::Known);
    let authority = format!("@cert-authority * {ED25519}\n");
    assert_eq!(check(&authority, "web1"), Verdict::Unknown);
}

#[test]
fn lines_that_make_no_sense_are_passed_over() {
    let text = format!("# web1\n\nweb1\nweb1 ssh-ed25519 AAAA\n\u{0}\nweb1 {ED25519}\n");
    assert_eq!(check(&text, "web1"), Verdict::Known);
    assert!(parse(b"\xff\xfe web1\n").is_empty());
}

#[test]
fn known_types_are_asked_for_first() {
    let known = known(&format!("web1 {ECDSA}\nweb2 {ED25519}"));
    assert!(
        known
            .preference(&named("web1"))
            .starts_with("ecdsa-sha2-nistp256,ssh-ed25519,")
    );
    assert!(
        known
            .preference(&named("web3"))
            .starts_with("ssh-ed25519,ecdsa-sha2-nistp256,")
    );
    assert!(
        known
            .preference(&named("web3"))
            .ends_with(",rsa-sha2-512,rsa-sha2-256")
    );
}

#[test]
fn fingerprints_are_those_of_ssh_keygen() {
    assert_eq!(
        fingerprint(&key(ED25519)),
        "ssh-ed25519 SHA256:h27yuRe8ZgfnOdjJIldAISXXb52MUXGsWwFBGXHpuhI"
    );
    assert_eq!(fingerprint(b"nonsense"), "a key of an unknown type");
}

#[test]
fn accepting_writes_a_line_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/known_hosts");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let before = KnownHosts::load(&path).unwrap();
            std::thread::spawn(move || before.accept("web1", &key(ED25519)).unwrap())
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Verdict::Known);
    }
    let before = KnownHosts::load(&path).unwrap();
    assert_eq!(
        before.accept("web1", &key(OTHER)).unwrap(),
        Verdict::Changed
    );
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        format!("web1 {ED25519}\n")
    );
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn accepting_ends_an_unfinished_line_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    std::fs::write(&path, format!("web2 {OTHER}")).unwrap();
    let known = KnownHosts::load(&path).unwrap();
    assert_eq!(known.accept("web1", &key(ED25519)).unwrap(), Verdict::Known);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("web2 {OTHER}\nweb1 {ED25519}\n"));
}

#[test]
fn a_name_can_not_smuggle_a_line_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    let known = KnownHosts::load(&path).unwrap();
    for name in ["*", "a,b", "a b", "a\nb", "!a", "|1|a", "@revoked", "#"] {
        assert!(known.accept(name, &key(ED25519)).is_err(), "{name}");
    }
    assert!(!path.exists());
}

#[test]
fn a_file_that_can_not_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = KnownHosts::load(folder.path());
    assert!(matches!(loaded, Err(Error::KnownHosts { .. })));
}
