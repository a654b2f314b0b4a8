#![allow(clippy::unwrap_used)]

use std::io;

use release_sync::HostState;

use super::*;
use crate::exit::Exit;
use crate::ui::paint::Paint;
use crate::ui::samples;

fn noon() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn screen() -> Json<Vec<u8>, Vec<u8>> {
    Json::new(Vec::new(), Errors::new(Vec::new(), Paint(false)), noon)
}

fn sent(json: Json<Vec<u8>, Vec<u8>>) -> String {
    let out = json.events.into_inner().unwrap().out;
    String::from_utf8(out.into_inner().unwrap()).unwrap()
}

const PARTIAL: Verdict = Verdict {
    exit: Exit::Partial,
    overall: Overall::Partial,
};

fn events(json: Json<Vec<u8>, Vec<u8>>) -> Vec<String> {
    sent(json)
        .lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            assert!(value["at"].is_string(), "{line}");
            value["event"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn a_deploy_is_told_whole() {
    let json = screen();
    let host = "web-1";
    json.event(Event::Scanning {
        entries: 1,
        bytes_hashed: 2,
    });
    json.started(&samples::started());
    let state = HostState::Connecting;
    json.event(Event::State { host, state });
    json.event(Event::Progress {
        host,
        files_done: 1,
        files_wanted: 2,
        bytes_done: 3,
        bytes_wanted: 4,
    });
    json.event(Event::Note {
        host,
        text: "it is slow",
    });
    let report = samples::report();
    for report in &report.hosts {
        json.event(Event::Finished { report });
    }
    json.finished(&report, PARTIAL);
    json.event(Event::State { host, state });
    json.abandon();
    insta::assert_snapshot!(sent(json));
}

#[test]
fn a_refusal_and_statuses() {
    let json = screen();
    json.failed(&Failure::UnknownHost {
        name: "web1".into(),
        nearest: "web-1".into(),
    });
    json.statuses(&samples::statuses());
    insta::assert_snapshot!(sent(json));
}

/// A reader finds an object for each instance, with the same keys, whether it could be asked or not.
#[test]
fn who_could_not_be_asked_has_an_event_as_well() {
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let json = screen();
    json.absent("i-00000001", "asleep");
    json.statuses(&samples::statuses());
    json.absent("i-00000001", "booting");
    json.plans(&Plans {
        release: samples::release(),
        hosts: &samples::plans(),
        itemize: true,
        exit: Exit::Failed,
        seconds: 1.0,
    });
    let lines: Vec<Value> = sent(json)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let absent = |standing: &str| {
        let mut lines = lines.iter();
        lines.find(|line| line["host"] == "i-00000001" && line["state"] == standing)
    };
    let (status, plan) = (absent("asleep").unwrap(), absent("booting").unwrap());
    assert_eq!(keys(status), keys(&lines[0]));
    let finished = lines.last().unwrap();
    let planned = finished["hosts"].as_array().unwrap();
    assert_eq!(planned.last().unwrap()["state"], "booting");
    assert_eq!(keys(planned.last().unwrap()), keys(&planned[0]));
    assert!(plan["items"].is_array());
}

#[test]
fn a_run_that_is_abandoned_ends_with_what_is_known() {
    let json = screen();
    json.abandon();
    json.started(&samples::started());
    let report = samples::report();
    json.event(Event::Finished {
        report: &report.hosts[0],
    });
    json.abandon();
    json.abandon();
    let text = sent(json);
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "finished");
    assert_eq!(last["outcome"], "partial");
    assert_eq!(last["hosts"][0]["host"], "web-1");
    assert_eq!(text.matches("\"finished\"").count(), 1);
}

#[test]
fn a_story_has_one_beginning_and_one_end() {
    let json = screen();
    let report = samples::report();
    json.started(&samples::started());
    json.chapter(&samples::chapter());
    json.told(&samples::chapter(), &report, PARTIAL, &samples::claims());
    json.failed(&Failure::ClaimsBroken { count: 1 });
    json.finished(&report, PARTIAL);
    assert_eq!(events(json), ["started", "step", "error", "finished"]);
}

#[test]
fn a_reader_that_went_away_does_no_harm() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let json = Json::new(Broken, Errors::new(Broken, Paint(false)), noon);
    json.started(&samples::started());
    json.failed(&Failure::Interrupted);
    json.finished(&samples::report(), PARTIAL);
    assert!(json.events().out.has_failed());
}
