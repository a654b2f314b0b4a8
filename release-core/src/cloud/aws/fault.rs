//! What an answer that is a refusal, or is none, means.
//!
//! The codes are those of [EC2], of [Auto Scaling] and of [all services]; a service says more of them than
//! its documentation lists, so that their form decides where they are not known.
//!
//! [EC2]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
//! [Auto Scaling]: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html
//! [all services]: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

use crate::cloud::{Action, CloudError, CloudFault};
use crate::escape;

/// What a service refused a call with, whole: a denial can be decoded from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Such as `InvalidVolume.NotFound`; empty if the answer had none.
    pub(super) code: String,
    /// In the service's words.
    pub(super) message: String,
    /// HTTP's.
    pub(super) status: u16,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            message,
            status,
        } = self;
        let message = escape(message.as_bytes());
        write!(
            f,
            "{} (status {status}): {message}",
            escape(code.as_bytes())
        )
    }
}

impl Error for Refusal {}

/// The text after which a denial of EC2 says why, for `aws sts decode-authorization-message`.
const ENCODED: &str = "Encoded authorization failure message:";

impl Refusal {
    /// What kind of failure it is.
    pub(super) fn fault(&self) -> CloudFault {
        match self.code.as_str() {
            // Auto Scaling has one code for all that it doesn't like.
            "ValidationError" if says_not_found(&self.message) => CloudFault::NotFound,
            code => of_code(code).unwrap_or_else(|| of_status(self.status)),
        }
    }

    /// In one sentence, with the code.
    fn summary(&self) -> String {
        let readable = match self.message.split_once(ENCODED) {
            Some((readable, _)) => readable.trim(),
            None => self.message.trim(),
        };
        match (self.code.as_str(), readable) {
            ("", "") => format!("status {}", self.status),
            ("", text) | (text, "") => text.to_owned(),
            (code, text) => format!("{code}: {text}"),
        }
    }

    /// As an error of the port.
    pub(super) fn into_error(self, action: Action) -> CloudError {
        CloudError::new(action, self.fault(), self.summary()).caused_by(self)
    }
}

/// What became of a call, as an error of the port.
pub(super) fn error<E>(action: Action, error: SdkError<E>) -> CloudError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if let Some(refusal) = refusal(&error) {
        return refusal.into_error(action);
    }
    let fault = match &error {
        _ if is_about_credentials(&error) => CloudFault::Credentials,
        SdkError::ConstructionFailure(_) => CloudFault::Invalid,
        SdkError::DispatchFailure(failure) if failure.is_user() => CloudFault::Invalid,
        // Also where the connection was refused: an earlier attempt of the same call may have got through.
        _ => CloudFault::Lost,
    };
    CloudError::new(action, fault, "").caused_by(error)
}

/// What a service refused a call with, if it did.
pub(super) fn refusal<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<Refusal> {
    let SdkError::ServiceError(context) = error else {
        return None;
    };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Some(Refusal {
        code: text(context.err().code()),
        message: text(context.err().message()),
        status: context.raw().status().as_u16(),
    })
}

fn is_about_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<CredentialsError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn says_not_found(message: &str) -> bool {
    message.contains("No active Lifecycle Action found") || message.contains("not found")
}

fn of_status(status: u16) -> CloudFault {
    match status {
        401 => CloudFault::Credentials,
        403 => CloudFault::Denied,
        429 => CloudFault::Throttled,
        500.. => CloudFault::Unavailable,
        _ => CloudFault::Other,
    }
}

/// What a code means, as far as it can be told.
fn of_code(code: &str) -> Option<CloudFault> {
    Some(match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "EC2ThrottledException"
        | "SlowDown"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "SnapshotCreationPerVolumeRateExceeded"
        | "ConcurrentTagAccess"
        | "ResourceContention" => CloudFault::Throttled,

        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "ServerInternal"
        | "Unavailable"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "InsufficientVolumeCapacity" => CloudFault::Unavailable,

        "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => CloudFault::Credentials,

        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" | "OptInRequired" => {
            CloudFault::Denied
        }

        // Detaching from where it is not attached.
        "InvalidAttachment.NotFound"
        | "IncorrectState"
        | "IncorrectStateException"
        | "IncorrectInstanceState"
        | "IncorrectModificationState"
        | "InvalidState"
        | "ScalingActivityInProgress" => CloudFault::IncorrectState,

        "VolumeInUse" | "ResourceInUse" | "DependencyViolation" => CloudFault::InUse,
        "IdempotentParameterMismatch" | "AlreadyExists" => CloudFault::AlreadyExists,
        "LimitExceeded" => CloudFault::Limit,
        "ValidationError" | "ValidationException" => CloudFault::Invalid,
        _ => return of_form(code),
    })
}

fn of_form(code: &str) -> Option<CloudFault> {
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| code.ends_with(suffix));
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| code.starts_with(prefix));
    if ends(&[".NotFound", "NotFoundException"]) {
        Some(CloudFault::NotFound)
    } else if ends(&[".InUse"]) {
        Some(CloudFault::InUse)
    } else if ends(&[".Duplicate"]) {
        Some(CloudFault::AlreadyExists)
    } else if ends(&["LimitExceeded", "LimitExceededException"]) {
        Some(CloudFault::Limit)
    } else if begins(&["Invalid", "Malformed", "Missing", "Unknown", "Unsupported"]) {
        Some(CloudFault::Invalid)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn refusal(status: u16, code: &str, message: &str) -> Refusal {
        Refusal {
            code: code.to_owned(),
            message: message.to_owned(),
            status,
        }
    }

    #[test]
    fn codes_have_their_meaning() {
        use CloudFault::*;
        for (status, code, fault) in [
            (503, "RequestLimitExceeded", Throttled),
            (400, "Throttling", Throttled),
            (429, "", Throttled),
            (400, "SnapshotCreationPerVolumeRateExceeded", Throttled),
            (500, "InternalError", Unavailable),
            (503, "Unavailable", Unavailable),
            (502, "", Unavailable),
            (400, "InsufficientVolumeCapacity", Unavailable),
            (401, "AuthFailure", Credentials),
            (403, "ExpiredToken", Credentials),
            (403, "InvalidClientTokenId", Credentials),
            (403, "UnauthorizedOperation", Denied),
            (403, "AccessDenied", Denied),
            (403, "", Denied),
            (400, "InvalidVolume.NotFound", NotFound),
            (400, "InvalidInstanceID.NotFound", NotFound),
            (400, "InvalidSnapshot.NotFound", NotFound),
            (400, "IncorrectState", IncorrectState),
            (400, "IncorrectInstanceState", IncorrectState),
            (400, "InvalidAttachment.NotFound", IncorrectState),
            (400, "VolumeInUse", InUse),
            (400, "InvalidSnapshot.InUse", InUse),
            (400, "IdempotentParameterMismatch", AlreadyExists),
            (400, "SnapshotLimitExceeded", Limit),
            (400, "ConcurrentSnapshotLimitExceeded", Limit),
            (400, "InvalidParameterValue", Invalid),
            (400, "InvalidVolume.ZoneMismatch", Invalid),
            (400, "MissingParameter", Invalid),
            (400, "ValidationError", Invalid),
            (400, "UnsupportedOperation", Invalid),
            (400, "SomethingNew", Other),
            (418, "", Other),
        ] {
            assert_eq!(refusal(status, code, "").fault(), fault, "{status} {code}");
        }
    }

    #[test]
    fn one_code_of_auto_scaling_is_told_apart_by_its_message() {
        for (message, fault) in [
            (
                "No active Lifecycle Action found with instance ID i-1",
                CloudFault::NotFound,
            ),
            (
                "AutoScalingGroup name not found - no such group",
                CloudFault::NotFound,
            ),
            ("1 validation error detected", CloudFault::Invalid),
        ] {
            let refusal = refusal(400, "ValidationError", message);
            assert_eq!(refusal.fault(), fault, "{message}");
        }
    }

    #[test]
    fn a_denial_is_readable_and_can_be_decoded() {
        let encoded = "A".repeat(2000);
        let message = format!("You may not. {ENCODED} {encoded}");
        let error =
            refusal(403, "UnauthorizedOperation", &message).into_error(Action::CreateSnapshot);
        assert_eq!(
            error.to_string(),
            "ec2:CreateSnapshot: not allowed: UnauthorizedOperation: You may not."
        );
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        assert!(cause.contains(&encoded), "{cause}");
    }

    #[test]
    fn a_refusal_says_what_it_can() {
        let summary = |code, message| refusal(418, code, message).summary();
        assert_eq!(summary("", ""), "status 418");
        assert_eq!(summary("Code", ""), "Code");
        assert_eq!(summary("", "words"), "words");
        assert_eq!(summary("Code", "words"), "Code: words");
    }
}
