//! Standard output, which may be full or gone.

use std::io::{self, Write};

/// What is written to, until that fails.
#[derive(Debug)]
pub(super) struct Sink<O> {
    /// `None` once it has failed: what comes later would be a text with a hole in it.
    out: Option<O>,
    fault: Option<io::Error>,
}

impl<O: Write> Sink<O> {
    pub(super) fn new(out: O) -> Self {
        Self {
            out: Some(out),
            fault: None,
        }
    }

    /// Writes all of a text. A reader that went away has what it wants; anything else is kept for
    /// [`Sink::lost`].
    pub(super) fn write(&mut self, text: &str) {
        let Some(out) = &mut self.out else { return };
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            self.out = None;
            self.fault = Some(error).filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
        }
    }

    /// Why something is missing, told once.
    pub(super) fn lost(&mut self) -> Option<io::Error> {
        self.fault.take()
    }

    #[cfg(test)]
    pub(super) fn has_failed(&self) -> bool {
        self.out.is_none()
    }

    #[cfg(test)]
    pub(super) fn into_inner(self) -> Option<O> {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that fails in its own way.
    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_lost_is_told_unless_nobody_wants_it() {
        for (kind, lost) in [
            (io::ErrorKind::StorageFull, true),
            (io::ErrorKind::BrokenPipe, false),
        ] {
            let mut sink = Sink::new(Failing(kind));
            sink.write("text");
            sink.write("more");
            assert_eq!(sink.lost().is_some(), lost);
            assert!(sink.lost().is_none());
        }
    }
}
