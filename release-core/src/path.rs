//! Paths inside a tree: bytes, relative, without a way out.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A path below a tree's root. The root itself is the empty path.
///
/// Components are separated by `/`; none is empty, `.` or `..`, none holds a NUL byte, and each is at
/// most 255 bytes. Names are bytes: newlines and invalid UTF-8 are as good as letters.
///
/// Order is by component, so that a directory is directly followed by all that is inside it:
/// `a`, `a/x`, `a.b`.
///
/// A clone shares the bytes: the same paths stand in what a tree was found to hold and in manifests.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelPath(Arc<[u8]>);

/// Why some bytes are not a path inside a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A component is empty: a leading, trailing or doubled slash.
    #[error("`{}` has an empty component", escape(.0))]
    EmptyComponent(Vec<u8>),
    /// A component is `.` or `..`.
    #[error("`{}` has a `.` or `..` component", escape(.0))]
    Dots(Vec<u8>),
    /// The path holds a NUL byte.
    #[error("`{}` holds a NUL byte", escape(.0))]
    Nul(Vec<u8>),
    /// A component is longer than [`RelPath::MAX_NAME`] bytes.
    #[error("a name in `{}` is longer than 255 bytes", escape(.0))]
    LongName(Vec<u8>),
    /// The whole path is longer than [`RelPath::MAX_LEN`] bytes.
    #[error("a path of {0} bytes is longer than 65535 bytes")]
    LongPath(usize),
}

impl RelPath {
    /// Longest name of one component, in bytes.
    pub const MAX_NAME: usize = 255;
    /// Longest path, in bytes. Longer than the kernel takes in one call: trees are walked by
    /// directory descriptors.
    pub const MAX_LEN: usize = 65_535;

    /// The tree's root: the empty path.
    pub fn root() -> Self {
        Self(Arc::default())
    }

    /// Parses bytes that come from outside.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.is_empty() {
            return Ok(Self::root());
        }
        if bytes.len() > Self::MAX_LEN {
            return Err(PathError::LongPath(bytes.len()));
        }
        for name in bytes.split(|&byte| byte == b'/') {
            check_name(name, bytes)?;
        }
        Ok(Self(bytes.into()))
    }

    /// The path of `name` inside this directory.
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        let joined = if self.is_root() {
            name.to_vec()
        } else {
            [&self.0, &b"/"[..], name].concat()
        };
        if joined.len() > Self::MAX_LEN {
            return Err(PathError::LongPath(joined.len()));
        }
        if name.contains(&b'/') {
            return Err(PathError::EmptyComponent(joined));
        }
        check_name(name, &joined)?;
        Ok(Self(joined.into()))
    }

    /// Is this the tree's root?
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, without a slash at either end.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The names from the root down; none for the root.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
    }

    /// How many directories lie between the root and this entry, itself counted; 0 for the root.
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        match self.last_slash() {
            Some(slash) => &self.0[slash + 1..],
            None => &self.0,
        }
    }

    /// The bytes of the directory that holds this entry; empty for entries in the root.
    pub fn parent_bytes(&self) -> &[u8] {
        self.last_slash().map_or(&[], |slash| &self.0[..slash])
    }

    /// The directory that holds this entry; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        (!self.is_root()).then(|| Self(self.parent_bytes().into()))
    }

    /// Is this path `directory` itself, or inside it?
    pub fn is_within(&self, directory: &Self) -> bool {
        directory.is_root()
            || (self.0.starts_with(&directory.0)
                && matches!(self.0.get(directory.0.len()), None | Some(b'/')))
    }

    fn last_slash(&self) -> Option<usize> {
        self.0.iter().rposition(|&byte| byte == b'/')
    }
}

fn check_name(name: &[u8], path: &[u8]) -> Result<(), PathError> {
    match name {
        b"" => Err(PathError::EmptyComponent(path.to_vec())),
        b"." | b".." => Err(PathError::Dots(path.to_vec())),
        _ if name.len() > RelPath::MAX_NAME => Err(PathError::LongName(path.to_vec())),
        _ if name.contains(&0) => Err(PathError::Nul(path.to_vec())),
        _ => Ok(()),
    }
}

impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> Ordering {
        let common = self.0.iter().zip(other.0.iter()).position(|(a, b)| a != b);
        let Some(at) = common else {
            return self.0.len().cmp(&other.0.len());
        };
        // A slash ends a component, so it sorts before every byte that could go on with it.
        let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
        rank(self.0[at]).cmp(&rank(other.0[at]))
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        f.write_str(&escape(&self.0))
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// Bytes made safe to print and to tell apart: what is not UTF-8, and every control character, becomes
/// `\xNN`; a backslash is doubled.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                _ if is_unsafe(character) => {
                    let mut buffer = [0; 4];
                    for byte in character.encode_utf8(&mut buffer).bytes() {
                        text.push_str(&format!("\\x{byte:02x}"));
                    }
                }
                _ => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Characters that move a cursor, start an escape sequence, or turn the direction of a line.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).expect("a test's path is valid")
    }

    #[test]
    fn a_directory_is_followed_by_what_is_inside() {
        let mut paths = ["a.b", "a/x/y", "", "a", "a0", "a/x", "a-b"].map(path);
        paths.sort();
        assert_eq!(
            paths,
            ["", "a", "a/x", "a/x/y", "a-b", "a.b", "a0"].map(path)
        );
    }

    #[test]
    fn ways_out_are_refused() {
        for bytes in [
            &b"/a"[..],
            b"a/",
            b"a//b",
            b"..",
            b"a/../b",
            b"./a",
            b"a\0b",
            &[b'x'; 256],
        ] {
            assert!(RelPath::parse(bytes).is_err(), "{}", escape(bytes));
        }
        assert!(path("a").join(b"b/c").is_err());
        assert!(path("a").join(b"..").is_err());
    }

    #[test]
    fn within_is_by_component() {
        assert!(path("a/b").is_within(&path("a")));
        assert!(path("a").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
        assert!(path("ab").is_within(&RelPath::root()));
    }

    #[test]
    fn printing_is_harmless_and_unambiguous() {
        assert_eq!(escape(b"a\\b\xff\n\x1b[2J"), "a\\\\b\\xff\\x0a\\x1b[2J");
        assert_eq!(escape("é\u{202e}".as_bytes()), "é\\xe2\\x80\\xae");
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_components(
            a in proptest::collection::vec("[a-c./-]{1,3}", 0..4),
            b in proptest::collection::vec("[a-c./-]{1,3}", 0..4),
        ) {
            let clean = |names: Vec<String>| -> Vec<String> {
                names.into_iter().map(|n| n.replace('/', "_").replace('.', "!")).collect()
            };
            let (a, b) = (clean(a), clean(b));
            prop_assert_eq!(path(&a.join("/")).cmp(&path(&b.join("/"))), a.cmp(&b));
        }

        #[test]
        fn parent_and_name_join_again(bytes in proptest::collection::vec(any::<u8>(), 1..40)) {
            if let Ok(path) = RelPath::parse(&bytes) {
                let parent = path.parent().expect("not the root");
                prop_assert_eq!(parent.join(path.name()), Ok(path));
            }
        }
    }
}
