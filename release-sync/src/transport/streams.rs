//! A transport over a pair of blocking streams: two threads stand between them and a socket that can be
//! polled.

use std::io::{self, Read, Write};
use std::thread;

use super::memory::{MemoryTransport, memory_pair};
use crate::host::Streams;

/// Bytes that are moved at once, and about as many are on their way in each direction.
const CHUNK: usize = 256 << 10;

/// Makes a transport of blocking streams. Its threads end when the streams do; closing the transport
/// drops [`Streams::to_agent`].
pub(crate) fn over_streams(streams: Streams) -> io::Result<MemoryTransport> {
    let (transport, outgoing, incoming) = memory_pair(CHUNK)?;
    let Streams {
        to_agent,
        from_agent,
    } = streams;
    named("to-agent")
        .spawn(move || pump(outgoing, to_agent))
        .and_then(|_| named("from-agent").spawn(move || pump(from_agent, incoming)))?;
    Ok(transport)
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(String::from(name))
}

/// Moves bytes until either side ends; dropping both tells the other ends.
fn pump(mut from: impl Read, mut to: impl Write) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // The session finds the end of its stream, and says where it was.
            Err(_) => return,
        };
        if to
            .write_all(&buffer[..count])
            .and_then(|()| to.flush())
            .is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::transport::Transport;
    use crate::transport::testing::exchange;

    #[test]
    fn both_ways_at_once_and_the_end_is_passed_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        let agent = thread::spawn(move || {
            let mut copy = theirs.try_clone().unwrap();
            io::copy(&mut theirs, &mut copy).unwrap()
        });
        let streams = Streams {
            to_agent: Box::new(Closing(ours.try_clone().unwrap())),
            from_agent: Box::new(ours),
        };
        let mut transport = over_streams(streams).unwrap();
        exchange(&mut transport, 4 << 20);
        transport.close();
        let begun = Instant::now();
        assert_eq!(agent.join().unwrap(), 4 << 20);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    /// A socket that tells its peer when it is dropped.
    struct Closing(TcpStream);

    impl Write for Closing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Drop for Closing {
        fn drop(&mut self) {
            let _ = self.0.shutdown(std::net::Shutdown::Write);
        }
    }
}
