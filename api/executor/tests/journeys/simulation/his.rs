//! A model of the HIS: locks that expire, registrations, and the memory of transactions.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use crate::partner::{Answer, Asked};

/// What the HIS has.
#[derive(Default)]
pub struct His {
    locks: BTreeMap<String, Lock>,
    registrations: BTreeMap<String, Registration>,
    done: BTreeMap<String, Answer>,
    count: u64,
}

struct Lock {
    slot: String,
    patient: String,
    expires: OffsetDateTime,
    is_used: bool,
}

struct Registration {
    slot: String,
    paid: String,
    is_active: bool,
}

impl His {
    /// Does what is asked, once for each transaction.
    pub fn act(&mut self, asked: &Asked, fee: &str, now: OffsetDateTime) -> Answer {
        if let Some(done) = self.done.get(&asked.transaction) {
            return done.clone();
        }
        let answer = self.do_it(asked, fee, now);
        // Questions are not remembered.
        if !["register-query", "register-check", "visit-query"].contains(&asked.act.as_str()) {
            self.done.insert(asked.transaction.clone(), answer.clone());
        }
        answer
    }

    /// What became of a transaction (H506).
    pub fn what_became(&self, asked: &Asked) -> Option<Answer> {
        self.done.get(&asked.transaction).cloned()
    }

    fn do_it(&mut self, asked: &Asked, fee: &str, now: OffsetDateTime) -> Answer {
        let input = |name: &str| asked.inputs.get(name).cloned().unwrap_or_default();
        match asked.act.as_str() {
            "slot-lock" | "slot-relock" => {
                let slot = input("slot-id");
                let is_locked =
                    self.locks.values().any(|lock| lock.slot == slot && !lock.is_used && lock.expires > now);
                if is_locked {
                    return Answer::refused("3002");
                }
                if self.registrations.values().any(|one| one.slot == slot && one.is_active) {
                    return Answer::refused("3001");
                }
                self.count += 1;
                let number = format!("L{}", self.count);
                let minutes: i64 = input("minutes").parse().unwrap();
                let expires = now + Duration::minutes(minutes);
                let lock = Lock { slot, patient: input("patient-id"), expires, is_used: false };
                self.locks.insert(number.clone(), lock);
                let form = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
                let text = expires.to_offset(time::macros::offset!(+8)).format(form).unwrap();
                Answer::done(&[("LockId", number.as_str()), ("ExpireTime", text.as_str()), ("TotalFee", fee)])
            }
            "slot-unlock" => {
                let number = input("lock-id");
                if self.locks.get(&number).is_some_and(|lock| !lock.is_used) {
                    self.locks.remove(&number);
                }
                Answer::done(&[])
            }
            "register-confirm" => {
                let number = input("lock-id");
                let Some(lock) =
                    self.locks.get_mut(&number).filter(|lock| !lock.is_used && lock.expires > now)
                else {
                    return Answer::refused("3003");
                };
                assert_eq!(lock.patient, input("patient-id"), "it is registered for whom it was locked");
                if input("amount") != fee {
                    return Answer::refused("5003");
                }
                lock.is_used = true;
                self.count += 1;
                let registration = format!("R{}", self.count);
                let slot = lock.slot.clone();
                let one = Registration { slot, paid: input("order-no"), is_active: true };
                self.registrations.insert(registration.clone(), one);
                Answer::done(&[("RegNo", registration.as_str()), ("VisitNo", "V1"), ("SeqNo", "7")])
            }
            "register-query" => {
                let order = input("order-no");
                let found = self.registrations.iter().find(|(_, one)| one.paid == order && one.is_active);
                match found {
                    Some((number, _)) => Answer::done(&[("RegNo", number.as_str())]),
                    None => Answer::done(&[]),
                }
            }
            "register-check" => Answer::done(&[("RefundAllowed", "1")]),
            "register-cancel" => {
                let Some(one) = self.registrations.get_mut(&input("registration")) else {
                    return Answer::refused("1001");
                };
                one.is_active = false;
                Answer::done(&[])
            }
            // Every third patient does not come.
            "visit-query" => {
                let number = input("registration");
                let comes = number[1..].parse::<u64>().unwrap() % 3 != 0;
                let status = match self.registrations.get(&number).is_some_and(|one| one.is_active) {
                    true if comes => "3",
                    true => "5",
                    false => "4",
                };
                Answer::done(&[("RegStatus", status)])
            }
            other => panic!("the HIS knows no `{other}`"),
        }
    }

    /// Whether a registration is in force, and by which order it was paid.
    pub fn registered(&self, number: &str) -> Option<&str> {
        self.registrations.get(number).filter(|one| one.is_active).map(|one| one.paid.as_str())
    }

    /// The registrations in force of slots that begin with this.
    pub fn active(&self, prefix: &str) -> usize {
        self.registrations.values().filter(|one| one.is_active && one.slot.starts_with(prefix)).count()
    }

    /// Locks of such slots that nobody has let go and that have not expired.
    pub fn locked(&self, prefix: &str, now: OffsetDateTime) -> usize {
        let open = |lock: &&Lock| lock.slot.starts_with(prefix) && !lock.is_used && lock.expires > now;
        self.locks.values().filter(open).count()
    }
}
