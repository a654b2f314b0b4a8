//! What a policy of ours allows.

use std::collections::BTreeSet;

use serde_json::Value;

/// The actions that an IAM policy allows but for KMS: EC2 calls that, in the caller's name, where a volume is encrypted
/// with a key of one's own. No program of ours does, so no call can show it.
///
/// # Panics
/// If it is no policy.
pub fn actions_allowed_by(policy: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(policy).unwrap();
    let mut allowed = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        let action = &statement["Action"];
        let several = action.as_array().cloned();
        for action in several.unwrap_or_else(|| vec![action.clone()]) {
            allowed.insert(action.as_str().unwrap().to_owned());
        }
    }
    allowed.retain(|action| !action.starts_with("kms:"));
    allowed
}
