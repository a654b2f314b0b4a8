//! Trees on this machine made equal, through the library's face alone: no SSH, no other process but the
//! agent's where a test needs one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;

mod beside;
mod calls;
mod changes;
mod content;
mod destinations;
mod faults;
mod lists;
mod owners;
mod private;
mod progress;
mod releases;
mod selection;
mod undo;
mod unprivileged;
