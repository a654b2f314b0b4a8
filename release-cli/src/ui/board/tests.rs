use proptest::prelude::*;

use super::*;
use crate::ui::samples;

fn extent(columns: usize, rows: usize) -> Extent {
    Extent { columns, rows }
}

/// A run over so many hosts, some way into it.
fn board(hosts: usize) -> Board {
    let names: Vec<_> = (0..hosts)
        .map(|number| format!("web-{number:03}.eu-west-1.compute.internal"))
        .collect();
    let mut board = Board::new(Paint(false));
    let mut started = samples::started();
    started.hosts = names.iter().map(String::as_str).collect();
    board.start(&started, Duration::ZERO);
    board.lines(extent(80, 24), Duration::ZERO);
    for (number, host) in names.iter().enumerate() {
        let state = match number % 8 {
            0 | 1 | 5 => HostState::Staging,
            2 => HostState::Connecting,
            3 => HostState::Staged,
            4 => HostState::Scanning,
            _ => continue,
        };
        board.event(&Event::State { host, state }, Duration::from_secs(1));
        if state == HostState::Staging {
            let event = Event::Progress {
                host,
                files_done: 12 * number as u64,
                files_wanted: 1_050,
                bytes_done: 1_000_000 * number as u64,
                bytes_wanted: 340_000_000,
            };
            board.event(&event, Duration::from_secs(2));
        }
        if number % 16 == 0 {
            let mut report = samples::report().hosts.swap_remove(number / 16 % 3);
            report.host = host.clone();
            board.event(&Event::Finished { report: &report }, Duration::from_secs(3));
        }
    }
    board
}

#[test]
fn screens_read_well() {
    for hosts in [3, 40, 200] {
        for (columns, rows) in [(80, 24), (200, 50)] {
            let lines = board(hosts).lines(extent(columns, rows), Duration::from_secs(8));
            assert!(lines.len() <= rows / 2, "{} lines", lines.len());
            insta::assert_snapshot!(format!("{hosts} hosts at {columns}"), lines.join("\n"));
        }
    }
}

#[test]
fn before_a_run_one_line_tells_what_is_done() {
    let mut board = Board::new(Paint(false));
    let screen = extent(80, 24);
    assert_eq!(board.lines(screen, Duration::ZERO), [""; 0]);
    let scanning = Event::Scanning {
        entries: 12_345,
        bytes_hashed: 1_200_000,
    };
    board.event(&scanning, Duration::ZERO);
    let lines = board.lines(screen, Duration::ZERO);
    assert_eq!(lines, ["scanning: 12,345 entries, 1.2 MB read"]);
    for (host, state) in [
        ("a", HostState::Connecting),
        ("b", HostState::Connecting),
        ("a", HostState::Scanning),
        ("c", HostState::Scanning),
    ] {
        board.event(&Event::State { host, state }, Duration::ZERO);
    }
    let lines = board.lines(screen, Duration::ZERO);
    assert_eq!(lines, ["asking 3 hosts: 2 scanning, 1 connecting"]);
}

#[test]
fn the_whole_is_full_when_all_is_done_and_not_before() {
    let mut board = Board::new(Paint(false));
    board.start(&samples::started(), Duration::ZERO);
    for report in &samples::report().hosts {
        assert!(board.fraction() < 1.0);
        board.event(&Event::Finished { report }, Duration::ZERO);
    }
    assert_eq!(board.fraction(), 1.0);
    let lines = board.lines(extent(80, 24), Duration::ZERO);
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].contains("3 of 3 hosts, 1 not well"),
        "{}",
        lines[0]
    );
}

#[test]
fn a_pull_shows_what_has_come() {
    let mut board = Board::new(Paint(false));
    let pull = Started {
        journey: Journey::In,
        source: "www@10.0.0.9:/srv/app".to_owned(),
        hosts: vec!["staging"],
    };
    board.start(&pull, Duration::ZERO);
    let (host, state) = ("staging", HostState::Staging);
    board.event(&Event::State { host, state }, Duration::ZERO);
    board.lines(extent(80, 24), Duration::ZERO);
    let event = Event::Progress {
        host,
        files_done: 0,
        files_wanted: 0,
        bytes_done: 12_300_000,
        bytes_wanted: 0,
    };
    board.event(&event, Duration::from_secs(1));
    let lines = board.lines(extent(80, 24), Duration::from_secs(3));
    assert!(
        lines[0].ends_with("0 of 1 host  12.3 MB  4.1 MB/s"),
        "{}",
        lines[0]
    );
    assert_eq!(lines[1], "  staging  staging     12.3 MB");
}

#[test]
fn a_host_that_is_tried_again_is_no_longer_done() {
    let mut board = Board::new(Paint(false));
    board.start(&samples::started(), Duration::ZERO);
    let report = &samples::report().hosts[0];
    board.event(&Event::Finished { report }, Duration::ZERO);
    let (host, state) = ("web-1", HostState::Connecting);
    board.event(&Event::State { host, state }, Duration::ZERO);
    assert_eq!(board.fraction(), 0.0);
    assert_eq!(board.hosts.len(), 3);
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_screen(
        hosts in 0..50_usize, columns in 0..250_usize, rows in 0..60_usize
    ) {
        let lines = board(hosts).lines(extent(columns, rows), Duration::from_secs(9));
        for line in &lines {
            prop_assert!(width(line) <= columns, "{line}");
        }
    }
}

#[test]
fn a_rollback_does_not_pull() {
    let mut board = Board::new(Paint(false));
    let back = Started {
        journey: Journey::Back(samples::release()),
        source: "generation 2".to_owned(),
        hosts: vec!["web-1"],
    };
    board.start(&back, Duration::ZERO);
    let lines = board.lines(extent(80, 24), Duration::ZERO);
    let title = format!("going back to {}", samples::release().short());
    assert!(lines[0].starts_with(&title), "{}", lines[0]);
}
