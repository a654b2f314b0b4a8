#![allow(clippy::unwrap_used)]

use release_sync::HostState;

use super::*;
use crate::exit::{Exit, Overall};
use crate::ui::samples;

fn shown(volume: Volume, show: impl FnOnce(&dyn Screen)) -> String {
    let errors = Errors::new(Vec::new(), Paint(false));
    let lines = Lines::new(Vec::new(), Paint(false), || None, errors, volume);
    show(&lines);
    let out = String::from_utf8(lines.out.into_inner().unwrap().into_inner().unwrap()).unwrap();
    let err = String::from_utf8(lines.errors.into_inner()).unwrap();
    format!("stderr:\n{err}stdout:\n{out}")
}

fn a_deploy(screen: &dyn Screen) {
    let report = samples::report();
    let started = samples::started();
    screen.event(Event::Scanning {
        entries: 10,
        bytes_hashed: 0,
    });
    screen.started(&started);
    for host in &started.hosts {
        let state = HostState::Staging;
        screen.event(Event::State { host, state });
    }
    screen.event(Event::Note {
        host: "web-1",
        text: "owners can't be set here, since the agent is not root",
    });
    for report in &report.hosts {
        screen.event(Event::Finished { report });
    }
    let verdict = Verdict {
        exit: Exit::Partial,
        overall: Overall::Partial,
    };
    screen.finished(&report, verdict);
}

#[test]
fn a_deploy_reads_well_at_each_volume() {
    for (name, volume) in [
        ("quiet", Volume::Quiet),
        ("terse", Volume::Terse),
        ("normal", Volume::Normal),
        ("verbose", Volume::Verbose),
    ] {
        insta::assert_snapshot!(format!("deploy {name}"), shown(volume, a_deploy));
    }
}

#[test]
fn a_chapter_reads_well() {
    let chapter = samples::chapter();
    let text = shown(Volume::Terse, |screen| {
        let verdict = Verdict {
            exit: Exit::Done,
            overall: Overall::Ok,
        };
        screen.chapter(&chapter);
        screen.told(&chapter, &samples::report(), verdict, &samples::claims());
    });
    insta::assert_snapshot!(text);
}

#[test]
fn long_work_is_heard_of_at_its_pace() {
    let errors = Errors::new(Vec::new(), Paint(false));
    let lines = Lines::new(Vec::new(), Paint(false), || None, errors, Volume::Normal);
    assert!(!lines.is_due("web-1"), "the first time is only noted");
    assert!(!lines.is_due("web-1"));
    let before = Instant::now().checked_sub(pace::PACE).unwrap();
    lines.pace().heard.insert("web-1".into(), before);
    assert!(lines.is_due("web-1"));
    assert!(!lines.is_due("web-1"));
}

#[test]
fn a_rollback_says_that_it_goes_back() {
    let text = shown(Volume::Normal, |screen| {
        screen.started(&Started {
            journey: Journey::Back(samples::release()),
            source: "generation 2".to_owned(),
            hosts: vec!["web-1"],
        });
    });
    let release = samples::release().short();
    let line = format!("going back to generation 2, release {release}\n");
    assert!(text.contains(&line), "{text}");
}
