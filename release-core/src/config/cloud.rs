//! `[cloud]`: where hosts are listed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use super::{ConfigError, Period};
use crate::cloud::AddressKind;
use crate::{GroupName, Region};

/// `[cloud]`. With [`CloudKind::None`] the rest of it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudConfig {
    /// Which cloud it is.
    pub kind: CloudKind,
    /// The region of the groups.
    pub region: Option<Region>,
    /// Auto Scaling groups whose instances are hosts.
    pub groups: Vec<GroupName>,
    /// As well: groups that carry all of these tags.
    pub group_tags: BTreeMap<String, String>,
    /// By which of its addresses an instance is reached. Default: the private one.
    pub address: AddressKind,
    /// The folder that plays a cloud.
    pub root: Option<PathBuf>,
    /// The longest time for which a list may leave out what was just made. Default: 30 s.
    pub settle: Duration,
}

impl Default for CloudConfig {
    fn default() -> Self {
        Self {
            kind: CloudKind::None,
            region: None,
            groups: Vec::new(),
            group_tags: BTreeMap::new(),
            address: AddressKind::default(),
            root: None,
            settle: Duration::from_secs(30),
        }
    }
}

/// Where hosts are listed, apart from the file itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloudKind {
    /// Nowhere, and there are no snapshots. The default.
    #[default]
    None,
    /// In EC2 and Auto Scaling.
    Aws,
    /// In a folder, [`CloudConfig::root`].
    Local,
}

impl CloudKind {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Aws => "aws",
            Self::Local => "local",
        }
    }
}

impl CloudConfig {
    pub(super) fn read(table: &Reader<'_>) -> Result<Self, ConfigError> {
        let kinds = [
            ("none", Some(CloudKind::None)),
            ("aws", Some(CloudKind::Aws)),
            ("local", Some(CloudKind::Local)),
        ];
        let default = Self::default();
        let addresses = [
            ("private-ip", Some(AddressKind::PrivateIp)),
            ("public-ip", Some(AddressKind::PublicIp)),
            ("private-dns", Some(AddressKind::PrivateDns)),
            ("public-dns", Some(AddressKind::PublicDns)),
            ("ipv6", Some(AddressKind::Ipv6)),
        ];
        Ok(Self {
            kind: table.choice("kind", &kinds)?.unwrap_or_default(),
            region: table.parse("region")?,
            groups: table.parse_all("groups")?.unwrap_or_default(),
            group_tags: table.text_map("group_tags")?,
            address: table.choice("address", &addresses)?.unwrap_or_default(),
            root: table.text("root")?.map(PathBuf::from),
            // Of no time at all, it says that lists are always whole: a local cloud's are.
            settle: table
                .parse::<Period>("settle")?
                .map_or(default.settle, |period| period.0),
        })
    }
}
