//! What holds whatever happens: random days at the hospital, each by its seed.

use std::collections::BTreeSet;

use sim_kit::dice::Dice;

use super::*;
use crate::sim::service::clock::Clock;
use crate::sim::service::hospital::Change;
use crate::sim::service::memory::LockState;

const DAYS: u64 = 60;
const STEPS: u64 = 150;

/// A hospital without a wire, and a count of what it was asked.
struct Day {
    hospital: Hospital,
    asked: u64,
}

impl Day {
    fn new(seed: u64) -> Self {
        let ways = Ways { seed, sold_percent: 25, days_ahead: 21, cancel_before: Duration::minutes(30) };
        Self { hospital: Hospital::new(ways, Clock::new(Some(START), true).unwrap(), None), asked: 0 }
    }

    /// The answer's code and body.
    fn ask(&mut self, code: &str, fields: &[(&str, &str)]) -> (String, Element) {
        self.asked += 1;
        let fields: Vec<Element> = fields.iter().map(|(name, value)| element::leaf(name, *value)).collect();
        let inner = element::written(&fields);
        let request = envelope::Request {
            trans_code: code.to_owned(),
            trans_seq: format!("{:032}", self.asked),
            req_time: String::new(),
            app_id: String::new(),
            org_code: String::new(),
            sign: String::new(),
            body: element::node("Body", fields),
            inner,
        };
        let (reply, _) = self.hospital.answer(&request);
        (reply.code, element::node("Body", reply.body))
    }

    /// The numbers of a few sessions, so that many want the same.
    fn slots(&mut self) -> Vec<String> {
        let days = [("StartDate", "2026-03-03"), ("EndDate", "2026-03-03")];
        let (_, body) = self.ask("H301", &days);
        let ids: Vec<String> =
            body.list("Schedules").iter().map(|session| session.get("ScheduleId").to_owned()).collect();
        let mut slots = Vec::new();
        for id in ids.iter().take(4) {
            let (_, body) = self.ask("H302", &[("ScheduleId", id)]);
            slots.extend(body.list("Slots").iter().map(|slot| slot.get("SlotId").to_owned()));
        }
        slots
    }

    /// Something happens.
    fn step(&mut self, dice: &mut Dice, slots: &[String]) {
        let patient = (1_000_001 + dice.below(12)).to_string();
        let memory = &self.hospital.memory;
        let locks: Vec<(String, String, String)> = memory
            .locks
            .values()
            .map(|lock| (lock.lock_id.clone(), lock.patient.clone(), lock.total().to_string()))
            .collect();
        let registrations: Vec<String> = memory.registrations.keys().cloned().collect();
        let slot = dice.pick(slots);
        match dice.below(20) {
            0..=7 => drop(self.ask("H303", &[("SlotId", slot), ("PatientId", &patient)])),
            8..=11 if !locks.is_empty() => {
                let (lock, patient, fee) = dice.pick(&locks);
                let order = format!("ORDER{}", dice.below(40));
                let body = [
                    ("LockId", &**lock),
                    ("PatientId", patient),
                    ("PayMode", "WX"),
                    ("PayAmount", fee),
                    ("PayTime", START),
                    ("MchOrderNo", &order),
                    ("BankTradeNo", "B"),
                ];
                self.ask("H305", &body);
            }
            12 if !locks.is_empty() => drop(self.ask("H304", &[("LockId", &dice.pick(&locks).0)])),
            13 | 14 if !registrations.is_empty() => {
                self.ask("H306", &[("RegNo", dice.pick(&registrations).as_str()), ("Mode", "DO")]);
            }
            15 => drop(self.hospital.sell(slot)),
            16 if dice.percent(20) => {
                let schedule_id = slot.rsplit_once('-').unwrap().0.to_owned();
                self.hospital.change_session(&Change::Stop { schedule_id });
            }
            17 => {
                let later = self.hospital.now() + Duration::minutes(i64::try_from(dice.below(40)).unwrap());
                self.hospital.clock.set(later, true);
            }
            _ => {}
        }
    }

    /// What holds at every moment.
    fn holds(&mut self, slots: &[String]) {
        let now = self.hospital.now();
        let memory = self.hospital.memory.clone();
        let mut numbers = BTreeSet::new();
        for id in slots {
            let (session, slot) = self.hospital.slot(id).unwrap();
            let booked = memory.registrations.values().filter(|one| one.is_live() && one.slot == *id);
            let held = memory.locks.values().filter(|lock| lock.is_live(now) && lock.slot == *id);
            let given: Vec<u32> = booked.map(|one| one.seq).chain(held.map(|lock| lock.seq)).collect();
            let sold = session.sold_before(self.hospital.ways.seed, &slot)
                + memory.sold.get(id).copied().unwrap_or_default();
            // BK-7: never more than there are, and no number twice.
            assert!(given.len() as u32 + sold <= slot.total, "{id}");
            assert!(given.iter().all(|seq| numbers.insert((id.clone(), *seq))), "{id}");
        }
        for one in memory.registrations.values() {
            let money = |kind: &str| {
                let of_it = |entry: &&memory::Entry| {
                    entry.trade_type == kind
                        && (entry.his_trade_no == one.reg_no || entry.his_trade_no == one.refund_seq)
                };
                memory.ledger.iter().filter(of_it).count()
            };
            // Paid once; given back once where it was cancelled, and else not at all.
            assert_eq!((money("PAY"), money("REFUND")), (1, usize::from(one.status == "4")));
            assert_eq!(memory.locks[&one.lock_id].state, LockState::Confirmed);
        }
        let confirmed = memory.locks.values().filter(|lock| lock.state == LockState::Confirmed).count();
        let orders: BTreeSet<&str> =
            memory.registrations.values().map(|one| one.mch_order_no.as_str()).collect();
        assert_eq!([confirmed, orders.len()], [memory.registrations.len(); 2]);
    }
}

#[test]
fn no_number_is_given_twice_and_no_money_is_lost_whatever_happens() {
    let mut registered = 0;
    let mut cancelled = 0;
    for seed in 0..DAYS {
        let mut dice = Dice::new(seed, "day at the hospital", 0);
        let mut day = Day::new(seed);
        let slots = day.slots();
        for step in 0..STEPS {
            day.step(&mut dice, &slots);
            if step % 10 == 9 {
                day.holds(&slots);
            }
        }
        let all = day.hospital.memory.registrations.values();
        registered += all.clone().count();
        cancelled += all.filter(|one| one.status == "4").count();
    }
    // A law that nothing was held against says nothing.
    assert!(registered > 300 && cancelled > 50, "{registered} {cancelled}");
}
