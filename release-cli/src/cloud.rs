//! The cloud that is configured, opened, and the runtime that its calls run on.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use release_core::cloud::local::{LocalCloud, SystemClock};
use release_core::cloud::{AddressKind, Cloud, CloudError, GroupQuery, Identity};
use release_core::{Moment, Region};
use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// Which cloud, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A fleet in this folder.
    Local(std::path::PathBuf),
    /// EC2 and Auto Scaling.
    Aws {
        region: Region,
        /// Where all services answer instead of at their own addresses.
        endpoint: Option<String>,
        /// The certificate authorities of this file instead of those that are built in.
        authorities: Option<std::path::PathBuf>,
    },
}

/// What is asked of a cloud, whichever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Which groups are the fleet's; none, where nothing names any.
    pub(crate) groups: Vec<GroupQuery>,
    /// By which of its addresses an instance is reached.
    pub(crate) address: AddressKind,
    /// The longest time for which a list may leave out what was just made.
    pub(crate) settle: Duration,
}

/// A cloud that can be called, from any thread, by code that waits.
pub(crate) struct OpenCloud {
    port: Arc<dyn Cloud>,
    local: Option<LocalCloud>,
    runtime: Runtime,
    identity: OnceLock<Identity>,
    pub(crate) wishes: Wishes,
}

impl OpenCloud {
    /// Opens it. EC2 isn't called yet: whether the keys are any good, the first call shows.
    pub(crate) fn open(place: &Place, wishes: Wishes) -> Result<Self, Failure> {
        // All calls of all threads run on whichever of them waits.
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Failure::Runtime)?;
        let (port, local): (Arc<dyn Cloud>, _) = match place {
            Place::Local(root) => {
                let local = LocalCloud::open(root, Arc::new(SystemClock))?;
                (Arc::new(local.clone()), Some(local))
            }
            #[cfg(feature = "aws")]
            Place::Aws {
                region,
                endpoint,
                authorities,
            } => {
                let options = aws::options(region, endpoint.as_deref(), authorities.as_deref())?;
                let aws = runtime.block_on(release_core::cloud::aws::AwsCloud::new(&options));
                (Arc::new(aws), None)
            }
            #[cfg(not(feature = "aws"))]
            Place::Aws { .. } => return Err(Failure::NoAws),
        };
        Ok(Self {
            port,
            local,
            runtime,
            identity: OnceLock::new(),
            wishes,
        })
    }

    /// What calls are made to.
    pub(crate) fn port(&self) -> &dyn Cloud {
        &*self.port
    }

    /// The fleet in a folder, if that is what it is.
    pub(crate) fn local(&self) -> Option<&LocalCloud> {
        self.local.as_ref()
    }

    /// Waits for an answer.
    pub(crate) fn run<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }

    /// The same, no longer than this; `None`: there was none until then, and nobody waits for it any more.
    pub(crate) fn run_for<T>(
        &self,
        longest: Duration,
        answer: impl Future<Output = T>,
    ) -> Option<T> {
        self.run(async { tokio::time::timeout(longest, answer).await.ok() })
    }

    /// Whose it is, asked once.
    pub(crate) fn identity(&self) -> Result<&Identity, CloudError> {
        if let Some(known) = self.identity.get() {
            return Ok(known);
        }
        let found = self.run(self.port.identity())?;
        Ok(self.identity.get_or_init(|| found))
    }
}

impl fmt::Debug for OpenCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenCloud")
            .field("local", &self.local)
            .field("wishes", &self.wishes)
            .finish_non_exhaustive()
    }
}

/// This machine's time.
pub(crate) fn now() -> Moment {
    moment(std::time::SystemTime::now())
}

/// A time of this machine's clock; one before 1970 is 1970.
pub(crate) fn moment(time: std::time::SystemTime) -> Moment {
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH);
    Moment::from_unix_millis(0).after(since.unwrap_or_default())
}

#[cfg(feature = "aws")]
mod aws {
    use std::path::Path;

    use release_core::Region;
    use release_core::cloud::aws::{AwsLimits, AwsOptions, Trust};

    use crate::failure::Failure;

    /// The keys are looked for where every AWS tool does.
    pub(super) fn options(
        region: &Region,
        endpoint: Option<&str>,
        authorities: Option<&Path>,
    ) -> Result<AwsOptions, Failure> {
        let mut options = AwsOptions::new(region.clone());
        options.endpoint = endpoint.map(str::to_owned);
        if let Some(path) = authorities {
            options.trust = trust(path)?;
        }
        options.limits = AwsLimits {
            // A deploy makes some dozens of calls. Waits between attempts do for these; after one
            // complaint the adaptive mode would make each begin seconds later.
            adaptive: false,
            ..AwsLimits::default()
        };
        Ok(options)
    }

    fn trust(path: &Path) -> Result<Trust, Failure> {
        let unreadable = |source| Failure::Authorities {
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read(path).map_err(unreadable)?;
        Trust::of_pem(&text).map_err(|error| unreadable(std::io::Error::other(error)))
    }
}
