//! What becomes of calls on bad days.

use std::sync::Arc;
use std::time::{Duration, Instant};

use release_core::VolumeId;
use release_core::cloud::aws::{AwsCredentials, KeySource, Keys};
use release_core::cloud::{Cloud, CloudFault, SnapshotQuery, VolumeQuery};
use release_tests::ec2::Fault;

use crate::region::{ATTEMPTS, Region, blank, snapshot_of, tags};

fn volume(region: &Region) -> VolumeId {
    region
        .run(region.cloud.create_volume(&blank("source")))
        .unwrap()
        .id
}

fn ours() -> VolumeQuery {
    VolumeQuery::Tagged(tags(&[("release-fleet", "web")]))
}

#[test]
fn a_call_that_was_one_too_many_is_made_again() {
    let region = Region::new();
    let id = volume(&region);
    region
        .ec2
        .add_fault(Fault::throttle().on("DescribeVolumes").times(2));
    let found = region.run(region.cloud.volumes(&ours())).unwrap();
    assert_eq!(found[0].id, id);
    assert_eq!(region.ec2.count("DescribeVolumes"), 3);
}

#[test]
fn a_storm_ends_after_so_many_attempts() {
    let region = Region::new();
    for (fault, kind) in [
        (Fault::throttle(), CloudFault::Throttled),
        (
            Fault::refuse(500, "InternalError", "Oh."),
            CloudFault::Unavailable,
        ),
        (Fault::lose_request(), CloudFault::Lost),
    ] {
        region.ec2.clear_faults();
        region.ec2.forget_calls();
        region.ec2.add_fault(fault);
        let error = region.run(region.cloud.volumes(&ours())).unwrap_err();
        assert_eq!(error.fault, kind, "{error}");
        assert!(error.is_retryable());
        assert_eq!(
            region.ec2.count("DescribeVolumes"),
            ATTEMPTS as usize,
            "{kind}"
        );
    }
}

#[test]
fn what_will_not_pass_is_tried_once() {
    let region = Region::new();
    region.ec2.add_fault(Fault::deny().on("DescribeVolumes"));
    let error = region.run(region.cloud.volumes(&ours())).unwrap_err();
    assert_eq!(error.fault, CloudFault::Denied);
    let text = error.to_string();
    assert!(
        text.starts_with("ec2:DescribeVolumes: not allowed: UnauthorizedOperation: "),
        "{text}"
    );
    assert_eq!(region.ec2.count("DescribeVolumes"), 1);
}

#[test]
fn a_snapshot_is_asked_for_once_whatever_happens() {
    for (fault, kind, made) in [
        (Fault::throttle(), CloudFault::Throttled, 0),
        (
            Fault::refuse(503, "Unavailable", "Oh."),
            CloudFault::Unavailable,
            0,
        ),
        (Fault::lose_request(), CloudFault::Lost, 0),
        (Fault::lose_answer(), CloudFault::Lost, 1),
        (Fault::late(Duration::from_secs(3)), CloudFault::Lost, 1),
    ] {
        let region = Region::with(|options| options.limits.attempt = Duration::from_millis(1500));
        let id = volume(&region);
        region.ec2.add_fault(fault.on("CreateSnapshot"));
        let began = Instant::now();
        let error = region
            .run(region.cloud.create_snapshot(&snapshot_of(&id)))
            .unwrap_err();
        assert!(
            began.elapsed() < Duration::from_millis(2800),
            "{kind} {:?}",
            began.elapsed()
        );
        assert_eq!(error.fault, kind, "{error}");
        assert_eq!(error.may_have_happened(), kind != CloudFault::Throttled);
        assert_eq!(region.ec2.count("CreateSnapshot"), 1, "{kind}");
        region.ec2.clear_faults();
        let query = SnapshotQuery::OwnTagged(tags(&[("release-deploy", "d1")]));
        let found = region.run(region.cloud.snapshots(&query)).unwrap();
        assert_eq!(found.len(), made, "{kind}");
    }
}

#[test]
fn complaints_slow_down_all_but_a_snapshot() {
    let region = Region::with(|options| {
        options.limits.adaptive = true;
        options.limits.attempts = 1;
    });
    let id = volume(&region);
    region
        .ec2
        .add_fault(Fault::throttle().on("DescribeVolumes").times(1));
    region.run(region.cloud.volumes(&ours())).unwrap_err();
    let timed = |what: &dyn Fn()| {
        let began = Instant::now();
        what();
        began.elapsed()
    };
    let snapshot = timed(&|| {
        let new = snapshot_of(&id);
        region.run(region.cloud.create_snapshot(&new)).unwrap();
    });
    let list = timed(&|| {
        region.run(region.cloud.volumes(&ours())).unwrap();
    });
    let second = Duration::from_secs(1);
    assert!(snapshot < second && list > second, "{snapshot:?} {list:?}");
}

#[test]
fn one_volume_is_made_though_every_other_answer_is_lost() {
    let region = Region::new();
    region
        .ec2
        .add_fault(Fault::lose_answer().on("CreateVolume").times(2));
    let made = region
        .run(region.cloud.create_volume(&blank("one")))
        .unwrap();
    let found = region.run(region.cloud.volumes(&ours())).unwrap();
    assert_eq!((found.len(), &found[0].id), (1, &made.id));
    assert_eq!(region.ec2.count("CreateVolume"), 3);
}

#[test]
fn nobody_there_is_no_answer() {
    let region = Region::with(|options| {
        options.endpoint = Some("http://127.0.13.1:9".to_owned());
    });
    let error = region.run(region.cloud.identity()).unwrap_err();
    assert_eq!(error.fault, CloudFault::Lost, "{error}");
    let mut causes = String::new();
    let mut cause = std::error::Error::source(&error);
    while let Some(one) = cause {
        causes += &format!("{one}; ");
        cause = one.source();
    }
    assert!(causes.contains("refused"), "{causes}");
}

#[derive(Debug)]
struct NoKeys;

impl KeySource for NoKeys {
    fn keys(&self) -> Keys<'_> {
        Box::pin(async { Err("the drawer is empty".into()) })
    }
}

#[test]
fn without_keys_nothing_is_asked() {
    let region = Region::with(|options| {
        options.credentials = AwsCredentials::Of(Arc::new(NoKeys));
    });
    let error = region.run(region.cloud.identity()).unwrap_err();
    assert_eq!(error.fault, CloudFault::Credentials, "{error}");
    assert!(region.ec2.calls().is_empty());
}

#[test]
fn keys_that_are_refused_are_told_from_a_denial() {
    let region = Region::new();
    let expired = Fault::refuse(403, "ExpiredToken", "The security token has expired.");
    region.ec2.add_fault(expired);
    let error = region.run(region.cloud.identity()).unwrap_err();
    assert_eq!(error.fault, CloudFault::Credentials, "{error}");
}
