//! `.release/commit`: the note of a commit that is under way, or was cut off.

use std::io;

use crate::store::{Store, UNDER_WAY, read_small};

/// Stands in the place of an undo's name.
const NOTHING: &[u8] = b"none";

/// A commit that is under way, or was cut off. Names of undos are release ids in text.
#[derive(Debug)]
pub(super) struct UnderWay {
    /// The undo that it fills; `None`: it keeps nothing.
    pub(super) undo: Option<Vec<u8>>,
    /// The undo that it goes back to.
    pub(super) restored: Option<Vec<u8>>,
}

impl UnderWay {
    /// Is there no way back from it?
    pub(super) fn keeps_nothing(&self) -> bool {
        self.undo.is_none()
    }

    /// Reads it, if there is one.
    pub(super) fn read(store: &Store) -> io::Result<Option<Self>> {
        let text = match read_small(&store.private, UNDER_WAY, 200) {
            // Damaged beyond use: the undo is begun anew.
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Ok(None),
            Ok(None) => return Ok(None),
            Ok(Some((text, _))) => text,
            Err(error) => return Err(error),
        };
        let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
        Ok(Some(Self {
            undo: lines.next().filter(|name| name != NOTHING),
            restored: lines.next(),
        }))
    }

    /// Writes it down. Durable before it returns.
    pub(super) fn write(&self, store: &Store) -> io::Result<()> {
        let restored = self.restored.iter().flat_map(|name| [&b"\n"[..], name]);
        let text: Vec<&[u8]> = std::iter::once(self.undo.as_deref().unwrap_or(NOTHING))
            .chain(restored)
            .collect();
        store.put(UNDER_WAY, &text.concat())
    }
}
