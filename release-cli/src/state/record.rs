//! `last-deploy.json`: what came of each host, for the next deploy.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use jiff::Timestamp;
use release_core::SnapshotId;
use release_sync::{Generation, ReleaseId, Report};
use serde::{Deserialize, Serialize};

use super::history::{Deed, Doing};
use super::{DeployLock, Places, State};
use crate::exit::{Aim, Verdict};
use crate::failure::Failure;

const LAST: &str = "last-deploy.json";

/// What is known of a deploy when it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deploy<'a> {
    pub(crate) release: ReleaseId,
    pub(crate) generation: Generation,
    /// Where the release comes from, made harmless.
    pub(crate) source: &'a str,
    /// Who deploys.
    pub(crate) by: &'a str,
    /// The snapshot that was published, if one was.
    pub(crate) snapshot: Option<&'a SnapshotId>,
    /// The patterns of what it leaves alone.
    pub(crate) exclude: &'a [String],
}

/// What came of a host's last deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fate {
    pub(crate) generation: u64,
    /// The outcome's word; `unfinished` while a deploy runs, and after one that was killed.
    pub(crate) outcome: String,
    /// Did it end as was asked?
    pub(crate) well: bool,
    /// The patterns of what the last one that ended well left alone: what the host has is told by these. Records
    /// of before that was written down have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exclude: Option<Vec<String>>,
}

/// `last-deploy.json`. A deploy to some hosts says nothing of the others, so these stay.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Last {
    /// By name: what was written before places were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    hosts: BTreeMap<String, Fate>,
    /// By place, and by what the place is called: an address that was corrected is no other host.
    #[serde(default)]
    places: BTreeMap<String, Fate>,
}

impl Last {
    /// What is known of a host, by the first of these keys that is known, else by its name alone.
    fn known(&self, host: &str, keys: Option<[&str; 2]>) -> Option<&Fate> {
        let mut keys = keys.into_iter().flatten();
        let fate = keys.find_map(|key| self.places.get(key));
        fate.or_else(|| self.hosts.get(host))
    }
}

impl State {
    /// What came of the last deploy to each of these hosts, by name; `None` if there was none yet to any.
    pub(crate) fn fates(&self, places: &Places) -> Result<Option<BTreeMap<String, Fate>>, Failure> {
        let Some(last) = self.last()? else {
            return Ok(None);
        };
        let fates = places.iter().filter_map(|(host, keys)| {
            let fate = last.known(host, Some(keys))?;
            Some((host.to_owned(), fate.clone()))
        });
        Ok(Some(fates.collect()).filter(|fates: &BTreeMap<_, _>| !fates.is_empty()))
    }

    fn last(&self) -> Result<Option<Last>, Failure> {
        let path = self.directory.join(LAST);
        match fs::read(&path) {
            Ok(content) => serde_json::from_slice(&content)
                .map(Some)
                .map_err(|source| Failure::LastDeployDamaged { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fault()(error)),
        }
    }
}

impl DeployLock<'_> {
    /// Takes note that a deploy to these hosts begins: if it is killed, they are those to try again.
    pub(crate) fn begin<'h>(
        &self,
        deploy: Deploy<'_>,
        places: &Places,
        hosts: impl Iterator<Item = &'h str>,
    ) -> Result<(), Failure> {
        let fates = hosts.map(|host| (host.to_owned(), fate(deploy, "unfinished", false)));
        self.remember(places, fates)
    }

    /// Takes note of what came of a deploy.
    pub(crate) fn end(
        &self,
        deploy: Deploy<'_>,
        places: &Places,
        report: &Report,
        verdict: Verdict,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let fates = report.hosts.iter().map(|host| {
            let well = Aim::Push.is_met(host.outcome);
            let fate = fate(deploy, host.outcome.as_str(), well);
            (host.host.clone(), fate)
        });
        self.remember(places, fates)?;
        let doing = Doing {
            deed: Deed::Deploy,
            release: deploy.release,
            generation: deploy.generation,
            source: deploy.source,
            by: deploy.by,
            snapshot: deploy.snapshot,
        };
        self.append(&doing.with(places, report, verdict, now))
    }

    /// A file that can't be read any more is of no use: what is known now takes its place.
    fn remember(
        &self,
        places: &Places,
        fates: impl Iterator<Item = (String, Fate)>,
    ) -> Result<(), Failure> {
        let mut last = self.state.last().ok().flatten().unwrap_or_default();
        for (host, mut fate) in fates {
            if !fate.well {
                let known = last.known(&host, places.keys(&host));
                fate.exclude = known.and_then(|known| known.exclude.clone());
            }
            match places.keys(&host) {
                Some(keys) => {
                    let keys = keys.map(|key| (key.to_owned(), fate.clone()));
                    last.places.extend(keys);
                }
                // An instance that nothing could be done about has no address to be found at.
                None => _ = last.hosts.insert(host, fate),
            }
        }
        let mut content =
            serde_json::to_vec_pretty(&last).map_err(|error| self.state.fault()(error.into()))?;
        content.push(b'\n');
        self.state.replace(LAST, &content)
    }
}

fn fate(deploy: Deploy<'_>, outcome: &str, well: bool) -> Fate {
    Fate {
        generation: deploy.generation.get(),
        outcome: outcome.to_owned(),
        well,
        exclude: well.then(|| deploy.exclude.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::exit::{Exit, Overall};
    use crate::ui::samples;

    const DEPLOY: Deploy<'static> = Deploy {
        release: ReleaseId::new(release_sync::Digest::from_bytes([7; 32])),
        generation: Generation::new(12),
        source: "/srv/app",
        by: "ada@build-1",
        snapshot: None,
        exclude: &[],
    };

    const PARTIAL: Verdict = Verdict {
        exit: Exit::Partial,
        overall: Overall::Partial,
    };

    fn fates(state: &State, places: &Places) -> Vec<(String, String, bool)> {
        let fates = state.fates(places).unwrap().unwrap_or_default();
        let of = |(host, fate): (String, Fate)| (host, fate.outcome, fate.well);
        fates.into_iter().map(of).collect()
    }

    #[test]
    fn each_host_keeps_its_own_last_fate() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let places = samples::places();
        assert_eq!(state.fates(&places).unwrap(), None);
        let lock = state.lock("ada").unwrap();
        lock.begin(DEPLOY, &places, ["web-1", "db-1"].into_iter())
            .unwrap();
        let unfinished = |host: &str| (host.to_owned(), "unfinished".to_owned(), false);
        let begun = [unfinished("db-1"), unfinished("web-1")];
        assert_eq!(fates(&state, &places), begun);

        let report = samples::report();
        lock.end(DEPLOY, &places, &report, PARTIAL, Timestamp::UNIX_EPOCH)
            .unwrap();
        let fate = |host: &str, outcome: &str, well| (host.to_owned(), outcome.to_owned(), well);
        let expected = [
            unfinished("db-1"),
            fate("web-1", "committed", true),
            fate("web-2", "unchanged", true),
            fate("worker-10", "failed", false),
        ];
        assert_eq!(fates(&state, &places), expected);
        // Another application on the same machines.
        let others = samples::places_at("/srv/other");
        assert_eq!(state.fates(&others).unwrap(), None);
        lock.begin(DEPLOY, &others, ["worker-10"].into_iter())
            .unwrap();
        assert_eq!(fates(&state, &others), [unfinished("worker-10")]);
        assert_eq!(fates(&state, &places), expected);
    }

    /// A host that failed since its address was wrong is the same host at the right one; but not another
    /// application's on the same machine.
    #[test]
    fn a_host_keeps_its_fate_at_another_address() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let at = |address: &str, destination: &str| {
            let target = release_sync::SshTarget::new("www", address);
            Places::of(&[release_sync::Host {
                name: String::from("web-1"),
                ..release_sync::Host::ssh(target, destination)
            }])
        };
        let wrong = at("10.0.0.5", "/srv/app");
        let lock = state.lock("ada").unwrap();
        lock.begin(DEPLOY, &wrong, ["web-1"].into_iter()).unwrap();
        let unfinished = [("web-1".to_owned(), "unfinished".to_owned(), false)];
        assert_eq!(fates(&state, &at("10.0.0.6", "/srv/app")), unfinished);
        assert_eq!(fates(&state, &at("10.0.0.5", "/srv/other")), []);
    }

    /// A deploy that fails leaves a host what it was given before, and with that the patterns of then.
    #[test]
    fn patterns_are_those_of_the_last_deploy_that_ended_well() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let lock = state.lock("ada").unwrap();
        let (places, report) = (samples::places(), samples::report());
        let exclude = |host: &str| {
            let fates = state.fates(&places).unwrap().unwrap();
            fates[host].exclude.clone()
        };
        let patterns = ["*.log".to_owned()];
        let deploy = Deploy {
            exclude: &patterns,
            ..DEPLOY
        };
        lock.end(deploy, &places, &report, PARTIAL, Timestamp::UNIX_EPOCH)
            .unwrap();
        lock.begin(DEPLOY, &places, ["web-1"].into_iter()).unwrap();
        assert_eq!(exclude("web-1"), Some(patterns.to_vec()));
        assert_eq!(exclude("worker-10"), None);
        lock.end(DEPLOY, &places, &report, PARTIAL, Timestamp::UNIX_EPOCH)
            .unwrap();
        assert_eq!(exclude("web-1"), Some(Vec::new()));
    }

    /// What an older version wrote has names only, and counts until something newer is known.
    #[test]
    fn old_records_go_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let old = r#"{"hosts":{"web-1":{"generation":3,"outcome":"failed","well":false},
            "web-2":{"generation":3,"outcome":"committed","well":true}}}"#;
        fs::write(directory.path().join(LAST), old).unwrap();
        let places = samples::places();
        let fate = |host: &str, outcome: &str, well| (host.to_owned(), outcome.to_owned(), well);
        let before = [
            fate("web-1", "failed", false),
            fate("web-2", "committed", true),
        ];
        assert_eq!(fates(&state, &places), before);
        let lock = state.lock("ada").unwrap();
        lock.begin(DEPLOY, &places, ["web-2"].into_iter()).unwrap();
        let after = [
            fate("web-1", "failed", false),
            fate("web-2", "unfinished", false),
        ];
        assert_eq!(fates(&state, &places), after);
    }

    #[test]
    fn a_damaged_record_is_an_error_to_read_and_is_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        fs::write(directory.path().join(LAST), "{").unwrap();
        let places = samples::places();
        let damaged = state.fates(&places);
        assert!(matches!(damaged, Err(Failure::LastDeployDamaged { .. })));
        let lock = state.lock("ada").unwrap();
        lock.begin(DEPLOY, &places, ["web-1"].into_iter()).unwrap();
        assert_eq!(fates(&state, &places).len(), 1);
    }
}
