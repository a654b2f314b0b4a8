//! What `pull` is told.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgAction, Args as Arguments};

use super::deploy::whole_number;

/// Brings a tree from a host into the source
///
/// The contents of the host's directory become the contents of the source: what is new or changed is
/// brought, what is gone is deleted. Nothing is changed on the host, apart from the agent that is put
/// there. Asks before it changes a source that has something in it, if there is somebody to ask.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  release-cli pull staging:/srv/app
  release-cli pull --source /srv/app deploy@10.0.0.9:/srv/app
  release-cli pull --no-delete --yes '[2001:db8::9]:/srv/app'")]
pub(crate) struct PullArgs {
    /// A host of the configuration, or an address, and an absolute path there; USER@ may stand before it
    #[arg(value_name = "HOST:PATH")]
    pub(crate) from: Remote,
    /// The tree that receives [file: source]
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
    /// Read every file anew instead of trusting size, times and inode [file: sync.checksum]
    #[arg(long)]
    pub(crate) checksum: bool,
    /// Leave in the source what the host does not have
    #[arg(long)]
    pub(crate) no_delete: bool,
    /// Neither bring nor delete what matches [file: sync.exclude]
    #[arg(long, value_name = "PATTERN", num_args = 1.., action = ArgAction::Append)]
    pub(crate) exclude: Vec<String>,
    /// Refuse, changing nothing, if more entries would be deleted [file: sync.max_delete]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole_number)]
    pub(crate) max_delete: Option<u64>,
    /// Let an empty directory of the host empty the source [file: sync.allow_empty]
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// Wait this long for a deploy to end [file: state.lock_wait]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = whole_number)]
    pub(crate) lock_wait: Option<u64>,
    /// Don't ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `[USER@]HOST:PATH`, where HOST may be an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) user: Option<String>,
    /// Without brackets.
    pub(crate) host: String,
    /// Absolute.
    pub(crate) path: PathBuf,
}

/// Why a text is no [`Remote`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RemoteError {
    #[error("it is a host, a colon and a path, as in `staging:/srv/app`")]
    Shape,
    #[error("a path on a host begins with `/`")]
    Relative,
}

impl FromStr for Remote {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        // A path may hold an `@`, too: only one before the path separates the user.
        let (user, rest) = match text.split_once('@') {
            Some((user, rest)) if !user.contains([':', '/', '[']) => (Some(user), rest),
            _ => (None, text),
        };
        let (host, path) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once("]:"),
            None => rest.split_once(':'),
        }
        .ok_or(RemoteError::Shape)?;
        if host.is_empty() || user == Some("") || path.is_empty() {
            return Err(RemoteError::Shape);
        }
        if !path.starts_with('/') {
            return Err(RemoteError::Relative);
        }
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            path: path.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn hosts_users_and_paths_are_told_apart() {
        let remote = |user: Option<&str>, host: &str, path: &str| {
            Ok(Remote {
                user: user.map(str::to_owned),
                host: host.to_owned(),
                path: path.into(),
            })
        };
        for (text, parsed) in [
            ("staging:/srv/app", remote(None, "staging", "/srv/app")),
            ("www@10.0.0.9:/", remote(Some("www"), "10.0.0.9", "/")),
            ("[::1]:/a:b", remote(None, "::1", "/a:b")),
            ("www@[::1]:/a", remote(Some("www"), "::1", "/a")),
            ("web:/mail@home", remote(None, "web", "/mail@home")),
            ("staging", Err(RemoteError::Shape)),
            (":/a", Err(RemoteError::Shape)),
            ("@web:/a", Err(RemoteError::Shape)),
            ("web:", Err(RemoteError::Shape)),
            ("[::1]/a", Err(RemoteError::Shape)),
            ("web:app", Err(RemoteError::Relative)),
            ("2001:db8::9:/a", Err(RemoteError::Relative)),
        ] {
            assert_eq!(text.parse::<Remote>(), parsed, "{text}");
        }
    }
}
