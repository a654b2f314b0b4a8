//! release-boot on EC2: moto behind the proxy with moods, the metadata service, and loop devices that show up
//! where the instance looks for its disks. As root.
#![allow(clippy::unwrap_used, clippy::expect_used)]
// What only the boots of a whole machine ask of a scene.
#![cfg_attr(not(feature = "images"), allow(dead_code))]

mod faults;
#[cfg(feature = "images")]
mod overhead;
#[cfg(feature = "images")]
mod qemu;
mod ready;
mod refusals;
mod scene;
mod web;
