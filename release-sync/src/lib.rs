//! Makes a directory on many hosts equal to one here, and proves it.
//!
//! This is what `rsync --delete` does for one host, as a library and for a fleet: the source is scanned
//! once, what differs is found and compressed once, and the same bytes go to every host that asks for
//! them. Nothing current is touched before all of the new tree is there and verified.
//!
//! ```
//! use release_sync::{Fleet, Generation, Host, Options, scan};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let place = tempfile::tempdir()?;
//! # let (source, web_1) = (place.path().join("source"), place.path().join("web-1"));
//! # std::fs::create_dir(&source)?;
//! # std::fs::write(source.join("index.html"), "hello")?;
//! let options = Options::default();
//! let source = scan(&source, &options, &())?;
//! let hosts = vec![Host::local("web-1", &web_1)];
//! let report = Fleet::new(hosts, options)?.push(&source, Generation::new(1), &());
//!
//! assert_eq!(std::fs::read(web_1.join("index.html"))?, b"hello");
//! assert_eq!(report.hosts[0].release, Some(source.release()));
//! # Ok(())
//! # }
//! ```
//!
//! # The idea
//!
//! ```text
//!    release server                                       each host
//!
//!  source ──▶ scan ──▶ Manifest ── its digest: the release id
//!                         │
//!                         │  "is this what you have?"
//!                         ├──────────────────────────▶  agent ◀── scan ── tree
//!                         │         what it lacks         │
//!              payload ◀──┼───────────────────────────────┤
//!               cache     │    files, deltas, encoded     │
//!                 └───────┼──── once for all hosts ─────▶ stage, verify
//!                         │                               │
//!              gate ──────┴────────── "commit" ─────────▶ rename into place, prove
//! ```
//!
//! A [`Manifest`] lists everything in a tree: paths, modes, owners, times, the digest of each file. Its own
//! digest is the [`ReleaseId`]. Two trees with one id are equal, so a host *proves* what it holds by making
//! the manifest of its own tree and telling the digest.
//!
//! At the far end works an agent, a small program that a [`Fleet`] puts on a host by itself. It compares the
//! manifest with its tree, makes what it can from content it has (a file that was moved costs nothing), and
//! asks for the rest, with block sums of its old files. Hosts in the same state ask the same question, and
//! the answer is made once.
//!
//! What arrives is staged beside the current tree, in `.release` at its root, and each file's digest is
//! compared there. Then it is moved into place; what it displaces is kept, so that [`Fleet::undo`] needs no
//! transfer. A run that is cut off, at any moment and on either side, is repeated and goes on where it was.
//!
//! # Where to look
//!
//! | to | use |
//! |---|---|
//! | find out what a tree is | [`scan`] → [`Source`] |
//! | push to hosts, or to directories here | [`Fleet::push`] → [`Report`] |
//! | know what a push would do | [`Fleet::plan`] → [`HostPlan`] |
//! | see what hosts have, or have every byte hashed | [`Fleet::status`] → [`HostStatus`] |
//! | go back | [`Fleet::undo`] |
//! | bring a tree from a host | [`pull`] |
//! | reach a host | [`Host`] with a [`Reach`]: SSH, a command, this process, or your own [`Connect`] |
//! | watch | [`Monitor`], which is told every [`Event`] |
//! | stage now, and commit when you say so | [`Fleet::push_held`] with a [`Hold`] |
//! | stop | [`Fleet::cancel_handle`] → [`Cancel`] |
//!
//! Each has a program in `examples/`.
//!
//! # Over SSH
//!
//! ```no_run
//! use release_sync::{Fleet, Generation, Host, Identity, Options, SshOptions, SshTarget, scan};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let identity = Identity::File("/etc/release/id_ed25519".into());
//! let options = Options {
//!     // The last is the directory with `release-agent`, which is put on hosts that lack it.
//!     ssh: Some(SshOptions::new(identity, "/etc/release/known_hosts", "/usr/lib/release")),
//!     ..Options::default()
//! };
//! let hosts = ["10.0.0.5", "10.0.0.6"]
//!     .map(|address| Host::ssh(SshTarget::new("www", address), "/srv/app"))
//!     .to_vec();
//! let source = scan("/srv/build/app".as_ref(), &options, &())?;
//! let report = Fleet::new(hosts, options)?.push(&source, Generation::new(7), &());
//! for host in &report.hosts {
//!     println!("{}: {}", host.host, host.outcome.as_str());
//!     if let Some(error) = &host.error {
//!         println!("  {error}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Generation`] numbers the runs. A host refuses one that is lower than the last that it has seen, so
//! that a slow old run can't overwrite a new one; and the last one itself with another release, since one
//! number means one release. Keep the last number somewhere, and add one.
//!
//! # What to expect
//!
//! - **Calls block**, and use threads: one a host, and rayon's pool. Under an async runtime, call them from
//!   where blocking is allowed; `examples/under_tokio.rs` shows it.
//! - **One host's failure is that host's**: it is in its [`HostReport`], as an [`Error`] that knows
//!   [whether a retry makes sense](Error::is_retryable). The others go on.
//! - **Nothing is printed**, and the environment is not read. The current directory matters only to relative
//!   paths that you give.
//! - **Memory is bounded**: 256 MiB for encoded content, a few MiB a host, about 200 bytes a file.
//! - **Hosts are not trusted**: a host that lies, floods or stalls harms its own session only.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | none | the pure kernel: formats, plan, delta, conversation. It does no I/O, and shows nothing useful alone |
//! | `fs` | scanning and the agent: [`scan`], [`serve`] |
//! | `ssh` (default) | SSH, and the fan-out: [`Fleet`], [`pull`] |
//!
//! # Versions
//!
//! Until 1.0 a minor version may break callers; what did is in the changelog. [`Error`], [`Event`] and
//! [`Reach`] get new variants at any time, which is why a `match` on one needs an arm for the rest.
//! [`Options`] gets new fields: end a literal with `..Options::default()`. Reports are made here alone.

// Both ends share these layers; a build for one end leaves the other's part unused.
#![cfg_attr(not(feature = "ssh"), allow(dead_code, unused_imports))]

#[cfg(feature = "fs")]
mod agent;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
#[cfg(feature = "ssh")]
mod bootstrap;
#[cfg(feature = "fs")]
mod cancel;
#[cfg(feature = "fs")]
mod confine;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod delta;
#[cfg(feature = "fs")]
mod drive;
#[cfg(feature = "fs")]
mod effort;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod error;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod filter;
#[cfg(feature = "ssh")]
mod fleet;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "fs")]
mod hold;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod host;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod monitor;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod options;
#[cfg(feature = "fs")]
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod pace;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod plan;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod report;
#[cfg(feature = "fs")]
mod scan;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod session;
#[cfg(feature = "fs")]
mod store;
#[cfg(feature = "fs")]
mod supply;
#[cfg(test)]
mod testing;
#[cfg(feature = "fs")]
mod transport;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod tree;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod unit;
#[cfg_attr(not(test), deny(clippy::disallowed_methods))]
mod wire;

#[cfg(feature = "fs")]
pub use agent::serve;
#[cfg(feature = "fs")]
pub use cancel::Cancel;
pub use error::Error;
#[cfg(feature = "ssh")]
pub use fleet::{Fleet, pull};
#[cfg(feature = "fs")]
pub use hold::Hold;
pub use host::{
    Connect, Connector, Host, HostKeys, Identity, Reach, SshOptions, SshTarget, Streams,
};
pub use monitor::{Event, HostState, Monitor};
pub use options::Options;
pub use release_core::{
    Digest, Generation, Manifest, Marker, Proof, ProofClass, RelPath, ReleaseId,
};
pub use report::{
    Counts, HostPlan, HostProbe, HostReport, HostStatus, Outcome, PlanItem, Report, Work,
};
#[cfg(feature = "fs")]
pub use supply::{Source, scan};

/// Names the sources that this build was made from: 16 hexadecimal digits.
pub const BUILD_ID: &str = env!("RELEASE_SYNC_BUILD_ID");
