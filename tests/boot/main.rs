//! release-boot on EC2: moto behind the proxy with moods, the metadata service, and loop devices that show up
//! where the instance looks for its disks. As root.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod faults;
mod overhead;
mod qemu;
mod ready;
mod refusals;
mod scene;
mod web;
