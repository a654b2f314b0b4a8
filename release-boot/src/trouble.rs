//! A step that failed: what kind of failure the machine is told, and what people are.

use std::error::Error;
use std::fmt;

use release_core::boot::Fault;
use release_core::cloud::CloudError;

/// A step that failed.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) fault: Fault,
    pub(crate) cause: Box<dyn Error + Send + Sync>,
}

impl Trouble {
    pub(crate) fn new(fault: Fault, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            fault,
            cause: cause.into(),
        }
    }

    /// What this machine can't do.
    pub(crate) fn broken(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Fault::Broken, cause)
    }
}

impl From<CloudError> for Trouble {
    fn from(error: CloudError) -> Self {
        Self::new(Fault::Cloud(error.fault), error)
    }
}

/// An error and its causes in one line.
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
