//! What an instance's console says of its SSH host keys.

/// Most keys that are read; a host has three or four.
const MOST_KEYS: usize = 32;
/// Longest line that is read as a key; an RSA key of 16,384 bits has 2,800 characters.
const LONGEST: usize = 4096;

const BEGIN: &str = "-----BEGIN SSH HOST KEY KEYS-----";
const END: &str = "-----END SSH HOST KEY KEYS-----";

/// The host keys that cloud-init prints at an instance's first boot, each as `TYPE BASE64`: what a line of
/// `known_hosts` has after the name. None where they are not there, or not any more.
///
/// Whoever may write to an instance's console is its root, and has its keys anyway.
pub fn console_host_keys(console: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut is_within = false;
    for line in console.lines().map(tail) {
        match line {
            BEGIN => is_within = true,
            END => is_within = false,
            line if is_within => keys.extend(key(line)),
            _ => {}
        }
    }
    keys.sort();
    keys.dedup();
    keys.truncate(MOST_KEYS);
    keys
}

/// A line without what some systems' loggers put before it, as in `<14>Jan  1 00:00:00 cloud-init: `.
fn tail(line: &str) -> &str {
    let line = line.trim();
    let begins = ["-----BEGIN ", "-----END ", "ssh-", "ecdsa-sha2-", "sk-"];
    let begin = begins.iter().filter_map(|begin| line.find(begin)).min();
    &line[begin.unwrap_or(0)..]
}

fn key(line: &str) -> Option<String> {
    let mut words = line.split_ascii_whitespace();
    let (kind, data) = (words.next()?, words.next()?);
    let is_kind = kind
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-@.".contains(&byte));
    let is_data = data
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    // Every key's data begins with the length of its type's name.
    let begins_well = kind.starts_with(|first: char| first.is_ascii_lowercase());
    let is_key =
        begins_well && is_kind && is_data && data.starts_with("AAAA") && line.len() <= LONGEST;
    is_key.then(|| format!("{kind} {data}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJQ3uVn0lyFM0ISFxNCZV0s0kVNQGBFk";

    #[test]
    fn keys_are_found_between_their_marks() {
        let console = format!(
            "boot\r\n{ED25519}stray\r\n{BEGIN}\r\n{ED25519} root@ip-10-0-0-4\r\n\
             ecdsa-sha2-nistp256 AAAAE2VjZHNh= root@ip\r\n\
             <14>Nov 29 09:00:00 ec2: ssh-rsa AAAAB3Nz root@ip\r\n{END}\r\nlogin: "
        );
        let expected = [
            "ecdsa-sha2-nistp256 AAAAE2VjZHNh=",
            ED25519,
            "ssh-rsa AAAAB3Nz",
        ];
        assert_eq!(console_host_keys(&console), expected);
        let twice = format!("{console}{console}");
        assert_eq!(console_host_keys(&twice), expected);
    }

    #[test]
    fn what_is_no_key_is_passed_over() {
        for line in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 BBBB",
            "ssh-ed25519\u{0} AAAA",
            "@revoked AAAA",
            "ssh-rsa AAAA\u{1b}[2J",
        ] {
            assert!(console_host_keys(&format!("{BEGIN}\n{line}\n{END}")).is_empty());
        }
        assert!(console_host_keys(ED25519).is_empty());
    }

    proptest! {
        #[test]
        fn any_console_gives_lines_that_can_be_written_down(text in "(?s).{0,200}") {
            let console = format!("{BEGIN}\n{text}\n{text}");
            for key in console_host_keys(&console) {
                prop_assert!(key.is_ascii() && key.split(' ').count() == 2);
                prop_assert!(!key.chars().any(char::is_control));
            }
        }
    }
}
