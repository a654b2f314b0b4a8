//! What the service has to be before anything relies on it: judged by an HTTP client that isn't ours.

use super::*;

fn service(change: impl FnOnce(&mut ImdsOptions)) -> Imds {
    let mut options = ImdsOptions::new("i-0a1b", "eu-west-1b", "123456789012");
    change(&mut options);
    Imds::start(options)
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    ureq::Agent::new_with_config(config.build())
}

fn token(imds: &Imds, seconds: &str) -> (u16, String) {
    let mut answer = agent()
        .put(format!("{}/latest/api/token", imds.endpoint()))
        .header("X-aws-ec2-metadata-token-ttl-seconds", seconds)
        .send_empty()
        .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), text)
}

fn get(imds: &Imds, token: &str, path: &str) -> (u16, String) {
    let mut answer = agent()
        .get(format!("{}/latest/{path}", imds.endpoint()))
        .header("X-aws-ec2-metadata-token", token)
        .call()
        .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), text)
}

#[test]
fn it_tells_an_instance_what_it_is() {
    let imds = service(|options| {
        options.tags.insert("role".into(), "web".into());
    });
    let (status, token) = token(&imds, "60");
    assert_eq!(status, 200);
    imds.set_lifecycle(Some("InService"));
    for (path, expected) in [
        ("meta-data/instance-id", "i-0a1b"),
        ("meta-data/placement/availability-zone", "eu-west-1b"),
        ("meta-data/placement/region", "eu-west-1"),
        ("meta-data/autoscaling/target-lifecycle-state", "InService"),
        ("meta-data/iam/security-credentials/", "release-instance"),
        ("meta-data/tags/instance/role", "web"),
    ] {
        assert_eq!(get(&imds, &token, path), (200, expected.into()), "{path}");
    }
    let (_, identity) = get(&imds, &token, "dynamic/instance-identity/document");
    let identity: serde_json::Value = serde_json::from_str(&identity).unwrap();
    assert_eq!(identity["accountId"], "123456789012");
    assert_eq!(identity["instanceId"], "i-0a1b");
    assert_eq!(identity["region"], "eu-west-1");
    let path = "meta-data/iam/security-credentials/release-instance";
    let (_, credentials) = get(&imds, &token, path);
    let credentials: serde_json::Value = serde_json::from_str(&credentials).unwrap();
    let end: Timestamp = credentials["Expiration"].as_str().unwrap().parse().unwrap();
    assert!(end > Timestamp::now());
    assert_eq!(get(&imds, &token, "meta-data/nothing").0, 404);
    assert_eq!(imds.asked().len(), 10);
}

#[test]
fn no_token_no_answer() {
    let imds = service(|_| ());
    let path = "meta-data/instance-id";
    assert_eq!(get(&imds, "made-up", path).0, 401);
    let version_1 = agent().get(format!("{}/latest/{path}", imds.endpoint()));
    assert_eq!(version_1.call().unwrap().status(), 401);
    for seconds in ["", "0", "21601", "soon"] {
        assert_eq!(token(&imds, seconds).0, 400, "{seconds}");
    }
    let (_, first) = token(&imds, "60");
    assert_eq!(get(&imds, &first, path).0, 200);
    imds.expire_tokens();
    assert_eq!(get(&imds, &first, path).0, 401);
    let (_, brief) = token(&imds, "1");
    assert_eq!(get(&imds, &brief, path).0, 200);
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(get(&imds, &brief, path).0, 401);
}

#[test]
fn an_instance_of_no_group_and_no_role_is_told_so() {
    let imds = service(|options| options.role = None);
    let (_, token) = token(&imds, "60");
    for path in [
        "meta-data/autoscaling/target-lifecycle-state",
        "meta-data/iam/security-credentials/",
        "meta-data/tags/instance",
    ] {
        assert_eq!(get(&imds, &token, path).0, 404, "{path}");
    }
}

#[test]
fn it_can_be_late_and_unavailable() {
    let started = Instant::now();
    let imds = service(|options| options.silent_for = Duration::from_millis(400));
    let ask = || {
        agent()
            .put(format!("{}/latest/api/token", imds.endpoint()))
            .send_empty()
    };
    let refused = ask().unwrap_err().to_string();
    assert!(refused.contains("refused"), "{refused}");
    while ask().is_err() {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(started.elapsed() >= Duration::from_millis(400));
    imds.fail(2);
    let statuses = [0; 3].map(|_| token(&imds, "60").0);
    assert_eq!(statuses, [503, 503, 200]);
}

#[test]
fn its_clock_can_be_another() {
    let year = SignedDuration::from_hours(365 * 24);
    let imds = service(|options| options.clock_ahead = year);
    let answer = agent().get(imds.endpoint()).call().unwrap();
    let date = answer.headers()["date"].to_str().unwrap();
    let date = jiff::fmt::rfc2822::parse(date).unwrap().timestamp();
    let ahead = date.duration_since(Timestamp::now());
    assert!(
        (ahead - year).abs() < SignedDuration::from_secs(5),
        "{ahead}"
    );
}
