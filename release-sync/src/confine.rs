//! A directory that nothing below it leads out of.
