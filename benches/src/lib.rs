//! How fast it is: corpora, the comparison with rsync, and what the criterion benches share.
//!
//! | module | is |
//! |---|---|
//! | [`random`], [`text`], [`corpus`] | trees from a seed |
//! | [`field`] | a source, hosts with real `sshd`, and how both programs reach them |
//! | [`side`] | one of the programs, with its flags |
//! | [`meter`] | what a run took: time, processor time, memory |
//! | [`trial`] | the sides of one workload, run in turns |
//! | [`workload`] | the workloads W1–W9, and what they have to reach |
//! | [`crowd`], [`replay`] | many hosts: memory (W10) and processor time (W13) of the controller |
//! | [`verdict`], [`table`] | what was measured, against its target |
//!
//! Like the rigs of the tests, what is here panics where it can't go on: there is nothing to measure then.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod corpus;
pub mod crowd;
pub mod field;
pub mod meter;
pub mod random;
pub mod replay;
pub mod side;
pub mod table;
pub mod text;
pub mod trial;
pub mod verdict;
pub mod workload;
