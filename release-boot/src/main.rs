//! release-boot.
fn main() {}
