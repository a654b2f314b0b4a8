//! rsync's delta: what of a new file the host can take from its old one.
//!
//! The agent signs its old file, the *basis*: a weak and a strong sum of each of its [`Blocks`]
//! ([`Signature`]). The controller finds those blocks in the new file, wherever they are now
//! ([`Index::diff`]), and answers with ops: bytes as they are, or ranges of the basis to copy
//! ([`OpReader`]). The algorithm is that of Tridgell and Mackerras, "The rsync algorithm" (1996).
//!
//! The sums are fast_rsync's. The search is not: fast_rsync's takes the whole file at once and is
//! one thread, while here a file is cut into parts that any number of threads search, each with the
//! same index, in memory that does not depend on the file's size.
//!
//! MD4 can be forged, and a basis may change while it is read, so what was put together from ops is
//! right only if its digest says so; whoever applies them checks it.
//!
//! Nothing here does I/O or starts threads.
mod blocks;
mod index;
mod ops;
mod sample;
mod search;
mod signature;
#[cfg(test)]
mod tests;
mod weak;

pub(crate) use blocks::Blocks;
pub(crate) use index::Index;
pub(crate) use ops::{Op, OpReader, OpWriter};
pub(crate) use signature::Signature;
