//! What the service's answers say.

use std::error::Error;

use release_core::Moment;
use release_core::boot::InstanceIdentity;
use serde::Deserialize;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    instance_id: String,
    availability_zone: String,
    region: String,
    account_id: String,
}

/// Who the instance is.
pub(super) fn identity(body: &[u8]) -> Outcome<InstanceIdentity> {
    let identity: Identity = serde_json::from_slice(body)?;
    let parse = || {
        Ok(InstanceIdentity {
            instance: identity.instance_id.parse()?,
            zone: identity.availability_zone.parse()?,
            region: identity.region.parse()?,
            account: identity.account_id.parse()?,
        })
    };
    parse().map_err(|error| super::NoIdentity(error).into())
}

/// Keys of a role.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RoleKeys {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) token: String,
    pub(crate) expiration: Moment,
}

pub(super) fn keys(body: &[u8]) -> Outcome<RoleKeys> {
    Ok(serde_json::from_slice(body)?)
}

/// What may be the name of a role: it becomes part of a path.
pub(super) fn is_role(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(allowed)
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A time as HTTP has it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(text: &str) -> Option<Moment> {
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else {
        return None;
    };
    let month = 1 + MONTHS.iter().position(|name| name == month)?;
    format!("{year}-{month:02}-{day}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_identity_is_checked_word_by_word() {
        let document = r#"{"accountId":"123456789012","architecture":"x86_64","availabilityZone":"us-east-1a",
            "instanceId":"i-0123456789abcdef0","region":"us-east-1","billingProducts":null}"#;
        let who = identity(document.as_bytes()).unwrap();
        assert_eq!(who.instance.as_str(), "i-0123456789abcdef0");
        assert_eq!(who.account.as_str(), "123456789012");
        for (right, wrong) in [
            ("i-0", "../"),
            ("123456789012", "1"),
            ("accountId", "account"),
        ] {
            let document = document.replace(right, wrong);
            assert!(identity(document.as_bytes()).is_err(), "{wrong}");
        }
        assert!(identity(b"<html>").is_err());
    }

    #[test]
    fn keys_are_read() {
        let document = r#"{"Code":"Success","LastUpdated":"2026-01-31T12:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIA",
            "SecretAccessKey":"s","Token":"t","Expiration":"2026-01-31T18:00:00Z"}"#;
        let keys = keys(document.as_bytes()).unwrap();
        assert_eq!(
            (keys.access_key_id.as_str(), keys.token.as_str()),
            ("ASIA", "t")
        );
        assert_eq!(keys.expiration.to_string(), "2026-01-31T18:00:00Z");
    }

    #[test]
    fn a_role_is_a_name_and_no_path() {
        assert!(is_role("release-instance") && is_role("a+b=c,d.e@f_g-h"));
        for name in ["", "a/b", "..%2f", "a b", "a\nb", &"x".repeat(129)] {
            assert!(!is_role(name), "{name}");
        }
    }

    #[test]
    fn a_servers_clock_is_read() {
        let date = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(date.to_string(), "1994-11-06T08:49:37Z");
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Foo 1994 08:49:37 GMT",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
