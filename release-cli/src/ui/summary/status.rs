//! What hosts were found to have.

use jiff::Timestamp;
use release_sync::HostStatus;

use super::proof;
use crate::ui::canvas::Canvas;
use crate::ui::paint::Tone;
use crate::ui::table::{Cell, Column, Table};
use crate::ui::words::{bytes, thousands};

/// A row for each host that was asked what it has.
pub(in crate::ui) fn statuses(hosts: &[HostStatus], canvas: Canvas) -> String {
    let mut table = Table::new([
        Column::name("HOST"),
        Column::left("RELEASE").dispensable(1),
        Column::right("GENERATION"),
        Column::left("SINCE").dispensable(2),
        Column::left("TREE"),
        Column::left("PROOF").dispensable(4),
        Column::right("FILES").dispensable(3),
        Column::right("BYTES").dispensable(3),
    ]);
    for host in hosts {
        let name = host.host.as_str().into();
        if host.error.is_some() {
            let mut row: [Cell; 8] = Default::default();
            row[0] = name;
            row[4] = Cell::new("not known", Tone::Bad);
            table.row(row);
            continue;
        }
        let (release, generation, since) = match &host.marker {
            Some((marker, since)) => (
                marker.release.short(),
                marker.generation.to_string(),
                day_and_time(*since),
            ),
            None => Default::default(),
        };
        table.row([
            name,
            release.into(),
            generation.into(),
            since.into(),
            condition(host),
            proof(host.proof).into(),
            thousands(host.files).into(),
            bytes(host.bytes).into(),
        ]);
    }
    table.render(canvas)
}

fn condition(host: &HostStatus) -> Cell {
    match (&host.marker, host.intact) {
        (None, _) => Cell::new("no release", Tone::Dim),
        (Some(_), Some(true)) => Cell::new("intact", Tone::Good),
        (Some(_), Some(false)) => Cell::new("drifted", Tone::Bad),
        (Some(_), None) => Cell::new("not known", Tone::Warning),
    }
}

/// UTC; a time that no calendar has (a host may say anything) is left out.
fn day_and_time(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map(|time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::paint::Paint;
    use crate::ui::samples;

    #[test]
    fn statuses_read_well() {
        let canvas = Canvas::paper(Paint(false));
        let narrow = Canvas {
            columns: Some(80),
            ..canvas
        };
        let hosts = samples::statuses();
        insta::assert_snapshot!(format!(
            "{}\n{}",
            statuses(&hosts, canvas),
            statuses(&hosts, narrow)
        ));
    }
}
