//! `completions` and `man`: what is generated from the definition of the arguments.

use std::fs::{self, File};
use std::io::{self, Write, stdout};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::desk::Desk;
use crate::args::Args;
use crate::exit::Exit;
use crate::failure::Failure;

/// Prints what makes a shell complete.
pub(super) fn completions(shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "release-cli", &mut script);
    show(&script)
}

/// Prints all pages.
pub(super) fn print() -> Result<Exit, Failure> {
    let mut text = Vec::new();
    for page in pages() {
        // A vector takes all that is written to it.
        let _ = render(&page, &mut text);
    }
    show(&text)
}

/// Writes each page into a file of its own.
pub(super) fn write(directory: &Path, desk: &Desk) -> Result<Exit, Failure> {
    let directory = desk.environment.directory.join(directory);
    let write = || {
        fs::create_dir_all(&directory)?;
        for page in pages() {
            render(
                &page,
                &mut File::create(directory.join(page.get_filename()))?,
            )?;
        }
        io::Result::Ok(())
    };
    write().map_err(|source| Failure::Manual {
        path: directory.clone(),
        source,
    })?;
    Ok(Exit::Done)
}

/// The program's page, and one for each verb.
fn pages() -> impl Iterator<Item = Man> {
    let mut program = Args::command().disable_help_subcommand(true);
    program.build();
    let verbs = program.get_subcommands().filter(|verb| !verb.is_hide_set());
    let verbs: Vec<Command> = verbs.cloned().collect();
    std::iter::once(program).chain(verbs).map(Man::new)
}

/// What a script goes by, whatever the verb.
const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
All as asked.
.TP
\fB1\fR
Failed; nothing was changed.
.TP
\fB2\fR
Usage or configuration.
.TP
\fB3\fR
Partial: something was changed, and not all is as asked.
.TP
\fB4\fR
Locked by another deploy.
.TP
\fB5\fR
Refused for safety: a host key, a signature, \fB\-\-max\-delete\fR, an empty source, a destination that no release may
take.
.TP
\fB130\fR
Interrupted.
.PP
Where several apply: 130, then 2, then 4; then 3 if any host was changed; then 5 if all that went wrong are refusals; else
1.
"#;

fn render(page: &Man, out: &mut dyn Write) -> io::Result<()> {
    page.render(out)?;
    out.write_all(EXIT_STATUS.as_bytes())
}

/// Whoever doesn't read to the end misses nothing that they want.
fn show(text: &[u8]) -> Result<Exit, Failure> {
    let mut out = stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Output { source })
        }
        _ => Ok(Exit::Done),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn text(name: &str) -> String {
        let page = pages().find(|page| page.get_filename() == name).unwrap();
        let mut text = Vec::new();
        render(&page, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
    }

    #[test]
    fn the_manual_reads_well() {
        insta::assert_snapshot!("man", text("release-cli.1"));
        insta::assert_snapshot!("man plan", text("release-cli-plan.1"));
    }

    #[test]
    fn each_verb_has_a_page_and_is_completed() {
        let names: Vec<_> = pages().map(|page| page.get_filename()).collect();
        let mut script = Vec::new();
        clap_complete::generate(
            Shell::Bash,
            &mut Args::command(),
            "release-cli",
            &mut script,
        );
        let script = String::from_utf8(script).unwrap();
        for verb in [
            "deploy",
            "plan",
            "status",
            "pull",
            "doctor",
            "thaw",
            "demo",
            "completions",
            "man",
        ] {
            assert!(
                names.contains(&format!("release-cli-{verb}.1")),
                "{names:?}"
            );
            assert!(
                script.contains(&format!("release__subcmd__cli__subcmd__{verb}"))
                    || script.contains(verb)
            );
        }
    }
}
