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
//! | [`soak`] | which round of `./dev soak` this is, and the chance that it brings |
//! | [`corpora`] | pairs of real releases from public registries |
//! | [`ec2`] | EC2 and Auto Scaling with their moods: a proxy before moto that also writes down every call |
//! | [`boto`] | boto3, the independent client that sets scenes and judges |
//! | [`group`] | an Auto Scaling group whose instances are hosts of [`sshd`] |
//! | [`imds`] | the metadata service of an instance, version 2 |
//! | [`qemu`] | a machine that boots, whose disks come and go |
//! | [`volumes`] | EBS on loop devices, and machines in which they show up |
//!
//! Rigs panic: to a test, a rig that doesn't stand is a failure like any other, and says what it missed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod boto;
pub mod cli;
pub mod corpora;
pub mod disk;
pub mod ec2;
pub mod engine;
pub mod group;
mod http;
pub mod imds;
pub mod judge;
mod loopback;
mod moto;
pub mod proxy;
pub mod qemu;
pub mod scene;
pub mod snapshot;
pub mod soak;
pub mod sshd;
mod target;
pub mod tree;
pub mod volumes;
