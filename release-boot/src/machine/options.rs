//! Mount options: which are the mount's, and which the file system's.

use release_core::FileSystem;
use rustix::mount::MountAttrFlags;

/// Mount options, taken apart as the kernel wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Those of the mount: `nodev`, `nosuid`, `ro`, …
    pub(crate) attributes: MountAttrFlags,
    /// Those of the file system, in their order: a name, and a value if it has one.
    pub(crate) of_file_system: Vec<(String, Option<String>)>,
    pub(crate) read_only: bool,
}

impl Options {
    /// Takes a list apart. The last word about something counts, and words about how a mount is made
    /// (`defaults`, `auto`, `nofail`, `_netdev`, `x-…`) are fstab's alone.
    pub(crate) fn parse(list: &str, file_system: FileSystem) -> Self {
        let mut options = Self {
            attributes: MountAttrFlags::empty(),
            of_file_system: Vec::new(),
            read_only: false,
        };
        for word in list.split(',').filter(|word| !word.is_empty()) {
            options.add(word);
        }
        if options.read_only {
            options.of_file_system.push(("ro".to_owned(), None));
        }
        for word in options.needed(file_system) {
            if !options.of_file_system.iter().any(|(name, _)| name == word) {
                options.of_file_system.push(((*word).to_owned(), None));
            }
        }
        options
    }

    /// Two volumes of one snapshot have one UUID, and XFS would refuse the second. A journal that can't be
    /// replayed onto a read-only disk is better left alone.
    fn needed(&self, file_system: FileSystem) -> &'static [&'static str] {
        match (file_system, self.read_only) {
            (FileSystem::Xfs, false) => &["nouuid"],
            (FileSystem::Xfs, true) => &["nouuid", "norecovery"],
            _ => &[],
        }
    }

    fn add(&mut self, word: &str) {
        use MountAttrFlags as Flags;
        let times = Flags::MOUNT_ATTR__ATIME;
        match word {
            "ro" => self.set_read_only(true),
            "rw" => self.set_read_only(false),
            "nodev" => self.attributes |= Flags::MOUNT_ATTR_NODEV,
            "dev" => self.attributes -= Flags::MOUNT_ATTR_NODEV,
            "nosuid" => self.attributes |= Flags::MOUNT_ATTR_NOSUID,
            "suid" => self.attributes -= Flags::MOUNT_ATTR_NOSUID,
            "noexec" => self.attributes |= Flags::MOUNT_ATTR_NOEXEC,
            "exec" => self.attributes -= Flags::MOUNT_ATTR_NOEXEC,
            "nodiratime" => self.attributes |= Flags::MOUNT_ATTR_NODIRATIME,
            "noatime" => self.attributes = (self.attributes - times) | Flags::MOUNT_ATTR_NOATIME,
            "strictatime" => {
                self.attributes = (self.attributes - times) | Flags::MOUNT_ATTR_STRICTATIME;
            }
            "relatime" => self.attributes -= times,
            "defaults" | "auto" | "noauto" | "nofail" | "_netdev" | "nouser" | "async" => {}
            _ if word.starts_with("x-") => {}
            _ => {
                let (name, value) = match word.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (word, None),
                };
                self.of_file_system.push((name.to_owned(), value));
            }
        }
    }

    fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
        self.attributes
            .set(MountAttrFlags::MOUNT_ATTR_RDONLY, read_only);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(options: &Options) -> Vec<String> {
        let shown = options
            .of_file_system
            .iter()
            .map(|(name, value)| match value {
                Some(value) => format!("{name}={value}"),
                None => name.clone(),
            });
        shown.collect()
    }

    #[test]
    fn each_option_goes_where_it_belongs() {
        let options = Options::parse(
            "defaults,rw,nodev,nosuid,noatime,discard,data=ordered,nofail,x-systemd.automount",
            FileSystem::Ext4,
        );
        assert_eq!(
            options.attributes,
            MountAttrFlags::MOUNT_ATTR_NODEV
                | MountAttrFlags::MOUNT_ATTR_NOSUID
                | MountAttrFlags::MOUNT_ATTR_NOATIME
        );
        assert_eq!(names(&options), ["discard", "data=ordered"]);
        assert!(!options.read_only);
    }

    #[test]
    fn the_last_word_counts() {
        let options = Options::parse(
            "ro,nodev,noexec,dev,exec,rw,noatime,relatime",
            FileSystem::Ext4,
        );
        assert_eq!(options.attributes, MountAttrFlags::empty());
        assert_eq!(names(&options), [""; 0]);
    }

    #[test]
    fn xfs_gets_what_a_copy_of_it_needs() {
        let named = |list, file_system| names(&Options::parse(list, file_system));
        assert_eq!(named("rw", FileSystem::Xfs), ["nouuid"]);
        assert_eq!(named("nouuid", FileSystem::Xfs), ["nouuid"]);
        assert_eq!(named("ro", FileSystem::Xfs), ["ro", "nouuid", "norecovery"]);
        assert_eq!(named("ro", FileSystem::Btrfs), ["ro"]);
    }
}
