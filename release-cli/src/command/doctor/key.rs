//! What can be told of a private key without using it.

/// Does a file hold a private key, and does that need a passphrase?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Plain,
    /// It can't be used: there is nobody to ask.
    Passphrase,
    Foreign,
}

impl Key {
    /// Looks at a file's text: OpenSSH's own format (openssh-portable, `PROTOCOL.key`), PKCS#8 or an older PEM.
    pub(super) fn of(text: &str) -> Self {
        let mut lines = text.lines().map(str::trim);
        let Some(kind) = lines.find_map(private_key) else {
            return Self::Foreign;
        };
        let is_locked = match kind {
            "OPENSSH" => {
                let body: String = lines.take_while(|line| !line.starts_with('-')).collect();
                match cipher(&body) {
                    Some(cipher) => cipher != "none",
                    None => return Self::Foreign,
                }
            }
            "ENCRYPTED" => true,
            _ => lines.any(|line| line.starts_with("Proc-Type:") && line.ends_with("ENCRYPTED")),
        };
        if is_locked {
            Self::Passphrase
        } else {
            Self::Plain
        }
    }
}

/// The kind of private key that a line announces; empty for PKCS#8.
fn private_key(line: &str) -> Option<&str> {
    let kind = line.strip_prefix("-----BEGIN ")?;
    Some(kind.strip_suffix("PRIVATE KEY-----")?.trim_end())
}

/// The name of the cipher: a length of four bytes, and so many characters, after a magic value.
fn cipher(body: &str) -> Option<String> {
    const MAGIC: &[u8] = b"openssh-key-v1\0";
    let bytes = base64(body.get(..64)?)?;
    let rest = bytes.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    String::from_utf8(rest.get(..length)?.to_vec()).ok()
}

/// Base64 whose length is a multiple of four, without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for digits in text.as_bytes().chunks_exact(4) {
        let mut group = 0_u32;
        for digit in digits {
            group = group << 6 | u32::from(value(*digit)?);
        }
        bytes.extend_from_slice(&group.to_be_bytes()[1..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn openssh(body: &str) -> String {
        let begin = "-----BEGIN OPENSSH PRIVATE KEY-----";
        format!("{begin}\n{body}\n-----END OPENSSH PRIVATE KEY-----\n")
    }

    #[test]
    fn keys_are_told_apart() {
        // The first lines that ssh-keygen wrote, without and with a passphrase; the key itself is cut off.
        let plain = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW";
        let locked = "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBQ";
        for (text, key) in [
            (openssh(plain), Key::Plain),
            (openssh(locked), Key::Passphrase),
            (openssh("b3Bl"), Key::Foreign),
            (openssh(&"A".repeat(70)), Key::Foreign),
            ("-----BEGIN PRIVATE KEY-----\nMC4C".into(), Key::Plain),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMC4C".into(),
                Key::Passphrase,
            ),
            ("-----BEGIN RSA PRIVATE KEY-----\nMC4C".into(), Key::Plain),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n".into(),
                Key::Passphrase,
            ),
            (
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 www@build".into(),
                Key::Foreign,
            ),
            (String::new(), Key::Foreign),
        ] {
            assert_eq!(Key::of(&text), key, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(body in "[A-Za-z0-9+/=é\n]{0,100}") {
            let _ = Key::of(&openssh(&body));
        }
    }
}
