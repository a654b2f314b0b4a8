//! How the services are reached.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region as SdkRegion, SdkConfig};
use aws_sdk_ec2::config::{SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_async::time::TimeSource;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider as Tls, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};

use super::credentials::{AwsCredentials, Provider};
use super::trust::Trust;
use crate::Region;

/// How the services are reached, and as whom.
#[derive(Clone, Debug)]
pub struct AwsOptions {
    /// The region.
    pub region: Region,
    /// Where all the services answer instead of at their own addresses, as `AWS_ENDPOINT_URL` has it; the
    /// scheme may be `http`.
    pub endpoint: Option<String>,
    /// Where the keys come from.
    pub credentials: AwsCredentials,
    /// Whose word is taken for a server's identity.
    pub trust: Trust,
    /// Who finds the addresses of names; `None`: the system, which a static binary can't ask.
    pub resolver: Option<Arc<dyn Resolve>>,
    /// How long calls may take.
    pub limits: AwsLimits,
    /// What to add to this machine's clock to get the time, in seconds. Signatures more than five minutes
    /// off are refused. Certificates are judged by the machine's own clock all the same.
    pub clock_offset: i64,
}

/// How long calls may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwsLimits {
    /// To connect: 5 s.
    pub connect: Duration,
    /// One attempt, from connecting to the whole answer: 20 s.
    pub attempt: Duration,
    /// A call with all its attempts, one page of a list being a call: 90 s.
    pub call: Duration,
    /// Attempts at a repeatable call, the first included: 6.
    pub attempts: u32,
    /// The longest wait before the second attempt, which doubles with each: 1 s.
    pub first_wait: Duration,
    /// Whether complaints of the service about too many calls slow down all later ones as well: yes. From
    /// the first complaint on, the SDK's adaptive mode begins a call every two seconds at worst, and waits
    /// ten for a second attempt. That is for who makes many calls: who makes a few, as one of many that
    /// boot, is better off with the waits between attempts alone.
    pub adaptive: bool,
}

impl Default for AwsLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            attempt: Duration::from_secs(20),
            call: Duration::from_secs(90),
            attempts: 6,
            first_wait: Duration::from_secs(1),
            adaptive: true,
        }
    }
}

/// Addresses that are on their way.
pub type Resolved<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Whoever finds the addresses of a name.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a host.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolved<'a>;
}

impl AwsOptions {
    /// The region's own services, with the keys that every AWS tool would find, trusted as browsers do.
    pub fn new(region: Region) -> Self {
        Self {
            region,
            endpoint: None,
            credentials: AwsCredentials::Chain,
            trust: Trust::web(),
            resolver: None,
            limits: AwsLimits::default(),
            clock_offset: 0,
        }
    }

    /// As the SDK has it.
    pub(super) async fn config(&self) -> SdkConfig {
        let http = self.http();
        let clock = Clock(self.clock_offset);
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(SdkRegion::new(self.region.to_string()))
            .credentials_provider(self.provider(&http).await)
            .http_client(http)
            .time_source(clock)
            .retry_config(self.limits.retries())
            .timeout_config(self.limits.timeouts());
        config.set_endpoint_url(self.endpoint.clone());
        config.set_app_name(AppName::new(concat!("release-", env!("CARGO_PKG_VERSION"))).ok());
        config.build()
    }

    async fn provider(&self, http: &SharedHttpClient) -> SharedCredentialsProvider {
        match &self.credentials {
            AwsCredentials::Of(source) => {
                SharedCredentialsProvider::new(Provider(Arc::clone(source)))
            }
            AwsCredentials::Chain => {
                let region = SdkRegion::new(self.region.to_string());
                let config = ProviderConfig::without_region()
                    .with_region(Some(region))
                    .with_http_client(http.clone())
                    .with_time_source(Clock(self.clock_offset));
                let chain = DefaultCredentialsChain::builder().configure(config);
                SharedCredentialsProvider::new(chain.build().await)
            }
        }
    }

    #[allow(clippy::expect_used)]
    fn http(&self) -> SharedHttpClient {
        let roots = TrustStore::empty().with_pem_certificate(self.trust.as_pem());
        let context = TlsContext::builder().with_trust_store(roots).build();
        let context = context.expect("a context of roots is only put together, which can't fail");
        let client = Builder::new()
            // Below what servers keep: a call that finds its connection closed is a call without an
            // answer, and a snapshot is not asked for twice.
            .pool_idle_timeout(Duration::from_secs(15))
            .tls_provider(Tls::Rustls(CryptoMode::Ring))
            .tls_context(context);
        match &self.resolver {
            None => client.build_https(),
            Some(resolver) => client.build_with_resolver(Names(Arc::clone(resolver))),
        }
    }
}

impl AwsLimits {
    fn retries(&self) -> RetryConfig {
        let retries = if self.adaptive {
            RetryConfig::adaptive()
        } else {
            RetryConfig::standard()
        };
        retries
            .with_max_attempts(self.attempts.max(1))
            .with_initial_backoff(self.first_wait)
    }

    fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.call)
            .build()
    }
}

/// This machine's clock, put right by so many seconds.
#[derive(Clone, Copy, Debug)]
struct Clock(i64);

impl TimeSource for Clock {
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> SystemTime {
        let (now, offset) = (
            SystemTime::now(),
            Duration::from_secs(self.0.unsigned_abs()),
        );
        let right = if self.0 < 0 {
            now.checked_sub(offset)
        } else {
            now.checked_add(offset)
        };
        right.unwrap_or(now)
    }
}

/// A resolver as the SDK wants it.
#[derive(Clone, Debug)]
struct Names(Arc<dyn Resolve>);

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = self.0.resolve(name).await;
            found.map_err(ResolveDnsError::new)
        })
    }
}
