//! The resources that a run begins with: doctors' sessions with their slots, visit persons with their consents.

use hub_core::commit::{Change, Commit, Wake};
use hub_core::store::{Cause, Resources};
use hub_fhir::{Id, Reference, Resource, ResourceType, json, tree};
use hub_workflows::fhir::{self, system};
use hub_workflows::money::Money;
use time::{Duration, OffsetDateTime};

/// What a visit costs, as the HIS writes it.
pub const FEE: &str = "500.00";

fn resource(text: &str) -> Resource {
    Resource::from_tree(json::parse(text).unwrap()).unwrap()
}

/// Writes the hospital of a run.
pub async fn write(store: &dyn Resources, prefix: &str, slots: u64, patients: u64, now: OffsetDateTime) {
    let at = |at: OffsetDateTime| hub_workflows::fhir::instant(at);
    let mut all = vec![
        r#"{"resourceType":"Questionnaire","id":"consent","url":"urn:impf:consent:booking","version":"1","status":"active",
            "date":"2026-01-01","subjectType":["Patient"]}"#
            .to_owned(),
    ];
    for n in 0..slots {
        // Two days on; the first two at one hour with two doctors.
        let start = now + Duration::hours(48 + i64::try_from(n / 2).unwrap());
        all.push(format!(
            r#"{{"resourceType":"Schedule","id":"{prefix}sch{n}","active":true,
            "actor":[{{"reference":"Practitioner/{prefix}d{n}"}}],
            "extension":[{{"url":"urn:impf:ext:registration-fee","valueMoney":{{"value":100.00,"currency":"CNY"}}}},
                         {{"url":"urn:impf:ext:consultation-fee","valueMoney":{{"value":400.00,"currency":"CNY"}}}}]}}"#
        ));
        all.push(format!(
            r#"{{"resourceType":"Slot","id":"{prefix}slot{n}","identifier":[{{"system":"urn:impf:his:slot","value":"{prefix}slot{n}"}}],
            "schedule":{{"reference":"Schedule/{prefix}sch{n}"}},"status":"free","start":"{}","end":"{}"}}"#,
            at(start),
            at(start + Duration::minutes(10))
        ));
    }
    let links: Vec<String> =
        (0..patients).map(|n| format!(r#"{{"target":{{"reference":"Patient/{prefix}p{n}"}}}}"#)).collect();
    all.push(format!(r#"{{"resourceType":"Person","id":"{prefix}me","link":[{}]}}"#, links.join(",")));
    for n in 0..patients {
        all.push(format!(
            r#"{{"resourceType":"Patient","id":"{prefix}p{n}","active":true,
            "identifier":[{{"system":"urn:impf:his:patient","value":"{prefix}a{n}"}}]}}"#
        ));
        all.push(format!(
            r#"{{"resourceType":"Consent","id":"{prefix}c{n}","status":"active","patient":{{"reference":"Patient/{prefix}p{n}"}},
            "scope":{{"coding":[{{"code":"treatment"}}]}},"category":[{{"coding":[{{"system":"urn:impf:cs:consent","code":"booking"}}]}}],
            "dateTime":"{}","policy":[{{"uri":"urn:impf:consent:booking|1"}}]}}"#,
            at(now - Duration::days(1))
        ));
    }
    let changes = all.iter().map(|text| Change::Put(resource(text))).collect();
    let commit = Commit { changes, ..Commit::default() };
    store.commit(Cause::Timer { name: "simulation" }, commit).await.unwrap();
}

/// The account of a run.
pub fn account(prefix: &str) -> Reference {
    Reference::parse(&format!("Person/{prefix}me")).unwrap()
}

/// Its visit persons, as a search names them.
pub fn account_patients(prefix: &str) -> String {
    (0..3).map(|n| format!("Patient/{prefix}p{n}")).collect::<Vec<_>>().join(",")
}

/// A notice of the bank's that an order was paid, as its channel stores it.
pub async fn notice(store: &dyn Resources, order: &str, trade: &str, fen: i64, now: OffsetDateTime) {
    let tree = tree! {
        "identifier" => [fhir::identifier(system::ORDER, order)],
        "status" => "active",
        "created" => fhir::instant(now),
        "outcome" => "complete",
        "paymentDate" => "2026-06-01",
        "paymentAmount" => Money::fen(fen).element(),
        "paymentIdentifier" => fhir::identifier(system::BANK_TRADE, trade),
    };
    let id = Id::of_parts(["notice", order, trade]);
    let resource = Resource::new(ResourceType::from_name("PaymentReconciliation").unwrap(), id, tree);
    let wake = Wake { at: now, event: "payment.reported".into(), subject: resource.reference() };
    let commit = Commit { changes: vec![Change::Put(resource)], wakes: vec![wake], ..Commit::default() };
    store.commit(Cause::Timer { name: "notice" }, commit).await.unwrap();
}
