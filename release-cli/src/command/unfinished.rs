//! What every command says of a deploy that has not come to its end.

use std::path::Path;

use release_core::escape;

use super::desk::Desk;
use crate::context::File;
use crate::failure::Failure;
use crate::state::{State, Unfinished};
use crate::ui::{count, one_line};

/// It keeps no command from its work.
pub(super) fn tell(config: Option<&Path>, desk: &Desk) {
    // A configuration that can't be read is the command's own affair.
    let Ok(file) = File::load(config, &desk.environment) else {
        return;
    };
    let Some(directory) = file.state(&desk.environment) else {
        return;
    };
    let state = State::at(&directory);
    match state.unfinished() {
        Ok(None) => {}
        Ok(Some(unfinished)) => desk.screen.note(&text(&unfinished, state.holder())),
        // Whoever may not read the state needn't be told of it each time.
        Err(Failure::State { .. }) => {}
        Err(failure) => desk.screen.note(&one_line(&failure)),
    }
}

fn text(unfinished: &Unfinished, holder: Option<String>) -> String {
    let hosts = match unfinished.hosts.len() {
        0 => String::from("its hosts have proven what they have"),
        1 => format!("{} is not proven", escape(unfinished.hosts[0].as_bytes())),
        many => format!("{} are not proven", count(many as u64, "host")),
    };
    let published = match unfinished.published {
        Some(_) => "it was published",
        None => "nothing was published",
    };
    let what = format!(
        "the deploy of generation {} by {} has not come to its end: {hosts}, and {published}",
        unfinished.generation,
        escape(unfinished.by.as_bytes()),
    );
    match holder {
        Some(holder) => {
            format!("{what}; unless {holder} is at work on it, the next deploy resumes it")
        }
        None => format!("{what}; the next deploy resumes it"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use release_core::{Digest, Generation, Moment, ReleaseId};

    use super::*;

    #[test]
    fn it_says_how_far_it_came() {
        let mut unfinished = Unfinished {
            generation: Generation::new(12),
            release: ReleaseId::new(Digest::of(b"tree")),
            snapshot: None,
            published: None,
            by: "ada\x1b[2J@build-1".into(),
            since: Moment::from_unix_millis(0),
            hosts: vec!["web-1".into()],
        };
        assert_eq!(
            text(&unfinished, None),
            "the deploy of generation 12 by ada\\x1b[2J@build-1 has not come to its end: web-1 is not proven, \
             and nothing was published; the next deploy resumes it"
        );
        unfinished.published = Some(Moment::from_unix_millis(0));
        unfinished.hosts.push("web-2".into());
        let said = text(&unfinished, Some("bob".into()));
        assert!(said.contains("2 hosts are not proven, and it was published"));
        assert!(said.ends_with("unless bob is at work on it, the next deploy resumes it"));
    }
}
