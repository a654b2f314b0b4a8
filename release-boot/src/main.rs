//! release-boot: the right release, mounted and proved, before anything starts.
//!
//! What has to be done, and in which order, says [`release_core::boot`]; here is what does it. [`command`] puts
//! together what was asked for, [`drive`] carries out one step after the other, with a cloud, a
//! [`machine`] and a [`pointer`](mod@pointer) that is read over the [`net`].

// Without EC2 nobody asks for the right time.
#![cfg_attr(not(feature = "aws"), allow(dead_code))]

mod args;
mod command;
mod drive;
mod environment;
mod exit;
mod home;
#[cfg(feature = "aws")]
mod imds;
mod machine;
mod net;
mod pointer;
mod screen;
mod trouble;

fn main() -> std::process::ExitCode {
    command::run(
        std::env::args_os().skip(1),
        environment::Environment::read(),
    )
    .into()
}
