//! The file of known hosts, for fuzzers (see [`crate::fuzz`]): others may write to it.

use std::path::PathBuf;

use super::{KnownHosts, Names, Verdict, parse};

/// The key that a host shows.
const KEY: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0 01234567890123456789012345678901";
/// The same as it is written down.
const LINE: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAx";

/// A file's lines. Whatever they are, a line that revokes the key is obeyed, and one that names the host knows it
/// unless it is revoked.
pub fn known_hosts(bytes: &[u8]) {
    let names = Names {
        own: Some(String::from("i-0123456789abcdef0")),
        address: String::from("[web1.example]:2222"),
    };
    let verdict = |before: &str, after: &str| {
        let text = [before.as_bytes(), b"\n", bytes, b"\n", after.as_bytes()].concat();
        let known = KnownHosts {
            path: PathBuf::new(),
            is_missing: false,
            entries: parse(&text),
        };
        let preference = known.preference(&names);
        assert!(preference.is_ascii() && preference.split(',').count() == 6);
        known.check(&names, KEY, false)
    };
    let found = verdict("", "");
    let revoked = format!("@revoked * {LINE}");
    assert_eq!(verdict(&revoked, ""), Verdict::Revoked);
    assert_eq!(verdict("", &revoked), Verdict::Revoked);
    let known = format!("i-0123456789abcdef0 {LINE}");
    let expected = match found {
        Verdict::Revoked => Verdict::Revoked,
        _ => Verdict::Known,
    };
    // A key that is revoked by the host's address alone is known by its name.
    let is_known = [verdict(&known, ""), verdict("", &known)];
    assert!(
        is_known.iter().all(|one| *one == expected) || is_known == [Verdict::Known; 2],
        "{is_known:?}, and without the line {found:?}"
    );
}

pub(crate) fn files() -> Vec<Vec<u8>> {
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINiFBBYctJCdAzPdI+2B/dhctBiuz4DxK/9p/xi2tsZ6";
    let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJITJ2WivOYWPWDiUJ5Nt6TM8h56MEwrI+qfMR/g670PXwSBDAtcaB9MhrnVMY31bp386zW/3rDAVa+w4YWsWJc=";
    let hashed = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=";
    let files = [
        format!("# comment\nweb1,[web?.example]:* {LINE} ops@here\r\n"),
        format!("@revoked i-* {LINE}\n!web1,* {other}"),
        format!("@cert-authority *.example {other}\n{hashed} {ecdsa}\n"),
    ];
    files.map(String::into_bytes).to_vec()
}
