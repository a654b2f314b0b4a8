#![allow(clippy::unwrap_used)]

use release_core::Share;
use release_sync::{Identity, Reach, SshTarget};

use super::*;

fn environment() -> Environment {
    Environment {
        directory: "/home/ada/site".into(),
        executable: "/opt/release/release-cli".into(),
        temporary: "/tmp".into(),
        home: Some("/home/ada".into()),
        state_home: None,
        ssh_agent: None,
        aws_endpoint: None,
        aws_authorities: None,
        user: "ada".into(),
        host: "build-1".into(),
        process: 42,
        is_root: false,
        no_color: false,
        is_dumb: false,
        stdin_is_terminal: false,
        stdout_is_terminal: false,
        stderr_is_terminal: false,
    }
}

fn file(text: &str) -> File {
    File::parse(Path::new("/etc/release/release.toml"), text).unwrap()
}

const TWO_HOSTS: &str = r#"
source = "app"
destination.path = "/release"
sync.exclude = ["*.pyc"]
[[host]]
name = "web-1"
address = "10.0.0.5"
[[host]]
name = "web-2"
address = "10.0.0.6"
destination = "/elsewhere"
"#;

fn push() -> DeployArgs {
    DeployArgs {
        no_snapshot: true,
        ..DeployArgs::default()
    }
}

fn refusal(text: &str, args: &DeployArgs) -> String {
    let file = file(text);
    let failure = match args.no_snapshot {
        true => file.deployment(args, &environment()).err(),
        false => file.rollout(args, &environment()).err(),
    };
    failure.unwrap().to_string()
}

#[test]
fn the_file_is_enough() {
    let deployment = file(TWO_HOSTS).deployment(&push(), &environment()).unwrap();
    assert_eq!(deployment.source, Path::new("/etc/release/app"));
    assert_eq!(
        deployment.state().unwrap(),
        Path::new("/home/ada/.local/state/release")
    );
    let host = |name: &str, address: &str, destination: &str| Host {
        name: name.into(),
        destination: destination.into(),
        reach: Reach::Ssh(SshTarget {
            address: address.into(),
            port: 22,
            user: "www".into(),
            key_name: None,
            ssh: None,
        }),
    };
    let hosts = [
        host("web-1", "10.0.0.5", "/release"),
        host("web-2", "10.0.0.6", "/elsewhere"),
    ];
    assert_eq!(deployment.hosts, hosts);
    assert_eq!(deployment.options.holder, "ada@build-1 (process 42)");
    let ssh = deployment.options.ssh.unwrap();
    assert_eq!(ssh.agents, Path::new("/opt/release"));
    assert_eq!(ssh.known_hosts, Path::new("/etc/release/known_hosts"));
}

#[test]
fn flags_override_the_file() {
    let args = DeployArgs {
        source: Some("other".into()),
        dest: Some("/mnt/release".into()),
        parallel: Some(4),
        no_delete: true,
        checksum: true,
        max_delete: Some(0),
        allow_empty: true,
        lock_wait: Some(60),
        exclude: vec!["*.o".into()],
        ..push()
    };
    let deployment = file(TWO_HOSTS).deployment(&args, &environment()).unwrap();
    assert_eq!(deployment.source, Path::new("/home/ada/site/other"));
    for host in &deployment.hosts {
        assert_eq!(host.destination, Path::new("/mnt/release"));
    }
    assert_eq!(deployment.lock_wait, Duration::from_secs(60));
    let options = deployment.options;
    assert!(!options.delete && options.checksum && options.allow_empty);
    assert_eq!((options.parallel, options.max_delete), (4, Some(0)));
    assert_eq!(options.exclude, ["*.pyc", "*.o"]);
}

#[test]
fn hosts_are_chosen_by_name_and_keep_the_order_of_the_file() {
    let only = |names: &[&str]| DeployArgs {
        hosts: HostArgs {
            only: names.iter().map(|name| name.to_string()).collect(),
        },
        ..push()
    };
    let chosen = |names: &[&str]| {
        let deployment = file(TWO_HOSTS).deployment(&only(names), &environment());
        let hosts = deployment.unwrap().hosts;
        hosts.into_iter().map(|host| host.name).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&["web-2"]), ["web-2"]);
    assert_eq!(chosen(&["web-2", "web-1", "web-2"]), ["web-1", "web-2"]);

    let failure = file(TWO_HOSTS)
        .deployment(&only(&["web2"]), &environment())
        .unwrap_err();
    let Failure::UnknownHost { name, nearest } = failure else {
        unreachable!("{failure:?}")
    };
    assert_eq!((name.as_str(), nearest.as_str()), ("web2", "web-2"));
}

#[test]
fn what_is_missing_is_named() {
    let host = "[[host]]\naddress = \"a\"";
    for (text, args, message) in [
        ("source = \"/s\"", push(), "the configuration has no hosts"),
        (host, push(), "nothing says which tree to deploy"),
        (
            &format!("source = \"/s\"\n{host}"),
            push(),
            "nothing says which directory receives the release",
        ),
        (
            &format!("source = \"/s\"\nssh.agent = true\n{host}"),
            push(),
            "`ssh.agent` is set, but no ssh-agent is running",
        ),
        (
            TWO_HOSTS,
            DeployArgs::default(),
            "a deploy ends with a snapshot, and with `cloud.kind = \"none\"` there is nothing to take \
             one of",
        ),
        (
            TWO_HOSTS,
            DeployArgs {
                dest: Some("release".into()),
                ..push()
            },
            "the destination release is not an absolute path",
        ),
    ] {
        assert_eq!(refusal(text, &args), message);
    }
}

/// What a host says of SSH holds for it alone; what it doesn't say, `[ssh]` says.
#[test]
fn hosts_may_have_their_own_way() {
    let text = r#"
        source = "app"
        destination.path = "/release"
        ssh = { identity = "id", proxy_command = "nc bastion" }
        [[host]]
        name = "plain"
        address = "10.0.0.5"
        [[host]]
        name = "own"
        address = "10.0.0.6"
        identity = "own.key"
        proxy_command = "ssh -W %h:%p gate"
        agent_directory = "/opt/agent"
        [[host]]
        name = "direct"
        address = "10.0.0.7"
        proxy_command = ""
    "#;
    let deployment = file(text).deployment(&push(), &environment()).unwrap();
    let own = |host: &Host| match &host.reach {
        Reach::Ssh(target) => target.ssh.clone(),
        other => unreachable!("{other:?}"),
    };
    let ssh = deployment.options.ssh.unwrap();
    assert_eq!(ssh.proxy_command.as_deref(), Some("nc bastion"));
    assert_eq!(own(&deployment.hosts[0]), None);
    let expected = SshOptions {
        identity: Identity::File("/etc/release/own.key".into()),
        proxy_command: Some("ssh -W %h:%p gate".into()),
        agent_directory: "/opt/agent".into(),
        ..ssh.clone()
    };
    assert_eq!(own(&deployment.hosts[1]).as_deref(), Some(&expected));
    let expected = SshOptions {
        proxy_command: None,
        ..ssh
    };
    assert_eq!(own(&deployment.hosts[2]).as_deref(), Some(&expected));

    let args = PullArgs {
        from: "ada@own:/srv/app".parse().unwrap(),
        source: None,
        checksum: false,
        no_delete: false,
        exclude: Vec::new(),
        max_delete: None,
        allow_empty: false,
        lock_wait: None,
        yes: false,
    };
    let pulling = file(text).pulling(&args, &environment()).unwrap();
    let Reach::Ssh(target) = &pulling.host.reach else {
        unreachable!("{pulling:?}")
    };
    assert_eq!((&*target.user, &*target.address), ("ada", "10.0.0.6"));
    assert_eq!(own(&pulling.host), own(&deployment.hosts[1]));
}

#[test]
fn what_is_not_built_is_refused_where_it_would_make_a_difference() {
    let rollout = |keys: &str| format!("{TWO_HOSTS}[rollout]\n{keys}\n");
    let said = |text: &str, args: DeployArgs| match file(text).deployment(&args, &environment()) {
        Ok(_) => None,
        Err(failure) => {
            assert_eq!(crate::exit::Exit::of_failure(&failure).code(), 2);
            Some(failure.to_string())
        }
    };
    let waves = |shares: &[Share]| DeployArgs {
        waves: shares.to_vec(),
        ..push()
    };
    let most = |share| DeployArgs {
        max_failures: Some(share),
        ..push()
    };
    let not_yet = |what: &str| Some(format!("this version can't do `{what}` yet"));
    for keys in [
        "waves = [\"100%\"]",
        "waves = [\"2\", \"100%\"]",
        "max_failures = \"2\"",
        "health = \"\"\nhealth_timeout = \"1s\"\norder = \"snapshot-first\"",
    ] {
        assert_eq!(said(&rollout(keys), push()), None, "{keys}");
    }
    let in_parts = rollout("waves = [\"1\", \"25%\", \"100%\"]");
    assert_eq!(
        said(&in_parts, push()),
        not_yet("rollout.waves = 1,25%,100%")
    );
    assert_eq!(said(&in_parts, waves(&[Share::Percent(100)])), None);
    assert_eq!(
        said(TWO_HOSTS, waves(&[Share::Count(1)])),
        not_yet("--wave 1")
    );
    let few = rollout("max_failures = \"10%\"");
    assert_eq!(said(&few, push()), not_yet("rollout.max_failures = 10%"));
    assert_eq!(said(&few, most(Share::Percent(100))), None);
    assert_eq!(
        said(TWO_HOSTS, most(Share::Count(1))),
        not_yet("--max-failures 1")
    );
    let health = rollout("health = \"true\"");
    assert_eq!(said(&health, push()), not_yet("rollout.health = true"));
}

#[test]
fn without_a_cloud_nobody_asks_for_groups() {
    let args = DeployArgs {
        groups: vec!["web".into()],
        ..push()
    };
    let message = "with `cloud.kind = \"none\"` there are no groups, so `--group` has no meaning";
    assert_eq!(refusal(TWO_HOSTS, &args), message);
    let args = DeployArgs {
        region: Some("eu-west-1".into()),
        ..push()
    };
    assert!(refusal(TWO_HOSTS, &args).contains("`--region`"));

    let named =
        format!("{TWO_HOSTS}[cloud]\ngroups = [\"web\"]\ngroup_tags = {{ role = \"db\" }}\n");
    let deployment = file(&named).deployment(&push(), &environment()).unwrap();
    assert_eq!(deployment.unasked.as_deref(), Some("web, role=db"));
    let deployment = file(TWO_HOSTS).deployment(&push(), &environment()).unwrap();
    assert_eq!(deployment.unasked, None);
}

#[test]
fn the_state_has_a_place_for_everybody() {
    let mut environment = environment();
    environment.state_home = Some("relative".into());
    let place = |environment: &Environment| environment.state_directory();
    assert_eq!(
        place(&environment),
        Some("/home/ada/.local/state/release".into())
    );
    environment.state_home = Some("/state".into());
    assert_eq!(place(&environment), Some("/state/release".into()));
    environment.is_root = true;
    assert_eq!(place(&environment), Some("/var/lib/release".into()));
    environment.is_root = false;
    environment.state_home = None;
    environment.home = None;
    assert_eq!(place(&environment), None);
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut environment = environment();
    environment.directory = directory.path().to_owned();
    let named = Some(Path::new("other.toml"));
    let load = |named| File::load(named, &environment);
    assert!(matches!(load(named), Err(Failure::NoConfig { looked_for }) if looked_for.len() == 1));

    std::fs::write(directory.path().join("release.toml"), "source = \"a\"").unwrap();
    assert_eq!(load(None).unwrap().directory, directory.path());
    assert!(load(named).is_err());

    std::fs::write(directory.path().join("release.toml"), "sorce = \"a\"").unwrap();
    assert!(matches!(load(None), Err(Failure::Config { .. })));
}
