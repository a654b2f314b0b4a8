//! Hosts that are reached before the source is known.

use super::*;

/// Writes down what it hears of hosts.
#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<String>>);

impl Monitor for Heard {
    fn event(&self, event: Event<'_>) {
        let text = match event {
            Event::State { host, state } => format!("{host} {}", state.as_str()),
            Event::Finished { report } => format!("{} {}", report.host, report.outcome.as_str()),
            _ => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

#[test]
fn hosts_are_reached_while_the_source_is_looked_for() {
    let place = tempfile::tempdir().unwrap();
    let (source, destination) = (place.path().join("source"), place.path().join("host"));
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "content").unwrap();
    let hosts = vec![
        Host::local("host", &destination),
        Host {
            reach: Reach::Command(vec!["/does/not/exist".into()]),
            ..Host::local("broken", &destination)
        },
    ];
    let options = Options {
        retries: 0,
        ..Options::default()
    };
    let fleet = Fleet::new(hosts, options.clone()).unwrap();
    let heard = Heard::default();
    let (scanned, report) = fleet
        .push_when_ready(Generation::new(1), &heard, || {
            let locked = || destination.join(".release/lock").exists();
            let end = Instant::now() + std::time::Duration::from_secs(20);
            while !locked() && Instant::now() < end {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            assert!(locked(), "the host is waited for, and does not wait");
            assert!(heard.0.lock().unwrap().is_empty());
            scan(&source, &options, &())
        })
        .unwrap();
    assert_eq!(report.hosts[0].outcome, Outcome::Committed, "{report:?}");
    assert_eq!(report.hosts[1].outcome, Outcome::Failed, "{report:?}");
    assert_eq!(report.release, Some(scanned.release()));
    assert!(report.work.frames_encoded > 0, "{report:?}");
    let heard = heard.0.into_inner().unwrap();
    for said in [
        "host connecting",
        "host staged",
        "host committed",
        "broken failed",
    ] {
        assert!(heard.iter().any(|text| text == said), "{said} in {heard:?}");
    }
}

#[test]
fn a_source_that_is_refused_changes_no_host_and_leaves_no_lock() {
    let place = tempfile::tempdir().unwrap();
    let destination = place.path().join("host");
    std::fs::create_dir(&destination).unwrap();
    std::fs::write(destination.join("file"), "as it was").unwrap();
    let fleet = Fleet::new(vec![Host::local("host", &destination)], Options::default()).unwrap();
    let heard = Heard::default();
    let refused = fleet.push_when_ready(Generation::new(1), &heard, || Err("not this one"));
    assert_eq!(refused.unwrap_err(), "not this one");
    assert!(heard.0.into_inner().unwrap().is_empty());
    assert_eq!(
        std::fs::read(destination.join("file")).unwrap(),
        b"as it was"
    );

    let source = place.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "content").unwrap();
    let source = scan(&source, &Options::default(), &()).unwrap();
    let report = fleet.push(&source, Generation::new(2), &());
    assert_eq!(report.hosts[0].outcome, Outcome::Committed, "{report:?}");
}
