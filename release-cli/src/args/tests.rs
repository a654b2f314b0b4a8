#![allow(clippy::unwrap_used)]

use clap::CommandFactory;

use super::*;

fn help(verb: &str) -> String {
    let mut command = Args::command().term_width(100);
    command.build();
    let command = match verb {
        "" => &mut command,
        verb => command.find_subcommand_mut(verb).unwrap(),
    };
    command.render_long_help().to_string()
}

#[test]
fn help_reads_well() {
    for verb in [
        "",
        "deploy",
        "plan",
        "status",
        "pull",
        "rollback",
        "history",
        "snapshot",
        "prune",
        "serve",
        "keygen",
        "setup",
        "doctor",
        "thaw",
        "demo",
        "completions",
        "man",
    ] {
        insta::assert_snapshot!(format!("help {verb}").trim(), help(verb));
    }
}

#[test]
fn the_definition_is_consistent() {
    Args::command().debug_assert();
}

fn deploy(flags: &[&str]) -> DeployArgs {
    let argv = ["release-cli", "deploy"].iter().chain(flags);
    match Args::try_parse_from(argv).unwrap().verb {
        Verb::Deploy(args) => *args,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn the_last_word_about_deleting_counts() {
    assert_eq!(deploy(&[]).deletion(), None);
    assert_eq!(deploy(&["--delete", "--no-delete"]).deletion(), Some(false));
    assert_eq!(deploy(&["--no-delete", "--delete"]).deletion(), Some(true));
}

#[test]
fn lists_can_be_given_in_one_go_or_in_parts() {
    let args = deploy(&["--host", "a", "b", "--exclude", "*.o", "--host", "c"]);
    assert_eq!(args.hosts.only, ["a", "b", "c"]);
    assert_eq!(args.exclude, ["*.o"]);
}
