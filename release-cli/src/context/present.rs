//! The hosts that are there now: those of the file, and the instances of groups that run.

use std::path::Path;

use release_core::cloud::Standing;
use release_core::{CloudKind, HostKeyPolicy};
use release_sync::Host;

use super::{CloudFlags, Environment, File, find_all};
use crate::args::HostArgs;
use crate::failure::Failure;

/// Who can be asked, and who can't be.
#[derive(Debug, Default)]
pub(crate) struct Present {
    pub(crate) hosts: Vec<Host>,
    /// Instances of which nothing is to be had now, which is no fault.
    pub(crate) absent: Vec<Absent>,
}

/// An instance that is not there, as yet or any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Absent {
    pub(crate) name: String,
    pub(crate) standing: Standing,
}

impl File {
    /// Those of them that were asked for. Without a cloud nobody is listed.
    ///
    /// # Errors
    /// When the cloud can't be asked, and when something was asked for by a name that nothing has.
    pub(super) fn present(
        &self,
        flags: CloudFlags<'_>,
        wanted: &HostArgs,
        destination: Option<&Path>,
        environment: &Environment,
    ) -> Result<Present, Failure> {
        let Some(cloud) = self.cloud(flags, environment)? else {
            return Ok(Present {
                hosts: self.hosts(wanted, destination, environment)?,
                absent: Vec::new(),
            });
        };
        let mut all = Present::default();
        if !self.config.hosts.is_empty() {
            all.hosts = self.all_hosts(destination, environment)?;
        } else if cloud.wishes.groups.is_empty() {
            return Err(Failure::NoHosts);
        }
        let route = self.route(destination, environment)?;
        for member in route.list(&cloud)?.members {
            let name = member.id.to_string();
            if all.hosts.iter().any(|host| host.name == name) {
                continue;
            }
            match (member.standing(), route.host(&cloud, &member)) {
                (Standing::Ready, Some(host)) => all.hosts.push(host),
                // Without an address it has just been launched.
                (Standing::Ready, None) => all.leave_out(name, Standing::Starting),
                (standing, _) => all.leave_out(name, standing),
            }
        }
        all.only(&wanted.only)
    }

    /// The same for who looks for what is wrong: where the cloud can't be asked, those of the file, and why.
    pub(super) fn as_far_as_known(
        &self,
        wanted: &HostArgs,
        environment: &Environment,
    ) -> Result<(Present, Option<Failure>), Failure> {
        match self.present(CloudFlags::default(), wanted, None, environment) {
            Ok(present) => Ok((present, None)),
            Err(failure @ Failure::UnknownHost { .. }) => Err(failure),
            Err(failure) if self.config.cloud.kind == CloudKind::None => Err(failure),
            // There may be none yet.
            Err(Failure::NoHosts) => Ok((Present::default(), None)),
            Err(failure) => {
                let fixed = Present {
                    hosts: self.all_hosts(None, environment).unwrap_or_default(),
                    absent: Vec::new(),
                };
                // Others may be instances.
                Ok((fixed.only(&wanted.only).unwrap_or_default(), Some(failure)))
            }
        }
    }

    /// Are the keys of instances taken from their consoles?
    pub(crate) fn reads_consoles(&self) -> bool {
        self.config.ssh.host_keys == HostKeyPolicy::Ec2Console
    }
}

impl Present {
    fn leave_out(&mut self, name: String, standing: Standing) {
        self.absent.push(Absent { name, standing });
    }

    fn names(&self) -> impl Iterator<Item = &str> + Clone {
        let hosts = self.hosts.iter().map(|host| host.name.as_str());
        hosts.chain(self.absent.iter().map(|absent| absent.name.as_str()))
    }

    /// Those of these names; all, where there are none.
    fn only(mut self, wanted: &[String]) -> Result<Self, Failure> {
        find_all(wanted, self.names())?;
        if !wanted.is_empty() {
            self.hosts.retain(|host| wanted.contains(&host.name));
            self.absent.retain(|absent| wanted.contains(&absent.name));
        }
        Ok(self)
    }
}

impl Absent {
    /// What it is, in a word that outcomes have too.
    pub(crate) const fn word(&self) -> &'static str {
        match self.standing {
            Standing::Asleep => "asleep",
            Standing::Gone => "gone",
            Standing::Starting | Standing::Ready => "booting",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn present() -> Present {
        Present {
            hosts: vec![Host::local("web-1", "/release")],
            absent: vec![Absent {
                name: "i-00000001".into(),
                standing: Standing::Asleep,
            }],
        }
    }

    #[test]
    fn who_is_asked_for_by_name_has_to_be_there() {
        let all = present().only(&[]).unwrap();
        assert_eq!((all.hosts.len(), all.absent.len()), (1, 1));
        let one = present().only(&["i-00000001".into()]).unwrap();
        assert_eq!((one.hosts.len(), one.absent.len()), (0, 1));
        assert_eq!(one.absent[0].word(), "asleep");
        match present().only(&["web-2".into()]) {
            Err(Failure::UnknownHost { name, nearest }) => {
                assert_eq!((name.as_str(), nearest.as_str()), ("web-2", "web-1"));
            }
            other => panic!("{other:?}"),
        }
    }
}
