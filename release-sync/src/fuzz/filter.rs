//! Patterns, which a controller may send to an agent.

use crate::filter::Filter;

/// Lines of patterns, and a path in the last one: they are refused, or decide about any path, and the same each time.
pub fn filter(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let path = lines.pop().unwrap_or_default();
    let Ok(filter) = Filter::new(&lines) else {
        return;
    };
    assert_eq!(filter.is_empty(), lines.is_empty());
    assert!(!filter.excludes(b"", true), "the root is never left alone");
    let [file, directory] = [false, true].map(|is_directory| {
        let excludes = filter.excludes(path.as_bytes(), is_directory);
        assert_eq!(filter.excludes(path.as_bytes(), is_directory), excludes);
        excludes
    });
    if !text.contains('/') {
        assert_eq!(file, directory, "nothing is said of directories");
    }
    // What comes after all others decides.
    let last = |pattern: &str| Filter::new(&[&lines[..], &[pattern.to_owned()]].concat());
    if let (Ok(all), Ok(none)) = (last("/**"), last("!/**")) {
        let is_path = !path.is_empty();
        assert_eq!(all.excludes(path.as_bytes(), false), is_path);
        assert!(!none.excludes(path.as_bytes(), false));
    }
}

pub(super) fn patterns() -> Vec<Vec<u8>> {
    let seeds = [
        "*.pyc\n/tmp/\nx/tmp/a.pyc",
        "*.log\n!keep.log\n/old/keep.log\n!*/\nbad/\nold/keep.log",
        "a/**/b\n**/foo\nfoo/***\nz/a/x/y/b",
        "[a-c]x\n[!a-c]y\n[[:digit:]]*\nc[]]d\n[a\\]]x\n9x",
        "\\*x*\nf?o\n\\!x\n!x",
    ];
    seeds.map(|seed| seed.as_bytes().to_vec()).to_vec()
}
