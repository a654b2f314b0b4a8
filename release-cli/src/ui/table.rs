//! Columns that line up, in the room that there is.

use super::canvas::Canvas;
use super::paint::{Paint, Tone};
use super::words::{cut, harmless, shorten, width};

/// Blanks between columns.
const GAP: usize = 2;

/// Columns that rank higher are for wide screens only.
const EXTRA: u8 = 100;

/// One place in a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        let text = harmless(text.as_ref()).into_owned();
        Self { text, tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Which side of its column a cell keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// A column's heading, and how it yields where room is short.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    side: Side,
    /// Of columns that don't fit, the highest goes first; 0 stays always.
    rank: u8,
    /// Texts may be cut down to this width.
    least: Option<usize>,
    cut: fn(&str, usize) -> String,
}

impl Column {
    const fn new(title: &'static str, side: Side) -> Self {
        Self {
            title,
            side,
            rank: 0,
            least: None,
            cut,
        }
    }

    pub(super) const fn left(title: &'static str) -> Self {
        Self::new(title, Side::Left)
    }

    pub(super) const fn right(title: &'static str) -> Self {
        Self::new(title, Side::Right)
    }

    /// Names: what tells them apart may be at either end, so it is their middle that yields.
    pub(super) const fn name(title: &'static str) -> Self {
        Self {
            least: Some(20),
            cut: shorten,
            ..Self::left(title)
        }
    }

    /// A sentence, of which a part is better than nothing.
    pub(super) const fn sentence(title: &'static str) -> Self {
        Self {
            least: Some(24),
            ..Self::left(title)
        }
    }

    /// Left out where room is short; a higher `rank` goes first.
    pub(super) const fn dispensable(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    /// Shown only on a wide screen; a higher `rank` goes first.
    pub(super) const fn extra(self, rank: u8) -> Self {
        Self {
            rank: EXTRA + rank,
            ..self
        }
    }

    /// The least room that it takes for texts of this width.
    fn need(&self, natural: usize) -> usize {
        self.least.map_or(natural, |least| natural.min(least))
    }
}

/// Rows under a heading.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [Column; N]) -> Self {
        Self {
            columns,
            rows: vec![columns.map(|column| Cell::new(column.title, Tone::Dim))],
        }
    }

    pub(super) fn row(&mut self, row: [Cell; N]) {
        self.rows.push(row);
    }

    /// The lines, each with a newline; no blanks at their ends. Without a limit of columns, nothing is
    /// cut.
    pub(super) fn render(&self, canvas: Canvas) -> String {
        let widths = self.widths(canvas.columns);
        let mut text = String::new();
        for row in &self.rows {
            self.render_row(row, &widths, canvas.paint, &mut text);
            text.push('\n');
        }
        text
    }

    fn render_row(
        &self,
        row: &[Cell; N],
        widths: &[Option<usize>; N],
        paint: Paint,
        text: &mut String,
    ) {
        let mut blanks = 0;
        for ((column, cell), room) in self.columns.iter().zip(row).zip(widths) {
            let Some(room) = *room else { continue };
            let shown = (column.cut)(&cell.text, room);
            let padding = room.saturating_sub(width(&shown));
            let (before, after) = match column.side {
                Side::Left => (0, padding),
                Side::Right => (padding, 0),
            };
            if shown.is_empty() {
                blanks += padding + GAP;
            } else {
                text.extend(std::iter::repeat_n(' ', blanks + before));
                text.push_str(&paint.apply(cell.tone, &shown));
                blanks = after + GAP;
            }
        }
    }

    /// The width of each column, or `None` where it is left out.
    fn widths(&self, room: Option<usize>) -> [Option<usize>; N] {
        let widest = |column: usize| self.rows.iter().map(|row| width(&row[column].text)).max();
        let natural: [usize; N] = std::array::from_fn(|column| widest(column).unwrap_or(0));
        // A column of which only the heading is there says nothing.
        let is_empty = |column: usize| self.rows[1..].iter().all(|row| row[column].text.is_empty());
        let mut shown: [bool; N] = std::array::from_fn(|column| {
            let rank = self.columns[column].rank;
            rank < EXTRA || (room.is_some() && !is_empty(column))
        });
        let Some(room) = room else {
            return std::array::from_fn(|column| shown[column].then_some(natural[column]));
        };
        let mut free = room.checked_sub(self.total(&natural, &shown));
        while free.is_none() {
            let ranks = (0..N).filter(|column| shown[*column] && self.columns[*column].rank > 0);
            let Some(least) = ranks.max_by_key(|column| self.columns[*column].rank) else {
                break;
            };
            shown[least] = false;
            free = room.checked_sub(self.total(&natural, &shown));
        }
        let mut free = free.unwrap_or(0);
        std::array::from_fn(|column| {
            let need = self.columns[column].need(natural[column]);
            let more = (natural[column] - need).min(free);
            shown[column].then(|| {
                free -= more;
                need + more
            })
        })
    }

    /// The least room that these columns take together.
    fn total(&self, natural: &[usize; N], shown: &[bool; N]) -> usize {
        let shown = (0..N).filter(|column| shown[*column]);
        let needs = shown.map(|column| self.columns[column].need(natural[column]) + GAP);
        needs.sum::<usize>().saturating_sub(GAP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas(columns: usize) -> Canvas {
        Canvas {
            columns: Some(columns),
            ..Canvas::paper(Paint(false))
        }
    }

    #[test]
    fn columns_line_up_and_no_line_ends_in_blanks() {
        let mut table = Table::new([
            Column::left("HOST"),
            Column::right("FILES"),
            Column::left("NOTE"),
        ]);
        table.row(["a".into(), "1,200".into(), "".into()]);
        table.row(["größer".into(), "".into(), "late".into()]);
        table.row(["東京".into(), "7".into(), "".into()]);
        let lines = "HOST    FILES  NOTE\n\
                     a       1,200\n\
                     größer         late\n\
                     東京        7\n";
        assert_eq!(table.render(Canvas::paper(Paint(false))), lines);
    }

    #[test]
    fn colour_takes_no_room() {
        let mut table = Table::new([Column::right("A"), Column::left("B")]);
        table.row([Cell::new("xyz", Tone::Bad), "b".into()]);
        assert!(
            table
                .render(Canvas::paper(Paint(true)))
                .ends_with("\x1b[31mxyz\x1b[0m  b\n")
        );
    }

    #[test]
    fn what_matters_least_yields_first() {
        let mut table = Table::new([
            Column::name("HOST"),
            Column::left("A"),
            Column::left("B").dispensable(1),
            Column::left("C").dispensable(2),
            Column::sentence("ERROR").extra(1),
            Column::left("EMPTY").extra(2),
        ]);
        let name = "a-very-long-name-of-a-host-0017";
        let error = "a long sentence about what went wrong there";
        table.row([name, "aaaa", "bbbb", "cccc", error, ""].map(Cell::from));
        let second = |columns| {
            let text = table.render(canvas(columns));
            for line in text.lines() {
                assert!(width(line) <= columns, "{line:?} is wider than {columns}");
            }
            text.lines().nth(1).map(str::to_owned)
        };
        let expect = |line: String| Some(line);
        assert_eq!(
            second(200),
            expect(format!("{name}  aaaa  bbbb  cccc  {error}"))
        );
        assert_eq!(
            second(75),
            expect(format!(
                "{name}  aaaa  bbbb  cccc  a long sentence about w…"
            ))
        );
        assert_eq!(second(50), expect(format!("{name}  aaaa  bbbb  cccc")));
        assert_eq!(
            second(38),
            expect("a-very-lon…host-0017  aaaa  bbbb  cccc".to_owned())
        );
        assert_eq!(
            second(32),
            expect("a-very-lon…host-0017  aaaa  bbbb".to_owned())
        );
        let on_paper = table.render(Canvas::paper(Paint(false)));
        assert!(on_paper.ends_with(&format!("{name}  aaaa  bbbb  cccc\n")));
    }

    #[test]
    fn a_host_cannot_move_the_cursor() {
        let mut table = Table::new([Column::name("HOST")]);
        table.row(["web\x1b[2J\n".into()]);
        let text = table.render(Canvas::paper(Paint(false)));
        assert_eq!(text, "HOST\nweb\\x1b[2J\\x0a\n");
    }
}
