//! What lists show, told to the machine; and what they don't, to the operator.

use release_core::Moment;
use release_core::cloud::{CloudError, FleetMember, Standing};
use release_core::deploy::{Event, Sighting};

use super::Conductor;
use crate::cloud::now;
use crate::context::{Listed, Rollout, find_all};
use crate::failure::Failure;
use crate::ui::one_line;

impl Conductor<'_> {
    pub(super) fn hear_listed(&mut self, begun: Moment, listed: Result<Listed, Failure>) {
        let listed = match listed {
            Ok(listed) => listed,
            Err(failure) => {
                self.note_unlisted(failure);
                self.machine.handle(Event::NotListed, now());
                return;
            }
        };
        self.note_unread(listed.unread);
        match self.find_named(&listed.members) {
            Ok(()) => self.see(begun, listed.members),
            Err(failure) => {
                // As if the operator had thought better of it: nothing was done yet.
                self.fail(failure);
                self.machine.handle(Event::Interrupted, now());
                self.machine.handle(Event::NotListed, now());
            }
        }
    }

    fn see(&mut self, begun: Moment, members: Vec<FleetMember>) {
        let seen = self.sightings(members);
        let event = Event::Listed { begun, seen };
        self.machine.handle(event, now());
        if !self.was_started {
            self.start();
        }
    }

    /// Is everybody there who was asked for by name? Later on, one may have gone.
    fn find_named(&self, members: &[FleetMember]) -> Result<(), Failure> {
        if self.was_started {
            return Ok(());
        }
        let Rollout { named, fixed, .. } = self.means.rollout;
        let instances = members.iter().map(|member| member.id.as_str());
        let fixed = fixed.iter().map(|host| host.name.as_str());
        find_all(named, instances.chain(fixed))
    }

    /// Whoever's key is not known is refused, and that says less than why it is not known.
    fn note_unread(&mut self, unread: Option<CloudError>) {
        if let Some(error) = unread
            && !self.is_unread_told
        {
            self.is_unread_told = true;
            self.means.desk.screen.failed(&Failure::Cloud(error));
        }
    }

    fn note_unlisted(&mut self, failure: Failure) {
        if self.machine.published().is_none() {
            self.fail(failure);
        } else {
            let text = one_line(&failure);
            let screen = &self.means.desk.screen;
            screen.note(&format!(
                "the instances can't be listed, which is tried again: {text}"
            ));
            self.unlisted = Some(failure);
        }
    }

    /// What the machine is told of a list, and how those on it are reached.
    fn sightings(&mut self, members: Vec<FleetMember>) -> Vec<Sighting<String>> {
        let rollout = self.means.rollout;
        let mut seen = Vec::new();
        for member in members {
            let name = member.id.to_string();
            let is_fixed = rollout.fixed.iter().any(|host| host.name == name);
            if is_fixed || !self.means.is_meant(&name) {
                continue;
            }
            let mut standing = member.standing();
            match rollout.route.host(&rollout.cloud, &member) {
                Some(host) => drop(self.hosts.insert(name.clone(), host)),
                // Without an address it has just been launched.
                None if standing == Standing::Ready => standing = Standing::Starting,
                None => {}
            }
            let launched = member.instance.as_ref();
            seen.push(Sighting {
                host: name,
                standing,
                launched: launched.map(|instance| instance.launched),
            });
        }
        seen
    }
}
