//! What can go wrong with a call.

use std::error::Error;
use std::fmt;

use super::Action;
use crate::escape;

/// A call that failed.
#[derive(Debug)]
pub struct CloudError {
    /// Which call.
    pub action: Action,
    /// What kind of failure.
    pub fault: CloudFault,
    /// What it was about, in the service's words or ours; control characters are escaped, and it is cut to
    /// 500 characters.
    pub message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CloudFault {
    /// Too many calls; this one was not carried out.
    #[error("too many requests")]
    Throttled,
    /// No answer. The call may have been carried out, or may yet be.
    #[error("no answer")]
    Lost,
    /// The service failed. The call may have been carried out.
    #[error("the service failed")]
    Unavailable,
    /// There are no credentials, or they are not valid.
    #[error("no valid credentials")]
    Credentials,
    /// A policy does not allow it.
    #[error("not allowed")]
    Denied,
    /// There is no such thing, or it can't be seen yet.
    #[error("not found")]
    NotFound,
    /// It is in a state in which that can't be done, as yet or any more.
    #[error("not possible in this state")]
    IncorrectState,
    /// Something else uses it.
    #[error("in use")]
    InUse,
    /// There is one already, and it is another: a client token that was used for other parameters.
    #[error("there is another already")]
    AlreadyExists,
    /// A limit of the account is reached.
    #[error("a limit is reached")]
    Limit,
    /// The request makes no sense to the service.
    #[error("not valid")]
    Invalid,
    /// Anything else.
    #[error("failed")]
    Other,
}

impl CloudError {
    /// A failure, without a cause that is an error itself.
    pub fn new(action: Action, fault: CloudFault, message: impl AsRef<str>) -> Self {
        let text: String = message.as_ref().chars().take(500).collect();
        Self {
            action,
            fault,
            message: escape(text.as_bytes()),
            source: None,
        }
    }

    /// The same, with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether the same call may succeed a little later, everything else being as it is.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.fault,
            CloudFault::Throttled | CloudFault::Lost | CloudFault::Unavailable
        )
    }

    /// Whether the call may have been carried out all the same.
    pub const fn may_have_happened(&self) -> bool {
        matches!(self.fault, CloudFault::Lost | CloudFault::Unavailable)
    }

    /// Whether to send the same call again: it may succeed, and having been carried out twice does no harm.
    pub const fn may_be_repeated(&self) -> bool {
        self.is_retryable() && (self.action.is_repeatable() || !self.may_have_happened())
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            action,
            fault,
            message,
            ..
        } = self;
        write!(f, "{action}: {fault}")?;
        if message.is_empty() {
            return Ok(());
        }
        write!(f, ": {message}")
    }
}

impl Error for CloudError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_no_harm_is_repeated() {
        let repeated = |action, fault| CloudError::new(action, fault, "").may_be_repeated();
        for action in Action::ALL {
            assert!(repeated(action, CloudFault::Throttled), "{action}");
            let harmless = action != Action::CreateSnapshot;
            assert_eq!(repeated(action, CloudFault::Lost), harmless, "{action}");
            assert_eq!(
                repeated(action, CloudFault::Unavailable),
                harmless,
                "{action}"
            );
            for fault in [
                CloudFault::Denied,
                CloudFault::NotFound,
                CloudFault::IncorrectState,
            ] {
                assert!(!repeated(action, fault), "{action} {fault}");
            }
        }
    }

    #[test]
    fn the_text_names_the_call_and_not_the_cause() {
        let error = CloudError::new(
            Action::CreateVolume,
            CloudFault::Denied,
            "by policy\u{1b}[2J",
        )
        .caused_by(std::io::Error::other("cause"));
        assert_eq!(
            error.to_string(),
            "ec2:CreateVolume: not allowed: by policy\\x1b[2J"
        );
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("cause")
        );
        let long = CloudError::new(Action::CreateTags, CloudFault::Invalid, "x".repeat(9000));
        assert_eq!(long.message.len(), 500);
        let short = CloudError::new(Action::CreateTags, CloudFault::Lost, "");
        assert_eq!(short.to_string(), "ec2:CreateTags: no answer");
    }
}
