//! Keys and signatures, in minisign's formats.

use std::fmt;

use base64ct::{Base64, Encoding};
use minisign::{KeyPair, PublicKey as SignersKey, SecretKeyBox};

use super::{Pointer, PublicKey};

/// A key that signs pointers.
///
/// Its file is minisign's: the second line is 158 bytes in base64, with or without a password over them.
#[derive(Clone)]
pub struct SecretKey(minisign::SecretKey);

/// Why there is no key or no signature.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The text is no secret key of minisign, or a damaged one.
    #[error("that is no minisign secret key, or it is damaged")]
    NoKey,
    /// The key is behind a password, and none was given.
    #[error("the key is protected by a password")]
    PasswordNeeded,
    /// The password is not the one.
    #[error("the password is wrong, or the key is damaged")]
    Password(#[source] minisign::PError),
    /// A new key's password is empty, or longer than minisign takes.
    #[error("a password is between 1 and {MAX_PASSWORD} bytes long")]
    PasswordLength,
    /// No random numbers, or no memory to derive a key in.
    #[error("the key can't be used")]
    Failed(#[source] minisign::PError),
}

/// What the minisign program takes.
const MAX_PASSWORD: usize = 1024;

/// Where in a key's bytes stands what.
const KEY_LEN: usize = 158;
const KDF: std::ops::Range<usize> = 2..4;
const CHECKSUM: std::ops::Range<usize> = 126..KEY_LEN;

impl SecretKey {
    /// Longest file that is read as a key, in bytes.
    pub const MAX_LEN: usize = 4 << 10;

    /// Makes a new key, from the system's random numbers.
    ///
    /// Returns it with the content of its file: under `password`, or readable by whoever can read the file.
    pub fn generate(password: Option<&str>) -> Result<(Self, String), SigningError> {
        let Some(password) = password else {
            let pair = KeyPair::generate_unencrypted_keypair().map_err(SigningError::Failed)?;
            let file = pair.sk.to_box(Some("minisign secret key"));
            let file = file.map_err(SigningError::Failed)?.into_string();
            return Ok((Self(pair.sk), file));
        };
        if password.is_empty() || password.len() > MAX_PASSWORD {
            return Err(SigningError::PasswordLength);
        }
        let pair = KeyPair::generate_encrypted_keypair(Some(password.to_owned()))
            .map_err(SigningError::Failed)?;
        let file = pair.sk.to_box(Some("minisign encrypted secret key"));
        let file = file.map_err(SigningError::Failed)?.into_string();
        // The pair's own key is the one that stands in the file, still behind the password.
        let key = Self::read(&file, Some(password))?;
        Ok((key, file))
    }

    /// Reads a key's file. Nobody is asked for a password: where one is needed and `None` is given, that is
    /// [`SigningError::PasswordNeeded`]. One that is not needed is let pass.
    ///
    /// To derive a key from a password takes up to 1 GiB of memory and some seconds, as its file says.
    pub fn read(file: &str, password: Option<&str>) -> Result<Self, SigningError> {
        let bytes = key_bytes(file).ok_or(SigningError::NoKey)?;
        let key = match (&bytes[KDF], password) {
            (b"\0\0", _) => unprotected(file, &bytes)?,
            (b"Sc", None) => return Err(SigningError::PasswordNeeded),
            (b"Sc", Some(password)) => SecretKeyBox::from(file.to_owned())
                .into_secret_key(Some(password.to_owned()))
                .map_err(SigningError::Password)?,
            _ => return Err(SigningError::NoKey),
        };
        Self(key).proven()
    }

    /// The content of the file with the public half, two lines as minisign writes them.
    pub fn public_file(&self) -> Result<String, SigningError> {
        let key = SignersKey::from_secret_key(&self.0).map_err(SigningError::Failed)?;
        let file = key.to_box().map_err(SigningError::Failed)?;
        Ok(file.into_string())
    }

    /// The public half.
    pub fn public_key(&self) -> Result<PublicKey, SigningError> {
        self.public_file()?.parse().map_err(|_| SigningError::NoKey)
    }

    /// Signs a pointer. Returns the document and its detached signature: the two files' contents.
    pub fn sign(&self, pointer: &Pointer) -> Result<(Vec<u8>, Vec<u8>), SigningError> {
        let document = pointer.encode();
        // Signed too, and shown by `minisign -V`.
        let comment = format!(
            "timestamp:{}\tfile:{}\tgeneration:{}",
            pointer.created.unix_seconds(),
            Pointer::FILE,
            pointer.generation
        );
        let signature = self.sign_bytes(&document, &comment)?;
        Ok((document, signature))
    }

    fn sign_bytes(&self, bytes: &[u8], comment: &str) -> Result<Vec<u8>, SigningError> {
        let untrusted = Some("signature from release-cli secret key");
        minisign::sign(None, &self.0, bytes, Some(comment), untrusted)
            .map(|signature| signature.into_string().into_bytes())
            .map_err(SigningError::Failed)
    }

    /// Signs something and checks that: a key whose halves don't belong together would sign what nobody
    /// could verify.
    fn proven(self) -> Result<Self, SigningError> {
        let signature = self.sign_bytes(b"probe", "probe")?;
        match Pointer::open(b"probe", &signature, &self.public_key()?) {
            // The signature was right; of course a probe is no pointer.
            Err(super::PointerError::Format(_)) => Ok(self),
            _ => Err(SigningError::NoKey),
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// The bytes of the second line.
fn key_bytes(file: &str) -> Option<Vec<u8>> {
    let mut lines = Some(file)
        .filter(|file| file.len() <= SecretKey::MAX_LEN)?
        .lines();
    lines.next()?;
    let bytes = Base64::decode_vec(lines.next()?.trim()).ok()?;
    Some(bytes).filter(|bytes| bytes.len() == KEY_LEN && bytes.starts_with(b"Ed"))
}

/// minisign 0.11 leaves the checksum of a key without a password out (zeros), which the library takes for
/// damage. What the checksum is for, [`SecretKey::proven`] does.
fn unprotected(file: &str, bytes: &[u8]) -> Result<minisign::SecretKey, SigningError> {
    let key = if bytes[CHECKSUM].iter().all(|byte| *byte == 0) {
        minisign::SecretKey::from_bytes(bytes)
    } else {
        SecretKeyBox::from(file.to_owned()).into_unencrypted_secret_key()
    };
    key.map_err(|_| SigningError::NoKey)
}
