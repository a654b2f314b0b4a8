//! Where the keys come from that calls are signed with.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, Result as Outcome};

use crate::Moment;

/// Where the keys come from.
#[derive(Clone, Debug, Default)]
pub enum AwsCredentials {
    /// Where every AWS tool looks for them, in this order: environment variables (`AWS_ACCESS_KEY_ID` and
    /// so on), the profile (`AWS_PROFILE`, `~/.aws`), a web identity token, a container's endpoint, the
    /// instance's role.
    #[default]
    Chain,
    /// From the caller, who is asked again shortly before they expire.
    Of(Arc<dyn KeySource>),
}

/// Keys, for a while.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsKeys {
    /// `AccessKeyId`
    pub id: String,
    /// `SecretAccessKey`
    pub secret: String,
    /// `Token`: those of a role have one.
    pub token: Option<String>,
    /// From when on they are not valid; `None`: always valid.
    pub expires: Option<Moment>,
}

impl fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AwsKeys");
        shown.field("id", &self.id).field("expires", &self.expires);
        shown.finish_non_exhaustive()
    }
}

/// Keys that are on their way, or why there are none.
pub type Keys<'a> =
    Pin<Box<dyn Future<Output = Result<AwsKeys, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// Whoever knows keys: an instance's metadata service, say.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// Keys that are valid for at least some minutes.
    fn keys(&self) -> Keys<'_>;
}

impl KeySource for AwsKeys {
    fn keys(&self) -> Keys<'_> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// A source of keys as the SDK wants it.
#[derive(Debug)]
pub(super) struct Provider(pub(super) Arc<dyn KeySource>);

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::new(async { provided(self.0.keys().await) })
    }
}

fn provided(keys: Result<AwsKeys, Box<dyn Error + Send + Sync>>) -> Outcome {
    let keys = keys.map_err(CredentialsError::provider_error)?;
    let expires = keys.expires.map(|moment| {
        let millis = u64::try_from(moment.unix_millis()).unwrap_or(0);
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    });
    Ok(Credentials::new(
        keys.id,
        keys.secret,
        keys.token,
        expires,
        "release",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let keys = AwsKeys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI".to_owned(),
            token: Some("token".to_owned()),
            expires: Some(Moment::from_unix_millis(1500)),
        };
        let shown = format!("{keys:?}");
        assert!(shown.contains("AKIDEXAMPLE"));
        assert!(
            !shown.contains("wJalr") && !shown.contains("token"),
            "{shown}"
        );
        let given = provided(Ok(keys)).unwrap();
        assert_eq!(given.secret_access_key(), "wJalrXUtnFEMI");
        assert_eq!(given.session_token(), Some("token"));
        let expires = SystemTime::UNIX_EPOCH + Duration::from_millis(1500);
        assert_eq!(given.expiry(), Some(expires));
    }
}
