//! What there is to show things on.

use std::os::fd::AsFd;

use super::paint::Paint;

/// The room for a text, and whether it may be coloured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas {
    pub(super) paint: Paint,
    /// `None`: lines may be as long as they like.
    pub(super) columns: Option<usize>,
    /// `None`: there may be as many lines as there are.
    pub(super) rows: Option<usize>,
}

impl Canvas {
    /// A file or a pipe.
    #[cfg(test)]
    pub(super) const fn paper(paint: Paint) -> Self {
        Self {
            paint,
            columns: None,
            rows: None,
        }
    }

    /// What is left of it beside an indentation.
    pub(super) fn indented(self, blanks: usize) -> Self {
        let columns = self.columns.map(|columns| columns.saturating_sub(blanks));
        Self { columns, ..self }
    }
}

/// The columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Extent {
    /// `None` where it is no terminal, or one that doesn't say.
    pub(super) fn of(terminal: impl AsFd) -> Option<Self> {
        let size = rustix::termios::tcgetwinsize(terminal).ok()?;
        let extent = Self {
            columns: size.ws_col.into(),
            rows: size.ws_row.into(),
        };
        Some(extent).filter(|extent| extent.columns > 0 && extent.rows > 0)
    }
}
