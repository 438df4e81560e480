//! A run: what can happen, in the order that the dice choose, and what must be so at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration as Real;

use hub_core::commit::Commit;
use hub_core::destination::{Delivered, DeliveryError};
use hub_core::language::Language;
use hub_core::store::{Cause, Leased, Outbox, Resources, RetryWhich, Searches, Settlement};
use hub_core::wakes::{Acting, Wakes};
use hub_core::who::{Role, Who};
use hub_executor::{CommandError, Executor};
use hub_fhir::search::Stored;
use hub_fhir::{Id, Json, Object, Reference, ResourceType, json, tree};
use hub_store::{Store, StoreOptions};
use hub_workflows::booking::{Booking, State};
use hub_workflows::fhir::{self, system};
use hub_workflows::payment::Payment;
use hub_workflows::{Command, Policy};
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use super::bank::{Bank, Notice};
use super::dice::Dice;
use super::his::His;
use crate::hospital::{self, FEE};
use crate::partner::{Answer, Asked, Channels, PARTNERS, asked, failed, told};

/// The hub, its partners and the clock.
pub struct World {
    store: Arc<Store>,
    executor: Arc<Executor>,
    clock: Arc<AtomicI64>,
    his: His,
    bank: Bank,
    notices: Vec<Notice>,
    prefix: String,
    commands: u64,
    given: Vec<Command>,
    _folder: TempDir,
}

impl World {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(StoreOptions::new(folder.path().to_owned())).await.unwrap());
        let clock = Arc::new(AtomicI64::new(1_780_000_000));
        let turned = clock.clone();
        let now =
            Arc::new(move || OffsetDateTime::from_unix_timestamp(turned.load(Ordering::Relaxed)).unwrap());
        let executor = Executor::new(
            store.clone(),
            Arc::new(Channels),
            now,
            vec![Arc::new(Booking), Arc::new(Payment)],
            Policy::default(),
        );
        Self {
            store,
            executor,
            clock,
            his: His::default(),
            bank: Bank::default(),
            notices: Vec::new(),
            prefix: String::new(),
            commands: 0,
            given: Vec::new(),
            _folder: folder,
        }
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.clock.load(Ordering::Relaxed)).unwrap()
    }

    fn later(&self, seconds: u64) {
        self.clock.fetch_add(i64::try_from(seconds).unwrap(), Ordering::Relaxed);
    }

    pub async fn begin(&mut self, seed: u64) {
        self.prefix = format!("r{seed}-");
        self.given.clear();
        hospital::write(&*self.store, &self.prefix, 4, 3, self.now()).await;
    }

    pub async fn play(&mut self, dice: &mut Dice) {
        for _ in 0..40 + dice.below(160) {
            match dice.below(100) {
                0..35 => {
                    self.deliver(dice, true).await;
                }
                35..67 => {
                    self.act(dice).await;
                }
                67..77 => self.command(dice).await,
                77..84 => self.pay(dice),
                84..91 => self.notice(dice).await,
                91..98 => self.later(1 + dice.below(200)),
                _ => self.later(900),
            }
        }
        // Now everybody behaves, and a person retries what was given up, until nothing moves any more.
        for round in 0..5_000 {
            for partner in PARTNERS {
                self.store.retry(&RetryWhich::Destination(partner.into())).await.unwrap();
            }
            let mut has_moved = false;
            while self.deliver(dice, false).await || self.act(dice).await {
                has_moved = true;
            }
            while !self.notices.is_empty() {
                self.notice(dice).await;
                has_moved = true;
            }
            if !has_moved {
                let Some(next) = self.store.next(self.now()).await.unwrap() else { return };
                self.clock.store(next.unix_timestamp() + 1, Ordering::Relaxed);
            }
            assert!(round < 4_999, "run {} does not come to an end", self.prefix);
        }
    }

    /// One parcel of a partner is delivered, more or less well. `false`: nothing is owed.
    async fn deliver(&mut self, dice: &mut Dice, badly: bool) -> bool {
        let mut partners = PARTNERS;
        if dice.percent(50) {
            partners.swap(0, 1);
        }
        for partner in partners {
            let leased = self.store.lease(&partner.into(), 1, Real::from_secs(600)).await.unwrap();
            if let Some(leased) = leased.into_iter().next() {
                let settlement = self.try_once(&leased, dice, badly);
                assert!(self.store.settle(&leased, settlement).await.unwrap());
                return true;
            }
        }
        false
    }

    fn try_once(&mut self, leased: &Leased, dice: &mut Dice, badly: bool) -> Settlement {
        let parcel = &leased.parcel;
        let asked = asked(parcel);
        let luck = if badly { dice.below(100) } else { 0 };
        let delivered = |answer: &Answer, now| {
            let commit = answer.commit(&parcel.correlation, now);
            Settlement::Delivered(Delivered { answer: None }, Some(Box::new(commit)))
        };
        let again = || Settlement::Again {
            at: OffsetDateTime::now_utc(),
            error: DeliveryError::Later { reason: "it is away".to_owned(), after: None },
        };
        match luck {
            0..65 => delivered(&self.partner(&asked, dice), self.now()),
            65..72 => again(),
            // The HIS refuses a lock for reasons of its own.
            72..77 if asked.act == "slot-lock" => {
                let code = *dice.one(&["3004", "3005", "3007"]);
                delivered(&Answer::refused(code), self.now())
            }
            // The answer is lost, after it was done or before. Then the partner is asked, or a person must look.
            72..100 => {
                if luck < 88 {
                    self.partner(&asked, dice);
                }
                if dice.percent(60) {
                    return match self.what_became(&asked, dice) {
                        Some(answer) => delivered(&answer, self.now()),
                        None => again(),
                    };
                }
                let error = DeliveryError::InDoubt { reason: "no answer".to_owned() };
                let commit = told(&parcel.correlation, failed("in-doubt"), self.now());
                Settlement::Doubt(error, Some(Box::new(commit)))
            }
            _ => unreachable!("the dice go to a hundred"),
        }
    }

    fn partner(&mut self, asked: &Asked, dice: &mut Dice) -> Answer {
        let now = self.now();
        if asked.act.starts_with("payment-") || asked.act == "refund-query" {
            self.bank.act(asked, dice)
        } else {
            self.his.act(asked, FEE, now)
        }
    }

    fn what_became(&mut self, asked: &Asked, dice: &mut Dice) -> Option<Answer> {
        if asked.act.starts_with("payment-") || asked.act == "refund-query" {
            // Everything at the bank is idempotent by its number: asking is doing it again.
            return Some(self.bank.act(asked, dice));
        }
        self.his.what_became(asked)
    }

    /// One event that is due is acted on. `false`: none is.
    async fn act(&mut self, dice: &mut Dice) -> bool {
        let due = self.store.due(self.now(), &[], 20).await.unwrap();
        if due.is_empty() {
            return false;
        }
        let waiting = dice.one(&due).clone();
        if waiting.wake.event == "notice.due" {
            // Nobody sends notices here.
            self.store.commit(Cause::Wake(waiting), Commit::default()).await.unwrap();
            return true;
        }
        self.executor.act(&waiting).await.unwrap_or_else(|error| panic!("{}: {error:?}", waiting.wake.event));
        if dice.percent(5) {
            // Acted on twice, as when a node dies after the commit and before it knows.
            self.executor.act(&waiting).await.unwrap();
        }
        true
    }

    /// Somebody at the bank pays.
    fn pay(&mut self, dice: &mut Dice) {
        if let Some(notice) = self.bank.pay(dice) {
            match dice.below(10) {
                // The bank keeps silent.
                0..3 => {}
                3..5 => self.notices.extend([notice.clone(), notice]),
                5 => {
                    let wrong =
                        Notice { fen: notice.fen + 1, trade: format!("{}x", notice.trade), ..notice.clone() };
                    self.notices.extend([wrong, notice]);
                }
                _ => self.notices.push(notice),
            }
        }
    }

    /// A notice of the bank's comes in, as its channel stores it.
    async fn notice(&mut self, dice: &mut Dice) {
        if self.notices.is_empty() {
            return;
        }
        let at = usize::try_from(dice.below(self.notices.len() as u64)).unwrap();
        let notice = self.notices.swap_remove(at);
        hospital::notice(&*self.store, &notice.order, &notice.trade, notice.fen, self.now()).await;
    }

    /// Somebody asks for something; now and then the same once more.
    async fn command(&mut self, dice: &mut Dice) {
        if !self.given.is_empty() && dice.percent(15) {
            let again = dice.one(&self.given).clone();
            self.give(&again).await;
            return;
        }
        self.commands += 1;
        let number = Id::of_parts([self.prefix.as_str(), &self.commands.to_string()]).to_string();
        let appointments = self.appointments().await;
        let parameter = |name: &str, value: String| {
            tree! { "name" => name, "valueReference" => tree! { "reference" => value } }
        };
        let prefix = &self.prefix;
        let (act, on, input) = match dice.below(10) {
            0..4 => {
                let slot = format!("Slot/{prefix}slot{}", dice.below(4));
                let patient = format!("Patient/{prefix}p{}", dice.below(3));
                ("hold", None, vec![parameter("slot", slot), parameter("patient", patient)])
            }
            _ if appointments.is_empty() => return,
            4..8 => {
                let method = tree! { "name" => "method", "valueCode" => "h5" };
                ("pay", Some(dice.one(&appointments).reference.clone()), vec![method])
            }
            _ => ("cancel", Some(dice.one(&appointments).reference.clone()), Vec::new()),
        };
        let who = Who {
            account: Id::new("me").unwrap(),
            roles: vec![Role::Patient],
            is: Some(hospital::account(prefix)),
            client: "simulation".into(),
            session: None,
        };
        let kind = self.executor.acts().find(|known| known.name == act).unwrap().kind;
        let command = Command { kind, act, on, input, who, language: Language::English, number, from: None };
        self.give(&command).await;
        self.given.push(command);
    }

    async fn give(&self, command: &Command) {
        match self.executor.command(command).await {
            Ok(_) | Err(CommandError::Refused(_)) => {}
            Err(error) => panic!("{}: {error:?}", command.act),
        }
    }

    async fn appointments(&self) -> Vec<Stored> {
        let search = hub_fhir::search::parse(
            ResourceType::from_name("Appointment").unwrap(),
            &[
                ("actor".to_owned(), hospital::account_patients(&self.prefix)),
                ("_count".to_owned(), "1000".to_owned()),
            ],
        );
        self.store.search(&search.unwrap()).await.unwrap().matches
    }

    async fn read(&self, reference: &Reference) -> Object {
        let stored = self.store.read(reference).await.unwrap().unwrap();
        let Json::Object(tree) = json::parse(std::str::from_utf8(&stored.body).unwrap()).unwrap() else {
            panic!()
        };
        tree
    }

    /// Whether platform, bank and HIS agree; the states in which bookings have ended.
    pub async fn agree(&self) -> Result<Vec<String>, String> {
        let mut ends = Vec::new();
        let mut booked = 0;
        let mut taken = Vec::new();
        for stored in self.appointments().await {
            let tree = self.read(&stored.reference).await;
            let state = State::of(&tree).ok_or("an appointment without a state")?;
            let kept = self.kept(&stored.reference).await;
            match state {
                // Once its day has gone, a visit that is booked was one, or was missed.
                State::Booked | State::Fulfilled | State::NoShow => {
                    booked += 1;
                    let registration = fhir::number(&tree, system::HIS_REGISTRATION)
                        .ok_or("booked without a registration")?;
                    let order =
                        self.his.registered(registration).ok_or("booked, and the HIS knows nothing of it")?;
                    if self.bank.kept(order) != 50_000 || kept != 50_000 {
                        return Err(format!("booked, and the bank has kept {kept}"));
                    }
                    let slot =
                        fhir::points_at(tree.get("slot").and_then(|slots| slots.items().first())).unwrap();
                    if self.read(&slot).await.get("status") != Some(&"busy".into()) {
                        return Err("booked, and the slot is not busy".to_owned());
                    }
                    if taken.contains(&slot) {
                        return Err("a slot is booked twice".to_owned());
                    }
                    taken.push(slot);
                }
                State::Released | State::Refunded | State::Cancelled => {
                    if kept != 0 {
                        return Err(format!("{}, and the bank has kept {kept}", state.name()));
                    }
                }
                other => return Err(format!("a booking has stopped at {}", other.name())),
            }
            ends.push(state.name().to_owned());
        }
        let active = self.his.active(&self.prefix);
        if active != booked {
            return Err(format!("{booked} are booked, and {active} registered"));
        }
        if self.his.locked(&self.prefix, self.now() + Duration::hours(1)) > 0 {
            return Err("a lock is left".to_owned());
        }
        for n in 0..4 {
            let slot = Reference::parse(&format!("Slot/{}slot{n}", self.prefix)).unwrap();
            let status = self.read(&slot).await.get("status").and_then(Json::as_str).unwrap().to_owned();
            if status == "busy-tentative" {
                return Err("a slot is held by nobody".to_owned());
            }
        }
        Ok(ends)
    }

    /// What the bank has kept of all orders of an appointment.
    async fn kept(&self, appointment: &Reference) -> i64 {
        let invoice = Id::of_parts(["invoice", &appointment.to_string()]);
        let search = hub_fhir::search::parse(
            ResourceType::from_name("Task").unwrap(),
            &[
                ("focus".to_owned(), format!("Invoice/{invoice}")),
                ("code".to_owned(), format!("{}|payment", system::ACT)),
            ],
        );
        let orders = self.store.search(&search.unwrap()).await.unwrap().matches;
        let mut kept = 0;
        for order in orders {
            let tree = self.read(&order.reference).await;
            kept += self.bank.kept(fhir::number(&tree, system::ORDER).unwrap());
        }
        kept
    }
}
