//! Which line of the policy for release servers allows an action.

use release_core::cloud::Action;

const NAME: &str = "docs/iam/release-server.json";
const POLICY: &str = include_str!("../../../docs/iam/release-server.json");

/// Where the action stands in the policy, in words; `None` where it doesn't, since nothing needs it.
pub(crate) fn place(action: Action) -> Option<String> {
    let quoted = format!("\"{action}\"");
    let mut statement = "";
    for (number, line) in POLICY.lines().enumerate() {
        if let Some(sid) = line.trim().strip_prefix("\"Sid\": \"") {
            statement = sid.trim_end_matches("\",");
        }
        if line.contains(&quoted) {
            let number = number + 1;
            return Some(format!("`{statement}` in {NAME} (line {number})"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn actions_are_found_where_they_stand() {
        let place = |action| place(action).unwrap();
        assert!(place(Action::CreateSnapshot).starts_with("`SnapshotOurVolume` in docs/iam/"));
        assert!(place(Action::DescribeVolumes).starts_with("`Look` in "));
        let line = place(Action::DeleteSnapshot);
        let number = line.rsplit(' ').next().unwrap().trim_end_matches(')');
        let number: usize = number.parse().unwrap();
        let there = POLICY.lines().nth(number - 1).unwrap();
        assert!(there.contains("ec2:DeleteSnapshot"), "{there}");
        assert_eq!(super::place(Action::DeleteVolume), None);
    }
}
