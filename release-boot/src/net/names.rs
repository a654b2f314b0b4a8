//! Names to addresses, without the system's resolver: in a static program there is none, and in early boot no
//! `resolv.conf`.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;

/// The resolver that every VPC of EC2 has at this address.
const OF_THE_VPC: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 253));

/// Who finds addresses.
pub(crate) struct Names(TokioResolver);

impl Names {
    /// By the name servers of `resolv.conf`, or else by EC2's.
    pub(crate) fn new() -> io::Result<Self> {
        let configured = read_system_conf().ok();
        let configured = configured.filter(|(config, _)| !config.name_servers().is_empty());
        let (config, mut options) = configured.unwrap_or_else(|| (vpc(), ResolverOpts::default()));
        options.timeout = Duration::from_secs(2);
        options.attempts = 2;
        options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        builder.build().map(Self).map_err(io::Error::other)
    }

    /// The addresses of a host.
    pub(crate) async fn find(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = self.0.lookup_ip(host).await.map_err(io::Error::other)?;
        Ok(found.iter().collect())
    }
}

fn vpc() -> ResolverConfig {
    ResolverConfig::from_parts(
        None,
        Vec::new(),
        vec![NameServerConfig::udp_and_tcp(OF_THE_VPC)],
    )
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names(…)")
    }
}

#[cfg(feature = "aws")]
impl release_core::cloud::aws::Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> release_core::cloud::aws::Resolved<'a> {
        Box::pin(self.find(name))
    }
}
