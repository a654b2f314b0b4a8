//! Faults on request.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cloud::{Action, CloudFault};

/// What is to go wrong with the next calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// With which calls; `None`: with any.
    #[serde(with = "action")]
    pub action: Option<Action>,
    /// What.
    pub effect: Effect,
    /// With how many of them.
    pub times: u32,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The call is refused since there were too many.
    Throttle,
    /// The call does not arrive.
    LoseRequest,
    /// The call is carried out, and its answer does not arrive.
    LoseAnswer,
    /// The service fails before it does anything.
    Fail,
    /// A policy does not allow it.
    Deny,
    /// What the call makes ends in an error: a volume or snapshot that becomes `error`, an attachment that
    /// stays `attaching`.
    Spoil,
}

impl Effect {
    /// How a call that is not carried out fails; `None` for one that is.
    pub(super) const fn refusal(self) -> Option<CloudFault> {
        match self {
            Self::Throttle => Some(CloudFault::Throttled),
            Self::LoseRequest => Some(CloudFault::Lost),
            Self::Fail => Some(CloudFault::Unavailable),
            Self::Deny => Some(CloudFault::Denied),
            Self::LoseAnswer | Self::Spoil => None,
        }
    }
}

/// Takes what goes wrong with this call off the list, if anything does.
pub(super) fn take(faults: &mut Vec<Fault>, action: Action) -> Option<Effect> {
    let at = faults
        .iter()
        .position(|fault| fault.times > 0 && fault.action.is_none_or(|faulty| faulty == action))?;
    let fault = &mut faults[at];
    fault.times -= 1;
    let effect = fault.effect;
    if fault.times == 0 {
        faults.remove(at);
    }
    Some(effect)
}

/// An action by its name in a policy.
mod action {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        action: &Option<Action>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        action.map(Action::as_str).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Action>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|name| Action::from_str(&name).map_err(serde::de::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_fault_wears_out() {
        let fault = |action, effect, times| Fault {
            action,
            effect,
            times,
        };
        let mut faults = vec![
            fault(Some(Action::CreateVolume), Effect::LoseAnswer, 2),
            fault(None, Effect::Throttle, 1),
        ];
        let mut next = |action| take(&mut faults, action);
        assert_eq!(next(Action::CreateVolume), Some(Effect::LoseAnswer));
        assert_eq!(next(Action::DescribeVolumes), Some(Effect::Throttle));
        assert_eq!(next(Action::DescribeVolumes), None);
        assert_eq!(next(Action::CreateVolume), Some(Effect::LoseAnswer));
        assert_eq!(next(Action::CreateVolume), None);
        assert!(faults.is_empty());
    }

    #[test]
    fn a_fault_survives_its_text() {
        let text = r#"{"action":"ec2:CreateSnapshot","effect":"lose-answer","times":3}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault.action, Some(Action::CreateSnapshot));
        assert_eq!(serde_json::to_string(&fault).unwrap(), text);
        assert!(serde_json::from_str::<Fault>(&text.replace("Create", "Crate")).is_err());
    }
}
