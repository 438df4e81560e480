//! H305 H306 H307: a held number becomes a registration once it is paid, may be given back, and is asked for.

use time::{Duration, PrimitiveDateTime};

use super::super::clock::{hour_of, read_day, stamped};
use super::super::codes::{Answer, Refusal, refuse, wrong};
use super::super::element::{Element, leaf, node};
use super::super::memory::{Entry, LockState, Registration};
use super::super::money::Fen;
use super::super::roster::Status;
use super::Hospital;

/// So many times not come in so many days, and a patient books no more.
const MOST_NO_SHOWS: usize = 3;
const NO_SHOW_DAYS: i64 = 90;

impl Hospital {
    pub(super) fn confirm(&mut self, body: &Element) -> Answer {
        let now = self.now();
        // A lock nobody knows has run out long ago, as far as the caller is concerned.
        let lock = self.memory.locks.get(body.get("LockId")).cloned().ok_or_else(|| refuse("3003"))?;
        if lock.patient != body.get("PatientId") {
            return Err(wrong("`PatientId` is not that of the lock"));
        }
        if lock.state == LockState::Confirmed {
            return Err(refuse("5002"));
        }
        if !lock.is_live(now) {
            return Err(refuse("3003"));
        }
        let (session, slot) = self.slot(&lock.slot).ok_or_else(|| refuse("3003"))?;
        if session.status == Status::Stopped {
            return Err(refuse("3004"));
        }
        let order = body.get("MchOrderNo");
        if self.memory.ledger.iter().any(|entry| entry.trade_type == "PAY" && entry.mch_order_no == order) {
            return Err(refuse("5002"));
        }
        let due = if body.get("PayMode") == "FREE" { Fen(0) } else { lock.total() };
        if Fen::read(body.get("PayAmount")) != Some(due) {
            return Err(refuse("5003"));
        }
        let registration = Registration {
            reg_no: self.memory.next("R"),
            visit_no: self.memory.next("V"),
            invoice_no: self.memory.next("F"),
            status: "1".to_owned(),
            lock_id: lock.lock_id.clone(),
            patient: lock.patient.clone(),
            doctor: session.comes().to_owned(),
            department: session.department.clone(),
            date: session.date,
            start: slot.start,
            end: slot.end,
            seq: lock.seq,
            reg_fee: lock.reg_fee,
            consult_fee: lock.consult_fee,
            paid: due,
            pay_mode: body.get("PayMode").to_owned(),
            mch_order_no: order.to_owned(),
            bank_trade_no: body.get("BankTradeNo").to_owned(),
            registered: now,
            refund_seq: String::new(),
            session: session.id,
            slot: slot.id,
        };
        self.memory.ledger.push(Entry {
            orig_mch_order_no: String::new(),
            ..registration.entry(now, "PAY", &registration.reg_no)
        });
        if let Some(lock) = self.memory.locks.get_mut(&lock.lock_id) {
            lock.state = LockState::Confirmed;
        }
        let answer = vec![
            leaf("RegNo", &registration.reg_no),
            leaf("VisitNo", &registration.visit_no),
            leaf("SeqNo", registration.seq),
            leaf("RoomCode", &session.room),
            leaf("VisitTime", stamped(registration.begins())),
            leaf("InvoiceNo", &registration.invoice_no),
        ];
        self.memory.registrations.insert(registration.reg_no.clone(), registration);
        Ok(answer)
    }

    /// Whether a registration may be given back now.
    fn may_cancel(&self, registration: &Registration) -> Result<(), Refusal> {
        match &*registration.status {
            "4" => Err(refuse("5002").with(vec![leaf("RefundSeq", &registration.refund_seq)])),
            "1" => {
                let stopped = |status| status == Status::Stopped;
                let is_stopped =
                    self.session(&registration.session).is_some_and(|session| stopped(session.status));
                let is_early = self.now() < registration.begins() - self.ways.cancel_before;
                // When the doctor does not come, it is never too late.
                if is_stopped || is_early { Ok(()) } else { Err(refuse("3006")) }
            }
            _ => Err(refuse("3006")),
        }
    }

    pub(super) fn cancel(&mut self, body: &Element) -> Answer {
        let known = self.memory.registrations.get(body.get("RegNo")).cloned();
        let mut registration = known.ok_or_else(|| wrong("`RegNo` is not known"))?;
        let allowed = self.may_cancel(&registration);
        if body.get("Mode") == "CHECK" {
            let answer = match allowed {
                Ok(()) => vec![leaf("RefundAllowed", 1), leaf("RefundAmount", registration.paid)],
                Err(_) => vec![leaf("RefundAllowed", 0)],
            };
            return Ok(answer);
        }
        allowed?;
        let order = body.get("OrigMchOrderNo");
        if !order.is_empty() && order != registration.mch_order_no {
            return Err(wrong("`OrigMchOrderNo` is not that of the registration"));
        }
        if Fen::read(body.get("RefundAmount")).is_some_and(|amount| amount != registration.paid) {
            return Err(refuse("5003"));
        }
        let refund_seq = self.memory.next("B");
        self.memory.ledger.push(Entry {
            mch_order_no: body.get("MchRefundNo").to_owned(),
            ..registration.entry(self.now(), "REFUND", &refund_seq)
        });
        "4".clone_into(&mut registration.status);
        refund_seq.clone_into(&mut registration.refund_seq);
        self.memory.registrations.insert(registration.reg_no.clone(), registration);
        Ok(vec![leaf("RefundAllowed", 1), leaf("RefundSeq", refund_seq)])
    }

    pub(super) fn query_registrations(&mut self, body: &Element) -> Answer {
        let [patient, reg_no] = ["PatientId", "RegNo"].map(|name| body.get(name));
        if patient.is_empty() && reg_no.is_empty() {
            return Err(wrong("`PatientId` or `RegNo` is missing"));
        }
        let [from, to] = ["StartDate", "EndDate"].map(|name| read_day(body.get(name)));
        let is_asked = |one: &&Registration| {
            (patient.is_empty() || one.patient == patient)
                && (reg_no.is_empty() || one.reg_no == reg_no)
                && from.is_none_or(|from| one.date >= from)
                && to.is_none_or(|to| one.date <= to)
        };
        let found = self.memory.registrations.values().filter(is_asked);
        Ok(vec![node("Regs", found.map(|one| self.registration(one)).collect())])
    }

    fn registration(&self, one: &Registration) -> Element {
        let room = self.session(&one.session).map(|session| session.room).unwrap_or_default();
        node(
            "Reg",
            vec![
                leaf("RegNo", &one.reg_no),
                leaf("VisitNo", &one.visit_no),
                leaf("Status", &one.status),
                leaf("PatientId", &one.patient),
                leaf("ScheduleId", &one.session),
                leaf("SlotId", &one.slot),
                leaf("DeptCode", &one.department),
                leaf("StaffCode", &one.doctor),
                leaf("RoomCode", room),
                leaf("VisitDate", one.date),
                leaf("StartTime", hour_of(one.start)),
                leaf("EndTime", hour_of(one.end)),
                leaf("SeqNo", one.seq),
                leaf("RegFee", one.reg_fee),
                leaf("ConsultFee", one.consult_fee),
                leaf("TotalFee", one.reg_fee + one.consult_fee),
                leaf("PayMode", &one.pay_mode),
                leaf("MchOrderNo", &one.mch_order_no),
                leaf("BankTradeNo", &one.bank_trade_no),
                leaf("InvoiceNo", &one.invoice_no),
                leaf("RegTime", stamped(one.registered)),
                leaf("RefundSeq", &one.refund_seq),
            ],
        )
    }

    /// Those who have not come by the end of their time have not come (5), unless it was the doctor who did not.
    pub(in super::super) fn no_shows(&mut self) {
        let now = self.now();
        let is_over = |one: &&Registration| one.status == "1" && one.ends() <= now;
        let over: Vec<Registration> = self.memory.registrations.values().filter(is_over).cloned().collect();
        for one in over {
            if self.session(&one.session).is_none_or(|session| session.status != Status::Stopped) {
                self.set_registration(&one.reg_no, "5");
            }
        }
    }

    /// Moves a registration on: arrived (2), seen (3), not come (5). False where there is none.
    pub(in super::super) fn set_registration(&mut self, reg_no: &str, status: &str) -> bool {
        let Some(registration) = self.memory.registrations.get_mut(reg_no) else { return false };
        status.clone_into(&mut registration.status);
        let patient = registration.patient.clone();
        let since = self.now().date() - Duration::days(NO_SHOW_DAYS);
        let counts = |one: &&Registration| one.patient == patient && one.status == "5" && one.date >= since;
        if status == "5" && self.memory.registrations.values().filter(counts).count() >= MOST_NO_SHOWS {
            self.set_blacklist(&patient, true);
        }
        true
    }
}

impl Registration {
    /// The line of the reconciliation for its money.
    fn entry(&self, at: PrimitiveDateTime, trade_type: &str, his_trade_no: &str) -> Entry {
        Entry {
            at,
            trade_type: trade_type.to_owned(),
            biz_type: "REG".to_owned(),
            his_trade_no: his_trade_no.to_owned(),
            mch_order_no: self.mch_order_no.clone(),
            bank_trade_no: self.bank_trade_no.clone(),
            orig_mch_order_no: self.mch_order_no.clone(),
            patient: self.patient.clone(),
            amount: self.paid,
            pay_mode: self.pay_mode.clone(),
        }
    }
}
