//! What a tree holds, found by a parallel walk.
