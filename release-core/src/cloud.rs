//! The cloud as deploy and boot know it: instances in groups, volumes, snapshots, lifecycle hooks.
//!
//! [`Cloud`] is the port; what stands behind it is EC2 and Auto Scaling, or a fleet in a folder. Whoever
//! implements it is held to `contract`, a suite of tests behind the feature of that name.

mod action;
#[cfg(feature = "aws")]
pub mod aws;
mod console;
#[cfg(any(feature = "contract", all(test, feature = "local")))]
pub mod contract;
mod error;
mod instance;
mod listing;
#[cfg(feature = "local")]
pub mod local;
mod retry;
mod snapshot;
mod states;
mod tags;
mod volume;

use std::future::Future;
use std::pin::Pin;

pub use action::{Action, UnknownAction};
pub use console::console_host_keys;
pub use error::{CloudError, CloudFault};
pub use instance::{
    AddressKind, Addresses, Group, GroupQuery, HeldInstance, HookResult, Instance, InstanceState,
    Lifecycle, Member,
};
pub use listing::{FleetMember, Standing, list_fleet};
pub use retry::{Timer, persist};
pub use snapshot::{NewSnapshot, Snapshot, SnapshotQuery, SnapshotState};
pub use tags::{
    ClientToken, TAG_DEPLOY, TAG_FLEET, TAG_GENERATION, TAG_GROUP, TAG_INSTANCE, TAG_PUBLISHED,
    TAG_RELEASE, Tags, tagged_generation, tagged_publication, tagged_release,
};
pub use volume::{
    Attachment, AttachmentState, Encryption, NewVolume, Volume, VolumeKind, VolumeQuery,
    VolumeSource, VolumeState,
};

use crate::{AccountId, DeviceName, InstanceId, Region, SnapshotId, VolumeId, Zone};

/// An answer that is on its way. Dropping it gives up waiting; whether the call is carried out is then open.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, CloudError>> + Send + 'a>>;

/// EC2 and Auto Scaling, as far as they are needed here.
///
/// The contract of every method:
///
/// - A list is whole: pages and batches are the implementation's business. Its order means nothing.
/// - **What was just made may be missing** from a list, and what just changed may show its old state, for a
///   while. What a method returns about the thing that it made is true.
/// - An implementation may repeat a call that is [repeatable](Action::is_repeatable), within a bounded time.
///   [`create_snapshot`](Cloud::create_snapshot) is sent once.
/// - A call that returns an error of which [`CloudError::may_have_happened`] holds may have been carried out.
/// - Calls may run side by side.
///
/// Times, waiting and deadlines are the caller's. Nothing here waits until something is *ready*: that is
/// what [`VolumeState`] and its like are looked at for.
pub trait Cloud: Send + Sync {
    /// Whose cloud it is: the account of our credentials.
    fn identity(&self) -> Reply<'_, Identity>;

    /// Groups with their instances, those of the warm pool included. Each group once, and each instance
    /// once in it.
    fn groups<'a>(&'a self, query: &'a GroupQuery) -> Reply<'a, Vec<Group>>;

    /// What EC2 says of instances. Those that don't exist, or not any more, are left out.
    fn instances<'a>(&'a self, ids: &'a [InstanceId]) -> Reply<'a, Vec<Instance>>;

    /// What an instance printed on its console, as far as EC2 kept it: up to 64 KiB, minutes late; `None`
    /// if there is nothing yet.
    fn console_output<'a>(&'a self, instance: &'a InstanceId) -> Reply<'a, Option<String>>;

    /// Volumes. Those that are deleted are left out.
    fn volumes<'a>(&'a self, query: &'a VolumeQuery) -> Reply<'a, Vec<Volume>>;

    /// Makes a volume, or returns the one that was made with the same token, whatever became of it.
    ///
    /// The token with another request: [`AlreadyExists`](CloudFault::AlreadyExists). No such snapshot:
    /// [`NotFound`](CloudFault::NotFound). One that is not completed:
    /// [`IncorrectState`](CloudFault::IncorrectState).
    fn create_volume<'a>(&'a self, request: &'a NewVolume) -> Reply<'a, Volume>;

    /// Makes a volume a device of an instance of its zone.
    ///
    /// The volume is attached somewhere, also here: [`InUse`](CloudFault::InUse). The instance has such a
    /// device, or is elsewhere: [`Invalid`](CloudFault::Invalid). The instance does not run, or the
    /// volume is not available: [`IncorrectState`](CloudFault::IncorrectState).
    fn attach_volume<'a>(
        &'a self,
        volume: &'a VolumeId,
        instance: &'a InstanceId,
        device: &'a DeviceName,
    ) -> Reply<'a, Attachment>;

    /// Takes a volume off an instance. It has to be unmounted before.
    ///
    /// It is not attached there: [`IncorrectState`](CloudFault::IncorrectState).
    fn detach_volume<'a>(&'a self, volume: &'a VolumeId, instance: &'a InstanceId)
    -> Reply<'a, ()>;

    /// Deletes a volume. It is attached: [`InUse`](CloudFault::InUse). It is gone:
    /// [`NotFound`](CloudFault::NotFound).
    fn delete_volume<'a>(&'a self, volume: &'a VolumeId) -> Reply<'a, ()>;

    /// Sets whether the volume behind a device of an instance is deleted when the instance ends.
    ///
    /// The instance has no such device: [`NotFound`](CloudFault::NotFound) or
    /// [`Invalid`](CloudFault::Invalid).
    fn set_delete_on_termination<'a>(
        &'a self,
        instance: &'a InstanceId,
        device: &'a DeviceName,
        delete: bool,
    ) -> Reply<'a, ()>;

    /// Begins a snapshot. The point in time that it shows lies between call and answer. Never repeated.
    fn create_snapshot<'a>(&'a self, request: &'a NewSnapshot) -> Reply<'a, Snapshot>;

    /// Snapshots.
    fn snapshots<'a>(&'a self, query: &'a SnapshotQuery) -> Reply<'a, Vec<Snapshot>>;

    /// Deletes a snapshot, also a pending one. It is gone: [`NotFound`](CloudFault::NotFound).
    fn delete_snapshot<'a>(&'a self, snapshot: &'a SnapshotId) -> Reply<'a, ()>;

    /// Sets tags; those of other keys stay as they are.
    fn tag<'a>(&'a self, resource: &'a Resource, tags: &'a Tags) -> Reply<'a, ()>;

    /// Ends a hook's wait. It does not hold this instance, or not any more:
    /// [`NotFound`](CloudFault::NotFound), or [`Invalid`](CloudFault::Invalid) as Auto Scaling has it.
    fn complete_lifecycle<'a>(
        &'a self,
        held: &'a HeldInstance,
        result: HookResult,
    ) -> Reply<'a, ()>;

    /// Begins a hook's wait anew. Errors as for [`complete_lifecycle`](Cloud::complete_lifecycle).
    fn heartbeat<'a>(&'a self, held: &'a HeldInstance) -> Reply<'a, ()>;

    /// Asks whether an action would be allowed, without doing it: EC2's `DryRun`. An action that only reads
    /// is tried.
    ///
    /// Denial is an answer here and no error.
    fn permission<'a>(&'a self, action: Action, target: &'a Target) -> Reply<'a, Verdict>;
}

/// Whose cloud it is, and which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}

/// Something with tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A snapshot.
    Snapshot(SnapshotId),
    /// A volume.
    Volume(VolumeId),
}

/// What an action would be done to, as far as it is known: policies may allow it for some things only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// The volume.
    pub volume: Option<VolumeId>,
    /// The snapshot.
    pub snapshot: Option<SnapshotId>,
    /// The instance.
    pub instance: Option<InstanceId>,
    /// The zone of a new volume.
    pub zone: Option<Zone>,
    /// Tags of a new volume or snapshot.
    pub tags: Tags,
}

/// Whether an action would be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It would be.
    Allowed,
    /// It would not be.
    Denied,
    /// It can't be told without doing it: Auto Scaling has no dry runs, and some need a target that isn't
    /// known.
    Untold,
}
