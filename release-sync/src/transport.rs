//! A pair of byte streams to an agent.
