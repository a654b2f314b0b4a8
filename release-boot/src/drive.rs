//! Carries out one step after the other, until the machine says that it has ended.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use release_core::InstanceId;
use release_core::boot::{Answer, Boot, Ended, Fault, Step};
use release_core::cloud::{
    Cloud, SnapshotQuery, TAG_FLEET, TAG_GROUP, Tags, VolumeQuery, tagged_generation,
};
use tokio::time::{Instant, sleep, timeout_at};

use crate::machine::Machine;
use crate::pointer::Reader;
use crate::screen::Screen;
use crate::trouble::Trouble;

/// Time to clear away in, after the deadline.
const GRACE: Duration = Duration::from_secs(30);
/// How often a device is looked for that may be there at any moment.
const GLANCE: Duration = Duration::from_millis(50);

/// What steps are done with.
pub(crate) struct Driver<'a> {
    pub(crate) cloud: &'a dyn Cloud,
    pub(crate) machine: &'a mut dyn Machine,
    pub(crate) reader: &'a Reader,
    pub(crate) screen: &'a mut Screen,
    pub(crate) instance: InstanceId,
    /// How long a device is waited for, each time.
    pub(crate) interval: Duration,
}

/// How it ended, and the last thing that went wrong.
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    pub(crate) trouble: Option<Trouble>,
}

impl Driver<'_> {
    /// Drives a boot to its end. At the deadline, what is unfinished is cleared away, in half a minute at most.
    pub(crate) async fn run(&mut self, mut boot: Boot, mut deadline: Instant) -> Outcome {
        // What went wrong with the last step, and with the one that it failed for.
        let (mut last, mut cause) = (None, None);
        loop {
            let step = boot.next();
            if let Step::End(ended) = step {
                self.screen.flush();
                return Outcome {
                    ended,
                    trouble: cause,
                };
            }
            let was_failing = boot.failure().is_some();
            match self.perform_until(&step, deadline).await {
                Some(outcome) => {
                    self.screen.step(&step, outcome.as_ref());
                    boot.tell(match outcome {
                        Ok(_) if matches!(step, Step::Wait(_)) => Answer::Done,
                        Ok(answer) => {
                            last = None;
                            answer
                        }
                        Err(trouble) => Answer::Failed(last.insert(trouble).fault),
                    });
                }
                None => {
                    boot.expire();
                    deadline = Instant::now() + GRACE;
                }
            }
            if !was_failing && let Some(reason) = boot.failure() {
                self.screen.failing(reason);
                cause = last.take();
            }
        }
    }

    /// `None`: the deadline passed.
    async fn perform_until(
        &mut self,
        step: &Step,
        deadline: Instant,
    ) -> Option<Result<Answer, Trouble>> {
        // What is done at once would be done for ever.
        if Instant::now() >= deadline {
            return None;
        }
        timeout_at(deadline, self.perform(step)).await.ok()
    }

    async fn perform(&mut self, step: &Step) -> Result<Answer, Trouble> {
        match step {
            Step::Wait(longest) => {
                sleep(longest.mul_f64(0.5 + draw() / 2.0)).await;
                Ok(Answer::Done)
            }
            Step::ReadPointer { least } => Ok(Answer::Pointer(self.reader.read(*least).await?)),
            Step::FindDevice { volume, device } => {
                let until = Instant::now() + self.interval;
                while !self.machine.has_device(volume, device.as_ref())? {
                    if Instant::now() >= until {
                        let cause = format!("there is no device of {volume}");
                        return Err(Trouble::new(Fault::Missing, cause));
                    }
                    sleep(GLANCE).await;
                }
                Ok(Answer::Done)
            }
            Step::Look
            | Step::Probe
            | Step::Open { .. }
            | Step::Verify(_)
            | Step::Close(_)
            | Step::Show(_)
            | Step::Hide
            | Step::WriteFstab { .. }
            | Step::Record(_) => self.on_machine(step),
            _ => self.in_cloud(step).await,
        }
    }

    fn on_machine(&mut self, step: &Step) -> Result<Answer, Trouble> {
        let machine = &mut *self.machine;
        match step {
            Step::Look => return Ok(Answer::Looked(machine.look()?)),
            Step::Open {
                volume,
                device,
                file_system,
            } => {
                let opened = machine.open(volume, device.as_ref(), *file_system)?;
                return Ok(Answer::Opened(opened));
            }
            Step::Probe => machine.probe()?,
            Step::Verify(volume) => machine.verify(volume)?,
            Step::Close(volume) => machine.close(volume),
            Step::Show(volume) => machine.show(volume)?,
            Step::Hide => machine.hide()?,
            Step::WriteFstab {
                volume,
                file_system,
            } => machine.write_fstab(volume, *file_system)?,
            Step::Record(generation) => machine.record(*generation)?,
            _ => {}
        }
        Ok(Answer::Done)
    }

    async fn in_cloud(&self, step: &Step) -> Result<Answer, Trouble> {
        let cloud = self.cloud;
        match step {
            Step::FindGroup => return self.group().await,
            Step::Heartbeat(held) => cloud.heartbeat(held).await?,
            Step::FindSnapshot(id) => {
                let found = cloud
                    .snapshots(&SnapshotQuery::Ids(vec![id.clone()]))
                    .await?;
                let found = found.into_iter().find(|snapshot| snapshot.id == *id);
                return Ok(Answer::Snapshot(found.map(Box::new)));
            }
            Step::HighestTag { fleet } => {
                let tags = Tags::from([(TAG_FLEET.to_owned(), fleet.clone())]);
                let ours = cloud.snapshots(&SnapshotQuery::OwnTagged(tags)).await?;
                let generations = ours.iter().filter_map(|one| tagged_generation(&one.tags));
                return Ok(Answer::Highest(generations.max()));
            }
            Step::ListAttached(instance) => {
                let query = VolumeQuery::AttachedTo(instance.clone());
                return Ok(Answer::Volumes(cloud.volumes(&query).await?));
            }
            Step::ListTagged(tags) => {
                let query = VolumeQuery::Tagged(tags.clone());
                return Ok(Answer::Volumes(cloud.volumes(&query).await?));
            }
            Step::CreateVolume(request) => {
                let made = cloud.create_volume(request).await?;
                return Ok(Answer::Volume(Some(Box::new(made))));
            }
            Step::LookAtVolume(id) => {
                let found = cloud.volumes(&VolumeQuery::Ids(vec![id.clone()])).await?;
                let found = found.into_iter().find(|volume| volume.id == *id);
                return Ok(Answer::Volume(found.map(Box::new)));
            }
            Step::Attach {
                volume,
                instance,
                device,
            } => drop(cloud.attach_volume(volume, instance, device).await?),
            Step::EndWithInstance { instance, device } => {
                cloud
                    .set_delete_on_termination(instance, device, true)
                    .await?;
            }
            Step::CompleteLifecycle(held, result) => {
                cloud.complete_lifecycle(held, *result).await?;
            }
            Step::Detach { volume, instance } => cloud.detach_volume(volume, instance).await?,
            Step::Delete(volume) => cloud.delete_volume(volume).await?,
            _ => {}
        }
        Ok(Answer::Done)
    }

    /// The group that the instance is in, as its tags say.
    async fn group(&self) -> Result<Answer, Trouble> {
        let listed = self
            .cloud
            .instances(std::slice::from_ref(&self.instance))
            .await?;
        let tags = listed.first().map(|instance| &instance.tags);
        let group = tags.and_then(|tags| tags.get(TAG_GROUP));
        Ok(Answer::Group(group.and_then(|group| group.parse().ok())))
    }
}

/// A number between 0 and 1, good enough to keep machines apart that start together.
pub(crate) fn draw() -> f64 {
    let number = RandomState::new().build_hasher().finish();
    (number >> 11) as f64 / (1_u64 << 53) as f64
}
