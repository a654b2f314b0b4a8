//! rsync's delta: what of a new file the host can take from its old one.
