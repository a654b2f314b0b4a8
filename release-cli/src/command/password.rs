//! Asking for a password.

use std::io::{BufRead, stdin};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::desk::Desk;
use crate::failure::Failure;

impl Desk {
    /// Asks for a password, which is not shown.
    pub(super) fn password(&self, what: &str) -> Result<String, Failure> {
        if !self.environment.stdin_is_terminal {
            return Err(Failure::NobodyToAsk);
        }
        self.screen.ask(&format!("{what}:"));
        let unseen = Unseen::begin();
        let read = self.interrupts.abandonable(|| {
            let mut line = String::new();
            stdin().lock().read_line(&mut line).map(|_| line)
        });
        drop(unseen);
        let line = read?.map_err(|_| Failure::NobodyToAsk)?;
        Ok(line.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Asks for a new one, twice.
    pub(super) fn new_password(&self) -> Result<String, Failure> {
        let password = self.password("new password")?;
        match self.password("once more")? == password {
            true => Ok(password),
            false => Err(Failure::PasswordsDiffer),
        }
    }
}

/// A terminal that doesn't show what is typed, until this is dropped.
struct Unseen(Option<Termios>);

impl Unseen {
    fn begin() -> Self {
        let Ok(before) = tcgetattr(stdin()) else {
            return Self(None);
        };
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        // A terminal that can't do it shows it.
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &unseen);
        Self(Some(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(stdin(), OptionalActions::Flush, before);
        }
    }
}
