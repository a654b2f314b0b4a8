//! release-cli: pushes a release to many hosts, and says what happened on each.
//!
//! All policy, no mechanism: [`args`] is what was typed, [`context`] what it means, [`command`] does it
//! with the engine, [`ui`] shows it, and [`exit`] says how it ended.

mod args;
mod cloud;
mod command;
mod context;
mod descriptors;
mod exit;
mod failure;
mod freeze;
mod interrupt;
mod pins;
mod publish;
mod serve;
mod setup;
mod snapshot;
mod state;
mod ui;

fn main() -> std::process::ExitCode {
    command::run(std::env::args_os(), context::Environment::read()).into()
}
