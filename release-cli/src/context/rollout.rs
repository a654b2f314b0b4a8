//! What is asked of a rollout, and can't be done by this version: refused, where it would make a
//! difference.

use std::path::{Path, PathBuf};
use std::time::Duration;

use release_core::cloud::{AddressKind, CloudError, FleetMember, Standing, list_fleet};
use release_core::deploy::Rules;
use release_core::{CloudKind, HostKeyPolicy, Share};
use release_sync::{Host, Reach, SshOptions, SshTarget};

use super::{CloudFlags, Environment, File, Snapshotting, find_all, override_options};
use crate::args::DeployArgs;
use crate::cloud::OpenCloud;
use crate::failure::Failure;
use crate::pins::Pins;

/// What a deploy to a cloud's instances needs.
#[derive(Debug)]
pub(crate) struct Rollout {
    pub(crate) cloud: OpenCloud,
    /// The source, and what becomes of it.
    pub(crate) job: Snapshotting,
    /// The hosts of the file.
    pub(crate) fixed: Vec<Host>,
    /// How instances become hosts.
    pub(crate) route: Route,
    /// Only these hosts; all, if it is empty.
    pub(crate) only: Vec<String>,
    /// Those that were asked for by name: each has to be somebody's.
    pub(crate) named: Vec<String>,
    pub(crate) rules: Rules,
}

/// Instances that were listed.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) members: Vec<FleetMember>,
    /// Why no keys are taken from consoles, where they should be.
    pub(crate) unread: Option<CloudError>,
}

/// How an instance is reached.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    destination: PathBuf,
    address: AddressKind,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Ssh {
        user: String,
        port: u16,
        /// Where keys are taken from consoles: how SSH is spoken with these.
        pinned: Option<(Pins, Box<SshOptions>)>,
    },
    /// By an agent on this machine, in the instance's folder.
    Folder { agent: PathBuf },
}

/// The longest and the shortest time from one listing to the next.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));
/// A snapshot that ends in an error is made again where it is waited for.
const SNAPSHOTS: u32 = 1;

impl Route {
    /// The host that an instance is; `None` while it has no address.
    pub(crate) fn host(&self, cloud: &OpenCloud, member: &FleetMember) -> Option<Host> {
        let name = member.id.to_string();
        match (&self.way, cloud.local()) {
            (Way::Folder { agent }, Some(local)) => {
                let below = self
                    .destination
                    .strip_prefix("/")
                    .unwrap_or(&self.destination);
                Some(Host {
                    name,
                    destination: local.instance_root(&member.id).join(below),
                    reach: Reach::Command(vec![agent.into(), "serve".into()]),
                })
            }
            (Way::Ssh { user, port, pinned }, _) => {
                let addresses = &member.instance.as_ref()?.addresses;
                let target = SshTarget {
                    port: *port,
                    key_name: Some(name.clone()),
                    ssh: pinned.as_ref().map(|(_, options)| options.clone()),
                    ..SshTarget::new(user, addresses.get(self.address)?)
                };
                Some(Host {
                    name,
                    ..Host::ssh(target, &self.destination)
                })
            }
            (Way::Folder { .. }, None) => None,
        }
    }

    /// Lists the instances of all groups. Where keys are taken from consoles, those of new ones are.
    ///
    /// # Errors
    /// When the cloud can't be asked.
    pub(crate) fn list(&self, cloud: &OpenCloud) -> Result<Listed, Failure> {
        let members = cloud.run(list_fleet(cloud.port(), &cloud.wishes.groups))?;
        let mut unread = None;
        if let Way::Ssh {
            pinned: Some((pins, _)),
            ..
        } = &self.way
        {
            let is_up = |member: &&FleetMember| {
                matches!(member.standing(), Standing::Ready | Standing::Starting)
            };
            let up = members.iter().filter(is_up).map(|member| &member.id);
            unread = cloud.run(pins.learn(cloud, up)).err();
        }
        Ok(Listed { members, unread })
    }
}

impl File {
    /// The file, overridden by the flags of a deploy with a cloud.
    pub(crate) fn rollout(
        &self,
        args: &DeployArgs,
        environment: &Environment,
    ) -> Result<Rollout, Failure> {
        if self.config.cloud.kind == CloudKind::None {
            return Err(Failure::NothingToSnapshot);
        }
        let flags = CloudFlags {
            region: args.region.as_deref(),
            groups: &args.groups,
        };
        let cloud = self.some_cloud(flags, environment)?;
        let source = args.source.as_deref();
        let mut job = self.snapshotting(source, args.lock_wait, &args.sys, environment)?;
        override_options(&mut job.options, args);
        let destination = args.dest.as_deref();
        let fixed = match self.config.hosts.is_empty() {
            true => Vec::new(),
            false => self.all_hosts(destination, environment)?,
        };
        self.check_rollout(args, usize::MAX)?;
        let has_groups = !cloud.wishes.groups.is_empty();
        if !has_groups && fixed.is_empty() {
            return Err(Failure::NoHosts);
        }
        let named = args.hosts.only.clone();
        if !has_groups {
            find_all(&named, fixed.iter().map(|host| host.name.as_str()))?;
        }
        let rollout = &self.config.rollout;
        let settle = cloud.wishes.settle;
        Ok(Rollout {
            route: self.route(destination, environment)?,
            rules: Rules {
                has_groups,
                order: rollout.order,
                max_failures: Share::Percent(100),
                snapshots: SNAPSHOTS,
                settle,
                boot_deadline: rollout.boot_deadline,
                deadline: rollout.deadline,
                pause: settle.clamp(PAUSES.0, PAUSES.1),
            },
            cloud,
            job,
            fixed,
            only: named.clone(),
            named,
        })
    }

    /// How instances become hosts.
    pub(super) fn route(
        &self,
        destination: Option<&Path>,
        environment: &Environment,
    ) -> Result<Route, Failure> {
        let destination = destination.or(self.config.destination.path.as_deref());
        let destination = destination.ok_or(Failure::Unsaid {
            what: "which directory receives the release",
            flag: "--dest DIR",
            key: "destination.path",
        })?;
        if !destination.is_absolute() {
            return Err(Failure::RelativeDestination(destination.to_owned()));
        }
        let ssh = &self.config.ssh;
        Ok(Route {
            destination: destination.to_owned(),
            address: self.config.cloud.address,
            way: match self.config.cloud.kind {
                CloudKind::Local => Way::Folder {
                    agent: environment.beside_executable().join("release-agent"),
                },
                _ => Way::Ssh {
                    user: ssh.user.clone(),
                    port: ssh.port,
                    pinned: match ssh.host_keys {
                        HostKeyPolicy::Ec2Console => Some(self.pinned(environment)?),
                        HostKeyPolicy::Strict | HostKeyPolicy::AcceptNew => None,
                    },
                },
            },
        })
    }

    /// Keys that were taken from consoles, and how SSH is spoken with these.
    fn pinned(&self, environment: &Environment) -> Result<(Pins, Box<SshOptions>), Failure> {
        let state = self.state(environment).ok_or(Failure::NoStateHome)?;
        let pins = Pins::in_state(&state);
        let options = SshOptions {
            known_hosts: pins.path().to_owned(),
            ..self.ssh(environment)?
        };
        Ok((pins, Box::new(options)))
    }

    /// `hosts` is how many there are. Waves that begin with all of them, and a limit that none can
    /// exceed, ask for nothing that isn't done.
    pub(super) fn check_rollout(&self, args: &DeployArgs, hosts: usize) -> Result<(), Failure> {
        let rollout = &self.config.rollout;
        let (name, waves) = match &*args.waves {
            [] => ("rollout.waves =", &*rollout.waves),
            waves => ("--wave", waves),
        };
        if waves.first().is_some_and(|first| first.of(hosts) < hosts) {
            return Err(Failure::NotBuilt {
                what: format!("{name} {}", list(waves)),
                instead: "all hosts in one wave is what it does: leave it out, or say --wave 100%",
            });
        }
        let (name, most) = match args.max_failures {
            None => ("rollout.max_failures =", rollout.max_failures),
            Some(most) => ("--max-failures", most),
        };
        if most.of(hosts) < hosts {
            return Err(Failure::NotBuilt {
                what: format!("{name} {most}"),
                instead: "each host succeeds or fails for itself: leave it out, or say --max-failures \
                          100%",
            });
        }
        match &rollout.health {
            Some(command) => Err(Failure::NotBuilt {
                what: format!("rollout.health = {command}"),
                instead: "leave it out, and look at the hosts after the deploy",
            }),
            None => Ok(()),
        }
    }

    /// What the file says of groups, where nobody is asked for them.
    pub(super) fn unasked_groups(&self) -> Option<String> {
        match self.config.cloud.kind {
            CloudKind::None => self.group_names(),
            _ => None,
        }
    }

    /// The groups that the file names, in words.
    pub(super) fn group_names(&self) -> Option<String> {
        let cloud = &self.config.cloud;
        let tags = cloud.group_tags.iter();
        let tags = tags.map(|(key, value)| format!("{key}={value}"));
        let groups: Vec<_> = cloud
            .groups
            .iter()
            .map(ToString::to_string)
            .chain(tags)
            .collect();
        (!groups.is_empty()).then(|| groups.join(", "))
    }
}

fn list(waves: &[Share]) -> String {
    let waves: Vec<_> = waves.iter().map(Share::to_string).collect();
    waves.join(",")
}
