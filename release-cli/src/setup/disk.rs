//! What is on a device, and making a file system on it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use release_core::{Digest, FileSystem, Label, VolumeId, escape};

use super::SetupError;

/// So much of a device's beginning has to be empty.
const BEGINNING: u64 = 1 << 20;
/// Where these programs are, for who has another PATH.
const PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// What is on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Nothing,
    /// A file system that can be mounted.
    FileSystem {
        kind: String,
        uuid: Option<String>,
    },
    /// Something else, in a few words.
    Other(String),
}

/// Looks at a device by `blkid`, which knows all that might be on it; and where that finds nothing, whether it
/// begins with anything.
pub(super) fn content(device: &Path) -> Result<Content, SetupError> {
    let mut command = Command::new("blkid");
    command.args(["-p", "-o", "export"]).arg(device);
    let output = run(command)?;
    match output.status.code() {
        // Nothing was found.
        Some(2) => match is_empty(device) {
            Ok(true) => Ok(Content::Nothing),
            Ok(false) => Ok(Content::Other("data of no known kind".into())),
            Err(source) => Err(SetupError::Device {
                path: device.to_owned(),
                source,
            }),
        },
        Some(0) => Ok(parse(&String::from_utf8_lossy(&output.stdout))),
        // Several things were.
        Some(8) => Ok(Content::Other("several file systems".into())),
        _ => Err(failed("blkid", &output.stderr)),
    }
}

/// `KEY=value` lines.
fn parse(text: &str) -> Content {
    let value = |key: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let mut values = lines.filter(|(name, _)| *name == key);
        values.next().map(|(_, value)| value.to_owned())
    };
    match (value("USAGE").as_deref(), value("TYPE"), value("PTTYPE")) {
        (Some("filesystem"), Some(kind), _) => Content::FileSystem {
            kind,
            uuid: value("UUID").map(|uuid| uuid.to_lowercase()),
        },
        (_, Some(kind), _) => Content::Other(escape(kind.as_bytes())),
        (_, None, Some(table)) => {
            Content::Other(format!("a partition table ({})", escape(table.as_bytes())))
        }
        (_, None, None) => Content::Other("something".into()),
    }
}

fn is_empty(device: &Path) -> io::Result<bool> {
    let mut beginning = File::open(device)?.take(BEGINNING);
    let mut piece = [0; 4096];
    loop {
        match beginning.read(&mut piece)? {
            0 => return Ok(true),
            length if piece[..length].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

/// The UUID that our file system on a volume has: by it a second run knows it again.
pub(super) fn uuid(volume: &VolumeId) -> String {
    let digest = Digest::of(format!("the release's file system on {volume}").as_bytes());
    let mut bytes: [u8; 16] = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    // RFC 9562, version 8: made in a way of one's own.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |range: std::ops::Range<usize>| -> String {
        bytes[range]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    [hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16)].join("-")
}

/// Makes a file system. The device was found to be empty.
pub(super) fn make(
    device: &Path,
    kind: FileSystem,
    label: &Label,
    uuid: &str,
) -> Result<(), SetupError> {
    let (program, uuid) = match kind {
        FileSystem::Xfs => ("mkfs.xfs", ["-m".to_owned(), format!("uuid={uuid}")]),
        _ => ("mkfs.ext4", ["-U".to_owned(), uuid.to_owned()]),
    };
    let mut command = Command::new(program);
    command
        .args(["-q", "-L", label.as_str()])
        .args(uuid)
        .arg(device);
    let output = run(command)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(program, &output.stderr)),
    }
}

fn run(mut command: Command) -> Result<std::process::Output, SetupError> {
    let output = command
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .output();
    output.map_err(|source| SetupError::Program {
        program: PathBuf::from(command.get_program()),
        source,
    })
}

fn failed(program: &str, words: &[u8]) -> SetupError {
    let words = words.trim_ascii();
    SetupError::Failed {
        program: program.to_owned(),
        words: escape(&words[..words.len().min(500)]),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_blkid_says_is_understood() {
        let ext4 = "DEVNAME=/dev/nvme1n1\nUUID=0A1b\nVERSION=1.0\nTYPE=ext4\nUSAGE=filesystem\n";
        let found = Content::FileSystem {
            kind: "ext4".into(),
            uuid: Some("0a1b".into()),
        };
        assert_eq!(parse(ext4), found);
        for (text, what) in [
            ("TYPE=LVM2_member\nUSAGE=raid\n", "LVM2_member"),
            ("TYPE=swap\nUSAGE=other\n", "swap"),
            ("PTUUID=1\nPTTYPE=gpt\n", "a partition table (gpt)"),
            ("", "something"),
        ] {
            assert_eq!(parse(text), Content::Other(what.into()));
        }
    }

    #[test]
    fn images_are_told_apart_and_ours_is_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let volume: VolumeId = "vol-0123456789abcdef0".parse().unwrap();
        let uuid = uuid(&volume);
        for kind in [FileSystem::Ext4, FileSystem::Xfs] {
            let path = folder.path().join(kind.as_str());
            File::create(&path).unwrap().set_len(320 << 20).unwrap();
            assert_eq!(content(&path).unwrap(), Content::Nothing);
            make(&path, kind, &Label::cut("release"), &uuid).unwrap();
            let ours = Content::FileSystem {
                kind: kind.as_str().into(),
                uuid: Some(uuid.clone()),
            };
            assert_eq!(content(&path).unwrap(), ours);
        }
        let data = folder.path().join("data");
        std::fs::write(&data, vec![b'x'; 2 << 20]).unwrap();
        assert!(matches!(content(&data).unwrap(), Content::Other(_)));
        assert!(content(&folder.path().join("none")).is_err());
    }

    #[test]
    fn each_volume_has_a_uuid_of_its_own() {
        let of = |id: &str| uuid(&id.parse().unwrap());
        assert_ne!(of("vol-00000001"), of("vol-00000002"));
        let uuid = of("vol-00000001");
        assert_eq!(uuid, of("vol-00000001"));
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "8"));
    }
}
