//! Ctrl-C without its `^C`.

use std::io::stderr;

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// Keeps the terminal from writing `^C` behind the last line, which would push all lines up by one and
/// leave a stale one behind. Puts the terminal back when it is dropped; where a kill prevents that, only
/// the `^C` is missing.
#[derive(Debug)]
pub(super) struct Unechoed(Option<Termios>);

impl Unechoed {
    pub(super) fn start() -> Self {
        let before = tcgetattr(stderr()).ok().filter(|_| is_ours());
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHOCTL);
            // Where that can't be done, the lines are drawn all the same.
            let _ = tcsetattr(stderr(), OptionalActions::Now, &quiet);
        }
        Self(before)
    }
}

/// Are we in the foreground? A job in the background would be stopped for touching the terminal, and
/// gets no Ctrl-C either.
fn is_ours() -> bool {
    tcgetpgrp(stderr()).is_ok_and(|group| group == getpgrp())
}

impl Drop for Unechoed {
    fn drop(&mut self) {
        if let Some(before) = self.0.as_ref().filter(|_| is_ours()) {
            let _ = tcsetattr(stderr(), OptionalActions::Now, before);
        }
    }
}
