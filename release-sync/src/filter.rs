//! Patterns of entries to leave alone.
