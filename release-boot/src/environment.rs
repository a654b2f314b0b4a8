//! What is around the process: read once, here, and nowhere else.

use std::env;
use std::fs;
use std::path::PathBuf;

/// What is around the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `AWS_ENDPOINT_URL`: where EC2 answers instead of at its own address.
    pub(crate) endpoint: Option<String>,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`: where the metadata service is.
    pub(crate) metadata: Option<String>,
    /// The kernel's command line; empty where it can't be read.
    pub(crate) kernel_line: String,
    /// The working directory; `/` where there is none any more.
    pub(crate) directory: PathBuf,
}

impl Environment {
    pub(crate) fn read() -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            endpoint: variable("AWS_ENDPOINT_URL"),
            metadata: variable("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
            directory: env::current_dir().unwrap_or_else(|_| "/".into()),
            kernel_line: fs::read_to_string("/proc/cmdline").unwrap_or_default(),
        }
    }
}
