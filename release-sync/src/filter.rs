//! Patterns of entries to leave alone.
//!
//! Patterns mean what they mean to `rsync --exclude`, as its manual and its `exclude.c` define it:
//!
//! - without a slash, a pattern is matched against an entry's name, at any depth;
//! - with one, against the end of its path, from a component's border on; a leading slash anchors the
//!   pattern at the root instead;
//! - a trailing slash restricts it to directories; a trailing `/***` means a directory and its content;
//! - `*` and `?` don't match a slash, `**` does; `[…]` is a class of bytes and never matches a slash;
//! - a backslash takes the magic from the next character, in patterns that have any magic.
//!
//! One thing is not rsync's: of several patterns that match, the last one decides, and one with a
//! leading `!` takes an entry back in (`\!` stands for a name that begins so). Nothing below an
//! excluded directory is ever looked at, so nothing there can be taken back in.

mod pattern;

use std::collections::HashSet;

use regex::bytes::{RegexSet, RegexSetBuilder};
use release_core::RelPath;

use crate::Error;
use pattern::{Pattern, Subject};

/// A list of patterns, compiled.
#[derive(Debug)]
pub(crate) struct Filter {
    names: Table,
    paths: Table,
    spared: Option<Spared>,
}

/// What a second list of patterns protects: all that it matches, with everything inside, but for what a
/// release has there itself.
#[derive(Debug)]
struct Spared {
    patterns: Box<Filter>,
    listed: HashSet<Box<[u8]>>,
}

/// Patterns with one subject, and what each of them decides.
#[derive(Debug)]
struct Table {
    set: RegexSet,
    rules: Vec<Rule>,
}

/// What a pattern decides about entries that it matches.
#[derive(Clone, Copy, Debug)]
struct Rule {
    /// Place in the list as it was given; a later one wins.
    position: usize,
    excludes: bool,
    only_directories: bool,
}

impl Filter {
    /// Compiles patterns.
    ///
    /// # Errors
    /// [`Error::Pattern`] for one that can't be understood or could never match, and for a list that
    /// is too large to be compiled.
    pub(crate) fn new(patterns: &[String]) -> Result<Self, Error> {
        let mut names = Vec::new();
        let mut paths = Vec::new();
        for (position, text) in patterns.iter().enumerate() {
            let refuse = |reason: &str| Error::Pattern {
                pattern: text.clone(),
                reason: reason.to_owned(),
            };
            for pattern in pattern::parse(text).map_err(refuse)? {
                match pattern.subject {
                    Subject::Name => names.push((position, pattern)),
                    Subject::Path => paths.push((position, pattern)),
                }
            }
        }
        Ok(Self {
            names: Table::new(&names)?,
            paths: Table::new(&paths)?,
            spared: None,
        })
    }

    /// A filter that lets everything through.
    pub(crate) fn none() -> Self {
        let table = || Table {
            set: RegexSet::empty(),
            rules: Vec::new(),
        };
        Self {
            names: table(),
            paths: table(),
            spared: None,
        }
    }

    /// The same filter, which leaves alone what `protect` protects as well: what it matches and all that
    /// is inside it, but not what is listed among `entries` (path, and whether it is a directory).
    pub(crate) fn sparing<'e>(
        self,
        protect: Self,
        entries: impl Iterator<Item = (&'e RelPath, bool)>,
    ) -> Self {
        if protect.is_empty() {
            return self;
        }
        let listed = entries
            .filter(|(path, is_directory)| protect.covers(path.as_bytes(), *is_directory))
            .map(|(path, _)| path.as_bytes().into())
            .collect();
        Self {
            spared: Some(Spared {
                patterns: Box::new(protect),
                listed,
            }),
            ..self
        }
    }

    /// Does this filter leave the same entries alone as another that was made of the same patterns?
    pub(crate) fn spares_as(&self, other: &Self) -> bool {
        let listed = |filter: &Self| filter.spared.as_ref().map(|spared| spared.listed.clone());
        listed(self) == listed(other)
    }

    /// Does this filter let everything through?
    pub(crate) fn is_empty(&self) -> bool {
        self.names.rules.is_empty() && self.paths.rules.is_empty() && self.spared.is_none()
    }

    /// Is this entry to be left alone? Judges it by itself: that its parents were let through is for
    /// the caller to know. Takes bytes, so that a walk need not make a path of each entry that it
    /// throws away.
    pub(crate) fn excludes(&self, path: &[u8], is_directory: bool) -> bool {
        if path.is_empty() {
            return false;
        }
        let is_spared = |spared: &Spared| {
            spared.patterns.covers(path, is_directory) && !spared.listed.contains(path)
        };
        self.matches(path, is_directory) || self.spared.as_ref().is_some_and(is_spared)
    }

    /// Does the last pattern that matches this entry exclude it?
    fn matches(&self, path: &[u8], is_directory: bool) -> bool {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        let by_name = self.names.last_match(name, is_directory);
        let by_path = self.paths.last_match(path, is_directory);
        by_name
            .into_iter()
            .chain(by_path)
            .max_by_key(|rule| rule.position)
            .is_some_and(|rule| rule.excludes)
    }

    /// Is this entry matched, or a directory that it is in?
    fn covers(&self, path: &[u8], is_directory: bool) -> bool {
        let slashes = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
        let mut above = slashes.map(|(at, _)| &path[..at]);
        above.any(|directory| self.matches(directory, true)) || self.matches(path, is_directory)
    }
}

impl Table {
    fn new(patterns: &[(usize, Pattern)]) -> Result<Self, Error> {
        let set = RegexSetBuilder::new(patterns.iter().map(|(_, pattern)| &pattern.regex))
            .unicode(false)
            .dot_matches_new_line(true)
            .build()
            .map_err(|error| Error::Pattern {
                pattern: format!("({} patterns)", patterns.len()),
                reason: format!("they can't be compiled together: {error}"),
            })?;
        let rules = patterns
            .iter()
            .map(|(position, pattern)| Rule {
                position: *position,
                excludes: pattern.excludes,
                only_directories: pattern.only_directories,
            })
            .collect();
        Ok(Self { set, rules })
    }

    /// The last rule that applies to an entry.
    fn last_match(&self, subject: &[u8], is_directory: bool) -> Option<Rule> {
        // Most entries match nothing, and to find that out is cheaper than to ask which ones match.
        if self.rules.is_empty() || !self.set.is_match(subject) {
            return None;
        }
        self.set
            .matches(subject)
            .iter()
            .map(|index| self.rules[index])
            .rfind(|rule| is_directory || !rule.only_directories)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use release_core::RelPath;

    use super::*;
    use proptest::prelude::*;

    fn filter(patterns: &[&str]) -> Filter {
        let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
        Filter::new(&patterns).unwrap()
    }

    /// A path with a trailing slash is a directory.
    fn excludes(filter: &Filter, path: &str) -> bool {
        let (path, is_directory) = match path.strip_suffix('/') {
            Some(directory) => (directory, true),
            None => (path, false),
        };
        filter.excludes(path.as_bytes(), is_directory)
    }

    #[test]
    fn patterns_mean_what_they_mean_to_rsync() {
        // Pattern, what it matches, what it does not match.
        let table: &[(&str, &[&str], &[&str])] = &[
            ("foo", &["foo", "foo/", "a/b/foo"], &["foobar", "a/xfoo"]),
            ("*.pyc", &["a.pyc", "x/y/.pyc"], &["a.py", "a.pyc.x"]),
            ("tmp/", &["tmp/", "a/tmp/"], &["tmp", "a/tmp"]),
            ("/tmp", &["tmp", "tmp/"], &["a/tmp", "tmp/x"]),
            ("/tmp/", &["tmp/"], &["tmp", "a/tmp/"]),
            ("/a/*.o", &["a/x.o"], &["a/b/x.o", "b/a/x.o"]),
            ("b/f", &["b/f", "a/b/f"], &["ab/f", "b/f/x", "f"]),
            ("f?o", &["foo", "x/fao"], &["fo", "f/o"]),
            ("a/*/b", &["a/x/b", "z/a/x/b"], &["a/b", "a/x/y/b"]),
            (
                "a/**/b",
                &["a/x/b", "a/x/y/b", "z/a/x/b"],
                &["a/b", "xa/x/b"],
            ),
            ("**/foo", &["foo", "x/foo", "x/y/foo"], &["xfoo"]),
            ("**foo", &["foo", "xfoo", "x/foo"], &["foox"]),
            (
                "foo**bar",
                &["foobar", "fooz/q/bar", "x/foo/bar"],
                &["xfoobar", "foobarx"],
            ),
            ("x/**", &["x/a", "x/a/b", "y/x/a"], &["x", "x/", "xx/a"]),
            (
                "foo/***",
                &["foo/", "foo/a", "foo/a/b", "x/foo/"],
                &["foo", "xfoo/a"],
            ),
            ("\\a/***", &["a/", "a/b"], &["a", "\\a/"]),
            ("/foo/***", &["foo/", "foo/a"], &["x/foo/", "foo"]),
            ("[a-c]x", &["ax", "d/cx"], &["dx", "x"]),
            ("[!a-c]x", &["dx"], &["ax", "x"]),
            ("x[^q]foo", &["xyfoo"], &["x/foo", "xqfoo"]),
            ("c[]]d", &["c]d"], &["cd"]),
            ("[[:digit:]]*", &["1", "a/9x"], &["x1"]),
            ("[a\\]]x", &["ax", "]x"], &["\\x"]),
            ("[+-]x", &["+x", "-x"], &[",x"]),
            ("a\\b", &["a\\b"], &["ab"]),
            ("[a]\\b", &["ab"], &["a\\b"]),
            ("\\*x*", &["*x", "*xy"], &["axy"]),
            ("a.b", &["a.b"], &["aXb"]),
            ("{a,b}", &["{a,b}"], &["a", "b"]),
            ("a b\n", &["a b\n"], &["a b"]),
            ("*", &["a", "a\nb", "x/y/"], &[]),
        ];
        for (pattern, matching, other) in table {
            let filter = filter(&[pattern]);
            for path in *matching {
                assert!(excludes(&filter, path), "`{pattern}` on {path:?}");
            }
            for path in *other {
                assert!(!excludes(&filter, path), "`{pattern}` on {path:?}");
            }
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let logs = filter(&["*.log", "!keep.log", "/old/keep.log", "!*/", "bad/"]);
        for path in ["a.log", "old/keep.log", "bad/"] {
            assert!(excludes(&logs, path), "{path}");
        }
        for path in ["keep.log", "x/keep.log", "dir.log/", "other"] {
            assert!(!excludes(&logs, path), "{path}");
        }
        assert!(excludes(&filter(&["\\!x"]), "!x"));
    }

    #[test]
    fn names_are_bytes() {
        let odd = RelPath::parse(b"d/\xff\xfe.pyc").unwrap();
        assert!(filter(&["*.pyc"]).excludes(odd.as_bytes(), false));
        assert!(filter(&["/d/??.pyc"]).excludes(odd.as_bytes(), false));
        assert!(!filter(&["/d/?.pyc"]).excludes(odd.as_bytes(), false));
        assert!(excludes(&filter(&["/é*"]), "é.txt"));
    }

    #[test]
    fn the_root_and_an_empty_list_are_let_through() {
        assert!(filter(&[]).is_empty());
        assert!(!excludes(&filter(&[]), "a"));
        assert!(!filter(&["*"]).excludes(b"", true));
    }

    #[test]
    fn what_is_protected_is_left_alone_unless_the_release_has_it() {
        let listed = [
            ("up", true),
            ("up/.keep", false),
            ("a.conf", false),
            ("other", false),
        ];
        let paths = listed.map(|(path, dir)| (RelPath::parse(path.as_bytes()).unwrap(), dir));
        let sparing = |exclude: &[&str]| {
            filter(exclude).sparing(
                filter(&["/up/", "*.conf"]),
                paths.iter().map(|(path, dir)| (path, *dir)),
            )
        };
        let spared = sparing(&["*.log"]);
        for path in [
            "up/x",
            "up/d/",
            "up/d/.keep",
            "b.conf",
            "d/a.conf",
            "x.log",
            "up/x.log",
        ] {
            assert!(excludes(&spared, path), "{path}");
        }
        for path in ["up/", "up/.keep", "a.conf", "other", "else", "d/up/"] {
            assert!(!excludes(&spared, path), "{path}");
        }
        assert!(sparing(&[]).spares_as(&spared));
        assert!(
            !filter(&[])
                .sparing(filter(&["/up/"]), std::iter::empty())
                .spares_as(&spared)
        );
        assert!(
            !filter(&[])
                .sparing(filter(&["x"]), std::iter::empty())
                .is_empty()
        );
        assert!(
            filter(&[])
                .sparing(filter(&[]), std::iter::empty())
                .is_empty()
        );
    }

    #[test]
    fn what_can_never_match_is_refused() {
        for pattern in [
            "",
            "/",
            "!",
            "//",
            "a//b",
            "a/../b",
            "./a",
            "[a",
            "[]",
            "x[z-a]",
            "[[:nope:]]",
            "a*\\",
            "[^/]",
        ] {
            let refused = Filter::new(&[pattern.to_owned()]);
            assert!(
                matches!(&refused, Err(Error::Pattern { pattern: named, .. }) if named == pattern),
                "`{pattern}`: {refused:?}"
            );
        }
    }

    /// Of what a controller may send, not all is compiled: what would take much memory is refused, and soon.
    #[test]
    fn what_is_too_large_is_refused() {
        let many = (0..30_000).map(|number| format!("**{number:x}*z"));
        for patterns in [vec!["?".repeat(500_000)], many.collect()] {
            let refused = Filter::new(&patterns);
            assert!(matches!(refused, Err(Error::Pattern { .. })), "{refused:?}");
        }
        assert!(Filter::new(&["?".repeat(10_000)]).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_understood_or_refused(text in "[]!^a-c*?/\\\\.\\[-]{0,12}|.{0,12}", path in "[a-c.!/-]{1,9}") {
            if let (Ok(filter), Ok(path)) = (Filter::new(&[text]), RelPath::parse(path.as_bytes())) {
                let _ = filter.excludes(path.as_bytes(), true);
            }
        }

        /// A pattern without magic matches exactly the paths that end with it.
        #[test]
        fn plain_text_is_a_suffix_of_components(text in "[a-b]{1,2}(/[a-b]{1,2}){0,2}", path in "[a-b]{1,2}(/[a-b]{1,2}){0,3}") {
            let expected = format!("/{path}").ends_with(&format!("/{text}"));
            prop_assert_eq!(excludes(&filter(&[&text]), &path), expected);
            prop_assert_eq!(excludes(&filter(&[&format!("/{text}")]), &path), path == text);
        }
    }
}
