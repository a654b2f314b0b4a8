//! What tells the hosts of one application from those of another, where both have one state directory.

use std::collections::BTreeMap;

use release_core::escape;
use release_sync::{Host, Reach};

/// Where on which machine a release lands, by the names of hosts. Names alone say too little: two
/// configurations may have hosts of one name, and two applications lie side by side on one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places(BTreeMap<String, Place>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// Which directory of which machine.
    at: String,
    /// The same by the host's name. It outlives an address that was wrong, and is corrected.
    called: String,
}

impl Places {
    pub(crate) fn of<'h>(hosts: impl IntoIterator<Item = &'h Host>) -> Self {
        let places = hosts
            .into_iter()
            .map(|host| (host.name.clone(), Place::of(host)));
        Self(places.collect())
    }

    /// The place of a host, if it is one of these.
    pub(crate) fn get(&self, host: &str) -> Option<&str> {
        self.0.get(host).map(|place| place.at.as_str())
    }

    /// What a host is remembered by: its place, and the same by its name.
    pub(super) fn keys(&self, host: &str) -> Option<[&str; 2]> {
        let place = self.0.get(host)?;
        Some([&place.at, &place.called])
    }

    /// The hosts, each with what it is remembered by.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, [&str; 2])> {
        let places = self.0.iter();
        places.map(|(host, place)| (host.as_str(), [&*place.at, &*place.called]))
    }

    /// Is the place of a record one of these? A record of before there were places has only the host's
    /// name to go by.
    pub(super) fn have(&self, host: &str, place: Option<&str>) -> bool {
        match place {
            Some(place) => self.0.values().any(|ours| ours.at == place),
            None => self.0.contains_key(host),
        }
    }
}

impl Place {
    /// Address and port, since names are changed more lightly; but an instance is itself, whatever address it
    /// has just now.
    fn of(host: &Host) -> Self {
        let destination = escape(host.destination.as_os_str().as_encoded_bytes());
        let called = format!("{}:{destination}", host.name);
        let at = match &host.reach {
            Reach::Ssh(target) => match &target.key_name {
                Some(name) => format!("{name}:{destination}"),
                None => format!("{}:{}:{destination}", target.address, target.port),
            },
            _ => called.clone(),
        };
        Self { at, called }
    }
}

#[cfg(test)]
mod tests {
    use release_sync::SshTarget;

    use super::*;

    fn host(address: &str, port: u16, destination: &str) -> Host {
        let target = SshTarget {
            port,
            ..SshTarget::new("www", address)
        };
        Host {
            name: String::from("web-1"),
            ..Host::ssh(target, destination)
        }
    }

    #[test]
    fn another_directory_port_or_machine_is_another_place() {
        let ours = host("10.0.0.5", 22, "/srv/a");
        let places = Places::of([&ours]);
        let is_ours = |host: &Host| places.have("web-1", Some(&Place::of(host).at));
        assert!(is_ours(&ours));
        for other in [
            host("10.0.0.5", 22, "/srv/b"),
            host("10.0.0.5", 2222, "/srv/a"),
            host("10.0.0.6", 22, "/srv/a"),
        ] {
            assert!(!is_ours(&other), "{other:?}");
        }
        let renamed = Host {
            name: String::from("a"),
            ..ours.clone()
        };
        assert!(is_ours(&renamed));
        assert!(places.have("web-1", None) && !places.have("a", None));
    }

    #[test]
    fn an_instance_is_itself_at_any_address() {
        let instance = |address: &str, id: &str| {
            let mut host = host(address, 22, "/srv/a");
            if let Reach::Ssh(target) = &mut host.reach {
                target.key_name = Some(id.to_owned());
            }
            Place::of(&host).at
        };
        assert_eq!(instance("10.0.0.5", "i-1"), instance("10.0.0.6", "i-1"));
        assert_ne!(instance("10.0.0.5", "i-1"), instance("10.0.0.5", "i-2"));
    }
}
