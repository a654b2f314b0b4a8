//! release-cli.
fn main() {}
