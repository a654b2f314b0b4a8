//! Values that are written with a unit.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Why a text is not the value that it should be. The text itself is told by whoever read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub(super) String);

fn refuse<T>(reason: impl Into<String>) -> Result<T, ValueError> {
    Err(ValueError(reason.into()))
}

/// Cuts a text into its leading digits and the rest, which is the unit.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit))
}

/// A length of time: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl FromStr for Period {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const SHAPE: &str = "a length of time is a whole number and a unit, as in \"500ms\", \"30s\", \
                             \"15m\", \"2h\" or \"7d\"";
        let Some((number, unit)) = number_and_unit(text) else {
            return refuse(SHAPE);
        };
        let millis_each: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return refuse(SHAPE),
        };
        match number.checked_mul(millis_each) {
            Some(millis) => Ok(Self(Duration::from_millis(millis))),
            None => refuse("that is too long"),
        }
    }
}

/// Bytes a second. `None` in it is no limit, written `"0"`.
///
/// `k`, `M` and `G` are powers of 1,000, `Ki`, `Mi` and `Gi` of 1,024; without a unit it is bytes, and
/// at least 1,024 of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate(pub Option<u64>);

/// A smaller number needs a unit.
const LEAST_BARE: u64 = 1_024;

impl FromStr for Rate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const SHAPE: &str =
            "a rate is bytes a second, as in \"500k\", \"10M\" or \"1Gi\"; \"0\" is no limit";
        let Some((number, unit)) = number_and_unit(text) else {
            return refuse(SHAPE);
        };
        let bytes_each: u64 = match unit {
            "" => 1,
            "k" | "K" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            _ => return refuse(SHAPE),
        };
        // Other tools take a bare number for kilobytes.
        if unit.is_empty() && (1..LEAST_BARE).contains(&number) {
            return refuse(
                "a number without a unit is bytes a second, and so few are hardly meant: say \"10K\" for ten \
                 thousand",
            );
        }
        match number.checked_mul(bytes_each) {
            Some(0) => Ok(Self(None)),
            Some(bytes) => Ok(Self(Some(bytes))),
            None => refuse("that is too much"),
        }
    }
}

/// So many of all: a number (`"3"`) or a percentage (`"25%"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// A number, whatever the total.
    Count(u32),
    /// So many of every hundred; more than 100 is all.
    Percent(u8),
}

impl Share {
    /// How many of `total` that is. A percentage is rounded up, so that only `0%` of something is none.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Count(count) => usize::try_from(count).unwrap_or(total).min(total),
            Self::Percent(percent) => {
                // Cut in two, since `total × percent` could overflow.
                let percent = usize::from(percent);
                let share = (total / 100).saturating_mul(percent);
                let rest = ((total % 100) * percent).div_ceil(100);
                share.saturating_add(rest).min(total)
            }
        }
    }
}

impl FromStr for Share {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const SHAPE: &str = "it is a number, as in \"3\", or a percentage, as in \"25%\"";
        let Some((number, unit)) = number_and_unit(text) else {
            return refuse(SHAPE);
        };
        match (unit, u32::try_from(number)) {
            ("", Ok(count)) => Ok(Self::Count(count)),
            ("%", Ok(percent @ 0..=100)) => Ok(Self::Percent(percent as u8)),
            ("%", _) => refuse("a percentage is at most 100%"),
            ("", Err(_)) => refuse("that is too many"),
            _ => refuse(SHAPE),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn periods() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            let period = Period(Duration::from_millis(millis));
            assert_eq!(text.parse(), Ok(period), "{text}");
        }
        for text in [
            "",
            "s",
            "30",
            "30 s",
            "-1s",
            "1.5s",
            "30S",
            "1m30s",
            "9999999999999999999d",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        for (text, rate) in [
            ("0", None),
            ("0M", None),
            ("1024", Some(1_024)),
            ("1K", Some(1_000)),
            ("1500", Some(1_500)),
            ("500k", Some(500_000)),
            ("10M", Some(10_000_000)),
            ("1Gi", Some(1 << 30)),
        ] {
            assert_eq!(text.parse(), Ok(Rate(rate)), "{text}");
        }
        for text in [
            "",
            "M",
            "10MB",
            "10 M",
            "10",
            "1023",
            "-1",
            "99999999999999999999",
            "99999999999999999G",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn shares() {
        assert_eq!("3".parse(), Ok(Share::Count(3)));
        assert_eq!("25%".parse(), Ok(Share::Percent(25)));
        for text in ["", "%", "101%", "-1", "1.5%", "4294967296", "3 %"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert_eq!(Share::Percent(10).of(3), 1);
        assert_eq!(Share::Percent(0).of(3), 0);
        assert_eq!(Share::Count(5).of(3), 3);
        assert_eq!(Share::Percent(100).of(usize::MAX), usize::MAX);
        assert_eq!(Share::Percent(255).of(usize::MAX), usize::MAX);
        assert_eq!(Share::Percent(25).to_string(), "25%");
    }

    proptest! {
        #[test]
        fn a_percentage_is_the_least_number_that_covers_it(percent in 0..=100_u8, total in 0..100_000_usize) {
            let share = Share::Percent(percent).of(total);
            let wanted = usize::from(percent) * total;
            prop_assert!(share * 100 >= wanted && share.saturating_sub(1) * 100 <= wanted);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = (text.parse::<Period>(), text.parse::<Rate>(), text.parse::<Share>());
        }
    }
}
