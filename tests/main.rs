//! What needs real parts: sshd, rsync, disks that get full, connections that break. One module a
//! behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used)]
