//! What is asked, in the words of the services.

use aws_sdk_autoscaling::types as scaling;
use aws_sdk_ec2::types as ec2;

use crate::cloud::{Encryption, Tags};

/// `tag:KEY` = VALUE, for each.
pub(super) fn ec2_filters(tags: &Tags) -> Option<Vec<ec2::Filter>> {
    let filter = |(key, value): (&String, &String)| {
        ec2::Filter::builder()
            .name(format!("tag:{key}"))
            .values(literal(value))
            .build()
    };
    Some(tags.iter().map(filter).collect())
}

/// The same, for groups; their filters know no wildcards.
pub(super) fn group_filters(tags: &Tags) -> Option<Vec<scaling::Filter>> {
    let filter = |(key, value): (&String, &String)| {
        scaling::Filter::builder()
            .name(format!("tag:{key}"))
            .values(value)
            .build()
    };
    Some(tags.iter().map(filter).collect())
}

pub(super) fn filter(name: &str, value: &str) -> ec2::Filter {
    ec2::Filter::builder().name(name).values(value).build()
}

pub(super) fn sdk_tags(tags: &Tags) -> Vec<ec2::Tag> {
    let tag = |(key, value)| ec2::Tag::builder().key(key).value(value).build();
    tags.iter().map(tag).collect()
}

/// Tags that something gets as it is made; none at all where there are none, since EC2 takes no empty list.
pub(super) fn tagged(kind: ec2::ResourceType, tags: &Tags) -> Option<Vec<ec2::TagSpecification>> {
    let tags = Some(sdk_tags(tags)).filter(|tags| !tags.is_empty())?;
    let specification = ec2::TagSpecification::builder()
        .resource_type(kind)
        .set_tags(Some(tags));
    Some(vec![specification.build()])
}

/// Whether a volume is to be encrypted, and with which key; `None`: as it comes.
pub(super) fn encryption(encryption: &Encryption) -> (Option<bool>, Option<String>) {
    match encryption {
        Encryption::Inherited => (None, None),
        Encryption::DefaultKey => (Some(true), None),
        Encryption::Key(key) => (Some(true), Some(key.clone())),
    }
}

/// A number as the SDK has it. The service refuses what is too large long before this is cut.
pub(super) fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// EC2's filters take `*` and `?` for wildcards, unless there is a backslash before them.
fn literal(value: &str) -> String {
    let mut literal = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '*' | '?' | '\\') {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal
}

/// Whether something has all of the tags that were asked for: a filter may match more.
pub(super) fn has_all(tags: &Tags, wanted: &Tags) -> bool {
    let mut wanted = wanted.iter();
    wanted.all(|(key, value)| tags.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn a_filter_takes_a_value_for_what_it_is() {
        let filters = ec2_filters(&tags(&[("role", "a*b?\\")])).unwrap();
        assert_eq!(filters[0].name(), Some("tag:role"));
        assert_eq!(filters[0].values(), ["a\\*b\\?\\\\"]);
        let filters = group_filters(&tags(&[("role", "a*b")])).unwrap();
        assert_eq!(filters[0].values(), ["a*b"]);
    }

    #[test]
    fn tags_go_with_what_they_are_for_or_not_at_all() {
        assert_eq!(tagged(ec2::ResourceType::Volume, &Tags::new()), None);
        let some = tagged(ec2::ResourceType::Snapshot, &tags(&[("a", "1"), ("b", "")])).unwrap();
        assert_eq!(some[0].resource_type(), Some(&ec2::ResourceType::Snapshot));
        assert_eq!(
            (some[0].tags()[1].key(), some[0].tags()[1].value()),
            (Some("b"), Some(""))
        );
    }

    #[test]
    fn all_wanted_tags_have_to_be_there() {
        let there = tags(&[("a", "1"), ("b", "2")]);
        assert!(has_all(&there, &Tags::new()) && has_all(&there, &there));
        assert!(!has_all(&there, &tags(&[("a", "2")])) && !has_all(&there, &tags(&[("c", "")])));
    }

    #[test]
    fn a_key_is_a_wish_to_encrypt() {
        assert_eq!(encryption(&Encryption::Inherited), (None, None));
        assert_eq!(encryption(&Encryption::DefaultKey), (Some(true), None));
        let key = Encryption::Key("alias/release".to_owned());
        assert_eq!(
            encryption(&key),
            (Some(true), Some("alias/release".to_owned()))
        );
        assert_eq!((number(7), number(u32::MAX)), (7, i32::MAX));
    }
}
