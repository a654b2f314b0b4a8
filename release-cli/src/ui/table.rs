//! Columns that line up.

use super::paint::{Paint, Tone};

/// One place in a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, tone: Tone) -> Self {
        let text = text.into();
        Self { text, tone }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Which side of its column a cell keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows under a heading.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    sides: [Side; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [(&str, Side); N]) -> Self {
        Self {
            sides: columns.map(|(_, side)| side),
            rows: vec![columns.map(|(title, _)| Cell::new(title, Tone::Dim))],
        }
    }

    pub(super) fn row(&mut self, row: [Cell; N]) {
        self.rows.push(row);
    }

    /// The lines, each with a newline; no blanks at their ends.
    pub(super) fn render(&self, paint: Paint) -> String {
        let widest = |column: usize| self.rows.iter().map(|row| row[column].width()).max();
        let widths: [usize; N] = std::array::from_fn(|column| widest(column).unwrap_or(0));
        let mut text = String::new();
        for row in &self.rows {
            let mut blanks = 0;
            for (column, cell) in row.iter().enumerate() {
                let padding = widths[column] - cell.width();
                let (before, after) = match self.sides[column] {
                    Side::Left => (0, padding),
                    Side::Right => (padding, 0),
                };
                if !cell.text.is_empty() {
                    text.extend(std::iter::repeat_n(' ', blanks + before));
                    text.push_str(&paint.apply(cell.tone, &cell.text));
                    blanks = after + GAP;
                } else {
                    blanks += padding + GAP;
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Blanks between columns.
const GAP: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_no_line_ends_in_blanks() {
        let mut table = Table::new([
            ("HOST", Side::Left),
            ("FILES", Side::Right),
            ("NOTE", Side::Left),
        ]);
        table.row(["a".into(), "1,200".into(), "".into()]);
        table.row(["größer".into(), "".into(), "late".into()]);
        let lines = "HOST    FILES  NOTE\n\
                     a       1,200\n\
                     größer         late\n";
        assert_eq!(table.render(Paint(false)), lines);
    }

    #[test]
    fn colour_takes_no_room() {
        let mut table = Table::new([("A", Side::Right), ("B", Side::Left)]);
        table.row([Cell::new("xyz", Tone::Bad), "b".into()]);
        assert!(
            table
                .render(Paint(true))
                .ends_with("\x1b[31mxyz\x1b[0m  b\n")
        );
    }
}
