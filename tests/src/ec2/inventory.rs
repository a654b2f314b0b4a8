//! What there is at a moment, to be compared with what there is later.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Ec2;

/// Volumes, snapshots, and which volume is attached where: as boto3 sees them in moto itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Id, and a few words on it.
    things: BTreeMap<String, String>,
}

const LIST: &str = r#"
def pages(name, key, **args):
    return [item for page in ec2.get_paginator(name).paginate(**args) for item in page[key]]

result = {}
for volume in pages("describe_volumes", "Volumes"):
    attachments = [f"{a['InstanceId']} as {a['Device']}" for a in volume["Attachments"]]
    result[volume["VolumeId"]] = f"volume of {volume.get('SnapshotId') or 'nothing'}, " + (
        "attached to " + ", ".join(attachments) if attachments else "attached nowhere")
for snapshot in pages("describe_snapshots", "Snapshots", OwnerIds=["self"]):
    result[snapshot["SnapshotId"]] = f"snapshot of {snapshot['VolumeId']}"
"#;

impl Inventory {
    pub(super) fn of(ec2: &Ec2) -> Self {
        let list = ec2.aside(LIST, &json!({}));
        let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let things = list.as_object().expect("the snippet makes an object");
        let things = things.iter();
        Self {
            things: things
                .map(|(id, value)| (id.clone(), words(value)))
                .collect(),
        }
    }

    /// How many volumes there are.
    pub fn volumes(&self) -> usize {
        self.count("vol-")
    }

    /// How many snapshots there are.
    pub fn snapshots(&self) -> usize {
        self.count("snap-")
    }

    /// What there is, or is otherwise, that was not so before: a line for each.
    pub fn leaks_since(&self, before: &Self) -> Vec<String> {
        let things = self.things.iter();
        things
            .filter(|(id, words)| before.things.get(*id) != Some(*words))
            .map(|(id, words)| format!("{id}: {words}"))
            .collect()
    }

    fn count(&self, prefix: &str) -> usize {
        let ids = self.things.keys();
        ids.filter(|id| id.starts_with(prefix)).count()
    }
}
