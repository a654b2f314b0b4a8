//! Where this machine is: its cloud, and who it is there.

#[cfg(feature = "aws")]
mod aws;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use release_core::boot::InstanceIdentity;
use release_core::cloud::local::{FleetError, LocalCloud, SystemClock};
use release_core::cloud::{Cloud, CloudError};
use release_core::{BootCloud, BootConfig, InstanceId};

use crate::environment::Environment;
use crate::machine::{Folder, Kernel, Layout, Machine};
use crate::net::Net;
use crate::screen::Screen;

/// Where this machine is.
pub(crate) struct Home {
    pub(crate) cloud: Box<dyn Cloud>,
    pub(crate) machine: Box<dyn Machine>,
    pub(crate) identity: InstanceIdentity,
    /// What its group means it to become, where it is in one.
    pub(crate) destiny: Option<String>,
}

/// Why it can't be found out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeError {
    #[cfg(feature = "aws")]
    #[error("the metadata service does not say who this is")]
    Imds(#[from] crate::imds::ImdsError),
    #[cfg(feature = "aws")]
    #[error("the authorities can't be used")]
    Trust(#[from] release_core::cloud::aws::TrustError),
    #[cfg(not(feature = "aws"))]
    #[error("this release-boot was built without AWS: `cloud` can be `local:` and a folder")]
    NotBuilt,
    #[error(transparent)]
    Fleet(#[from] FleetError),
    #[error("the fleet does not say who this is")]
    Cloud(#[from] CloudError),
    #[error("{} is no instance's root in the fleet {}, so that `root` does not say who this is", .root.display(), .fleet.display())]
    NoInstance { root: PathBuf, fleet: PathBuf },
}

/// Finds it out, however long that takes.
#[cfg_attr(not(feature = "aws"), allow(unused_variables))]
pub(crate) async fn find(
    config: &BootConfig,
    environment: &Environment,
    net: &Net,
    screen: &mut Screen,
) -> Result<Home, HomeError> {
    match &config.cloud {
        BootCloud::Local(fleet) => local(config, fleet).await,
        #[cfg(feature = "aws")]
        BootCloud::Aws => aws::find(config, environment, net, screen).await,
        #[cfg(not(feature = "aws"))]
        BootCloud::Aws => Err(HomeError::NotBuilt),
    }
}

/// The machine alone, for what needs no cloud.
pub(crate) fn machine(config: &BootConfig) -> Result<Box<dyn Machine>, HomeError> {
    Ok(match &config.cloud {
        BootCloud::Aws => Box::new(Kernel::new(Layout::of(config))),
        BootCloud::Local(fleet) => {
            let (cloud, instance) = open(config, fleet)?;
            Box::new(Folder::new(cloud, instance, Layout::of(config)))
        }
    })
}

async fn local(config: &BootConfig, fleet: &Path) -> Result<Home, HomeError> {
    let (cloud, instance) = open(config, fleet)?;
    let whose = cloud.identity().await?;
    // A new one may not be listed yet.
    let zone = loop {
        let listed = cloud.instances(std::slice::from_ref(&instance)).await?;
        if let Some(found) = listed.into_iter().next() {
            break found.zone;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let identity = InstanceIdentity {
        instance: instance.clone(),
        zone,
        region: whose.region,
        account: whose.account,
    };
    Ok(Home {
        machine: Box::new(Folder::new(cloud.clone(), instance, Layout::of(config))),
        cloud: Box::new(cloud),
        identity,
        destiny: None,
    })
}

/// The fleet, and the instance whose root this is.
fn open(config: &BootConfig, fleet: &Path) -> Result<(LocalCloud, InstanceId), HomeError> {
    let cloud = LocalCloud::open(fleet, Arc::new(SystemClock))?;
    let instance = instance_at(&config.root, fleet).ok_or_else(|| HomeError::NoInstance {
        root: config.root.clone(),
        fleet: fleet.to_owned(),
    })?;
    Ok((cloud, instance))
}

/// `FLEET/instances/ID/root`
fn instance_at(root: &Path, fleet: &Path) -> Option<InstanceId> {
    let root = root.canonicalize().ok()?;
    let instances = fleet.canonicalize().ok()?.join("instances");
    let mut parts = root.strip_prefix(instances).ok()?.iter();
    let id = parts.next()?.to_str()?.parse().ok()?;
    (parts.next()? == "root" && parts.next().is_none()).then_some(id)
}
