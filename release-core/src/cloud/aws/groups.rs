//! Groups, and what is in them and in their warm pools.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter};

use super::{AwsCloud, fault, request, show};
use crate::GroupName;
use crate::cloud::{Action, CloudError, CloudFault, Group, GroupQuery, Member};

/// Most names in one call.
const NAMES: usize = 50;

/// A group as it was listed, and whether it has a warm pool.
struct Listed {
    group: Group,
    pooled: bool,
}

impl AwsCloud {
    pub(super) async fn list_groups(&self, query: &GroupQuery) -> Result<Vec<Group>, CloudError> {
        let listed = match query {
            GroupQuery::Names(names) => {
                let listed = self.groups_named(names).await?;
                all_there(names, &listed)?;
                listed
            }
            GroupQuery::Tagged(tags) => {
                let filters = request::group_filters(tags);
                let mut listed = self.groups_page_by_page(vec![], filters).await?;
                listed.retain(|one| request::has_all(&one.group.tags, tags));
                listed
            }
        };
        let mut groups = Vec::new();
        for Listed { mut group, pooled } in listed {
            if pooled {
                group.members = self.members_with_pool(&group).await?;
            }
            groups.push(group);
        }
        Ok(groups)
    }

    /// An instance that goes from the pool into service, or back, while the two are listed one after the
    /// other, would be in neither list. So the group is listed before and after its pool.
    async fn members_with_pool(&self, group: &Group) -> Result<Vec<Member>, CloudError> {
        let pool = self.pool(&group.name).await?;
        let name = std::slice::from_ref(&group.name);
        let after = self.groups_named(name).await?.pop();
        let after = after.map(|one| one.group.members).unwrap_or_default();
        Ok(latest([group.members.clone(), pool, after]))
    }

    async fn pool(&self, group: &GroupName) -> Result<Vec<Member>, CloudError> {
        let action = Action::DescribeWarmPool;
        let call = self.scaling.describe_warm_pool();
        let call = call.auto_scaling_group_name(group.as_str());
        let mut pages = call.into_paginator().send();
        let mut members = Vec::new();
        while let Some(page) = pages.next().await {
            match page.map_err(|error| fault::error(action, error)) {
                Ok(page) => members.extend(shaped(action, show::members(page.instances()))?),
                // It went away since the group was listed.
                Err(error) if error.fault == CloudFault::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        Ok(members)
    }

    /// Those of the names that there are. No name at all would mean all groups to the service.
    async fn groups_named(&self, names: &[GroupName]) -> Result<Vec<Listed>, CloudError> {
        let names: BTreeSet<&str> = names.iter().map(GroupName::as_str).collect();
        let names: Vec<String> = names.into_iter().map(ToOwned::to_owned).collect();
        let mut listed = Vec::new();
        for batch in names.chunks(NAMES) {
            listed.extend(self.groups_page_by_page(batch.to_vec(), None).await?);
        }
        Ok(listed)
    }

    async fn groups_page_by_page(
        &self,
        names: Vec<String>,
        filters: Option<Vec<Filter>>,
    ) -> Result<Vec<Listed>, CloudError> {
        let action = Action::DescribeAutoScalingGroups;
        let call = self.scaling.describe_auto_scaling_groups();
        let call = call
            .set_auto_scaling_group_names(Some(names))
            .set_filters(filters)
            .max_records(100);
        let mut pages = call.into_paginator().send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| fault::error(action, error))?;
            for group in page.auto_scaling_groups() {
                listed.push(shaped(action, of(group))?);
            }
        }
        Ok(listed)
    }
}

fn of(group: &AutoScalingGroup) -> Result<Listed, show::ShapeError> {
    Ok(Listed {
        pooled: group.warm_pool_configuration().is_some(),
        group: show::group(group)?,
    })
}

/// What an answer shows, or that it makes no sense as an error of the call.
pub(super) fn shaped<T>(
    action: Action,
    shape: Result<T, show::ShapeError>,
) -> Result<T, CloudError> {
    shape.map_err(|error| {
        CloudError::new(action, CloudFault::Other, error.to_string()).caused_by(error)
    })
}

fn all_there(names: &[GroupName], listed: &[Listed]) -> Result<(), CloudError> {
    let listed: BTreeSet<&GroupName> = listed.iter().map(|one| &one.group.name).collect();
    match names.iter().find(|name| !listed.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("there is no group `{name}`");
            let action = Action::DescribeAutoScalingGroups;
            Err(CloudError::new(action, CloudFault::NotFound, message))
        }
    }
}

/// Each member once, as the latest list that has it shows it.
fn latest(lists: [Vec<Member>; 3]) -> Vec<Member> {
    let mut members = BTreeMap::new();
    for member in lists.into_iter().flatten() {
        members.insert(member.id, member.lifecycle);
    }
    let members = members.into_iter();
    members
        .map(|(id, lifecycle)| Member { id, lifecycle })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn who_moves_between_group_and_pool_is_listed_once_and_last_seen() {
        let member = |id: &str, lifecycle: &str| Member {
            id: id.parse().unwrap(),
            lifecycle: lifecycle.into(),
        };
        let (stays, joins, leaves) = ("i-00000001", "i-00000002", "i-00000003");
        let members = latest([
            vec![member(stays, "InService"), member(leaves, "InService")],
            vec![member(joins, "Warmed:Stopped")],
            vec![member(stays, "InService"), member(joins, "Pending")],
        ]);
        let expected = [
            member(stays, "InService"),
            member(joins, "Pending"),
            member(leaves, "InService"),
        ];
        assert_eq!(members, expected);
    }
}
