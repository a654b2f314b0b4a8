//! Numbers and names of users and groups.
//!
//! `/etc/passwd` and `/etc/group` are read here, once: a static program has no name service switch, and
//! a tree's owners are system accounts.

use std::collections::HashMap;

use release_core::Principal;

/// Longest name that a manifest carries.
const LONGEST_NAME: usize = 255;

/// The users and groups of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    users: Register,
    groups: Register,
}

impl Names {
    /// Reads the accounts of this machine. With `numeric`, names are neither given nor looked up.
    pub(crate) fn system(numeric: bool) -> Self {
        // A machine without these files has no names; its numbers are as good as ever.
        let read = |path| match numeric {
            true => Vec::new(),
            false => std::fs::read(path).unwrap_or_default(),
        };
        Self::parse(&read("/etc/passwd"), &read("/etc/group"))
    }

    /// Takes the content of `passwd(5)` and `group(5)`.
    pub(crate) fn parse(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            users: Register::parse(passwd),
            groups: Register::parse(group),
        }
    }

    /// From now on, numbers that these principals resolve to are given back as these principals.
    ///
    /// So a tree that was made from a manifest yields that manifest, although the machine it was made
    /// on has other numbers. Where two principals resolve to one number here, the first one stands for
    /// both, and [`is_ambiguous`](Self::is_ambiguous) says so.
    pub(crate) fn prefer(&mut self, users: &[Principal], groups: &[Principal]) {
        self.users.prefer(users);
        self.groups.prefer(groups);
    }

    /// Does a number stand for two of the preferred principals? Then it takes the list of entries to tell
    /// which of them an entry has.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.users.is_ambiguous || self.groups.is_ambiguous
    }

    /// Who a uid is.
    pub(crate) fn principal_of_uid(&self, uid: u32) -> Principal {
        self.users.principal(uid)
    }

    /// Which group a gid is.
    pub(crate) fn principal_of_gid(&self, gid: u32) -> Principal {
        self.groups.principal(gid)
    }

    /// The uid of a user here: by name if the name is known, else by number.
    pub(crate) fn resolve_user(&self, user: &Principal) -> u32 {
        self.users.resolve(user)
    }

    /// The gid of a group here: by name if the name is known, else by number.
    pub(crate) fn resolve_group(&self, group: &Principal) -> u32 {
        self.groups.resolve(group)
    }
}

#[derive(Clone, Debug, Default)]
struct Register {
    by_id: HashMap<u32, Box<[u8]>>,
    by_name: HashMap<Box<[u8]>, u32>,
    preferred: HashMap<u32, Principal>,
    is_ambiguous: bool,
}

impl Register {
    /// Of lines that share a name or a number the first one counts, as for the C library.
    fn parse(file: &[u8]) -> Self {
        let mut register = Self::default();
        for line in file.split(|&byte| byte == b'\n') {
            if let Some((name, id)) = account(line) {
                register.by_id.entry(id).or_insert_with(|| name.into());
                register.by_name.entry(name.into()).or_insert(id);
            }
        }
        register
    }

    fn prefer(&mut self, principals: &[Principal]) {
        for principal in principals {
            let id = self.resolve(principal);
            let preferred = self.preferred.entry(id);
            let preferred = preferred.or_insert_with(|| principal.clone());
            self.is_ambiguous |= preferred != principal;
        }
    }

    fn principal(&self, id: u32) -> Principal {
        self.preferred
            .get(&id)
            .cloned()
            .unwrap_or_else(|| Principal {
                id,
                name: self.by_id.get(&id).cloned(),
            })
    }

    fn resolve(&self, principal: &Principal) -> u32 {
        let by_name = principal.name.as_ref();
        let known = by_name.and_then(|name| self.by_name.get(name));
        known.copied().unwrap_or(principal.id)
    }
}

/// Name and number of a line `name:password:number:…`. Lines of the old NIS syntax are none.
fn account(line: &[u8]) -> Option<(&[u8], u32)> {
    let mut fields = line.split(|&byte| byte == b':');
    let name = fields.next()?;
    let is_name = !name.is_empty() && name.len() <= LONGEST_NAME && !b"+-#".contains(&name[0]);
    let id = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
    is_name.then_some((name, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        www:x:33:33::/var/www:/bin/sh\ntoor:x:0:0::/:\n+nis::1:::\nbroken:x\nodd\xff:x:7:7::/:";
    const GROUP: &[u8] = b"root:x:0:\nwww-data:x:33:www\nwww-data:x:34:\n";

    fn principal(id: u32, name: Option<&[u8]>) -> Principal {
        Principal {
            id,
            name: name.map(Into::into),
        }
    }

    #[test]
    fn names_and_numbers_are_those_of_the_files() {
        let names = Names::parse(PASSWD, GROUP);
        assert_eq!(names.principal_of_uid(0), principal(0, Some(b"root")));
        assert_eq!(names.principal_of_uid(7), principal(7, Some(b"odd\xff")));
        assert_eq!(names.principal_of_uid(1), principal(1, None));
        assert_eq!(names.principal_of_gid(34), principal(34, Some(b"www-data")));
        assert_eq!(names.resolve_user(&principal(99, Some(b"toor"))), 0);
        assert_eq!(names.resolve_group(&principal(99, Some(b"www-data"))), 33);
        assert_eq!(names.resolve_group(&principal(99, Some(b"nobody"))), 99);
        assert_eq!(names.resolve_user(&principal(33, None)), 33);
    }

    #[test]
    fn a_manifest_made_elsewhere_finds_its_own_owners_again() {
        let mut names = Names::parse(PASSWD, GROUP);
        let (there, unnamed) = (principal(1000, Some(b"www")), principal(5000, None));
        names.prefer(
            &[there.clone(), unnamed.clone()],
            std::slice::from_ref(&unnamed),
        );
        for user in [there, unnamed.clone()] {
            assert_eq!(names.principal_of_uid(names.resolve_user(&user)), user);
        }
        assert_eq!(
            names.principal_of_gid(names.resolve_group(&unnamed)),
            unnamed
        );
        assert_eq!(names.principal_of_uid(0), principal(0, Some(b"root")));
        assert!(!names.is_ambiguous());
        names.prefer(
            &[],
            &[principal(34, None), principal(99, Some(b"www-data"))],
        );
        assert!(!names.is_ambiguous());
        names.prefer(&[principal(33, None)], &[]);
        assert!(names.is_ambiguous());
    }

    #[test]
    fn by_number_nothing_has_a_name() {
        let names = Names::system(true);
        assert_eq!(names.principal_of_uid(0), principal(0, None));
        assert_eq!(names.resolve_user(&principal(7, Some(b"root"))), 7);
        let named = Names::system(false).principal_of_uid(0);
        assert_eq!(named, principal(0, Some(b"root")));
    }
}
