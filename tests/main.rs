//! What needs real parts: sshd, rsync, disks that get full, connections that break. One module a
//! behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agents;
mod applications;
mod bootstrap;
mod by_command;
mod demo;
mod drift;
mod faults_host;
mod faults_source;
mod faults_ssh;
mod filters;
mod fleet;
mod forced_command;
mod frozen;
mod inquiries;
mod itemize;
mod kill;
mod login_shells;
mod oddities;
mod pull;
mod releases;
mod rollout;
mod two_at_once;
