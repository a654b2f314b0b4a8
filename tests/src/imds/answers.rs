//! What the service knows of the instance.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::State;
use crate::http::Answer;

/// Schemas that there are. Those of another day are not made up.
const SCHEMAS: [&str; 2] = ["latest", "2021-07-15"];

/// What is at a path, if anything.
pub(super) fn find(state: &State, path: &str) -> Option<Answer> {
    let options = &state.options;
    let (schema, path) = path.strip_prefix('/')?.split_once('/')?;
    if !SCHEMAS.contains(&schema) {
        return None;
    }
    let text = match path {
        "meta-data/instance-id" => options.instance.clone(),
        "meta-data/placement/availability-zone" => options.zone.clone(),
        "meta-data/placement/region" => region(&options.zone).to_owned(),
        "meta-data/autoscaling/target-lifecycle-state" => state.lifecycle.clone()?,
        "meta-data/tags/instance" if !options.tags.is_empty() => {
            let names: Vec<_> = options.tags.keys().cloned().collect();
            names.join("\n")
        }
        "meta-data/iam/security-credentials" | "meta-data/iam/security-credentials/" => {
            options.role.clone()?
        }
        "dynamic/instance-identity/document" => return Some(document(&identity(state))),
        _ => return find_by_name(state, path),
    };
    Some(Answer::new(200, "text/plain", text))
}

fn find_by_name(state: &State, path: &str) -> Option<Answer> {
    if let Some(name) = path.strip_prefix("meta-data/tags/instance/") {
        let value = state.options.tags.get(name)?;
        return Some(Answer::new(200, "text/plain", value.as_str()));
    }
    let role = path.strip_prefix("meta-data/iam/security-credentials/")?;
    (state.options.role.as_deref() == Some(role)).then(|| document(&credentials(state)))
}

fn identity(state: &State) -> Value {
    json!({
        "accountId": state.options.account,
        "architecture": "x86_64",
        "availabilityZone": state.options.zone,
        "billingProducts": null,
        "imageId": "ami-0123456789abcdef0",
        "instanceId": state.options.instance,
        "instanceType": "t3.small",
        "kernelId": null,
        "pendingTime": seconds(state.started + state.options.clock_ahead),
        "privateIp": "127.0.10.4",
        "region": region(&state.options.zone),
        "version": "2017-09-30",
    })
}

fn credentials(state: &State) -> Value {
    json!({
        "Code": "Success",
        "LastUpdated": seconds(state.now()),
        "Type": "AWS-HMAC",
        "AccessKeyId": "ASIAINSTANCE",
        "SecretAccessKey": "of-the-instance",
        "Token": "session-of-the-instance",
        "Expiration": seconds(state.now() + SignedDuration::from_hours(6)),
    })
}

fn document(value: &Value) -> Answer {
    Answer::new(200, "application/json", format!("{value:#}"))
}

fn region(zone: &str) -> &str {
    zone.trim_end_matches(|letter: char| letter.is_ascii_lowercase())
}

/// A time as AWS writes it, to the second.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
