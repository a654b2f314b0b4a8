//! What a deploy would do.

use release_sync::{HostPlan, PlanItem};

use crate::ui::Plans;
use crate::ui::canvas::Canvas;
use crate::ui::paint::Tone;
use crate::ui::table::{Cell, Column, Table};
use crate::ui::words::{bytes, count, harmless, list, seconds, thousands};

/// The paths if they were asked for, a row for each host, and the totals.
pub(in crate::ui) fn plans(plans: &Plans<'_>, canvas: Canvas) -> String {
    let mut text = String::new();
    if plans.itemize {
        items(plans.hosts, canvas, &mut text);
    }
    text.push_str(&rows(plans.hosts).render(canvas));
    text.push_str(&totals(plans));
    text.push('\n');
    text
}

fn rows(hosts: &[HostPlan]) -> Table<9> {
    let mut table = Table::new([
        Column::name("HOST"),
        Column::left("HAS"),
        Column::right("MAKE"),
        Column::right("CHANGE"),
        Column::right("ATTR").dispensable(1),
        Column::right("DELETE"),
        Column::right("SEND"),
        Column::right("REUSE").dispensable(2),
        Column::sentence("ERROR").extra(1),
    ]);
    for host in hosts {
        let Some(error) = &host.error else {
            table.row([
                host.host.as_str().into(),
                has(host),
                number(host.created),
                number(host.changed),
                number(host.attributes),
                number(host.deleted),
                amount(host.bytes_wanted),
                amount(host.local_bytes),
                Cell::default(),
            ]);
            continue;
        };
        let mut row: [Cell; 9] = Default::default();
        row[0] = host.host.as_str().into();
        row[1] = Cell::new("not known", Tone::Bad);
        if error.is_refusal() {
            row[1] = Cell::new("refused", Tone::Bad);
            row[5] = number(host.deleted);
        }
        row[8] = Cell::new(crate::ui::one_line(error), Tone::Bad);
        table.row(row);
    }
    table
}

fn has(host: &HostPlan) -> Cell {
    match &host.marker {
        Some(marker) if host.unchanged => Cell::new(marker.release.short(), Tone::Good),
        Some(marker) => marker.release.short().into(),
        None => Cell::new("no release", Tone::Dim),
    }
}

/// What is nothing is not to draw the eye.
fn number(number: u64) -> Cell {
    let tone = if number == 0 { Tone::Dim } else { Tone::Plain };
    Cell::new(thousands(number), tone)
}

fn amount(number: u64) -> Cell {
    let tone = if number == 0 { Tone::Dim } else { Tone::Plain };
    Cell::new(bytes(number), tone)
}

fn totals(plans: &Plans<'_>) -> String {
    let known = || plans.hosts.iter().filter(|host| host.error.is_none());
    let unchanged = known().filter(|host| host.unchanged).count();
    let errors = || plans.hosts.iter().filter_map(|host| host.error.as_ref());
    let refused = errors().filter(|error| error.is_refusal()).count();
    let unknown = errors().count() - refused;
    let sum = |field: fn(&HostPlan) -> u64| known().map(field).fold(0, u64::saturating_add);
    let numbers = [
        (known().count() - unchanged, "would change"),
        (unchanged, "unchanged"),
        (refused, "refused"),
        (unknown, "not known"),
    ];
    let numbers = numbers.iter().filter(|(number, _)| *number > 0);
    let numbers: Vec<_> = numbers
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    format!(
        "release {}, {}: {}\n{} to send at most, {} to delete; planned in {}",
        plans.release.short(),
        count(plans.hosts.len() as u64, "host"),
        numbers.join(", "),
        bytes(sum(|host| host.bytes_wanted)),
        thousands(sum(|host| host.deleted)),
        seconds(plans.seconds),
    )
}

/// Hosts in one state would be told the same, so they are told together.
fn items(hosts: &[HostPlan], canvas: Canvas, text: &mut String) {
    let mut groups: Vec<(&[PlanItem], Vec<&str>)> = Vec::new();
    for host in hosts.iter().filter(|host| !host.items.is_empty()) {
        match groups.iter_mut().find(|(items, _)| *items == host.items) {
            Some((_, names)) => names.push(&host.host),
            None => groups.push((&host.items, vec![&host.host])),
        }
    }
    for (items, names) in groups {
        let names = harmless(&list(&names)).into_owned();
        text.push_str(&canvas.paint.apply(Tone::Bold, &names));
        text.push('\n');
        for item in items {
            text.push_str(&format!("  {} {}\n", harmless(&item.flags), named(item)));
        }
        text.push('\n');
    }
}

/// As rsync names it: directories have a slash.
fn named(item: &PlanItem) -> String {
    let is_directory = item.flags.as_bytes().get(1) == Some(&b'd');
    let slash = if is_directory && !item.flags.starts_with('*') {
        "/"
    } else {
        ""
    };
    format!("{}{slash}", item.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;
    use crate::ui::paint::Paint;
    use crate::ui::samples;

    #[test]
    fn plans_read_well() {
        let hosts = samples::plans();
        let canvas = Canvas::paper(Paint(false));
        let shown = |itemize, columns| {
            let sample = Plans {
                release: samples::release(),
                hosts: &hosts,
                itemize,
                exit: Exit::Failed,
                seconds: 1.25,
            };
            plans(&sample, Canvas { columns, ..canvas })
        };
        insta::assert_snapshot!("plan itemized", shown(true, None));
        insta::assert_snapshot!("plan at 80", shown(false, Some(80)));
        insta::assert_snapshot!("plan at 200", shown(false, Some(200)));
    }
}
