//! Which lines of the policy for release servers allow an action.

use release_core::cloud::Action;

const NAME: &str = "docs/iam/release-server.json";
const POLICY: &str = include_str!("../../../docs/iam/release-server.json");

/// Where the action stands in the policy, in words; `None` where it doesn't, since nothing needs it. It may be in
/// several statements, one for each kind of thing that the call is about: all have to be there.
pub(crate) fn place(action: Action) -> Option<String> {
    let quoted = format!("\"{action}\"");
    let (mut statement, mut places) = ("", Vec::new());
    for (number, line) in (1..).zip(POLICY.lines()) {
        if let Some(sid) = line.trim().strip_prefix("\"Sid\": \"") {
            statement = sid.trim_end_matches("\",");
        }
        if line.contains(&quoted) {
            places.push(format!("`{statement}` (line {number})"));
        }
    }
    (!places.is_empty()).then(|| format!("{} in {NAME}", places.join(" and ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn actions_are_found_where_they_stand() {
        let place = |action| place(action).unwrap();
        let snapshot = place(Action::CreateSnapshot);
        assert!(snapshot.starts_with("`SnapshotOurVolume` (line "));
        assert!(snapshot.contains(" and `MakeSnapshotsAndVolumesOfOurs` (line "));
        assert!(place(Action::DescribeVolumes).starts_with("`Look` (line "));
        let line = place(Action::DeleteSnapshot);
        assert!(line.ends_with(" in docs/iam/release-server.json"), "{line}");
        let number = line.split("(line ").nth(1).unwrap();
        let number = number.split(')').next().unwrap();
        let number: usize = number.parse().unwrap();
        let there = POLICY.lines().nth(number - 1).unwrap();
        assert!(there.contains("ec2:DeleteSnapshot"), "{there}");
        assert_eq!(super::place(Action::DeleteVolume), None);
    }
}
