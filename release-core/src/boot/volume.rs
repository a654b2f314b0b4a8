//! From a snapshot to a device of this instance.

use super::clear::Then;
use super::find::is_gone;
use super::job::{Held, Job, Task, is_for};
use super::{Answer, Boot, Fault, MOST_TRIES, Phase, Reason, Source, Standing};
use crate::cloud::{AttachmentState, CloudFault, TAG_FLEET, Volume, VolumeState};
use crate::{DeviceName, VolumeId};

/// How often a volume is made that comes to nothing.
const MOST_ATTEMPTS: u8 = 20;
/// How often a new volume is looked for that can't be seen, before another one is made.
const MOST_GLIMPSES: u8 = 5;
/// How many names a device gets that doesn't come up.
const MOST_STUCK: u8 = 3;

impl Boot {
    pub(super) fn worked(&mut self, job: Job, answer: Answer) -> Phase {
        if let Answer::Failed(fault) = answer
            && self.may_repeat(fault)
        {
            return self.interrupted(job, fault);
        }
        match job.task.clone() {
            Task::Attached => self.listed_attached(job, answer),
            Task::Made => self.listed_made(job, answer),
            Task::Create => self.created(job, answer),
            Task::Watch(held) => self.watched(job, held, answer),
            Task::Attach(held, device) => self.attached(job, held, device, answer),
            Task::Device(held, looks) => self.device(job, held, looks, answer),
            Task::Stalled(held) => self.stalled(job, held, answer),
            Task::Unstick(held) => self.unstuck(job, held),
            Task::Mark(held) => {
                self.marked(job, answer, |boot, job| boot.work(job.at(Task::Open(held))))
            }
            Task::Open(held) => self.opened(job, held, answer),
            Task::MarkFound(place) => self.marked(job, answer, |boot, job| boot.prove(job, place)),
            Task::Verify(place) => self.verified(job, place, answer),
            Task::Hide(place) => self.hidden(job, place, answer),
            Task::Show(place) => self.shown(job, place, answer),
            Task::Confirm(place) => self.confirm(job, place, answer),
        }
    }

    /// A call that failed for a moment. What it may have done all the same is looked at first.
    fn interrupted(&mut self, mut job: Job, fault: Fault) -> Phase {
        job.in_doubt |= matches!(job.task, Task::Create)
            && matches!(
                fault,
                Fault::Cloud(CloudFault::Lost | CloudFault::Unavailable)
            );
        match job.task.clone() {
            Task::Attach(held, _) => self.repeat(job.at(Task::Watch(held))),
            _ => self.repeat(job),
        }
    }

    /// Goes on with the work.
    pub(super) fn work(&mut self, job: Job) -> Phase {
        self.enter(Phase::Job(Box::new(job)))
    }

    /// The same task, after a while.
    pub(super) fn repeat(&mut self, job: Job) -> Phase {
        self.again(Phase::Job(Box::new(job)))
    }

    fn listed_attached(&mut self, mut job: Job, answer: Answer) -> Phase {
        let Answer::Volumes(volumes) = answer else {
            return self.failed_in(job, "list attached volumes", answer);
        };
        let me = self.me.instance.clone();
        for volume in &volumes {
            let Some(attachment) = volume.attachment_to(&me) else {
                continue;
            };
            job.taken.insert(attachment.device.clone());
            let is_leaving = matches!(attachment.state, AttachmentState::Detaching);
            if volume.tags.get(TAG_FLEET) != Some(&job.target.fleet) || is_leaving {
                continue;
            }
            let held = Held::of(volume, &me, Source::Attached);
            if self.mounted_volume() == Some(&volume.id) {
                if let Some(phase) = self.judge_unnamed(&job, &held) {
                    return phase;
                }
                // What is mounted was found stale.
                job.stale.extend(held.mine.then_some(held.id));
            } else {
                job.candidates.push(held);
            }
        }
        // The most promising one is taken first, and that is the last.
        let target = job.target.snapshot.clone();
        job.candidates
            .sort_by_key(|held| (held.of.as_ref() == Some(&target), held.id.clone()));
        self.next_candidate(job)
    }

    fn mounted_volume(&self) -> Option<&VolumeId> {
        self.mounted.as_ref()?.volume.as_ref()
    }

    /// Judges what is mounted where its snapshot is all that tells. `None`: it is to be replaced.
    fn judge_unnamed(&mut self, job: &Job, held: &Held) -> Option<Phase> {
        if job.target.release.is_some() {
            return None;
        }
        let marker = self.mounted.as_ref().and_then(|mounted| mounted.marker);
        match job.target.standing(marker.as_ref(), held.of.as_ref()) {
            Standing::Current => {
                let id = Some(held.id.clone());
                let settling = self.settling(&job.target, marker, id, Source::Mounted);
                Some(self.settle(settling))
            }
            _ if self.idle => None,
            _ => Some(self.enter(Phase::Probe(job.target.clone()))),
        }
    }

    /// Tries the next volume that is attached; without any, what earlier tries made is looked for.
    pub(super) fn next_candidate(&mut self, mut job: Job) -> Phase {
        match job.candidates.pop() {
            Some(held) => self.work(job.at(Task::Device(held, 0))),
            None => self.work(job.at(Task::Made)),
        }
    }

    fn listed_made(&mut self, mut job: Job, answer: Answer) -> Phase {
        let Answer::Volumes(mut volumes) = answer else {
            return self.failed_in(job, "list volumes of earlier tries", answer);
        };
        volumes.sort_by(|a, b| a.id.cmp(&b.id));
        let mut adopted = None;
        for volume in volumes {
            let known = job.stale.contains(&volume.id) || job.strays.contains(&volume.id);
            if known || !self.is_free(&volume) {
                continue;
            }
            if adopted.is_none() && self.is_fit(&job, &volume) {
                adopted = Some(Held::of(&volume, &self.me.instance, Source::Adopted));
            } else {
                job.strays.push(volume.id);
            }
        }
        match adopted {
            Some(held) => self.work(job.at(Task::Watch(held))),
            None => self.work(job.at(Task::Create)),
        }
    }

    /// Whether a volume is ours to use or delete: made for us, and attached to nobody. One that this
    /// instance is just losing will be free.
    fn is_free(&self, volume: &Volume) -> bool {
        let leaves = |state: &AttachmentState| {
            matches!(
                state,
                AttachmentState::Detaching | AttachmentState::Detached
            )
        };
        let mut attachments = volume.attachments.iter();
        is_for(volume, &self.me.instance)
            && volume.zone == self.me.zone
            && !matches!(volume.state, VolumeState::Deleting | VolumeState::Deleted)
            && attachments.all(|one| one.instance == self.me.instance && leaves(&one.state))
    }

    fn is_fit(&self, job: &Job, volume: &Volume) -> bool {
        volume.snapshot.as_ref() == Some(&job.target.snapshot)
            && volume.size_gib >= job.target.least_gib
            && volume.state != VolumeState::Error
    }

    fn created(&mut self, mut job: Job, answer: Answer) -> Phase {
        match answer {
            Answer::Volume(Some(volume)) => {
                job.in_doubt = false;
                // Made by this token once, and not wanted then.
                if matches!(volume.state, VolumeState::Deleting | VolumeState::Deleted) {
                    return self.another(job);
                }
                let held = Held::of(&volume, &self.me.instance, Source::Made);
                self.work(job.at(Task::Watch(held)))
            }
            // Made once with other settings.
            Answer::Failed(Fault::Cloud(CloudFault::AlreadyExists)) => self.another(job),
            // It was completed, so that it is gone now: the pointer must have moved.
            Answer::Failed(Fault::Cloud(CloudFault::NotFound | CloudFault::IncorrectState)) => {
                let chores = job.undo(&self.orders, &self.me);
                self.clear(chores, Then::StartOver)
            }
            other => self.failed_in(job, "make a volume", other),
        }
    }

    /// Makes another volume, since the last one is of no use.
    fn another(&mut self, mut job: Job) -> Phase {
        job.attempt += 1;
        job.in_doubt = false;
        if job.attempt >= MOST_ATTEMPTS {
            let reason = Reason::NoVolume {
                snapshot: job.target.snapshot.clone(),
                attempts: job.attempt,
            };
            return self.give_up(job.at(Task::Create), reason);
        }
        self.work(job.at(Task::Create))
    }

    fn watched(&mut self, mut job: Job, mut held: Held, answer: Answer) -> Phase {
        let volume = match answer {
            Answer::Volume(Some(volume)) => volume,
            // Not listed yet, or made by this token once, and deleted since.
            Answer::Volume(None) if self.tries < MOST_GLIMPSES => return self.repeat(job),
            Answer::Volume(None) => {
                job.strays.push(held.id);
                return self.another(job);
            }
            other => return self.failed_in(job, "look at the volume", other),
        };
        let attachment = volume.attachment_to(&self.me.instance);
        match (&volume.state, attachment) {
            (VolumeState::Creating, _) => self.repeat(job),
            (VolumeState::InUse, Some(attachment)) => match attachment.state {
                AttachmentState::Detaching | AttachmentState::Busy => self.repeat(job),
                _ => {
                    held.device = Some(attachment.device.clone());
                    held.dies = attachment.delete_on_termination;
                    self.work(job.at(Task::Device(held, 0)))
                }
            },
            (VolumeState::Available, _) => self.name_device(job, held),
            // Its list may lag behind its state.
            (VolumeState::InUse, None) if self.tries < MOST_GLIMPSES => self.repeat(job),
            (VolumeState::InUse, None) => self.another(job),
            _ => {
                job.strays.push(held.id);
                self.another(job)
            }
        }
    }

    fn name_device(&mut self, job: Job, held: Held) -> Phase {
        match job.free_name() {
            Some(name) => {
                // Not a new task in what concerns trying again: an instance that does not run yet is
                // waited for here.
                Phase::Job(Box::new(job.at(Task::Attach(held, name))))
            }
            None => self.give_up(job, Reason::NoDeviceName),
        }
    }

    fn attached(
        &mut self,
        mut job: Job,
        mut held: Held,
        name: DeviceName,
        answer: Answer,
    ) -> Phase {
        match answer {
            Answer::Done => {
                held.device = Some(name);
                held.dies = false;
                self.work(job.at(Task::Device(held, 0)))
            }
            // The name, most likely; if it is the zone, the names run out soon.
            Answer::Failed(Fault::Cloud(CloudFault::Invalid)) => {
                job.taken.insert(name);
                self.name_device(job, held)
            }
            // By us, an answer ago. Or the instance does not run yet, or the volume can't be seen.
            Answer::Failed(Fault::Cloud(
                CloudFault::InUse | CloudFault::IncorrectState | CloudFault::NotFound,
            )) => self.repeat(job.at(Task::Watch(held))),
            other => self.failed_in(job, "attach the volume", other),
        }
    }

    fn device(&mut self, job: Job, held: Held, looks: u32, answer: Answer) -> Phase {
        match answer {
            Answer::Done if held.source == Source::Attached || held.dies => {
                self.work(job.at(Task::Open(held)))
            }
            Answer::Done => self.work(job.at(Task::Mark(held))),
            Answer::Failed(Fault::Missing) if looks + 1 < self.orders.attempts => {
                self.work(job.at(Task::Device(held, looks + 1)))
            }
            Answer::Failed(Fault::Missing) => self.work(job.at(Task::Stalled(held))),
            other => self.unusable(job, held, "find the device", other),
        }
    }

    fn stalled(&mut self, mut job: Job, held: Held, answer: Answer) -> Phase {
        let Answer::Volume(volume) = answer else {
            return self.failed_in(job, "look at the volume", answer);
        };
        let instance = &self.me.instance;
        let attachment = volume
            .as_deref()
            .and_then(|one| one.attachment_to(instance));
        let is_stuck = attachment.is_some_and(|one| one.state == AttachmentState::Attaching);
        // One of an older release is not worth the trouble.
        let is_of_it = held.mine && held.of.as_ref() == Some(&job.target.snapshot);
        let is_ours = held.source != Source::Attached || is_of_it;
        if is_stuck && is_ours && job.stuck < MOST_STUCK {
            job.stuck += 1;
            job.taken.extend(held.device.clone());
            return self.work(job.at(Task::Unstick(held)));
        }
        if held.source == Source::Attached {
            job.stale.extend(held.mine.then_some(held.id));
            return self.next_candidate(job);
        }
        let reason = Reason::NoDevice {
            volume: held.id.clone(),
            attempts: self.orders.attempts,
        };
        self.give_up(job, reason)
    }

    /// Detached or not, it is looked at again.
    fn unstuck(&mut self, job: Job, held: Held) -> Phase {
        let free = Held {
            device: None,
            dies: false,
            source: match held.source {
                Source::Attached => Source::Adopted,
                other => other,
            },
            ..held
        };
        self.work(job.at(Task::Watch(free)))
    }

    /// The instance's list of devices may lag.
    fn marked(
        &mut self,
        job: Job,
        answer: Answer,
        then: impl FnOnce(&mut Self, Job) -> Phase,
    ) -> Phase {
        match answer {
            Answer::Done => then(self, job),
            Answer::Failed(Fault::Cloud(fault))
                if (is_gone(fault) || fault == CloudFault::IncorrectState)
                    && self.tries < MOST_TRIES =>
            {
                self.repeat(job)
            }
            other => self.failed_in(job, "let the volume end with the instance", other),
        }
    }

    /// Fails for a step of the work.
    pub(super) fn failed_in(&mut self, job: Job, step: &'static str, answer: Answer) -> Phase {
        let reason = Reason::of(step, &answer);
        self.give_up(job, reason)
    }

    /// Clears away what the work left, and fails.
    pub(super) fn give_up(&mut self, job: Job, reason: Reason) -> Phase {
        let chores = job.undo(&self.orders, &self.me);
        self.clear(chores, Then::Fail(reason))
    }
}
