//! The cloud as EC2 and Auto Scaling, against moto behind the proxy with moods.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod contract;
mod faults;
mod lists;
mod permissions;
mod region;
mod server;
mod snapshots;
mod tls;
