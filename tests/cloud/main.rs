//! The cloud as EC2 and Auto Scaling, against moto behind the proxy with moods.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod contract;
mod denied;
mod deploy;
mod faults;
mod killed;
mod lists;
mod misfits;
mod permissions;
mod policy;
mod publishing;
mod region;
mod scene;
mod server;
mod snapshots;
mod storms;
mod tls;
mod verbs;
