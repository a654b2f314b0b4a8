//! What is asked of a rollout, and can't be done by this version: refused, where it would make a
//! difference.

use release_core::{CloudKind, Share};

use super::File;
use crate::args::DeployArgs;
use crate::failure::Failure;

impl File {
    /// `hosts` is how many there are. Waves that begin with all of them, and a limit that none can
    /// exceed, ask for nothing that isn't done.
    pub(super) fn check_rollout(&self, args: &DeployArgs, hosts: usize) -> Result<(), Failure> {
        let kind = self.config.cloud.kind;
        if kind != CloudKind::None {
            return Err(Failure::NotBuilt {
                what: format!("deploy with cloud.kind = \"{}\"", kind.as_str()),
                instead: "list the hosts, and set `cloud.kind = \"none\"`",
            });
        }
        if !args.groups.is_empty() {
            return Err(Failure::NoCloud { flag: "--group" });
        }
        if args.region.is_some() {
            return Err(Failure::NoCloud { flag: "--region" });
        }
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
        let cloud = &self.config.cloud;
        if cloud.kind != CloudKind::None {
            return None;
        }
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
