//! Sessions with a real sshd.
#![allow(clippy::unwrap_used)]

mod host_key;
mod identity;
mod proxy;
mod reaching;
mod streams;

use std::error::Error as _;

use super::rig::Sshd;
use super::*;

fn attempt(target: &SshTarget, options: &SshOptions) -> Result<SshSession, Error> {
    SshSession::connect(target, options, &Newcomers::Written, &Cancel::default())
}

fn connect(sshd: &Sshd) -> SshSession {
    attempt(&sshd.target(), &sshd.options()).unwrap()
}

fn refusal(sshd: &Sshd, options: &SshOptions) -> Error {
    attempt(&sshd.target(), options).unwrap_err()
}

fn kind_of(error: &Error) -> io::ErrorKind {
    let source = error.source().unwrap();
    source.downcast_ref::<io::Error>().unwrap().kind()
}
