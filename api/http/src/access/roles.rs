//! What each role sees and writes, by `roles.tsv`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use hub_core::who::Role;
use hub_fhir::ResourceType;

/// What a role may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct May {
    /// It reads all of these types.
    pub reads: HashSet<ResourceType>,
    /// It reads of these types what is about its own visit persons.
    pub reads_own: HashSet<ResourceType>,
    /// It writes these types.
    pub writes: HashSet<ResourceType>,
}

/// The name of the line for who has not signed in.
const PUBLIC: &str = "public";

static TABLE: LazyLock<HashMap<&str, May>> = LazyLock::new(|| read(include_str!("roles.tsv")));

/// What everybody may do, who has not signed in.
pub(super) fn public() -> &'static May {
    &TABLE[PUBLIC]
}

/// What somebody with these roles may do.
pub(super) fn may(roles: &[Role]) -> May {
    let mut all = May::default();
    for may in roles.iter().filter_map(|role| TABLE.get(role.name())) {
        all.reads.extend(&may.reads);
        all.reads_own.extend(&may.reads_own);
        all.writes.extend(&may.writes);
    }
    // The trail is only ever added to, by the hub itself.
    all.writes.retain(|kind| kind.name() != "AuditEvent");
    all
}

fn read(table: &str) -> HashMap<&str, May> {
    let (mut groups, mut roles) = (HashMap::new(), HashMap::new());
    for (name, told) in table.lines().filter_map(|line| line.split_once('\t')) {
        if let Some(group) = name.strip_prefix('@') {
            let types: Vec<ResourceType> = told.split(' ').filter_map(ResourceType::from_name).collect();
            groups.insert(group, types);
        } else if name == PUBLIC || Role::from_name(name).is_some() {
            let mut may = May::default();
            for (group, how) in told.split(' ').filter_map(|one| one.split_once('=')) {
                let types = groups.get(group).into_iter().flatten();
                match how {
                    "o" => may.reads_own.extend(types),
                    "w" => {
                        may.writes.extend(types.clone());
                        may.reads.extend(types);
                    }
                    _ => may.reads.extend(types),
                }
            }
            roles.insert(name, may);
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_in_one_group_and_each_role_has_a_line_of_known_words() {
        let table = include_str!("roles.tsv");
        let lines: Vec<(&str, &str)> = table.lines().filter_map(|line| line.split_once('\t')).collect();
        let (groups, roles): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|(name, _)| name.starts_with('@'));
        let mut types: Vec<&str> = groups.iter().flat_map(|(_, types)| types.split(' ')).collect();
        types.sort_unstable();
        let all: Vec<&str> = ResourceType::all().map(ResourceType::name).collect();
        assert_eq!(types, all);
        let named: Vec<&str> = roles.iter().map(|(name, _)| *name).collect();
        let expected: Vec<&str> = [PUBLIC].into_iter().chain(Role::ALL.into_iter().map(Role::name)).collect();
        assert_eq!(named, expected);
        for (role, told) in roles {
            for one in told.split(' ') {
                let (group, how) = one.split_once('=').unwrap();
                assert!(groups.iter().any(|(name, _)| name[1..] == *group), "{role}: {group}");
                assert!(["r", "w", "o"].contains(&how), "{role}: {how}");
            }
        }
    }

    #[test]
    fn dir_4_everybody_reads_what_a_doctors_page_needs_and_writes_nothing() {
        let mut names: Vec<&str> = public().reads.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        let expected = [
            "HealthcareService",
            "Location",
            "Organization",
            "Practitioner",
            "PractitionerRole",
            "Schedule",
            "Slot",
        ];
        assert_eq!(names, expected);
        assert!(public().writes.is_empty() && public().reads_own.is_empty());
    }

    #[test]
    fn roles_add_up_and_what_no_role_has_nobody_may() {
        let observation = ResourceType::from_name("Observation").unwrap();
        let invoice = ResourceType::from_name("Invoice").unwrap();
        assert!(!may(&[Role::Finance]).reads.contains(&observation));
        let both = may(&[Role::Finance, Role::Doctor]);
        assert!(both.reads.contains(&observation) && both.reads.contains(&invoice) && both.writes.is_empty());
        assert_eq!(may(&[]), May::default());
        let staff = Role::ALL.into_iter().filter(|role| role.is_staff() && *role != Role::Administrator);
        assert!(may(&staff.collect::<Vec<_>>()).writes.is_empty(), "what staff change, operations change");
        let trail = ResourceType::from_name("AuditEvent").unwrap();
        assert!(!may(&Role::ALL).writes.contains(&trail), "nobody writes the trail");
    }
}
