//! What was typed and makes no sense, in the words that all errors have.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::failure::Failure;

/// What to say about it. `verb` is the command that was typed, if it is known.
pub(crate) fn mistake(error: &Error, verb: Option<&str>) -> Failure {
    let message = match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "no command was given".to_owned()
        }
        _ => first_paragraph(&error.render().to_string()),
    };
    let help = match verb {
        Some(verb) => format!("`release-cli help {verb}` says what there is"),
        None => "`release-cli help` says what there is".to_owned(),
    };
    let hint = match suggestion(error) {
        _ if is_dry_run(error) => {
            "`release-cli plan` shows what a deploy would do, and changes nothing".to_owned()
        }
        Some(meant) => format!("did you mean `{meant}`? {help}"),
        None => help,
    };
    Failure::Typed { message, hint }
}

/// Was it what other tools call a plan?
fn is_dry_run(error: &Error) -> bool {
    let typed = error.get(ContextKind::InvalidArg);
    error.kind() == ErrorKind::UnknownArgument
        && matches!(typed, Some(ContextValue::String(typed)) if typed == "--dry-run" || typed == "-n")
}

/// The text up to its first empty line, in one line.
fn first_paragraph(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = paragraph.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

/// What is spelt like it.
fn suggestion(error: &Error) -> Option<&str> {
    let kinds = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ];
    let found = kinds.into_iter().find_map(|kind| error.get(kind))?;
    match found {
        ContextValue::String(word) => Some(word),
        // The most alike comes last.
        ContextValue::Strings(words) => words.last().map(String::as_str),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;

    use super::*;
    use crate::args::Args;
    use crate::exit::of_failure;

    #[test]
    fn what_is_not_understood_is_said_in_one_line_with_one_hint() {
        let deploy = "`release-cli help deploy` says what there is";
        let any = "`release-cli help` says what there is";
        for (words, message, hint) in [
            (
                &["deploy", "--hots", "a"][..],
                "unexpected argument '--hots' found",
                format!("did you mean `--host`? {deploy}"),
            ),
            (
                &["deploy", "--dry-run"],
                "unexpected argument '--dry-run' found",
                "`release-cli plan` shows what a deploy would do, and changes nothing".to_owned(),
            ),
            (
                &["deploy", "-n"],
                "unexpected argument '-n' found",
                "`release-cli plan` shows what a deploy would do, and changes nothing".to_owned(),
            ),
            (
                &["deploy", "--parallel", "0"],
                "invalid value '0' for '--parallel <N>': 0 is not in 1..=4096",
                deploy.to_owned(),
            ),
            (
                &["deploy", "--max-delete", "-1"],
                "invalid value '-1' for '--max-delete <N>': it is a whole number, and not below 0",
                deploy.to_owned(),
            ),
            (
                &["deploy", "--dest", ""],
                "a value is required for '--dest <DIR>' but none was supplied",
                deploy.to_owned(),
            ),
            (
                &["deploy", "--wave", "1,some"],
                "invalid value 'some' for '--wave <LIST>': it is a number, as in \"3\", or a percentage, as \
                 in \"25%\"",
                deploy.to_owned(),
            ),
            (
                &["depoly"],
                "unrecognized subcommand 'depoly'",
                format!("did you mean `deploy`? {any}"),
            ),
            (&[], "no command was given", any.to_owned()),
            (&["--json"], "no command was given", any.to_owned()),
        ] {
            let argv = [&["release-cli"], words].concat();
            let error = Args::try_parse_from(argv).unwrap_err();
            let verb = words.first().copied().filter(|word| *word == "deploy");
            let failure = mistake(&error, verb);
            assert_eq!(failure.to_string(), message);
            assert_eq!(of_failure(&failure).hint, Some(hint));
        }
    }
}
