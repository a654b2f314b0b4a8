//! An agent's part of a session, written down once and said again: hosts that cost next to nothing, so that
//! a thousand of them fit on one machine and what the controller takes can be told apart.
//!
//! A script is what an agent sent, frame by frame, and for each frame how much the controller had said before:
//! that much is waited for when it is said again. What is counted is what the controller says in any case.
//! How well it compresses, and how often it says that it is alive, may differ from run to run.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The greeting of either side: eight bytes, and a version.
const GREETING: usize = 10;

/// Kinds of frames: docs/wire-format.md.
const CONTROL: u8 = 0;
const PAYLOAD: u8 = 3;

/// How either side says that it is alive.
const CONTROLLER_IS_ALIVE: &[u8] = &[CONTROL, 6];
const AGENT_IS_ALIVE: &[u8] = &[CONTROL, 8];

/// How long an agent is silent, at most.
const PATIENCE: Duration = Duration::from_secs(4);

/// No frame is longer; one that is means that the script and the program do not fit.
const LONGEST: u32 = 8 << 20;

/// How far the controller has come.
#[derive(Debug, Default)]
struct Progress {
    said: Mutex<u64>,
    more: Condvar,
}

impl Progress {
    fn note(&self, frame: &[u8]) {
        if counts(frame) {
            *self.said.lock().expect("nobody panics with the lock") += 1;
            self.more.notify_all();
        }
    }

    fn now(&self) -> u64 {
        *self.said.lock().expect("nobody panics with the lock")
    }

    /// Waits for the controller; `false` if it took too long, this time.
    fn wait_for(&self, wanted: u64) -> bool {
        let said = self.said.lock().expect("nobody panics with the lock");
        let waited = (self.more).wait_timeout_while(said, PATIENCE, |said| *said < wanted);
        *waited.expect("nobody panics with the lock").0 >= wanted
    }
}

/// Is this frame said in any case? `frame` begins with its kind. Of the payload frames that answer a want, the
/// last is counted.
fn counts(frame: &[u8]) -> bool {
    if frame == CONTROLLER_IS_ALIVE {
        return false;
    }
    let Some((&PAYLOAD, body)) = frame.split_first() else {
        return true;
    };
    // The flags follow the unit's number, whose last byte has no high bit.
    let unit = body.iter().position(|byte| byte & 0x80 == 0);
    let flags = unit.and_then(|last| body.get(last + 1));
    flags.is_some_and(|flags| flags & 1 != 0)
}

/// The next frame without its length; `None` at the end.
fn read_frame(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::Error::other("a frame that no side sends"));
    }
    let mut frame = vec![0; length as usize];
    input.read_exact(&mut frame)?;
    Ok(Some(frame))
}

fn write_frame(output: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    output.write_all(&(frame.len() as u32).to_le_bytes())?;
    output.write_all(frame)?;
    output.flush()
}

fn pass_greeting(input: &mut impl Read, output: &mut impl Write) -> io::Result<[u8; GREETING]> {
    let mut greeting = [0; GREETING];
    input.read_exact(&mut greeting)?;
    output.write_all(&greeting)?;
    output.flush()?;
    Ok(greeting)
}

/// Stands between a controller and an agent, and writes down what the agent says.
pub fn record(script: &Path, agent: &[String]) -> io::Result<()> {
    let mut child = Command::new(&agent[0])
        .args(&agent[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut to_agent = child.stdin.take().expect("it is a pipe");
    let mut from_agent = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let progress = Arc::new(Progress::default());
    let passing = Arc::clone(&progress);
    thread::spawn(move || -> io::Result<()> {
        let mut input = BufReader::new(io::stdin());
        pass_greeting(&mut input, &mut to_agent)?;
        while let Some(frame) = read_frame(&mut input)? {
            passing.note(&frame);
            write_frame(&mut to_agent, &frame)?;
        }
        Ok(())
    });
    let mut script = BufWriter::new(File::create(script)?);
    let mut output = io::stdout();
    script.write_all(&pass_greeting(&mut from_agent, &mut output)?)?;
    while let Some(frame) = read_frame(&mut from_agent)? {
        if frame != AGENT_IS_ALIVE {
            script.write_all(&progress.now().to_le_bytes())?;
            write_frame(&mut script, &frame)?;
        }
        // Written down first: whoever hears of the end may end us.
        script.flush()?;
        write_frame(&mut output, &frame)?;
    }
    child.wait()?;
    Ok(())
}

/// Says a script again.
pub fn replay(script: &Path) -> io::Result<()> {
    let script = fs::read(script)?;
    let progress = Arc::new(Progress::default());
    let listening = Arc::clone(&progress);
    let listener = thread::spawn(move || -> io::Result<()> {
        let mut input = BufReader::with_capacity(256 << 10, io::stdin());
        pass_greeting(&mut input, &mut io::sink())?;
        while let Some(frame) = read_frame(&mut input)? {
            listening.note(&frame);
        }
        Ok(())
    });
    let mut output = io::stdout();
    let mut rest = &script[..];
    pass_greeting(&mut rest, &mut output)?;
    let mut wanted = [0; 8];
    while rest.read_exact(&mut wanted).is_ok() {
        let frame = read_frame(&mut rest)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        while !progress.wait_for(u64::from_le_bytes(wanted)) {
            if listener.is_finished() {
                return Ok(());
            }
            write_frame(&mut output, AGENT_IS_ALIVE)?;
        }
        write_frame(&mut output, &frame)?;
    }
    let _ = listener.join();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_not_counted() {
        assert!(!counts(CONTROLLER_IS_ALIVE));
        assert!(counts(&[CONTROL, 5]));
        assert!(counts(&[1, 9, 9]));
        // Units 5 and 300: more follows, then the last one.
        assert!(!counts(&[PAYLOAD, 5, 2, 1, 1]));
        assert!(counts(&[PAYLOAD, 5, 3, 1, 1]));
        assert!(!counts(&[PAYLOAD, 0xac, 2, 0, 1]));
        assert!(counts(&[PAYLOAD, 0xac, 2, 1, 1]));
    }

    #[test]
    fn frames_come_back() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &[1, 2, 3]).unwrap();
        let mut rest = &bytes[..];
        assert_eq!(read_frame(&mut rest).unwrap(), Some(vec![1, 2, 3]));
        assert_eq!(read_frame(&mut rest).unwrap(), None);
        assert!(read_frame(&mut &[0xff; 8][..]).is_err());
    }
}
