//! Getting an agent to run on a host.
