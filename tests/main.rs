//! What needs real parts: sshd, rsync, disks that get full, connections that break. One module a
//! behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bootstrap;
mod drift;
mod faults_host;
mod faults_source;
mod faults_ssh;
mod filters;
mod kill;
mod oddities;
mod releases;
mod two_at_once;
