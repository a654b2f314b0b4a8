//! The engine's process on a host.
fn main() {}
