//! The engine's process on a host: speaks to a controller on its standard input and output.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: release-agent serve [--root DIR]\n       release-agent --version";

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments
        .iter()
        .map(|word| word.to_str().unwrap_or(""))
        .collect();
    let root = match words[..] {
        ["--version"] => {
            println!(
                "release-agent {} ({})",
                env!("CARGO_PKG_VERSION"),
                release_sync::BUILD_ID
            );
            return ExitCode::SUCCESS;
        }
        ["serve"] => None,
        ["serve", "--root", _] => Some(PathBuf::from(&arguments[2])),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match serve(root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("release-agent: the standard streams can't be used: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads and writes the descriptors themselves: the library's handles look for line ends.
fn serve(root: Option<PathBuf>) -> std::io::Result<()> {
    let input = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    widen(&input);
    let output = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    release_sync::serve(input, output, root);
    Ok(())
}

/// Room for as much as sshd may have for us at a time. It keeps what does not fit into the pipe in a buffer
/// that it makes a packet longer each time, as a whole, while we wait.
fn widen(input: &File) {
    // The most that Linux lets everybody have. No pipe, or no more room: then it only takes longer.
    let _ = rustix::pipe::fcntl_setpipe_size(input, 1 << 20);
}
