//! The business door: who is let in, what a call must look like, what it is answered.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use hub_core::commit::{Change, Commit, Parcel, Wake};
use hub_core::destination::Delivered;
use hub_core::errands::{ErrandError, Errands, task_id};
use hub_core::id::{ChannelId, CorrelationId, DestinationId, MessageId, ParcelId};
use hub_core::store::{Cause, Outbox as _, Resources as _, Settlement};
use hub_core::wakes::{Acting as _, Wakes as _};
use hub_core::who::{Gatekeeper, NotLetIn, Role, Who};
use hub_executor::Executor;
use hub_fhir::{Id, Json, Reference, Resource, ResourceType, tree};
use hub_http::{Access, Business, Doors, router};
use hub_store::{Store, StoreOptions};
use hub_workflows::Policy;
use hub_workflows::booking::Booking;
use hub_workflows::payment::Payment;
use hub_workflows::person::Persons;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::fake::{Answer, Fake, ask, doors_of};

/// Lets in whoever says what he is: `patient me`, `operations ops`, `disabled x`.
pub struct Porter;

#[async_trait]
impl Gatekeeper for Porter {
    async fn who(&self, token: &str) -> Result<Who, NotLetIn> {
        let (role, account) = token.split_once('.').ok_or(NotLetIn::Invalid)?;
        if role == "disabled" {
            return Err(NotLetIn::Disabled);
        }
        Ok(Who {
            account: Id::new(account).unwrap(),
            roles: vec![Role::from_name(role).ok_or(NotLetIn::Invalid)?],
            is: Some(Reference::parse(&format!("Person/{account}")).unwrap()),
            client: "test".into(),
            session: None,
        })
    }
}

/// Makes a parcel of a task.
struct Channels;

impl Errands for Channels {
    fn parcels(
        &self,
        channel: &ChannelId,
        number: &CorrelationId,
        task: &Resource,
    ) -> Result<Vec<Parcel>, ErrandError> {
        let to = DestinationId::from(format!("{channel}/partner"));
        Ok(vec![Parcel {
            id: ParcelId::of(MessageId(task.id().as_str().parse().unwrap()), &to, 0),
            to,
            body: Json::Object(task.tree().clone()).to_text().into(),
            content_type: "application/fhir+json".into(),
            correlation: number.clone(),
            order_key: None,
        }])
    }

    fn owed(&self, _to: &[DestinationId]) {}
}

struct Desk {
    doors: Router,
    store: Arc<Store>,
    executor: Arc<Executor>,
    _folder: TempDir,
}

impl Desk {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Arc::new(Store::open(StoreOptions::new(folder.path())).await.unwrap());
        let now = Arc::new(OffsetDateTime::now_utc);
        let executor = Executor::new(
            store.clone(),
            Arc::new(Channels),
            now,
            vec![Arc::new(Booking), Arc::new(Payment), Arc::new(Persons)],
            Policy::default(),
        );
        executor.publish().await.unwrap();
        let business = Business { executor: executor.clone() };
        let access = Access { gatekeeper: Some(Arc::new(Porter)), ..Access::open() };
        let doors =
            Doors { resources: store.clone(), business: Some(business), access, ..doors_of(&Fake::new()) };
        let desk = Self { doors: router(doors, Router::new()), store, executor, _folder: folder };
        desk.furnish().await;
        desk
    }

    async fn furnish(&self) {
        let in_two_days = OffsetDateTime::now_utc() + time::Duration::days(2);
        let (start, end) = (in_two_days, in_two_days + time::Duration::minutes(10));
        let at = hub_workflows::fhir::instant;
        let fee = |kind: &str, yuan: &str| {
            let amount = tree! { "value" => Json::Number(yuan.into()), "currency" => "CNY" };
            tree! { "url" => format!("urn:impf:ext:{kind}-fee"), "valueMoney" => amount }
        };
        let of = |to: &str| tree! { "reference" => to };
        let resources = [
            tree! { "resourceType" => "Questionnaire", "id" => "consent", "url" => "urn:impf:consent:booking", "version" => "1", "status" => "active" },
            tree! { "resourceType" => "Schedule", "id" => "s", "actor" => [of("Practitioner/d")], "extension" => [fee("registration", "100.00"), fee("consultation", "400.00")] },
            tree! { "resourceType" => "Slot", "id" => "s1", "identifier" => [tree! { "system" => "urn:impf:his:slot", "value" => "4711" }],
            "schedule" => of("Schedule/s"), "status" => "free", "start" => at(start), "end" => at(end) },
            tree! { "resourceType" => "Person", "id" => "me", "link" => [tree! { "target" => of("Patient/p") }] },
            tree! { "resourceType" => "Patient", "id" => "p", "identifier" => [tree! { "system" => "urn:impf:his:patient", "value" => "1" }] },
            tree! { "resourceType" => "Consent", "id" => "c", "status" => "active", "patient" => of("Patient/p"),
            "scope" => tree! { "text" => "treatment" },
            "category" => [tree! { "coding" => [tree! { "system" => "urn:impf:cs:consent", "code" => "booking" }] }],
            "dateTime" => at(OffsetDateTime::now_utc() - time::Duration::days(1)),
            "policy" => [tree! { "uri" => "urn:impf:consent:booking|1" }] },
        ];
        let changes =
            resources.into_iter().map(|tree| Change::Put(Resource::from_tree(Json::Object(tree)).unwrap()));
        let commit = Commit { changes: changes.collect(), ..Commit::default() };
        self.store.commit(Cause::Timer { name: "test" }, commit).await.unwrap();
    }

    async fn call(&self, line: &str, token: &str, headers: &[(&str, &str)], parameters: &[Value]) -> Answer {
        let authorization = format!("Bearer {token}");
        let mut all = vec![("content-type", "application/fhir+json"), ("authorization", &authorization)];
        all.extend(headers);
        let mut body = json!({ "resourceType": "Parameters" });
        if !parameters.is_empty() {
            body["parameter"] = parameters.into();
        }
        ask(self.doors.clone(), line, &all, &body.to_string()).await
    }

    async fn hold(&self, headers: &[(&str, &str)]) -> Answer {
        self.call("POST /fhir/Appointment/$hold", "patient.me", headers, &slot_and_patient("Patient/p")).await
    }

    /// The HIS answers what it is asked.
    async fn his(&self, tree: hub_fhir::Object) {
        let leased = loop {
            let leased =
                self.store.lease(&"his/errands/partner".into(), 1, Duration::from_secs(60)).await.unwrap();
            match leased.into_iter().next() {
                Some(leased) => break leased,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let id = task_id(&leased.parcel.correlation.0);
        let resource = Resource::new(ResourceType::from_name("Task").unwrap(), id, tree);
        let now = OffsetDateTime::now_utc();
        let wake = Wake { at: now, event: "task.answered".into(), subject: resource.reference() };
        let merge = Change::Merge { resource, clear: Vec::new(), initial: Vec::new() };
        let commit = Commit { changes: vec![merge], wakes: vec![wake], ..Commit::default() };
        let settlement = Settlement::Delivered(Delivered { answer: None }, Some(Box::new(commit)));
        self.store.settle(&leased, settlement).await.unwrap();
        for waiting in self.store.due(OffsetDateTime::now_utc(), &[], 10).await.unwrap() {
            self.executor.act(&waiting).await.unwrap();
        }
    }
}

fn slot_and_patient(patient: &str) -> [Value; 2] {
    let of = |name: &str, to: &str| json!({ "name": name, "valueReference": { "reference": to } });
    [of("slot", "Slot/s1"), of("patient", patient)]
}

fn locked() -> hub_fhir::Object {
    let output =
        |name: &str, value: &str| tree! { "type" => tree! { "text" => name }, "valueString" => value };
    tree! { "status" => "completed", "intent" => "order", "output" => [output("LockId", "L1"), output("TotalFee", "500.00")] }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so() {
    let desk = Desk::open().await;
    let none = ask(desk.doors.clone(), "POST /fhir/Appointment/$hold", &[], "").await;
    assert_eq!((none.status.as_u16(), none.header("www-authenticate")), (401, "Bearer"));
    let line = "POST /fhir/Appointment/$hold";
    assert_eq!(desk.call(line, "nonsense", &[], &[]).await.status, 401);
    let disabled = desk.call(line, "disabled.me", &[("accept-language", "zh-Hans")], &[]).await;
    assert_eq!(disabled.status, 403);
    let issue = &disabled.json()["issue"][0];
    assert_eq!(issue["details"]["coding"][0]["code"], "ACCOUNT_DISABLED");
    assert_eq!(issue["details"]["text"], "该账户已停用，请致电咨询。");
    let finance = desk.call(line, "finance.x", &[], &slot_and_patient("Patient/p")).await;
    assert_eq!(finance.json()["issue"][0]["details"]["coding"][0]["code"], "ROLE");
}

#[tokio::test]
async fn a_call_waits_for_the_partner_and_is_answered_with_the_resource() {
    let desk = Desk::open().await;
    let (answer, ()) = tokio::join!(desk.hold(&[]), desk.his(locked()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["resourceType"], "Appointment");
    assert!(!answer.header("etag").is_empty());
}

#[tokio::test]
async fn who_would_rather_not_wait_follows_a_task() {
    let desk = Desk::open().await;
    let asynchronous = [("prefer", "respond-async"), ("idempotency-key", "k1")];
    let answer = desk.hold(&asynchronous).await;
    assert_eq!(answer.status, 202);
    let task = answer.header("content-location").strip_prefix("http://hub").unwrap().to_owned();
    let look = async || ask(desk.doors.clone(), &format!("GET {task}"), &[], "").await.json();
    assert_eq!(look().await["status"], "in-progress");
    desk.his(locked()).await;
    let done = look().await;
    assert_eq!(done["status"], "completed");
    let appointment = done["output"][0]["valueReference"]["reference"].as_str().unwrap().to_owned();
    // The same key once more comes to the same.
    let again = desk.hold(&asynchronous).await;
    assert_eq!(again.status, 200);
    assert_eq!(format!("Appointment/{}", again.json()["id"].as_str().unwrap()), appointment);
    let key = [("idempotency-key", "k1")];
    let other =
        desk.call("POST /fhir/Appointment/$hold", "patient.me", &key, &slot_and_patient("Patient/x")).await;
    assert_eq!(
        (other.status.as_u16(), &other.json()["issue"][0]["details"]["coding"][0]["code"]),
        (409, &json!("KEY_REUSED"))
    );
}

#[tokio::test]
async fn a_rule_that_says_no_is_told_by_its_code_in_the_callers_language() {
    let desk = Desk::open().await;
    let (answer, ()) = tokio::join!(
        desk.hold(&[("accept-language", "zh-Hant")]),
        desk.his(tree! { "status" => "failed", "intent" => "order",
        "statusReason" => hub_workflows::fhir::concept("urn:impf:his", "3001") })
    );
    assert_eq!(answer.status, 409);
    let issue = answer.json()["issue"][0].clone();
    assert_eq!(issue["code"], "conflict");
    assert_eq!(issue["details"]["coding"][0]["code"], "SLOT_TAKEN");
    assert_eq!(issue["details"]["text"], "該號源已被佔用，請另選。");
    assert!(issue["diagnostics"].as_str().unwrap().starts_with("This slot"));
    let stranger =
        desk.call("POST /fhir/Appointment/$hold", "patient.me", &[], &slot_and_patient("Patient/x")).await;
    assert_eq!(stranger.status, 404);
}

#[tokio::test]
async fn what_does_not_look_like_a_call_is_refused_with_its_place() {
    let desk = Desk::open().await;
    let line = "POST /fhir/Appointment/$hold";
    let mistyped = [json!({ "name": "slott", "valueReference": { "reference": "Slot/s1" } })];
    let answer = desk.call(line, "patient.me", &[], &mistyped).await;
    assert_eq!(answer.status, 400);
    let issue = answer.json()["issue"][0].clone();
    assert_eq!(issue["expression"][0], "Parameters.parameter[0].name");
    assert!(issue["diagnostics"].as_str().unwrap().contains("`slot`"));
    let twice: Vec<Value> = [slot_and_patient("Patient/p"), slot_and_patient("Patient/p")].concat();
    assert_eq!(desk.call(line, "patient.me", &[], &twice).await.status, 400);
    let missing = desk.call(line, "patient.me", &[], &[]).await;
    assert_eq!(missing.status, 422);
    assert_eq!(missing.json()["issue"][0]["details"]["coding"][0]["code"], "REQUIRED");
    let without = json!({ "name": "patient", "resource": { "resourceType": "Patient", "name": [{ "text": "陈思远" }] } });
    let given = [without, json!({ "name": "relation", "valueCode": "self" })];
    let missing = desk.call("POST /fhir/Patient/$add", "patient.me", &[], &given).await;
    let place = &missing.json()["issue"][0]["expression"][0];
    assert_eq!(place, "Parameters.parameter.where(name='patient').resource.identifier");
    let authorization = [("authorization", "Bearer patient.me"), ("content-type", "application/fhir+json")];
    for body in
        ["{", "[]", r#"{"resourceType":"Patient"}"#, r#"{"resourceType":"Parameters","parameter":[{}]}"#]
    {
        let answer = ask(desk.doors.clone(), line, &authorization, body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    let form = [("authorization", "Bearer patient.me"), ("content-type", "text/plain")];
    assert_eq!(ask(desk.doors.clone(), line, &form, "x").await.status, 415);
    let xml = [("authorization", "Bearer patient.me"), ("accept", "application/fhir+xml")];
    assert_eq!(ask(desk.doors.clone(), line, &xml, "").await.status, 406);
    let get = ask(desk.doors.clone(), "GET /fhir/Appointment/$hold", &authorization, "").await;
    assert_eq!(get.status, 405);
    let odd = desk.call("POST /fhir/Appointment/a_b/$cancel", "patient.me", &[], &[]).await;
    assert_eq!(odd.status, 404);
}

#[tokio::test]
async fn every_operation_is_published_and_the_addresses_beside_them_stay_what_they_were() {
    let desk = Desk::open().await;
    let get = async |path: &str| ask(desk.doors.clone(), &format!("GET {path}"), &[], "").await;
    let statement = get("/fhir/metadata").await.json();
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    let appointment = resources.iter().find(|resource| resource["type"] == "Appointment").unwrap();
    let operations = appointment["operation"].as_array().unwrap();
    let hold = operations.iter().find(|operation| operation["name"] == "hold").unwrap();
    let url = hold["definition"].as_str().unwrap();
    let found = get(&format!("/fhir/OperationDefinition?url={url}")).await.json();
    assert_eq!(found["entry"][0]["resource"]["code"], "hold");
    assert_eq!(get("/fhir/OperationDefinition/Appointment-cancel").await.status, 200);
    assert_eq!(get("/fhir/Patient/p").await.status, 200);
    assert_eq!(get("/fhir/Appointment/none").await.status, 404);
    assert_eq!(get("/fhir/Patient/p/$everything").await.status, 200);
    assert_eq!(get("/fhir/Appointment/none/$nothing").await.status, 404);
    assert_eq!(get("/fhir/Appointment/none/_history").await.status, 404);
}
