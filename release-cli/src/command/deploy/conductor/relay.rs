//! What hosts say, told to the machine and to the screen.

use std::sync::mpsc::Sender;

use release_core::deploy::{Attempt, Event};
use release_core::escape;
use release_sync::{Event as HostEvent, HostState, Monitor};

use super::{Word, say};
use crate::command::deploy::outcomes::attempt;
use crate::command::deploy::rollout::Tiding;
use crate::command::desk::{Desk, Watch};
use crate::ui::one_line;

/// Tells the machine of hosts, and the screen of what is final.
pub(super) struct Relay<'a> {
    pub(super) watch: &'a Watch<'a>,
    pub(super) desk: &'a Desk,
    pub(super) sender: Sender<Word>,
}

impl Relay<'_> {
    fn tell(&self, event: Tiding) {
        say(&self.sender, Word::Host(event));
    }
}

impl Monitor for Relay<'_> {
    fn event(&self, event: HostEvent<'_>) {
        match event {
            HostEvent::State {
                host,
                state: HostState::Staged,
            } => self.tell(Event::Staged(host.to_owned())),
            HostEvent::Finished { report } => {
                let attempt = attempt(report);
                self.tell(Event::Ended(report.host.clone(), attempt));
                if let (Attempt::Later, Some(error)) = (attempt, &report.error) {
                    let text = one_line(error);
                    let host = escape(report.host.as_bytes());
                    self.desk
                        .screen
                        .note(&format!("{host}: {text}; it is tried again"));
                    return;
                }
            }
            _ => {}
        }
        self.watch.event(event);
    }
}
