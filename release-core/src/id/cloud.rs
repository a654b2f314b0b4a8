//! Names that the cloud gives out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text is not the name that it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}")]
pub struct ParseNameError {
    /// What it should be, with an example.
    what: &'static str,
    /// What it is, cut to what fits a line, control characters replaced.
    text: String,
}

impl ParseNameError {
    fn new(what: &'static str, text: &str) -> Self {
        let text = text.chars().take(80).map(visible).collect();
        Self { what, text }
    }
}

fn visible(character: char) -> char {
    if character.is_control() {
        char::REPLACEMENT_CHARACTER
    } else {
        character
    }
}

/// Makes a type of a text that was checked once, by `$check`.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<Self, ParseNameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(ParseNameError::new($what, text))
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// An EBS snapshot: `snap-` and 8 to 32 lower-case hexadecimal digits.
    SnapshotId, "a snapshot's id, as in `snap-0123456789abcdef0`", |text| resource(text, "snap-")
);
name!(
    /// An EBS volume: `vol-` and 8 to 32 lower-case hexadecimal digits.
    VolumeId, "a volume's id, as in `vol-0123456789abcdef0`", |text| resource(text, "vol-")
);
name!(
    /// An EC2 instance: `i-` and 8 to 32 lower-case hexadecimal digits.
    InstanceId, "an instance's id, as in `i-0123456789abcdef0`", |text| resource(text, "i-")
);
name!(
    /// A region: lower-case letters, digits and dashes, at most 32.
    Region, "a region, as in `us-east-1`", place
);
name!(
    /// An availability zone, written like a region.
    Zone, "an availability zone, as in `us-east-1a`", place
);
name!(
    /// An AWS account: 12 digits.
    AccountId, "an account, as in `123456789012`",
    |text| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
);
name!(
    /// An Auto Scaling group: 1 to 255 characters, none of them a control character.
    GroupName, "the name of an Auto Scaling group", |text| printable(text, 255)
);
name!(
    /// A lifecycle hook of a group: 1 to 255 of letters, digits, `-`, `_` and `/`.
    HookName, "the name of a lifecycle hook, as in `ready`",
    |text| (1..=255).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte))
);
name!(
    /// What EC2 calls a device of an instance: `/dev/` and 1 to 32 letters and digits. The kernel may call
    /// it otherwise.
    DeviceName, "the name of a device, as in `/dev/sdf`",
    |text| text.strip_prefix("/dev/").is_some_and(|name| {
        (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
);
name!(
    /// A file system's label or the name of who did something: 1 to 255 bytes without control
    /// characters.
    Label, "a line of 1 to 255 bytes without control characters", |text| printable(text, 255)
);

fn resource(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        (8..=32).contains(&digits.len())
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn place(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn printable(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl VolumeId {
    /// The serial number that an NVMe device of this volume has: the id without its dash.
    pub fn serial(&self) -> String {
        self.0.replacen('-', "", 1)
    }

    /// The volume whose NVMe device has this serial number. Blanks around it are sysfs's padding.
    pub fn from_serial(serial: &str) -> Result<Self, ParseNameError> {
        let serial = serial.trim();
        match serial.strip_prefix("vol") {
            Some(digits) if !digits.starts_with('-') => format!("vol-{digits}").parse(),
            _ => Err(ParseNameError::new(
                "the serial number of a volume, as in `vol0123456789abcdef0`",
                serial,
            )),
        }
    }
}

impl Label {
    /// What of a text can be a label: control characters are replaced, and what is too long is cut. An
    /// empty text becomes a dash.
    pub fn cut(text: &str) -> Self {
        let mut label = String::new();
        for character in text.chars().map(visible) {
            if label.len() + character.len_utf8() > 255 {
                break;
            }
            label.push(character);
        }
        if label.is_empty() {
            label.push('-');
        }
        Self(label)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_told_from_other_texts() {
        assert!("snap-0123456789abcdef0".parse::<SnapshotId>().is_ok());
        assert!("vol-01234567".parse::<VolumeId>().is_ok());
        for text in [
            "",
            "snap-",
            "vol-0123456789abcdef0",
            "snap-0123456",
            "snap-0123456789ABCDEF0",
            "snap-0123456789abcdef0\n",
            "snap-../../etc/passwd",
            &format!("snap-{}", "0".repeat(33)),
        ] {
            assert!(text.parse::<SnapshotId>().is_err(), "{text:?}");
        }
        assert!("us-east-1".parse::<Region>().is_ok() && "US".parse::<Region>().is_err());
        assert!("123456789012".parse::<AccountId>().is_ok());
        assert!("12345678901".parse::<AccountId>().is_err());
        assert!("/dev/sdf".parse::<DeviceName>().is_ok());
        for text in ["/dev/", "sdf", "/dev/../sda", "/dev/disk/x"] {
            assert!(text.parse::<DeviceName>().is_err(), "{text}");
        }
        assert!("web servers (blue)".parse::<GroupName>().is_ok());
        assert!("web\n".parse::<GroupName>().is_err());
    }

    #[test]
    fn a_volume_is_known_by_its_serial() {
        let volume: VolumeId = "vol-0123456789abcdef0".parse().unwrap();
        assert_eq!(volume.serial(), "vol0123456789abcdef0");
        assert_eq!(
            VolumeId::from_serial(" vol0123456789abcdef0  \n"),
            Ok(volume)
        );
        for text in ["", "vol", "vol-0123456789abcdef0", "AWS0123456789", "volé"] {
            assert!(VolumeId::from_serial(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_refused_is_shown_without_harm() {
        let refusal = "i-\u{1b}[2J".parse::<InstanceId>().unwrap_err().to_string();
        assert!(!refusal.contains('\u{1b}'), "{refusal:?}");
    }

    proptest! {
        #[test]
        fn any_text_can_be_cut_to_a_label(text in "\\PC*|.{0,300}") {
            let label = Label::cut(&text);
            prop_assert_eq!(label.as_str().parse(), Ok(label.clone()));
        }

        #[test]
        fn serials_of_any_text_do_no_harm(text in "(vol)?.{0,40}") {
            if let Ok(volume) = VolumeId::from_serial(&text) {
                prop_assert_eq!(volume.serial(), text.trim());
            }
        }
    }
}
