//! Reaches hosts by a way of one's own: here a Unix socket, behind which agents are served.
//!
//! ```text
//! cargo run -p release-sync --example custom_transport SOURCE DESTINATION
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use release_sync::{
    Connect, Connector, Fleet, Generation, Host, Options, Reach, Streams, scan, serve,
};

/// Finds every host behind one socket.
struct Socket(PathBuf);

impl Connect for Socket {
    fn connect(&self, _: &Host) -> io::Result<Streams> {
        let stream = UnixStream::connect(&self.0)?;
        Ok(Streams {
            to_agent: Box::new(Closing(stream.try_clone()?)),
            from_agent: Box::new(stream),
        })
    }
}

/// A clone keeps a socket open: the far end hears of the end only by a shutdown.
struct Closing(UnixStream);

impl Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        // It may have been closed from the other side.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(source), Some(destination)) = (arguments.next(), arguments.next()) else {
        return Err("SOURCE DESTINATION, please".into());
    };
    let place = tempfile::tempdir()?;
    let path = place.path().join("agents");
    let listener = UnixListener::bind(&path)?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // What went wrong in a session, the other side says.
            thread::spawn(move || stream.try_clone().map(|output| serve(stream, output, None)));
        }
    });

    let host = Host {
        reach: Reach::Custom(Connector::new(Socket(path))),
        ..Host::local("behind the socket", destination)
    };
    let options = Options::default();
    let source = scan(source.as_ref(), &options, &())?;
    let generation = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut report =
        Fleet::new(vec![host], options)?.push(&source, Generation::new(generation), &());
    let host = report.hosts.remove(0);
    println!("{}: {}", host.host, host.outcome.as_str());
    host.error.map_or(Ok(()), |error| Err(error.into()))
}
