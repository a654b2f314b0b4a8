//! The rigs: real parts on one machine, for tests that need them.
//!
//! | module | is |
//! |---|---|
//! | [`tree`] | generators of trees: every oddity, changes of every kind, releases of any size |
//! | [`snapshot`] | what a tree is, entry by entry, read without the engine's code |
//! | [`judge`] | whether two trees are equal: once by rsync, once by snapshots |
//! | [`sshd`] | real SSH servers on loopback, each a host with its own file system view |
//! | [`disk`] | loop devices with a file system, which may be frozen |
//! | [`proxy`] | a TCP proxy that delays, limits, stalls and cuts |
//! | [`cli`] | the built `release-cli`, run as an operator does |
//! | [`engine`] | the library, for what its program has no words for |
//! | [`scene`] | all of these together: a source, hosts, an operator |
//! | [`corpora`] | pairs of real releases from public registries |
//!
//! Rigs panic: to a test, a rig that doesn't stand is a failure like any other, and says what it missed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod cli;
pub mod corpora;
pub mod disk;
pub mod engine;
pub mod judge;
mod loopback;
pub mod proxy;
pub mod scene;
pub mod snapshot;
pub mod sshd;
pub mod tree;
