//! What a tree holds, found by a parallel walk.
#[cfg(test)]
pub(crate) mod testing;
