//! Which cloud is meant.

use release_core::CloudKind;
use release_core::cloud::GroupQuery;

use super::{Environment, File};
use crate::cloud::{OpenCloud, Place, Wishes};
use crate::failure::Failure;

/// What flags say of the cloud, in place of the file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CloudFlags<'a> {
    pub(crate) region: Option<&'a str>,
    pub(crate) groups: &'a [String],
}

impl File {
    /// Opens the cloud that is configured; `None` where that is none.
    ///
    /// # Errors
    /// When flags name what such a cloud doesn't have, when something is missing, and when it can't be opened.
    pub(crate) fn cloud(
        &self,
        flags: CloudFlags<'_>,
        environment: &Environment,
    ) -> Result<Option<OpenCloud>, Failure> {
        let config = &self.config.cloud;
        let place = match config.kind {
            CloudKind::None => {
                no_cloud(flags)?;
                return Ok(None);
            }
            CloudKind::Local => {
                let root = config.root.as_ref().ok_or(Failure::Unsaid {
                    what: "where the local cloud is",
                    flag: "another --config",
                    key: "cloud.root",
                })?;
                if flags.region.is_some() {
                    return Err(Failure::NoRegions);
                }
                Place::Local(self.directory.join(root))
            }
            CloudKind::Aws => Place::Aws {
                region: self.region(flags)?,
                endpoint: environment.aws_endpoint.clone(),
                authorities: environment.aws_authorities.clone(),
            },
        };
        let wishes = Wishes {
            groups: self.groups(flags)?,
            address: config.address,
            settle: config.settle,
        };
        OpenCloud::open(&place, wishes).map(Some)
    }

    /// The same, for what makes no sense without one.
    pub(crate) fn some_cloud(
        &self,
        flags: CloudFlags<'_>,
        environment: &Environment,
    ) -> Result<OpenCloud, Failure> {
        self.cloud(flags, environment)?.ok_or(Failure::CloudNeeded)
    }

    fn region(&self, flags: CloudFlags<'_>) -> Result<release_core::Region, Failure> {
        match flags.region {
            Some(text) => text.parse().map_err(|source| Failure::Flag {
                flag: "--region",
                source,
            }),
            None => self.config.cloud.region.clone().ok_or(Failure::Unsaid {
                what: "which region it is",
                flag: "--region R",
                key: "cloud.region",
            }),
        }
    }

    /// Groups that are named by a flag are the only ones.
    fn groups(&self, flags: CloudFlags<'_>) -> Result<Vec<GroupQuery>, Failure> {
        if !flags.groups.is_empty() {
            let names: Result<Vec<_>, _> = flags.groups.iter().map(|name| name.parse()).collect();
            let names = names.map_err(|source| Failure::Flag {
                flag: "--group",
                source,
            })?;
            return Ok(vec![GroupQuery::Names(names)]);
        }
        let config = &self.config.cloud;
        let mut queries = Vec::new();
        if !config.groups.is_empty() {
            queries.push(GroupQuery::Names(config.groups.clone()));
        }
        if !config.group_tags.is_empty() {
            queries.push(GroupQuery::Tagged(config.group_tags.clone()));
        }
        Ok(queries)
    }
}

fn no_cloud(flags: CloudFlags<'_>) -> Result<(), Failure> {
    if !flags.groups.is_empty() {
        return Err(Failure::NoCloud { flag: "--group" });
    }
    match flags.region {
        Some(_) => Err(Failure::NoCloud { flag: "--region" }),
        None => Ok(()),
    }
}
