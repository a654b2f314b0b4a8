#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::cloud::AddressKind;

fn refusal(text: &str) -> String {
    Config::parse(text).unwrap_err().to_string()
}

#[test]
fn nothing_said_means_the_defaults() {
    let config = Config::parse("").unwrap();
    assert_eq!(config.source, None);
    assert_eq!(config.hosts, []);
    assert_eq!(config.cloud, CloudConfig::default());
    assert_eq!(config.rollout.waves, [Share::Percent(100)]);
    assert_eq!(config.rollout.max_failures, Share::Percent(100));
    assert_eq!(config.rollout.health, None);
    assert!(config.snapshot.freeze && config.snapshot.verify_volume);
    assert_eq!(config.publish, PublishConfig::default());
    assert_eq!(config.ssh.host_keys, HostKeyPolicy::Strict);
    assert!(config.sync.delete && config.destination.keep_undo);
    assert_eq!((config.sync.parallel, config.sync.retries), (32, 2));
    assert_eq!(config.sync.bwlimit, Rate(None));
    assert_eq!((config.ssh.user.as_str(), config.ssh.port), ("www", 22));
    let empty = Config::parse("ssh.proxy_command = \"\"").unwrap();
    assert_eq!(empty.ssh.proxy_command, None);
    assert_eq!(config.state, StateConfig::default());
}

#[test]
fn everything_said_is_heard() {
    let config = Config::parse(
        r#"
        source = "/srv/app"
        [destination]
        path = "/release"
        layout = "tree"
        keep = 5
        keep_undo = false
        require_mount = true
        [cloud]
        kind = "aws"
        region = "eu-west-1"
        groups = ["web"]
        group_tags = { role = "web" }
        address = "ipv6"
        root = "fleet"
        settle = "5s"
        [ssh]
        user = "deploy"
        port = 2222
        agent = true
        known_hosts = "keys"
        host_keys = "accept-new"
        proxy_command = "nc %h %p"
        connect_timeout = "5s"
        agent_directory = "/opt/agent"
        [[host]]
        address = "10.0.0.5"
        [[host]]
        name = "b"
        address = "10.0.0.6"
        port = 22
        user = "www"
        destination = "/elsewhere"
        identity = "b.key"
        proxy_command = ""
        agent_directory = "/var/agent"
        [sync]
        exclude = ["*.pyc", "/tmp/"]
        protect = ["/shared/"]
        delete = false
        max_delete = 1_000
        checksum = true
        parallel = 0x10
        bwlimit = "10M"
        bwlimit_total = "1Gi"
        together = true
        retries = 0
        numeric_owner = true
        allow_empty = true
        silence = "2m"
        stall = "1h"
        [rollout]
        waves = ["1", "25%"]
        max_failures = "10%"
        health = "true"
        health_timeout = "10s"
        order = "snapshot-first"
        deadline = "5m"
        boot_deadline = "2m"
        [snapshot]
        volume = "vol-0123456789abcdef0"
        keep = 3
        freeze = "off"
        freeze_timeout = "5s"
        verify_volume = false
        [publish]
        directory = "/var/www"
        key = "release.key"
        listen = "127.0.0.1:8080"
        [state]
        directory = "state"
        lock_wait = "15m"
        "#,
    )
    .unwrap();
    let first = HostConfig {
        name: "10.0.0.5".into(),
        address: "10.0.0.5".into(),
        port: 2222,
        user: "deploy".into(),
        destination: Some("/release".into()),
        identity: IdentityConfig::Agent,
        proxy_command: Some("nc %h %p".into()),
        agent_directory: "/opt/agent".into(),
    };
    let second = HostConfig {
        name: "b".into(),
        address: "10.0.0.6".into(),
        port: 22,
        user: "www".into(),
        destination: Some("/elsewhere".into()),
        identity: IdentityConfig::File("b.key".into()),
        proxy_command: None,
        agent_directory: "/var/agent".into(),
    };
    let expected = Config {
        source: Some("/srv/app".into()),
        destination: DestinationConfig {
            path: Some("/release".into()),
            keep_undo: false,
            require_mount: true,
        },
        cloud: CloudConfig {
            kind: CloudKind::Aws,
            region: Some("eu-west-1".parse().unwrap()),
            groups: vec!["web".parse().unwrap()],
            group_tags: [("role".to_owned(), "web".to_owned())].into(),
            address: AddressKind::Ipv6,
            root: Some("fleet".into()),
            settle: Duration::from_secs(5),
        },
        ssh: SshConfig {
            user: "deploy".into(),
            port: 2222,
            proxy_command: Some("nc %h %p".into()),
            identity: IdentityConfig::Agent,
            known_hosts: "keys".into(),
            host_keys: HostKeyPolicy::AcceptNew,
            connect_timeout: Duration::from_secs(5),
            agent_directory: "/opt/agent".into(),
        },
        hosts: vec![first, second],
        sync: SyncConfig {
            exclude: vec!["*.pyc".into(), "/tmp/".into()],
            protect: vec!["/shared/".into()],
            delete: false,
            max_delete: Some(1_000),
            checksum: true,
            parallel: 16,
            numeric_owner: true,
            allow_empty: true,
            silence: Duration::from_secs(120),
            stall: Duration::from_secs(3600),
            bwlimit: Rate(Some(10_000_000)),
            bwlimit_total: Rate(Some(1 << 30)),
            together: true,
            retries: 0,
        },
        rollout: RolloutConfig {
            waves: vec![Share::Count(1), Share::Percent(25)],
            max_failures: Share::Percent(10),
            health: Some("true".into()),
            health_timeout: Duration::from_secs(10),
            order: Order::SnapshotFirst,
            deadline: Duration::from_secs(300),
            boot_deadline: Duration::from_secs(120),
        },
        snapshot: SnapshotConfig {
            volume: Some("vol-0123456789abcdef0".parse().unwrap()),
            keep: 3,
            freeze: false,
            freeze_timeout: Duration::from_secs(5),
            verify_volume: false,
        },
        publish: PublishConfig {
            directory: Some("/var/www".into()),
            key: Some("release.key".into()),
            listen: Some(([127, 0, 0, 1], 8080).into()),
        },
        state: StateConfig {
            directory: Some("state".into()),
            lock_wait: Duration::from_secs(900),
        },
    };
    assert_eq!(config, expected);
}

/// The whole file of `docs/operations.md`, with every key that there is.
#[test]
fn the_documented_file_is_understood() {
    let document = include_str!("../../../docs/operations.md");
    let begin = document.find("```toml\n# Every key").unwrap() + "```toml\n".len();
    let text = &document[begin..];
    let text = &text[..text.find("```").unwrap()];
    let config = Config::parse(text).unwrap();
    assert_eq!(config.hosts.len(), 1);
    let unread = schema::all_keys().filter(|key| !text.contains(key.as_str()));
    assert_eq!(unread.collect::<Vec<_>>(), [""; 0], "each key is shown");
}

#[test]
fn unknown_keys_are_named_wherever_they_stand() {
    for (text, message) in [
        (
            "sorce = 1",
            "line 1, column 1: there is no key `sorce`; the nearest is `source`",
        ),
        (
            "[sync]\n\n  paralel = 4",
            "line 3, column 3: there is no key `sync.paralel`; the nearest is `sync.parallel`",
        ),
        (
            "destination = { pth = \"/x\" }",
            "line 1, column 17: there is no key `destination.pth`; the nearest is `destination.path`",
        ),
        (
            "[hosts]\na = 1",
            "line 1, column 2: there is no key `hosts`; the nearest is `host`",
        ),
        (
            "[[host]]\naddress = \"a\"\n[[host]]\nadress = \"b\"",
            "line 4, column 1: there is no key `host.adress`; the nearest is `host.address`",
        ),
        (
            "protect = []",
            "line 1, column 1: there is no key `protect`; the nearest is `sync.protect`",
        ),
        (
            "[ssh.options]\nx = 1",
            "line 1, column 6: there is no key `ssh.options`; the nearest is `ssh.port`",
        ),
    ] {
        assert_eq!(refusal(text), message);
    }
}

#[test]
fn what_this_build_cannot_do_is_refused_and_not_ignored() {
    let what = "destination.layout = \"versions\"";
    let refusal = refusal(what);
    let end = format!(": this version can't do `{what}` yet");
    assert!(refusal.ends_with(&end), "{refusal}");
}

#[test]
fn values_are_checked() {
    for (text, message) in [
        ("source = ", "string values must be quoted"),
        ("source = 3", "`source` is a text in quotes, not integer"),
        ("source = \"\"", "`source` can't be \"\": it is empty"),
        (
            "host = \"a\"",
            "`host` is an array of tables ([[…]]), not string",
        ),
        ("host = [\"a\"]", "`host` is a table, not string"),
        (
            "ssh.port = 0",
            "`ssh.port` can't be 0: it is between 1 and 65535",
        ),
        (
            "ssh.port = 65536",
            "`ssh.port` can't be 65536: it is between 1 and 65535",
        ),
        (
            "sync.max_delete = -1",
            "`sync.max_delete` can't be -1: it is at least 0",
        ),
        (
            "sync.parallel = 0",
            "`sync.parallel` can't be 0: it is between 1 and 4096",
        ),
        (
            "sync.checksum = \"yes\"",
            "`sync.checksum` is true or false, not string",
        ),
        (
            "sync.exclude = \"*.o\"",
            "`sync.exclude` is an array of texts, not string",
        ),
        (
            "sync.exclude = [1]",
            "`sync.exclude` is an array of texts, not integer",
        ),
        (
            "sync.silence = \"30\"",
            "`sync.silence` can't be \"30\": a length of time is a whole number and a unit, as in \
             \"500ms\", \"30s\", \"15m\", \"2h\" or \"7d\"",
        ),
        ("sync.retries = 101", "it is between 0 and 100"),
        ("rollout.waves = []", "there is at least one"),
        ("rollout.waves = [\"some\"]", "it is a number, as in \"3\""),
        (
            "rollout.max_failures = 3",
            "is a text in quotes, not integer",
        ),
        ("snapshot.volume = \"web\"", "is not a volume's id"),
        ("snapshot.freeze = true", "is a text in quotes, not boolean"),
        ("publish.listen = \"8080\"", "it is an address and a port"),
        (
            "cloud.group_tags = { role = 1 }",
            "is a table of texts, not integer",
        ),
        ("ssh.connect_timeout = \"0s\"", "it is longer than nothing"),
        ("sync.bwlimit = \"fast\"", "a rate is bytes a second"),
        (
            "destination.path = \"release\"",
            "a path on a host begins with `/`",
        ),
        (
            "ssh.host_keys = \"no\"",
            "it is one of \"strict\", \"accept-new\", \"ec2-console\"",
        ),
        (
            "[[host]]\nname = \"a\"",
            "line 1, column 1: `host.address` is missing",
        ),
        (
            "[ssh]\nidentity = \"k\"\nagent = true",
            "line 3, column 9: `ssh.identity` and `ssh.agent` exclude each other",
        ),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(message), "{text}: {refusal}");
    }
}

#[test]
fn two_hosts_cannot_share_a_name() {
    let refusal = refusal("[[host]]\naddress = \"a\"\n[[host]]\nname = \"a\"\naddress = \"b\"");
    assert_eq!(
        refusal,
        "line 4, column 8: two hosts are called `a`; give one of them another `host.name`"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "([a-z_.\\[\\] =\"\n0-9é-]|source|host|ssh|port|sync|exclude){0,40}") {
        let _ = Config::parse(&text);
    }
}
