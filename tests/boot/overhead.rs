//! B1: what release-boot takes of a machine that has better things to do: its size, its memory, and its time beside
//! what calls, waits and devices take.

use std::fs;
use std::io::Read;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::scene::{Scene, piped, static_program};

/// Bytes of the program.
const SIZE: u64 = 8_000_000;
/// Anonymous memory at its peak, in KiB.
const MEMORY: u64 = 12 << 10;
/// Seconds of both kinds of processor time. On a busy machine it is the only time that is the program's own.
const CPU: f64 = 0.150;

// The figures are what a bench is for.
#[allow(clippy::print_stdout)]
#[test]
fn it_is_small_in_every_respect() {
    let program = static_program();
    let size = fs::metadata(&program).unwrap().len();
    let scene = Scene::new();
    let mut child = piped(scene.command_of(program.as_os_str(), &[]));
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0;
    let mut processor = 0.0_f64;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        memory = memory.max(anonymous(&text).unwrap_or(0));
        processor = processor.max(processor_time(child.id()).unwrap_or(0.0));
        sleep(Duration::from_millis(1));
    }
    let mut events = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut events)
        .unwrap();
    let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!(last["outcome"], "ready", "{events}");
    println!(
        "B1: {size} bytes, {memory} KiB, {:.0} ms of processor time, {} s in all",
        processor * 1e3,
        last["seconds"]
    );
    assert!(size <= SIZE, "{size} bytes");
    assert!((1..=MEMORY).contains(&memory), "{memory} KiB");
    assert!(processor > 0.0 && processor <= CPU, "{processor} s");
    scene.assert_settled(1);
}

/// `RssAnon` of a process's status, in KiB.
fn anonymous(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// What a process has used so far, in seconds: its only thread's nanoseconds on a processor.
fn processor_time(process: u32) -> Option<f64> {
    let times = fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
    let nanoseconds: f64 = times.split_ascii_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}
