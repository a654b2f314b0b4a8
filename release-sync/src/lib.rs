//! A sync engine: rsync's delta transfer, native, fanned out to many hosts over SSH.
