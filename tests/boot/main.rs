//! release-boot on EC2: moto behind the proxy with moods, the metadata service, loop devices that show up where the
//! instance looks for its disks, and whole machines. As root.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod devices;
mod faults;
mod late;
mod overhead;
mod qemu;
mod ready;
mod refusals;
mod scene;
mod web;
