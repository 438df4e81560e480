//! The hospital behind the service: it answers functions by the profile's rules and remembers what became of them.

use sim_kit::person::{Person, patient_id};
use time::{Duration, PrimitiveDateTime};

use super::clock::Clock;
use super::codes::{Answer, wrong};
use super::element::{Element, leaf};
use super::envelope::{Hash, Reply, Request};
use super::memory::{Memory, Transaction};
use super::profile;

mod events;
mod fees;
mod ledger;
mod masters;
mod numbers;
mod patients;
mod registrations;
mod sessions;

pub(super) use events::Change;
pub(super) use ledger::Correction;
pub(super) use numbers::TempSession;

/// How many of the seed's people have an archive from the beginning.
const KNOWN_PEOPLE: u64 = 40;

/// What the hospital has decided for itself.
#[derive(Clone, Copy)]
pub(super) struct Ways {
    pub(super) seed: u64,
    /// How many of a hundred numbers are sold at the windows before anybody asks.
    pub(super) sold_percent: u64,
    /// How many days ahead rosters are published, today included.
    pub(super) days_ahead: i64,
    /// How long before the visit a patient may cancel.
    pub(super) cancel_before: Duration,
}

/// The hospital.
pub(super) struct Hospital {
    pub(super) ways: Ways,
    pub(super) clock: Clock,
    pub(super) memory: Memory,
}

impl Hospital {
    /// A hospital as it was left, or one in which nothing has happened.
    pub(super) fn new(ways: Ways, clock: Clock, memory: Option<Memory>) -> Self {
        let mut hospital = Self { ways, clock, memory: memory.unwrap_or_default() };
        if hospital.memory.patients.is_empty() {
            hospital.begin();
        }
        hospital
    }

    /// Forgets what has happened; the clock goes on.
    pub(super) fn begin(&mut self) {
        self.memory = Memory::default();
        for number in 0..KNOWN_PEOPLE {
            let card = patients::card_of(&Person::of(self.ways.seed, number));
            self.memory.patients.insert(patient_id(number), card);
        }
    }

    /// Its time.
    pub(super) fn now(&self) -> PrimitiveDateTime {
        self.clock.now()
    }

    /// Answers a request whose envelope and signature are right. The same `TransSeq` gets the same answer.
    pub(super) fn answer(&mut self, request: &Request) -> (Reply, Option<String>) {
        let Some(function) = profile::function(&request.trans_code) else {
            return told(Err(wrong("the function is not offered")));
        };
        if let Err(problem) = function.check(&request.body) {
            return told(Err(wrong(problem)));
        }
        let seq = request.body.get("TransSeq");
        if !seq.is_empty() && seq != request.trans_seq && function.code != "H506" {
            return told(Err(wrong("`TransSeq` is not that of the head")));
        }
        self.no_shows();
        if !function.writes {
            return told(self.run(function.code, &request.body));
        }
        let digest = Hash::Sm3.of(request.inner.as_bytes());
        if let Some(before) = self.memory.transactions.get(&request.trans_seq) {
            if before.function != function.code || before.digest != digest {
                return told(Err(wrong("`TransSeq` was used for another request")));
            }
            return (before.reply(), None);
        }
        let (reply, problem) = told(self.run(function.code, &request.body));
        let order = request.body.get("MchOrderNo");
        let payments = request.body.list("Payments");
        let order = payments.first().map_or(order, |payment| payment.get("MchOrderNo"));
        let transaction = Transaction {
            trans_seq: request.trans_seq.clone(),
            function: function.code.to_owned(),
            digest,
            code: reply.code.clone(),
            message: reply.message.clone(),
            body: reply.body.clone(),
            mch_order_no: order.to_owned(),
            at: self.now(),
        };
        self.memory.transactions.insert(request.trans_seq.clone(), transaction);
        (reply, problem)
    }

    fn run(&mut self, code: &str, body: &Element) -> Answer {
        match code {
            "H101" | "H102" | "H103" | "H105" | "H107" => self.query_items(code, body),
            "H201" => self.query_patient(body),
            "H202" => self.create_patient(body),
            "H203" => self.update_patient(body),
            "H301" => self.query_sessions(body),
            "H302" => self.query_slots(body),
            "H303" => self.lock_slot(body),
            "H304" => self.unlock_slot(body),
            "H305" => self.confirm(body),
            "H306" => self.cancel(body),
            "H307" => self.query_registrations(body),
            "H309" => self.save_temporary(body),
            "H501" => self.query_unpaid(body),
            "H502" => self.query_fees(body),
            "H503" => self.pre_settle(body),
            "H504" => self.settle(body),
            "H505" => self.refund(body),
            "H506" => self.query_transaction(body),
            "H507" => self.query_ledger(body),
            "H902" => self.query_events(body),
            _ => Err(wrong("the function is not offered")),
        }
    }
}

/// The answer in its final form, and what the Board is told where the request was wrong.
fn told(answer: Answer) -> (Reply, Option<String>) {
    let problem = answer.as_ref().err().and_then(|refusal| refusal.problem().map(str::to_owned));
    (answer.into(), problem)
}

impl Transaction {
    fn reply(&self) -> Reply {
        Reply { code: self.code.clone(), message: self.message.clone(), body: self.body.clone() }
    }
}

/// A page of a list (`PageNo`, `PageSize`), with the count of all.
fn page(name: &str, item: Vec<Element>, body: &Element) -> Vec<Element> {
    let number = |name, otherwise| body.get_or(name, otherwise).parse().unwrap_or(1_usize);
    let (page, size) = (number("PageNo", "1"), number("PageSize", "100"));
    let total = item.len();
    let items = item.into_iter().skip((page - 1) * size).take(size).collect();
    vec![leaf("TotalCount", total), super::element::node(name, items)]
}
