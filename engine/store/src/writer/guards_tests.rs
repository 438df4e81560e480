//! Which works share a transaction.

use hub_core::commit::{Change, Commit};
use hub_core::store::Cause;
use hub_fhir::search::parse;
use hub_fhir::{Reference, Resource};

use crate::database::Dialect;

use super::*;

fn words() -> Words {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    connection.execute_batch(include_str!("../../migrations/sqlite/0001_store.sql")).unwrap();
    Words::load(&Connection::Sqlite(connection)).unwrap()
}

fn patient(id: &str, number: &str) -> Resource {
    let text = format!(
        r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"urn:mrn","value":"{number}"}}]}}"#
    );
    Resource::from_tree(hub_fhir::json::parse(&text).unwrap()).unwrap()
}

/// A name, a value and what it must find.
type Asks<'a> = (&'a str, &'a str, &'a [&'a str]);

fn work(words: &Words, changes: Vec<Change>, guards: &[Asks<'_>]) -> Work {
    let mut draft = Draft::of(Commit { changes, ..Commit::default() }, words);
    let guard = |(name, value, finds): &Asks<'_>| {
        let kind = ResourceType::from_name("Patient").unwrap();
        let search = parse(kind, &[((*name).to_owned(), (*value).to_owned())]).unwrap();
        let finds = finds.iter().map(|id| Id::new(id).unwrap()).collect();
        DraftGuard::new(&Guard { search, finds }, Sql::new(Dialect::Sqlite, "SELECT 1"), words)
    };
    draft.guards = guards.iter().map(guard).collect();
    Work::Commit { cause: Cause::Timer { name: "test" }, draft }
}

#[test]
fn works_share_a_transaction_where_none_changes_what_a_guard_of_another_finds() {
    let words = words();
    let put = |id: &str, number: &str| vec![Change::Put(patient(id, number))];
    let delete = |name: &str| vec![Change::Delete(Reference::parse(name).unwrap())];
    let merge = Change::Merge { resource: patient("p4", "4"), clear: Vec::new(), initial: Vec::new() };
    let two: [Asks<'_>; 2] = [("identifier", "urn:mrn|2", &[]), ("identifier", "1", &[])];
    let one = work(&words, put("p1", "1"), &[("identifier", "urn:mrn|1", &[])]);
    for (name, changes, guards, is_shared) in [
        ("another number", put("p2", "2"), &two[..1], true),
        ("no guard", put("p2", "2"), &[], true),
        ("the same number", put("p2", "1"), &[("identifier", "urn:mrn|1", &[][..])], false),
        ("the same number without a guard", put("p2", "1"), &[], false),
        ("a number of any system", put("p2", "2"), &[("identifier", "1", &[])], false),
        ("one of two numbers", put("p2", "2"), &[("identifier", "urn:mrn|2,urn:mrn|1", &[])], false),
        ("two guards", put("p2", "2"), &two, false),
        ("a delete of what was not found", delete("Patient/p3"), &[], true),
        ("another type", delete("Observation/p1"), &[], true),
        ("a merge", vec![merge], &[], false),
    ] {
        let other = work(&words, changes, guards);
        assert_eq!(can_share(&one, &other), is_shared, "{name}");
        assert_eq!(can_share(&other, &one), is_shared, "{name}, the other way round");
    }
    let found = work(&words, put("p1", "1"), &[("identifier", "urn:mrn|1", &["p9"])]);
    assert!(!can_share(&found, &work(&words, delete("Patient/p9"), &[])));
    assert!(!can_share(&found, &work(&words, put("p9", "9"), &[])));
}

#[test]
fn a_guard_that_hangs_on_more_than_codes_is_asked_alone() {
    let words = words();
    for (name, value, is_alone) in [
        ("identifier", "urn:mrn|1", false),
        ("gender", "male", false),
        ("identifier:not", "urn:mrn|1", true),
        ("identifier", "urn:mrn|", true),
        ("name", "wang", true),
        ("organization.identifier", "1", true),
        ("_id", "p1", true),
    ] {
        let work = work(&words, Vec::new(), &[(name, value, &[])]);
        assert_eq!(work.is_alone(), is_alone, "{name}={value}");
    }
}
