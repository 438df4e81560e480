//! A visit is held and let go, by HTTP, through the hub, with the simulated hospital on the other side of SOAP.

use connector_his::service_destination::{ServiceDestination, ServiceDestinationConfig};
use connector_his::sim::service::{Service, ServiceSettings};
use hub_core::commit::Parcel;
use hub_core::destination::Destination as _;
use hub_core::id::ParcelId;
use hub_core::registry::{BuildError, Secrets};
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::harness::{Hub, Setup, ports, program, root};
use crate::sign_in::Gateway;

struct Key;

impl Secrets for Key {
    fn get(&self, _name: &str) -> Result<String, BuildError> {
        Ok("his-simulator".to_owned())
    }
}

/// The simulated hospital, until this is dropped.
pub struct Hospital {
    pub address: String,
    _stop: watch::Sender<bool>,
}

impl Hospital {
    pub async fn open() -> Self {
        let settings = ServiceSettings {
            listen: "127.0.0.1:0".to_owned(),
            sold_percent: 0,
            ..ServiceSettings::default()
        };
        let service = Service::bind(settings).await.unwrap();
        let address = service.address().to_string();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(service.run(stopped));
        Self { address, _stop: stop }
    }

    pub fn url(&self) -> String {
        format!("http://{}/HisService/Invoke.asmx", self.address)
    }

    async fn ask(&self, body: String) -> String {
        let text = format!("url = '{}'\napp_id = 'IMPF'\norg_code = 'SZIMH'\nkey = 'his'", self.url());
        let config: ServiceDestinationConfig = toml::from_str(&text).unwrap();
        let parcel = Parcel {
            id: ParcelId(Uuid::new_v4()),
            to: "his".into(),
            body: body.into(),
            content_type: "application/xml".into(),
            correlation: "c".into(),
            order_key: None,
        };
        let told = ServiceDestination::build(&config, &Key).unwrap().deliver(&parcel).await.unwrap();
        String::from_utf8(told.answer.unwrap().to_vec()).unwrap()
    }

    /// A numbered slot of the day after tomorrow that is free, with its session's fees.
    async fn free_slot(&self) -> (String, String, String) {
        let beijing = time::macros::offset!(+8);
        for days in 2..9 {
            let day =
                (time::OffsetDateTime::now_utc().to_offset(beijing) + time::Duration::days(days)).date();
            let sessions =
                self.ask(format!("<H301><StartDate>{day}</StartDate><EndDate>{day}</EndDate></H301>")).await;
            for session in sessions.split("<Schedule>").skip(1) {
                let slots = self
                    .ask(format!("<H302><ScheduleId>{}</ScheduleId></H302>", cut(session, "ScheduleId")))
                    .await;
                for slot in slots.split("<Slot>").skip(1) {
                    if cut(slot, "Status") == "0" && cut(slot, "TotalNum") == "1" {
                        return (cut(slot, "SlotId"), cut(session, "RegFee"), cut(session, "ConsultFee"));
                    }
                }
            }
        }
        panic!("no slot is free");
    }

    /// How each registration stands in the HIS.
    async fn registrations(&self) -> Vec<Value> {
        let url = format!("http://{}/__sim/registrations", self.address);
        let all: Value =
            serde_json::from_str(&reqwest::get(url).await.unwrap().text().await.unwrap()).unwrap();
        all.as_array().unwrap().iter().map(|one| one["status"].clone()).collect()
    }

    /// Sells a number at the hospital's window.
    pub async fn sell(&self, slot: &str) {
        let url = format!("http://{}/__sim/sell", self.address);
        let sale = reqwest::Client::new().post(url).header("content-type", "application/json");
        let answer = sale.body(json!({ "slotId": slot }).to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// How a lock stands in the HIS.
    async fn lock(&self, number: &str) -> String {
        let url = format!("http://{}/__sim/locks", self.address);
        let locks: Value =
            serde_json::from_str(&reqwest::get(url).await.unwrap().text().await.unwrap()).unwrap();
        let found = locks.as_array().unwrap().iter().find(|lock| lock["lockId"] == number);
        found.map_or("", |lock| lock["state"].as_str().unwrap()).to_owned()
    }
}

/// The simulated bank, until this is dropped.
pub struct Bank {
    pub address: String,
    _stop: watch::Sender<bool>,
}

impl Bank {
    pub async fn open(faults: Vec<connector_bank::sim::Fault>) -> Self {
        use connector_bank::sim::{Sim, SimSettings};
        let settings = SimSettings { listen: "127.0.0.1:0".to_owned(), faults, ..SimSettings::default() };
        let bank = Sim::bind(settings).await.unwrap();
        let address = bank.address().to_string();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(bank.run(stopped));
        Self { address, _stop: stop }
    }

    /// The hub's settings for it; it tells the hub at a port of its own.
    pub fn known(&self, setup: Setup) -> Setup {
        let told = ports::free_port();
        setup
            .set(format!("channels.\"bank/errands\".to.bank.account.url=\"http://{}\"", self.address))
            .set(format!("channels.\"bank/errands\".to.bank.account.notify_url=\"http://127.0.0.1:{told}/\""))
            .set(format!("channels.\"bank/notices\".settings.listen=\"127.0.0.1:{told}\""))
    }

    /// Somebody pays.
    pub async fn pay(&self, order: &str) {
        let url = format!("http://{}/__sim/pay", self.address);
        let paid = reqwest::Client::new().post(url).header("content-type", "application/json");
        let answer = paid.body(json!({ "orderNo": order }).to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    async fn book(&self, which: &str) -> Value {
        let url = format!("http://{}/__sim/{which}", self.address);
        serde_json::from_str(&reqwest::get(url).await.unwrap().text().await.unwrap()).unwrap()
    }
}

fn cut(text: &str, name: &str) -> String {
    let rest = text.split(&format!("<{name}>")).nth(1).unwrap_or_default();
    rest.split('<').next().unwrap_or_default().to_owned()
}

/// A token of the command line.
pub fn token(hub: &Hub, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(program());
    command
        .arg("token")
        .args(arguments)
        .arg("--data")
        .arg(hub.folder.path().join("data"))
        .current_dir(root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub async fn furnish(hub: &Hub, hospital: &Hospital) {
    let (slot, registration, consultation) = hospital.free_slot().await;
    let soon = time::OffsetDateTime::now_utc() + time::Duration::days(2);
    let form = &time::format_description::well_known::Rfc3339;
    let at = |moment: time::OffsetDateTime| moment.replace_nanosecond(0).unwrap().format(form).unwrap();
    // The fees keep the decimals that the HIS has written.
    let schedule = format!(
        r#"{{"resourceType":"Schedule","id":"s","actor":[{{"reference":"Practitioner/d"}}],"extension":[
        {{"url":"urn:impf:ext:registration-fee","valueMoney":{{"value":{registration},"currency":"CNY"}}}},
        {{"url":"urn:impf:ext:consultation-fee","valueMoney":{{"value":{consultation},"currency":"CNY"}}}}]}}"#
    );
    let others = [
        json!({ "resourceType": "Questionnaire", "id": "consent", "url": "urn:impf:consent:booking", "version": "1", "status": "active" }),
        json!({ "resourceType": "Slot", "id": "s1", "identifier": [{ "system": "urn:impf:his:slot", "value": slot }],
            "schedule": { "reference": "Schedule/s" }, "status": "free", "start": at(soon), "end": at(soon + time::Duration::minutes(10)) }),
        json!({ "resourceType": "Person", "id": "me", "link": [{ "target": { "reference": "Patient/p" } }] }),
        json!({ "resourceType": "Patient", "id": "p", "identifier": [{ "system": "urn:impf:his:patient", "value": "1000001" }] }),
        json!({ "resourceType": "Consent", "id": "c", "status": "active", "patient": { "reference": "Patient/p" },
            "scope": { "text": "treatment" }, "category": [{ "coding": [{ "system": "urn:impf:cs:consent", "code": "booking" }] }],
            "dateTime": at(time::OffsetDateTime::now_utc() - time::Duration::days(1)), "policy": [{ "uri": "urn:impf:consent:booking|1" }] }),
    ];
    let texts = [schedule].into_iter().chain(others.iter().map(Value::to_string));
    for text in texts {
        let kind = serde_json::from_str::<Value>(&text).unwrap();
        let path =
            format!("/fhir/{}/{}", kind["resourceType"].as_str().unwrap(), kind["id"].as_str().unwrap());
        let client = reqwest::Client::new();
        let put = client.put(format!("{}{path}", hub.http())).header("content-type", "application/fhir+json");
        let answer = put.body(text).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{path}: {}", answer.text().await.unwrap());
    }
}

pub async fn call(hub: &Hub, path: &str, token: &str, parameters: Value) -> (u16, Value) {
    let url = format!("{}/fhir/{path}", hub.http());
    let request =
        reqwest::Client::new().post(url).bearer_auth(token).header("content-type", "application/fhir+json");
    let answer = request.body(parameters.to_string()).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

pub async fn read(hub: &Hub, path: &str) -> Value {
    let answer = reqwest::get(format!("{}/fhir/{path}", hub.http())).await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_visit_is_held_in_the_his_and_let_go_again() {
    let hospital = Hospital::open().await;
    let setup = Setup::default().set(format!("channels.\"his/errands\".to.his.url=\"{}\"", hospital.url()));
    let hub = Hub::start(&setup).await;
    furnish(&hub, &hospital).await;
    let me = token(&hub, &["--role", "patient", "--for", "Person/me"]);
    let of = |name: &str, to: &str| json!({ "name": name, "valueReference": { "reference": to } });
    let hold = json!({ "resourceType": "Parameters", "parameter": [of("slot", "Slot/s1"), of("patient", "Patient/p")] });

    let (status, held) = call(&hub, "Appointment/$hold", &me, hold.clone()).await;
    assert_eq!(status, 200, "{held}");
    assert_eq!(held["meta"]["tag"][0]["code"], "held");
    let lock = held["identifier"][0]["value"].as_str().unwrap();
    assert_eq!(hospital.lock(lock).await, "held");
    let invoice = held["supportingInformation"][0]["reference"].as_str().unwrap();
    assert_eq!(read(&hub, invoice).await["status"], "issued");

    let (status, taken) = call(&hub, "Appointment/$hold", &me, hold).await;
    assert_eq!((status, &taken["issue"][0]["details"]["coding"][0]["code"]), (409, &json!("SLOT_TAKEN")));

    let path = format!("Appointment/{}", held["id"].as_str().unwrap());
    let other = token(&hub, &["--role", "patient", "--for", "Person/other"]);
    let nothing = json!({ "resourceType": "Parameters" });
    assert_eq!(call(&hub, &format!("{path}/$cancel"), &other, nothing.clone()).await.0, 404);
    assert_eq!(call(&hub, &format!("{path}/$cancel"), &me, nothing).await.0, 200);
    for _ in 0..200 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let is_released = read(&hub, &path).await["meta"]["tag"][0]["code"] == "released";
        if is_released && hospital.lock(lock).await == "released" {
            assert_eq!(read(&hub, "Slot/s1").await["status"], "free");
            hub.stop().await;
            return;
        }
    }
    panic!("it was not let go: {}", read(&hub, &path).await);
}

#[tokio::test]
async fn where_the_his_refuses_the_call_itself_the_hold_ends_at_once_and_a_person_finds_the_parcel() {
    let hospital = Hospital::open().await;
    let setup = Setup::default()
        .set(format!("channels.\"his/errands\".to.his.url=\"{}\"", hospital.url()))
        .set("channels.\"his/errands\".to.his.app_id=\"NOBODY\"");
    let hub = Hub::start(&setup).await;
    furnish(&hub, &hospital).await;
    let me = token(&hub, &["--role", "patient", "--for", "Person/me"]);
    let of = |name: &str, to: &str| json!({ "name": name, "valueReference": { "reference": to } });
    let hold = json!({ "resourceType": "Parameters", "parameter": [of("slot", "Slot/s1"), of("patient", "Patient/p")] });
    let (status, refused) = call(&hub, "Appointment/$hold", &me, hold).await;
    assert_eq!((status, &refused["issue"][0]["details"]["coding"][0]["code"]), (409, &json!("PARTNER_DOWN")));
    assert_eq!(read(&hub, "Slot/s1").await["status"], "free");
    let status = hub.get("/ops/status").await;
    let destinations = status["destinations"].as_array().unwrap();
    let his = destinations.iter().find(|destination| destination["id"] == "his/errands/his").unwrap();
    assert_eq!(his["parcels"]["given_up"], 1, "{his}");
    hub.stop().await;
}

#[tokio::test]
async fn a_visit_person_gets_a_record_at_the_hospital() {
    let hospital = Hospital::open().await;
    let setup = Setup::default().set(format!("channels.\"his/errands\".to.his.url=\"{}\"", hospital.url()));
    let hub = Hub::start(&setup).await;
    let me = token(&hub, &["--role", "patient", "--for", "Person/new"]);
    let person = json!({ "resourceType": "Patient", "name": [{ "use": "official", "family": "陈", "given": ["思远"] }],
        "identifier": [{ "system": "urn:oid:2.16.156.10011.1.3", "value": "440305198811120011" }],
        "birthDate": "1988-11-12", "gender": "male", "telecom": [{ "system": "phone", "value": "+8613800138000" }] });
    let parameters = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "patient", "resource": person }, { "name": "relation", "valueCode": "self" } ] });
    let (status, added) = call(&hub, "Patient/$add", &me, parameters).await;
    assert_eq!(status, 200, "{added}");
    let record = added["identifier"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["system"] == "urn:impf:his:patient")
        .unwrap();
    let known = hospital
        .ask(format!("<H201><PatientId>{}</PatientId></H201>", record["value"].as_str().unwrap()))
        .await;
    assert_eq!(cut(&known, "Name"), "陈思远");
    let links = read(&hub, "Person/new").await["link"].clone();
    assert_eq!(links[0]["assurance"], "level3");
    hub.stop().await;
}

/// Waits until a booking stands so.
pub async fn stands(hub: &Hub, path: &str, state: &str) {
    for _ in 0..400 {
        if read(hub, path).await["meta"]["tag"][0]["code"] == state {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it does not become {state}: {}", read(hub, path).await);
}

#[tokio::test]
async fn a_visit_is_held_paid_registered_cancelled_and_refunded_and_all_three_agree() {
    let (hospital, bank) = (Hospital::open().await, Bank::open(Vec::new()).await);
    let setup = Setup::default().set(format!("channels.\"his/errands\".to.his.url=\"{}\"", hospital.url()));
    let hub = Hub::start(&bank.known(setup)).await;
    furnish(&hub, &hospital).await;
    let me = token(&hub, &["--role", "patient", "--for", "Person/me"]);
    let of = |name: &str, to: &str| json!({ "name": name, "valueReference": { "reference": to } });
    let hold = json!({ "resourceType": "Parameters", "parameter": [of("slot", "Slot/s1"), of("patient", "Patient/p")] });
    let (status, held) = call(&hub, "Appointment/$hold", &me, hold).await;
    assert_eq!(status, 200, "{held}");
    let path = format!("Appointment/{}", held["id"].as_str().unwrap());

    let how = json!({ "resourceType": "Parameters", "parameter": [{ "name": "method", "valueCode": "h5" }] });
    let (status, order) = call(&hub, &format!("{path}/$pay"), &me, how).await;
    assert_eq!(status, 200, "{order}");
    let number = order["identifier"][0]["value"].as_str().unwrap().to_owned();
    let outputs = order["output"].as_array().unwrap();
    assert!(outputs.iter().any(|output| output["type"]["text"] == "h5Url"), "{order}");

    bank.pay(&number).await;
    stands(&hub, &path, "booked").await;
    let booked = read(&hub, &path).await;
    let numbers = booked["identifier"].as_array().unwrap();
    let registration =
        numbers.iter().find(|one| one["system"] == "urn:impf:his:registration").unwrap()["value"].clone();
    let registered =
        hospital.ask(format!("<H307><RegNo>{}</RegNo></H307>", registration.as_str().unwrap())).await;
    assert!(registered.contains("<Status>1</Status>"), "{registered}");
    assert_eq!(read(&hub, "Slot/s1").await["status"], "busy");
    let invoice = held["supportingInformation"][0]["reference"].as_str().unwrap().to_owned();
    assert_eq!(read(&hub, &invoice).await["status"], "balanced");

    let (status, cancelled) =
        call(&hub, &format!("{path}/$cancel"), &me, json!({ "resourceType": "Parameters" })).await;
    assert_eq!(status, 200, "{cancelled}");
    stands(&hub, &path, "refunded").await;
    let refunds = bank.book("refunds").await;
    assert!(refunds.to_string().contains(&number), "{refunds}");
    let registered =
        hospital.ask(format!("<H307><RegNo>{}</RegNo></H307>", registration.as_str().unwrap())).await;
    assert!(registered.contains("<Status>4</Status>"), "{registered}");
    assert_eq!(read(&hub, "Slot/s1").await["status"], "free");
    assert_eq!(read(&hub, &invoice).await["status"], "cancelled");
    hub.stop().await;
}

/// A slot that was fetched from the HIS and can be booked in a while, with its session.
async fn fetched(hub: &Hub) -> (String, String) {
    let soon = time::OffsetDateTime::now_utc() + time::Duration::days(2);
    let soon = soon.format(&time::macros::format_description!("[year]-[month]-[day]")).unwrap();
    for _ in 0..200 {
        let found = read(hub, &format!("Slot?status=free&start=gt{soon}&_sort=start&_count=1")).await;
        if let Some(slot) = found["entry"].as_array().and_then(|entries| entries.first()) {
            let slot = &slot["resource"];
            let session = slot["schedule"]["reference"].as_str().unwrap().to_owned();
            return (format!("Slot/{}", slot["id"].as_str().unwrap()), session);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("no rosters were fetched");
}

#[tokio::test]
async fn who_has_booked_a_session_that_the_his_stops_is_told_by_a_text_in_his_language() {
    let (hospital, bank) = (Hospital::open().await, Bank::open(Vec::new()).await);
    let gateway = Gateway::open().await;
    let mut setup = Setup::default()
        .set(format!("channels.\"his/errands\".to.his.url=\"{}\"", hospital.url()))
        .set(format!("channels.\"sms/notices\".to.sms.endpoint.url=\"http://{}\"", gateway.address));
    for channel in ["rosters", "masters"] {
        setup = setup
            .set(format!("channels.\"his/{channel}\".settings.service.url=\"{}\"", hospital.url()))
            .set(format!("channels.\"his/{channel}\".settings.every_secs=1"));
    }
    let hub = Hub::start(&bank.known(setup)).await;
    furnish(&hub, &hospital).await;
    let patient = json!({ "resourceType": "Patient", "id": "p", "identifier": [{ "system": "urn:impf:his:patient", "value": "1000001" }],
        "telecom": [{ "system": "phone", "value": "+85261234567" }],
        "communication": [{ "language": { "coding": [{ "code": "zh-HK" }] }, "preferred": true }] });
    let put = reqwest::Client::new().put(format!("{}/fhir/Patient/p", hub.http()));
    let put = put.header("content-type", "application/fhir+json").body(patient.to_string());
    assert_eq!(put.send().await.unwrap().status(), 200);
    let (slot, session) = fetched(&hub).await;

    let me = token(&hub, &["--role", "patient", "--for", "Person/me"]);
    let of = |name: &str, to: &str| json!({ "name": name, "valueReference": { "reference": to } });
    let hold =
        json!({ "resourceType": "Parameters", "parameter": [of("slot", &slot), of("patient", "Patient/p")] });
    let (status, held) = call(&hub, "Appointment/$hold", &me, hold).await;
    assert_eq!(status, 200, "{held}");
    let path = format!("Appointment/{}", held["id"].as_str().unwrap());
    let how = json!({ "resourceType": "Parameters", "parameter": [{ "name": "method", "valueCode": "h5" }] });
    let (_, order) = call(&hub, &format!("{path}/$pay"), &me, how).await;
    bank.pay(order["identifier"][0]["value"].as_str().unwrap()).await;
    stands(&hub, &path, "booked").await;
    let text = gateway.message("+85261234567", "預約已確認").await["text"].as_str().unwrap().to_owned();
    assert!(text.contains("診室") || text.contains("诊室"), "the room has its name: {text}");

    let number = read(&hub, &session).await["identifier"][0]["value"].clone();
    let stop = json!({ "act": "stop", "scheduleId": number }).to_string();
    let url = format!("http://{}/__sim/session", hospital.address);
    let stopped = reqwest::Client::new().post(url).header("content-type", "application/json").body(stop);
    assert!(stopped.send().await.unwrap().status().is_success());
    stands(&hub, &path, "needs-action").await;
    gateway.message("+85261234567", "停診").await;
    // He takes his money back at once, whatever the hour: it is not he who does not come.
    let (status, cancelled) =
        call(&hub, &format!("{path}/$cancel"), &me, json!({ "resourceType": "Parameters" })).await;
    assert_eq!(status, 200, "{cancelled}");
    stands(&hub, &path, "refunded").await;
    gateway.message("+85261234567", "退款").await;
    hub.stop().await;
}

/// Milliseconds after which the hub is killed while it does something: before, during and after most of it. Their number has no divisor in common
/// with the four steps of a round, so that in 13 rounds each step meets each moment.
const MOMENTS: [u64; 13] = [2, 12, 25, 45, 70, 110, 4, 18, 35, 55, 90, 150, 8];

/// A hub that is killed again and again, with what it is set to.
struct Mortal {
    hub: Option<Hub>,
    setup: Setup,
    moments: std::iter::Cycle<std::slice::Iter<'static, u64>>,
}

impl Mortal {
    fn hub(&self) -> &Hub {
        self.hub.as_ref().unwrap()
    }

    /// Killed at the next moment, and started again on what it has left.
    async fn die(&mut self) {
        let moment = *self.moments.next().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(moment)).await;
        let folder = self.hub.take().unwrap().kill();
        self.hub = Some(Hub::start_in(folder, &self.setup).await);
    }

    /// A call during which the hub is killed; made again under its key until it is answered.
    async fn insist(&mut self, path: &str, token: &str, parameters: Value) -> Value {
        let key = Uuid::new_v4().to_string();
        let send = |hub: &Hub| {
            reqwest::Client::new()
                .post(format!("{}/fhir/{path}", hub.http()))
                .bearer_auth(token)
                .header("content-type", "application/fhir+json")
                .header("idempotency-key", &key)
                .body(parameters.to_string())
                .send()
        };
        let first = tokio::spawn(send(self.hub()));
        self.die().await;
        drop(first);
        for _ in 0..100 {
            let answer = send(self.hub()).await.unwrap();
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            match status {
                200 => return serde_json::from_str(&text).unwrap(),
                202 => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
                _ => panic!("{path}: {status} {text}"),
            }
        }
        panic!("{path} does not end");
    }
}

#[tokio::test]
async fn a_hub_that_is_killed_in_every_step_books_pays_and_refunds_each_visit_once() {
    let (hospital, bank) = (Hospital::open().await, Bank::open(Vec::new()).await);
    let setup = Setup::default().set(format!("channels.\"his/errands\".to.his.url=\"{}\"", hospital.url()));
    let setup = bank.known(setup);
    let hub = Hub::start(&setup).await;
    furnish(&hub, &hospital).await;
    let me = token(&hub, &["--role", "patient", "--for", "Person/me"]);
    let mut mortal = Mortal { hub: Some(hub), setup, moments: MOMENTS.iter().cycle() };
    let nothing = json!({ "resourceType": "Parameters" });
    let of = |name: &str, to: &str| json!({ "name": name, "valueReference": { "reference": to } });
    let hold = json!({ "resourceType": "Parameters", "parameter": [of("slot", "Slot/s1"), of("patient", "Patient/p")] });
    let how = json!({ "resourceType": "Parameters", "parameter": [{ "name": "method", "valueCode": "h5" }] });
    let mut orders = Vec::new();

    let rounds = std::env::var("HUITONG_CRASH_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    for _ in 0..rounds {
        let held = mortal.insist("Appointment/$hold", &me, hold.clone()).await;
        let path = format!("Appointment/{}", held["id"].as_str().unwrap());
        let order = mortal.insist(&format!("{path}/$pay"), &me, how.clone()).await;
        orders.push(order["identifier"][0]["value"].as_str().unwrap().to_owned());
        bank.pay(orders.last().unwrap()).await;
        mortal.die().await;
        stands(mortal.hub(), &path, "booked").await;
        mortal.insist(&format!("{path}/$cancel"), &me, nothing.clone()).await;
        stands(mortal.hub(), &path, "refunded").await;
        assert_eq!(read(mortal.hub(), "Slot/s1").await["status"], "free");
    }

    let refunds = bank.book("refunds").await.to_string();
    for order in &orders {
        assert_eq!(refunds.matches(order.as_str()).count(), 1, "{order}: {refunds}");
    }
    let visits = read(mortal.hub(), "Appointment?_summary=count").await;
    assert_eq!(visits["total"], rounds);
    assert_eq!(hospital.registrations().await, vec!["4"; rounds], "each registered once and taken back");
    mortal.hub.unwrap().stop().await;
}
