//! What tells the hosts of one application from those of another, where both have one state directory.

use std::collections::BTreeMap;

use release_core::escape;
use release_sync::{Host, Reach};

/// Where on which machine a release lands, by the names of hosts. Names alone say too little: two
/// configurations may have hosts of one name, and two applications lie side by side on one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places(BTreeMap<String, String>);

impl Places {
    pub(crate) fn of<'h>(hosts: impl IntoIterator<Item = &'h Host>) -> Self {
        let places = hosts
            .into_iter()
            .map(|host| (host.name.clone(), place(host)));
        Self(places.collect())
    }

    /// The place of a host, if it is one of these.
    pub(crate) fn get(&self, host: &str) -> Option<&str> {
        self.0.get(host).map(String::as_str)
    }

    /// Names and places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let places = self.0.iter();
        places.map(|(host, place)| (host.as_str(), place.as_str()))
    }

    /// Is the place of a record one of these? A record of before there were places has only the host's
    /// name to go by.
    pub(super) fn have(&self, host: &str, place: Option<&str>) -> bool {
        match place {
            Some(place) => self.0.values().any(|ours| ours == place),
            None => self.0.contains_key(host),
        }
    }
}

/// Address and port, since names are changed more lightly; but an instance is itself, whatever address it
/// has just now.
fn place(host: &Host) -> String {
    let destination = escape(host.destination.as_os_str().as_encoded_bytes());
    match &host.reach {
        Reach::Ssh(target) => match &target.key_name {
            Some(name) => format!("{name}:{destination}"),
            None => format!("{}:{}:{destination}", target.address, target.port),
        },
        _ => format!("{}:{destination}", host.name),
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
        let is_ours = |host: &Host| places.have("web-1", Some(&place(host)));
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
            place(&host)
        };
        assert_eq!(instance("10.0.0.5", "i-1"), instance("10.0.0.6", "i-1"));
        assert_ne!(instance("10.0.0.5", "i-1"), instance("10.0.0.5", "i-2"));
    }
}
