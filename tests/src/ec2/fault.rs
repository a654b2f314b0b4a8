//! What goes wrong with calls.

use std::collections::BTreeSet;
use std::time::Duration;

use super::query::{self, Query, Refusal};

/// Something that goes wrong with calls of an action, or of all.
#[derive(Clone, Debug)]
pub struct Fault {
    action: Option<String>,
    param: Option<(String, String)>,
    /// Of this caller only, where what is asked for is none of these.
    beyond: Option<(String, BTreeSet<String>)>,
    effect: Effect,
    /// It strikes so often.
    left: Option<u32>,
    /// It strikes one in so many of those calls.
    every: u32,
    seen: u32,
}

#[derive(Clone, Debug)]
enum Effect {
    Refuse(Refusal),
    LoseRequest,
    LoseAnswer,
    Late(Duration),
    Hang(Duration),
}

/// What is to become of one call.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) refusal: Option<Refusal>,
    pub(super) lose_request: bool,
    pub(super) lose_answer: bool,
    pub(super) late: Duration,
}

impl Fault {
    /// Calls are refused because there were too many.
    pub fn throttle() -> Self {
        Self::refuse(503, "RequestLimitExceeded", "Request limit exceeded.")
    }

    /// Calls are refused because the caller may not.
    pub fn deny() -> Self {
        Self::new(Effect::Refuse(denial()))
    }

    /// Calls are refused with a code and a sentence of choice.
    pub fn refuse(status: u16, code: &str, message: &str) -> Self {
        Self::new(Effect::Refuse(Refusal::new(status, code, message)))
    }

    /// The connection is closed before anything is done.
    pub fn lose_request() -> Self {
        Self::new(Effect::LoseRequest)
    }

    /// What was asked is done, and the connection closed instead of an answer.
    pub fn lose_answer() -> Self {
        Self::new(Effect::LoseAnswer)
    }

    /// What was asked is done at once, and said after so long.
    pub fn late(by: Duration) -> Self {
        Self::new(Effect::Late(by))
    }

    /// Nothing is done, and nothing said for so long; then the connection is closed.
    pub fn hang(after: Duration) -> Self {
        Self::new(Effect::Hang(after))
    }

    fn new(effect: Effect) -> Self {
        Self {
            action: None,
            param: None,
            beyond: None,
            effect,
            left: None,
            every: 1,
            seen: 0,
        }
    }

    /// Of this action only. Default: of all.
    pub fn on(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// Where a parameter has this value only.
    pub fn with(mut self, param: &str, value: &str) -> Self {
        self.param = Some((param.to_owned(), value.to_owned()));
        self
    }

    /// So often only. Default: always.
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// One in so many such calls, and not the first. Default: each.
    pub fn one_in(mut self, calls: u32) -> Self {
        self.every = calls;
        self
    }

    /// A caller who may do no more than this: see [`Ec2::allow_only`](super::Ec2::allow_only).
    pub(super) fn beyond(caller: &str, permissions: BTreeSet<String>) -> Self {
        Self {
            beyond: Some((caller.to_owned(), permissions)),
            ..Self::deny()
        }
    }

    /// Counts a call, and adds to what becomes of it.
    pub(super) fn strike(&mut self, query: &Query, effects: &mut Effects) {
        let action = self.action.as_deref();
        let param = self.param.as_ref();
        if action.is_some_and(|action| action != query.action)
            || param.is_some_and(|(name, value)| query.get(name) != Some(value.as_str()))
            || self
                .beyond
                .as_ref()
                .is_some_and(|beyond| is_within(query, beyond))
            || self.left == Some(0)
        {
            return;
        }
        self.seen += 1;
        if !self.seen.is_multiple_of(self.every) {
            return;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        match &self.effect {
            Effect::Refuse(refusal) => effects.refusal = Some(in_words_of(query, refusal)),
            Effect::LoseRequest => effects.lose_request = true,
            Effect::LoseAnswer => effects.lose_answer = true,
            Effect::Late(by) => effects.late += *by,
            Effect::Hang(by) => {
                effects.lose_request = true;
                effects.late += *by;
            }
        }
    }
}

fn is_within(query: &Query, (caller, permissions): &(String, BTreeSet<String>)) -> bool {
    let may = |permission: &str| permissions.contains(permission);
    *caller != query.caller
        || (may(&query.permission()) && (!query.has_tags() || may(query::TAGGING)))
}

fn denial() -> Refusal {
    let message = "You are not authorized to perform this operation.";
    Refusal::new(403, "UnauthorizedOperation", message)
}

/// Services other than EC2 have other codes for the same.
fn in_words_of(query: &Query, refusal: &Refusal) -> Refusal {
    let mut refusal = refusal.clone();
    if query.service != "ec2" {
        let (status, code) = match refusal.code.as_str() {
            "RequestLimitExceeded" => (400, "Throttling"),
            "UnauthorizedOperation" => (403, "AccessDenied"),
            _ => return refusal,
        };
        refusal.status = status;
        refusal.code = code.to_owned();
    }
    refusal
}
