//! Points in time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, to the millisecond, in UTC: what EC2 and documents say. RFC 3339 in text.
///
/// Between the years 1 and 9999; what would lie outside is the nearer end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

/// A text is not a point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time as in `2026-01-31T12:00:00Z`")]
pub struct ParseMomentError(String);

/// 0001-01-01T00:00:00Z and 9999-12-30T22:00:00Z, in milliseconds; jiff's own bounds are no narrower.
const FIRST: i64 = -62_135_596_800_000;
const LAST: i64 = 253_402_207_200_000;

impl Moment {
    /// That many milliseconds after 1970-01-01 00:00 UTC.
    pub fn from_unix_millis(millis: i64) -> Self {
        Self(millis.clamp(FIRST, LAST))
    }

    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Seconds since 1970-01-01 00:00 UTC, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The beginning of its second: what documents say.
    #[must_use]
    pub fn whole_second(self) -> Self {
        Self::from_unix_millis(self.unix_seconds().saturating_mul(1000))
    }

    /// So much later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(self.0.saturating_add(millis))
    }

    /// So much earlier.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(self.0.saturating_sub(millis))
    }

    /// How much later it is than `earlier`; nothing where it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every constructor sees to the bounds.
        let timestamp = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        fmt::Display::fmt(&timestamp, f)
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Moment {
    type Err = ParseMomentError;

    fn from_str(text: &str) -> Result<Self, ParseMomentError> {
        match text.parse::<jiff::Timestamp>() {
            Ok(timestamp) => Ok(Self::from_unix_millis(timestamp.as_millisecond())),
            Err(_) => Err(ParseMomentError(
                text.chars()
                    .take(40)
                    .flat_map(char::escape_default)
                    .collect(),
            )),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_written_as_people_expect() {
        let moment = Moment::from_unix_millis(1_769_860_800_250);
        assert_eq!(moment.to_string(), "2026-01-31T12:00:00.25Z");
        assert_eq!(moment.whole_second().to_string(), "2026-01-31T12:00:00Z");
        assert_eq!("2026-01-31T13:00:00.250+01:00".parse(), Ok(moment));
        assert!("yesterday".parse::<Moment>().is_err() && "".parse::<Moment>().is_err());
    }

    #[test]
    fn it_neither_overflows_nor_goes_backwards() {
        let (first, last) = (
            Moment::from_unix_millis(i64::MIN),
            Moment::from_unix_millis(i64::MAX),
        );
        assert_eq!(last.after(Duration::MAX), last);
        assert_eq!(first.before(Duration::MAX), first);
        let day = Duration::from_secs(86_400);
        assert_eq!(last.before(day).after(day), last);
        assert_eq!(first.since(last), Duration::ZERO);
        assert!(last.since(first) > Duration::from_secs(1));
        assert!(
            first.to_string().starts_with("0001-01-01") && last.to_string().starts_with("9999")
        );
        let before = Moment::from_unix_millis(-1);
        assert_eq!(
            (before.unix_seconds(), before.whole_second().unix_millis()),
            (-1, -1000)
        );
    }

    proptest! {
        #[test]
        fn it_survives_its_text(millis: i64) {
            let moment = Moment::from_unix_millis(millis);
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
        }

        #[test]
        fn any_text_does_no_harm(text in ".*") {
            let _ = text.parse::<Moment>();
        }
    }
}
