//! An instance of EC2.

use std::sync::Arc;
use std::time::Duration;

use release_core::BootConfig;
use release_core::cloud::aws::{
    AwsCloud, AwsCredentials, AwsKeys, AwsLimits, AwsOptions, KeySource, Keys, Trust,
};

use super::{Home, HomeError};
use crate::drive::draw;
use crate::environment::Environment;
use crate::imds::{Imds, ImdsError};
use crate::machine::{Kernel, Layout};
use crate::net::Net;
use crate::screen::Screen;

pub(super) async fn find(
    config: &BootConfig,
    environment: &Environment,
    net: &Net,
    screen: &mut Screen,
) -> Result<Home, HomeError> {
    let imds = Imds::new(net.client.clone(), environment.metadata.as_deref())?;
    let imds = Arc::new(imds);
    let retried = |error: &ImdsError| screen.waits_for("ask who this is", error);
    let facts = imds.facts(draw, retried).await?;
    net.tls.set_clock_offset(facts.clock_offset);
    if facts.clock_offset != 0 {
        screen.note(&format!(
            "the clock is {} s behind; certificates and signatures get the right time",
            facts.clock_offset
        ));
    }
    let ours = net.authorities.as_deref().map(Trust::of_pem).transpose()?;
    let cloud = AwsCloud::new(&AwsOptions {
        endpoint: environment.endpoint.clone(),
        credentials: AwsCredentials::Of(Arc::new(OfRole(imds))),
        trust: ours.iter().fold(Trust::web(), Trust::and),
        resolver: Some(net.names.clone()),
        limits: limits(),
        clock_offset: facts.clock_offset,
        ..AwsOptions::new(facts.identity.region.clone())
    });
    Ok(Home {
        cloud: Box::new(cloud.await),
        machine: Box::new(Kernel::new(Layout::of(config))),
        identity: facts.identity,
        destiny: facts.destiny,
    })
}

/// Keys of the instance's role.
#[derive(Debug)]
struct OfRole(Arc<Imds>);

impl KeySource for OfRole {
    fn keys(&self) -> Keys<'_> {
        Box::pin(async {
            let keys = self.0.keys().await?;
            Ok(AwsKeys {
                id: keys.access_key_id,
                secret: keys.secret_access_key,
                token: Some(keys.token),
                expires: Some(keys.expiration),
            })
        })
    }
}

/// A call is given up soon, since a boot that sees it fail looks what became of it before it tries again.
fn limits() -> AwsLimits {
    AwsLimits {
        connect: Duration::from_secs(3),
        attempt: Duration::from_secs(10),
        call: Duration::from_secs(30),
        attempts: 4,
        first_wait: Duration::from_millis(500),
        adaptive: false,
    }
}
