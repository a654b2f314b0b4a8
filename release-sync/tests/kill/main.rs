//! The agent killed, or failed by the disk, at every system call that changes something: the tree holds old
//! or new files and no others, the next run completes, sends nothing again that was there, and leaves
//! nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod back;
#[path = "../common/mod.rs"]
mod common;
mod disk;
mod scene;
mod update;
