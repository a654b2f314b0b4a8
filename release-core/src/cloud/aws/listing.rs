//! Things by their ids, in batches, where one unknown id fails the whole call.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::Future;

use super::fault::Refusal;
use crate::cloud::{CloudError, CloudFault};

/// Most ids in one call: EC2 takes 1,000, and advises to ask for fewer.
const BATCH: usize = 100;

/// What `ask` finds of `ids`. Those that the service doesn't know are left out: a call that fails for
/// them is made again without them.
pub(super) async fn by_ids<'a, T, F>(
    ids: impl Iterator<Item = &'a str>,
    ask: impl Fn(Vec<String>) -> F,
) -> Result<Vec<T>, CloudError>
where
    F: Future<Output = Result<Vec<T>, CloudError>>,
{
    let mut batches = batches(ids);
    let mut found = Vec::new();
    while let Some(batch) = batches.pop() {
        match ask(batch.clone()).await {
            Ok(some) => found.extend(some),
            Err(error) if error.fault == CloudFault::NotFound => {
                batches.extend(without_unknown(batch, &words(&error)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Each id once: one that is there twice is unknown to some services.
fn batches<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<Vec<String>> {
    let ids: BTreeSet<&str> = ids.collect();
    let ids: Vec<String> = ids.into_iter().map(ToOwned::to_owned).collect();
    ids.chunks(BATCH).map(<[_]>::to_vec).collect()
}

/// What to ask for instead of a batch that was refused with these words. There are fewer ids in it, or
/// fewer in each part: so it comes to an end whatever the service says.
fn without_unknown(mut batch: Vec<String>, words: &str) -> Vec<Vec<String>> {
    let named: BTreeSet<&str> = words
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '-')
        .collect();
    let before = batch.len();
    let keep: Vec<String> = (batch.iter())
        .filter(|id| !named.contains(id.as_str()))
        .cloned()
        .collect();
    if keep.len() < before {
        return if keep.is_empty() { vec![] } else { vec![keep] };
    }
    if before <= 1 {
        return vec![];
    }
    let half = batch.split_off(before / 2);
    vec![batch, half]
}

/// The service's own words, which may name a hundred ids: the error's are cut.
fn words(error: &CloudError) -> String {
    let refusal = error.source().and_then(|cause| cause.downcast_ref());
    match refusal {
        Some(Refusal { message, .. }) => message.clone(),
        None => error.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::*;
    use crate::cloud::Action;
    use crate::testing::block_on;

    fn id(number: usize) -> String {
        format!("i-{number:017x}")
    }

    /// A service that knows the ids of even numbers, and names `named` unknown ones a call.
    fn ask(ids: &[String], named: usize) -> Result<Vec<String>, CloudError> {
        let is_known = |id: &&String| !id.ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']);
        let unknown: Vec<&str> = (ids.iter().filter(|id| !is_known(id)))
            .map(String::as_str)
            .take(named.max(1))
            .collect();
        if unknown.is_empty() {
            return Ok(ids.to_vec());
        }
        let message = match named {
            0 => "Some do not exist".to_owned(),
            _ => format!("The instance IDs '{}' do not exist", unknown.join(", ")),
        };
        let refusal = Refusal {
            code: "InvalidInstanceID.NotFound".to_owned(),
            message,
            status: 400,
        };
        Err(refusal.into_error(Action::DescribeInstances))
    }

    fn found(ids: &[String], named: usize) -> (BTreeSet<String>, usize) {
        let calls = RefCell::new(0);
        let listed = block_on(by_ids(ids.iter().map(String::as_str), async |batch| {
            *calls.borrow_mut() += 1;
            assert!(batch.len() <= BATCH && !batch.is_empty());
            ask(&batch, named)
        }));
        let listed = listed.unwrap();
        let distinct: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(distinct.len(), listed.len(), "each is found once");
        (distinct, calls.into_inner())
    }

    #[test]
    fn one_call_more_leaves_out_all_that_are_named() {
        let ids: Vec<String> = (0..100).map(id).collect();
        let (known, calls) = found(&ids, 100);
        assert_eq!((known.len(), calls), (50, 2));
    }

    #[test]
    fn nothing_is_asked_for_nothing() {
        assert_eq!(found(&[], 100), (BTreeSet::new(), 0));
    }

    #[test]
    fn a_failure_of_another_kind_is_returned() {
        let outcome: Result<Vec<String>, _> = block_on(by_ids(["i-1"].into_iter(), async |_| {
            Err(CloudError::new(
                Action::DescribeInstances,
                CloudFault::Denied,
                "",
            ))
        }));
        assert_eq!(outcome.unwrap_err().fault, CloudFault::Denied);
    }

    proptest! {
        #[test]
        fn the_known_are_found_whatever_the_service_names(
            numbers in proptest::collection::vec(0_usize..400, 0..250),
            named in 0_usize..4,
        ) {
            let ids: Vec<String> = numbers.iter().copied().map(id).collect();
            let even = numbers.iter().filter(|number| *number % 2 == 0);
            let expected: BTreeSet<String> = even.copied().map(id).collect();
            prop_assert_eq!(found(&ids, named).0, expected);
        }
    }
}
