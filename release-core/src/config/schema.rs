//! Which keys there are.

/// The tables of the file and their keys; the nameless table is the file's top.
const TABLES: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "source",
            "destination",
            "cloud",
            "ssh",
            "host",
            "sync",
            "rollout",
            "snapshot",
            "publish",
            "state",
        ],
    ),
    (
        "destination",
        &["path", "layout", "keep", "keep_undo", "require_mount"],
    ),
    (
        "cloud",
        &[
            "kind",
            "region",
            "groups",
            "group_tags",
            "address",
            "root",
            "settle",
        ],
    ),
    (
        "ssh",
        &[
            "user",
            "port",
            "identity",
            "agent",
            "known_hosts",
            "host_keys",
            "proxy_command",
            "connect_timeout",
            "agent_directory",
        ],
    ),
    (
        "host",
        &[
            "name",
            "address",
            "port",
            "user",
            "destination",
            "identity",
            "proxy_command",
            "agent_directory",
        ],
    ),
    (
        "sync",
        &[
            "exclude",
            "protect",
            "delete",
            "max_delete",
            "checksum",
            "parallel",
            "bwlimit",
            "bwlimit_total",
            "together",
            "retries",
            "numeric_owner",
            "allow_empty",
            "silence",
            "stall",
        ],
    ),
    (
        "rollout",
        &[
            "waves",
            "max_failures",
            "health",
            "health_timeout",
            "order",
            "deadline",
            "boot_deadline",
        ],
    ),
    (
        "snapshot",
        &[
            "volume",
            "keep",
            "freeze",
            "freeze_timeout",
            "verify_volume",
        ],
    ),
    ("publish", &["directory", "key", "listen"]),
    ("state", &["directory", "lock_wait"]),
];

/// What a key in a table is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Known,
    /// With the full name of the key that was probably meant.
    Unknown(String),
}

pub(super) fn standing(table: &str, key: &str) -> Standing {
    if keys(table).contains(&key) {
        Standing::Known
    } else {
        Standing::Unknown(nearest_key(table, key))
    }
}

/// Each key of each table, as it is written.
#[cfg(test)]
pub(super) fn all_keys() -> impl Iterator<Item = String> {
    TABLES
        .iter()
        .flat_map(|(_, keys)| keys.iter().map(|key| (*key).to_owned()))
}

/// A key's name from the top of the file.
pub(super) fn full_name(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

fn keys(table: &str) -> &'static [&'static str] {
    TABLES
        .iter()
        .find(|(name, _)| *name == table)
        .map_or(&[], |(_, keys)| keys)
}

/// What it costs a guess to be of another table, in letters.
const ELSEWHERE: usize = 2;

/// A key may be misspelt, or stand in the wrong table; rarely both.
fn nearest_key(table: &str, key: &str) -> String {
    TABLES
        .iter()
        .flat_map(|(other, keys)| keys.iter().map(move |known| (*other, *known)))
        .min_by_key(|(other, known)| {
            let elsewhere = if *other == table { 0 } else { ELSEWHERE };
            distance(key, known) + elsewhere
        })
        .map_or_else(String::new, |(other, known)| full_name(other, known))
}

/// The candidate that is spelt most like `word`; `None` only where there are none. Of equals, the first.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .min_by_key(|candidate| distance(word, candidate))
}

/// Letters to add, drop, replace or swap (Damerau and Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    strsim::damerau_levenshtein(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_keys_find_their_neighbour() {
        for (table, key, meant) in [
            ("sync", "paralel", "sync.parallel"),
            ("sync", "exlcude", "sync.exclude"),
            ("", "hosts", "host"),
            ("", "Source", "source"),
            ("ssh", "known-hosts", "ssh.known_hosts"),
            ("destination", "keep_undoo", "destination.keep_undo"),
            ("host", "adress", "host.address"),
        ] {
            let unknown = Standing::Unknown(meant.to_owned());
            assert_eq!(standing(table, key), unknown, "{table}.{key}");
        }
    }

    #[test]
    fn a_key_in_the_wrong_table_finds_the_right_one() {
        let unknown = |meant: &str| Standing::Unknown(meant.to_owned());
        assert_eq!(standing("", "protect"), unknown("sync.protect"));
        assert_eq!(standing("sync", "known_hosts"), unknown("ssh.known_hosts"));
    }

    #[test]
    fn nearest_needs_a_candidate() {
        assert_eq!(nearest("web", []), None);
        assert_eq!(nearest("web3", ["db-1", "web-3"]), Some("web-3"));
    }
}
