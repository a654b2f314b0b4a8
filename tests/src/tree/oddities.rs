//! A tree of everything odd that a release may hold.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use super::Random;
use super::make::{directory, file, link, mode, name, owner, set_mtime};

/// Fills `dir`, which exists and is empty, with every odd thing that is part of a release. Needs root.
///
/// Paths stay short enough for rsync; [`deep`] has the others. What [`mutate`](super::mutate) changes
/// lies in `dir/changing`.
pub fn oddities(dir: &Path) {
    names(&directory(dir.join("names")));
    shapes(&directory(dir.join("shapes")));
    contents(&directory(dir.join("contents")));
    links(&directory(dir.join("links")));
    owners(&directory(dir.join("owners")));
    times(&directory(dir.join("times")));
    super::mutation::start(&directory(dir.join("changing")));
    // Last, since making an entry changes the mode and time of nothing but its directory.
    modes(&directory(dir.join("modes")));
    mode(dir, 0o2751);
    set_mtime(dir, 1_234_567_890, 987_654_321);
}

fn names(dir: &Path) {
    let long = [b'n'; 255];
    let odd: [&[u8]; 20] = [
        b"new\nline",
        b"\n",
        b"invalid \xff\xfe utf-8",
        b"-rf",
        b"--delete",
        b" leading and trailing ",
        b"tab\there",
        "Grüße, 世界 \u{1f980}".as_bytes(),
        "decomposed e\u{301}".as_bytes(),
        b"back\\slash",
        b"*?[a]{b}",
        b"'quoted\" `now` $HOME ;&|<>",
        b"\x1b[31mred\x07",
        b"~",
        b"#hash#",
        b"...",
        b".hidden",
        b"a:b",
        b"%n%s",
        &long,
    ];
    for odd in odd {
        file(dir.join(name(odd)), odd);
        let inside = directory(dir.join("in-directories").join(name(odd)));
        file(inside.join(name(odd)), b"inside");
    }
    // Only at the root are these names ours.
    file(dir.join(".release/marker"), b"not a marker");
    file(dir.join("lost+found/found"), b"not lost");
    // Order by component is not order by bytes: a/x, a.b, a-b.
    for near in ["a/x", "a.b", "a-b", "a0", "A"] {
        file(dir.join(near), near);
    }
}

fn shapes(dir: &Path) {
    directory(dir.join("empty"));
    directory(dir.join("empty/of/everything"));
    file(dir.join("one-byte"), b"x");
    file(dir.join("no-bytes"), b"");
    let mut nested = dir.to_owned();
    for level in 0..60 {
        nested.push(format!("level-{level}"));
    }
    file(nested.join("bottom"), b"deep down");
    for number in 0..500 {
        file(dir.join(format!("many/{number}")), number.to_string());
    }
}

fn contents(dir: &Path) {
    let mut random = Random::new(0x0dd);
    file(dir.join("random"), random.bytes(8 << 20));
    file(dir.join("zeros"), vec![0; 3 << 20]);
    file(dir.join("text"), random.text(1 << 20));
    let twin = random.bytes(40_000);
    for number in 0..50 {
        file(dir.join(format!("twins/{number}")), &twin);
    }
    sparse(&dir.join("sparse"), 100 << 20, b"after a hole of 100 MiB");
    sparse(&dir.join("all-hole"), 10 << 20, b"");
}

fn sparse(path: &Path, hole: u64, after: &[u8]) {
    let file = File::create(path).expect("a file can be made");
    file.write_all_at(b"before", 0)
        .expect("a file can be written");
    file.write_all_at(after, hole)
        .expect("a file can be written");
    let length = hole + after.len() as u64;
    file.set_len(length).expect("a file can be grown");
}

fn links(dir: &Path) {
    file(dir.join("target"), b"target");
    file(dir.join("directory/inside"), b"inside");
    link("target", dir.join("relative"));
    link("/etc/hostname", dir.join("absolute"));
    link("no/such/thing", dir.join("dangling"));
    link("directory", dir.join("to-directory"));
    link("..", dir.join("up"));
    link("../../../../../../etc/passwd", dir.join("escaping"));
    link("itself", dir.join("itself"));
    link(name(b"odd \xff\n target"), dir.join("odd"));
    link("x".repeat(4000), dir.join("long"));
    set_mtime(dir.join("relative"), 1_000_000_000, 123_456_789);
    set_mtime(dir.join("dangling"), -1, 999_999_999);
    owner(dir.join("absolute"), 1234, 5678);
}

fn owners(dir: &Path) {
    for (number, (uid, gid)) in [(1, 2), (65_534, 65_534), (4_000_000_000, 4_000_000_001)]
        .into_iter()
        .enumerate()
    {
        let path = file(dir.join(format!("file-{number}")), b"mine");
        owner(&path, uid, gid);
        let path = directory(dir.join(format!("directory-{number}")));
        owner(&path, uid, gid);
        let path = file(dir.join(format!("setuid-{number}")), b"#!/bin/true\n");
        owner(&path, uid, gid);
        mode(&path, 0o6755);
    }
}

fn times(dir: &Path) {
    let odd = [
        ("nanoseconds", 1_700_000_000, 1),
        ("almost-a-second", 1_700_000_000, 999_999_999),
        ("epoch", 0, 0),
        ("before-1970", -631_152_000, 250_000_000),
        ("far-future", 7_258_118_400, 5),
    ];
    for (name, seconds, nanos) in odd {
        set_mtime(file(dir.join(name), name), seconds, nanos);
        let directory = directory(dir.join(format!("{name}.d")));
        file(directory.join("inside"), b"inside");
        set_mtime(directory, seconds, nanos);
        let link = link(name, dir.join(format!("{name}.link")));
        set_mtime(link, seconds, nanos);
    }
}

fn modes(dir: &Path) {
    for bits in [
        0o000, 0o400, 0o222, 0o111, 0o777, 0o1644, 0o2644, 0o4755, 0o6711, 0o7777,
    ] {
        mode(file(dir.join(format!("file-{bits:04o}")), b"modes"), bits);
    }
    for bits in [0o000, 0o555, 0o700, 0o1777, 0o2775, 0o4700, 0o7000] {
        let directory = directory(dir.join(format!("directory-{bits:04o}")));
        file(directory.join("inside"), b"inside");
        file(directory.join("below/inside"), b"inside");
        mode(directory.join("below"), bits);
        mode(directory, bits);
    }
}

/// Adds paths of more than 4096 bytes to `dir`: longer than the kernel takes in one call, and than
/// rsync can handle.
pub fn deep(dir: &Path) {
    let name = "d".repeat(250);
    let mut at = openat(CWD, dir, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .expect("the root opens");
    for _ in 0..18 {
        mkdirat(&at, &name, Mode::RWXU).expect("a directory can be made");
        at = openat(
            &at,
            &name,
            OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .expect("a directory opens");
    }
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    let bottom = openat(at, "bottom", flags, Mode::RUSR).expect("a file can be made");
    rustix::io::write(bottom, b"far down").expect("a file can be written");
}
