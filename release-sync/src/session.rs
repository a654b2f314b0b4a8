//! The conversation, without I/O: bytes in, bytes out, and time as an argument.
//!
//! [`Controller`] is the side on the release server, [`Agent`] the side on the host. Neither reads,
//! writes, sleeps or looks at a clock, so that a test can put both into one thread and choose every
//! latency, every cut and every order of events.
//!
//! Methods come in three kinds. `handle_*` takes note of something that happened. `poll_*` hands out
//! what is to be done next and is called until it gives nothing. The rest are decisions of the caller.

mod agent;
mod asking;
mod controller;
mod fault;
mod headway;
mod outbox;
mod release;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod simulation;

pub(crate) use agent::{Agent, Order, Violation};
pub(crate) use controller::{Controller, Goal, MOST_REFUSALS, Step};
pub(crate) use fault::error_of;
pub(crate) use headway::{Headway, Patience};
pub(crate) use release::{Earlier, Release};
