//! A desk at which each step is done by hand: commands, answers of partners, the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration as Real;

use hub_core::commit::{Change, Commit, Wake};
use hub_core::destination::{Delivered, DeliveryError};
use hub_core::language::Language;
use hub_core::store::{Cause, Leased, Outbox, Resources, Searches, Settlement};
use hub_core::wakes::{Acting, Wakes};
use hub_core::who::{Role, Who};
use hub_executor::{CommandError, Executor, Outcome};
use hub_fhir::{Id, Json, Object, Reference, Resource, ResourceType, json, tree};
use hub_papers::Press;
use hub_store::{Store, StoreOptions};
use hub_workflows::booking::Booking;
use hub_workflows::consent::Consents;
use hub_workflows::exclusive::Exclusive;
use hub_workflows::payment::Payment;
use hub_workflows::person::Persons;
use hub_workflows::sending::Sending;
use hub_workflows::session::Sessions;
use hub_workflows::{Command, Policy, Refused};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use crate::hospital;
use crate::partner::{Answer, Asked, Channels, PARTNERS, SIGNING, asked, failed, told};

/// What a command comes to at the desk: the code of the rule that says no.
pub type Came = Result<Outcome, &'static str>;

/// The hub with one hospital in it: slots `r-slot0` to `r-slot3`, the account `Person/r-me` with the visit persons `r-p0` to `r-p2`.
pub struct Desk {
    pub store: Arc<Store>,
    pub executor: Arc<Executor>,
    clock: Arc<AtomicI64>,
    commands: std::cell::Cell<u64>,
    _folder: TempDir,
}

/// A day at ten in the morning, in Beijing.
const MORNING: i64 = 1_780_020_000;

impl Desk {
    pub async fn open() -> Self {
        Self::with(Policy::default()).await
    }

    pub async fn with(policy: Policy) -> Self {
        Self::made(policy, None).await
    }

    /// With a press, so that consents can be signed.
    pub async fn printing(press: Press) -> Self {
        Self::made(Policy::default(), Some(press)).await
    }

    async fn made(policy: Policy, press: Option<Press>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(StoreOptions::new(folder.path().to_owned())).await.unwrap());
        let clock = Arc::new(AtomicI64::new(MORNING));
        let turned = clock.clone();
        let now =
            Arc::new(move || OffsetDateTime::from_unix_timestamp(turned.load(Ordering::Relaxed)).unwrap());
        let workflows: Vec<Arc<dyn hub_workflows::Workflow>> = vec![
            Arc::new(Persons),
            Arc::new(Booking),
            Arc::new(Payment),
            Arc::new(Exclusive),
            Arc::new(Sessions),
            Arc::new(Sending),
            Arc::new(Consents::new(press)),
        ];
        let executor = Executor::new(store.clone(), Arc::new(Channels), now, workflows, policy);
        let desk = Self { store, executor, clock, commands: std::cell::Cell::new(0), _folder: folder };
        hospital::write(&*desk.store, "r-", 4, 3, desk.now()).await;
        desk
    }

    pub fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.clock.load(Ordering::Relaxed)).unwrap()
    }

    pub fn later(&self, by: Duration) {
        self.clock.fetch_add(by.whole_seconds(), Ordering::Relaxed);
    }

    /// So much time passes, and what is due happens.
    pub async fn passes(&self, by: Duration) {
        self.later(by);
        self.events().await;
    }

    /// Something has happened to a resource, as a channel tells.
    pub async fn raise(&self, event: &str, subject: &str) {
        let wake = Wake { at: self.now(), event: event.into(), subject: Reference::parse(subject).unwrap() };
        let commit = Commit { wakes: vec![wake], ..Commit::default() };
        self.store.commit(Cause::Timer { name: "test" }, commit).await.unwrap();
        self.events().await;
    }

    /// Writes a resource, given as JSON.
    pub async fn put(&self, text: &str) {
        let resource = Resource::from_tree(json::parse(text).unwrap()).unwrap();
        let commit = Commit { changes: vec![Change::Put(resource)], ..Commit::default() };
        self.store.commit(Cause::Timer { name: "test" }, commit).await.unwrap();
    }

    /// Changes a stored resource.
    pub async fn change(&self, reference: &str, change: impl FnOnce(&mut Object)) {
        let mut tree = self.read(reference).await;
        tree.remove("meta").map(drop).unwrap_or_default();
        change(&mut tree);
        self.put(&Json::Object(tree).to_text()).await;
    }

    pub async fn read(&self, reference: &str) -> Object {
        let stored = self.store.read(&Reference::parse(reference).unwrap()).await.unwrap();
        let stored = stored.unwrap_or_else(|| panic!("`{reference}` is not there"));
        let Json::Object(tree) = json::parse(std::str::from_utf8(&stored.body).unwrap()).unwrap() else {
            panic!()
        };
        tree
    }

    /// The text at a path of a resource; empty where there is none.
    pub async fn text(&self, reference: &str, path: &[&str]) -> String {
        let tree = self.read(reference).await;
        hub_workflows::facts::at(&tree, path).and_then(Json::as_str).unwrap_or_default().to_owned()
    }

    /// Where a booking stands.
    pub async fn state(&self, appointment: &str) -> String {
        hub_workflows::fhir::state(&self.read(appointment).await).unwrap_or_default().to_owned()
    }

    /// The references that a search finds.
    pub async fn find(&self, kind: &str, query: &[(&str, &str)]) -> Vec<String> {
        let query: Vec<_> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let search = hub_fhir::search::parse(ResourceType::from_name(kind).unwrap(), &query).unwrap();
        let found = self.store.search(&search).await.unwrap().matches;
        found.iter().map(|stored| stored.reference.to_string()).collect()
    }

    /// The account's owner.
    pub fn patient(&self) -> Who {
        self.who(&[Role::Patient], Some("Person/r-me"))
    }

    /// Somebody of operations.
    pub fn operations(&self) -> Who {
        self.who(&[Role::Operations], Some("Practitioner/ops"))
    }

    pub fn who(&self, roles: &[Role], is: Option<&str>) -> Who {
        Who {
            account: Id::new(is.unwrap_or("system").rsplit('/').next().unwrap()).unwrap(),
            roles: roles.to_vec(),
            is: is.map(|is| Reference::parse(is).unwrap()),
            client: "test".into(),
            session: None,
        }
    }

    /// A command of its own number.
    pub fn ask(&self, who: Who, act: &'static str, on: Option<&str>, input: Vec<Object>) -> Command {
        self.commands.set(self.commands.get() + 1);
        let kind = self.executor.acts().find(|known| known.name == act).unwrap().kind;
        Command {
            kind,
            act,
            on: on.map(|on| Reference::parse(on).unwrap()),
            input,
            who,
            language: Language::English,
            number: Id::of_parts([act, &self.commands.get().to_string()]).to_string(),
            from: None,
        }
    }

    pub async fn give(&self, command: &Command) -> Came {
        came(self.executor.command(command).await)
    }

    /// What has become of a command that had to wait.
    pub async fn outcome(&self, command: &Command) -> Came {
        came(self.executor.command(command).await)
    }

    /// `$hold` of a slot for a visit person.
    pub fn hold(&self, slot: u64, person: u64) -> Command {
        let input = vec![
            reference("slot", &format!("Slot/r-slot{slot}")),
            reference("patient", &format!("Patient/r-p{person}")),
        ];
        self.ask(self.patient(), "hold", None, input)
    }

    /// The appointment that a hold makes.
    pub fn appointment(&self, hold: &Command) -> String {
        format!("Appointment/{}", hold.id("appointment"))
    }

    /// A slot that is held: its appointment.
    pub async fn held(&self, slot: u64, person: u64) -> String {
        let hold = self.hold(slot, person);
        self.give(&hold).await.unwrap();
        self.answer("slot-lock", Answer::done(&[("LockId", "L1"), ("TotalFee", hospital::FEE)])).await;
        self.appointment(&hold)
    }

    /// `$pay` for an appointment, with the bank's order open: the order's number.
    pub async fn order(&self, appointment: &str) -> String {
        let pay = self.pay(appointment);
        self.give(&pay).await.unwrap();
        let asked = self.answer("payment-create", Answer::done(&[("state", "CREATED")])).await;
        asked.inputs["order-no"].clone()
    }

    pub fn pay(&self, appointment: &str) -> Command {
        self.ask(
            self.patient(),
            "pay",
            Some(appointment),
            vec![tree! { "name" => "method", "valueCode" => "h5" }],
        )
    }

    /// The bank tells that an order was paid.
    pub async fn paid(&self, order: &str, fen: i64, trade: &str) {
        hospital::notice(&*self.store, order, trade, fen, self.now()).await;
        self.events().await;
    }

    /// The signing service tells how a task has ended.
    pub async fn reported(&self, task: &str, standing: &str) {
        let tree = tree! {
            "target" => [tree! { "identifier" => tree! { "system" => "urn:impf:esign:task", "value" => task } }],
            "recorded" => hub_workflows::fhir::instant(self.now()),
            "activity" => hub_workflows::fhir::concept("urn:impf:cs:esign", standing),
            "agent" => [tree! { "who" => tree! { "display" => "esign" } }],
        };
        let id = Id::of_parts(["reported", task, standing]);
        let resource = Resource::new(ResourceType::from_name("Provenance").unwrap(), id, tree);
        let wake = Wake { at: self.now(), event: "signature.reported".into(), subject: resource.reference() };
        let commit = Commit { changes: vec![Change::Put(resource)], wakes: vec![wake], ..Commit::default() };
        self.store.commit(Cause::Timer { name: "test" }, commit).await.unwrap();
        self.events().await;
    }

    /// A visit that is booked: its appointment and the order that paid it.
    pub async fn booked(&self, slot: u64, person: u64) -> (String, String) {
        let appointment = self.held(slot, person).await;
        let order = self.order(&appointment).await;
        self.paid(&order, 50_000, &format!("T{slot}")).await;
        self.answer("register-confirm", Answer::done(&[("RegNo", &format!("R{slot}")), ("VisitNo", "V1")]))
            .await;
        assert_eq!(self.state(&appointment).await, "booked");
        (appointment, order)
    }

    /// The next parcel that asks for this; everything else that is owed is left as it was.
    async fn parcel(&self, act: &str) -> Option<(Leased, Asked)> {
        for partner in PARTNERS.into_iter().chain([SIGNING]) {
            let mut found = None;
            for leased in self.store.lease(&partner.into(), 100, Real::from_secs(600)).await.unwrap() {
                let asked = asked(&leased.parcel);
                if asked.act == act && found.is_none() {
                    found = Some((leased, asked));
                } else {
                    assert!(self.store.settle(&leased, Settlement::Untried).await.unwrap());
                }
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Whether a partner is being asked for this.
    pub async fn is_asked(&self, act: &str) -> bool {
        match self.parcel(act).await {
            Some((leased, _)) => self.store.settle(&leased, Settlement::Untried).await.unwrap(),
            None => false,
        }
    }

    /// A partner answers what it is asked, and what follows from it happens. Says what was asked.
    pub async fn answer(&self, act: &str, answer: Answer) -> Asked {
        let (leased, asked) = self.parcel(act).await.unwrap_or_else(|| panic!("nobody asks for `{act}`"));
        let commit = answer.commit(&leased.parcel.correlation, self.now());
        let settlement = Settlement::Delivered(Delivered { answer: None }, Some(Box::new(commit)));
        assert!(self.store.settle(&leased, settlement).await.unwrap());
        self.events().await;
        asked
    }

    /// A partner does not answer, and nobody knows what it has done.
    pub async fn no_answer(&self, act: &str) {
        let (leased, _) = self.parcel(act).await.unwrap_or_else(|| panic!("nobody asks for `{act}`"));
        let commit = told(&leased.parcel.correlation, failed("in-doubt"), self.now());
        let doubt = DeliveryError::InDoubt { reason: "no answer".to_owned() };
        assert!(self.store.settle(&leased, Settlement::Doubt(doubt, Some(Box::new(commit)))).await.unwrap());
        self.events().await;
    }

    /// Everything that is due happens; notices are only counted ([`Desk::told`]).
    pub async fn events(&self) {
        loop {
            let due = self.store.due(self.now(), &[], 100).await.unwrap();
            if due.is_empty() {
                return;
            }
            for waiting in due {
                self.executor
                    .act(&waiting)
                    .await
                    .unwrap_or_else(|error| panic!("{}: {error:?}", waiting.wake.event));
            }
        }
    }

    /// The events that a patient is told of.
    pub async fn told(&self, person: u64) -> Vec<String> {
        let mut told = Vec::new();
        let patient = format!("Patient/r-p{person}");
        for request in self.find("CommunicationRequest", &[("subject", &patient), ("_count", "100")]).await {
            told.push(self.text(&request, &["category", "0", "coding", "0", "code"]).await);
        }
        told.sort();
        told
    }

    /// The work that waits for people: kinds of alarms that are not settled.
    pub async fn alarms(&self) -> Vec<String> {
        let mut kinds = Vec::new();
        for task in
            self.find("Task", &[("priority", "urgent"), ("status", "requested"), ("_count", "100")]).await
        {
            kinds.push(self.text(&task, &["code", "coding", "0", "code"]).await);
        }
        kinds.sort();
        kinds
    }
}

fn came(result: Result<Outcome, CommandError>) -> Came {
    match result {
        Ok(outcome) => Ok(outcome),
        Err(CommandError::Refused(Refused { code, .. })) => Err(code),
        Err(error) => panic!("{error:?}"),
    }
}

/// A parameter that points at something.
pub fn reference(name: &str, to: &str) -> Object {
    tree! { "name" => name, "valueReference" => tree! { "reference" => to } }
}
