//! H301 H302: the sessions and their numbers as they stand now, and what every other function asks of them.

use std::collections::HashMap;

use time::{Date, Duration};

use super::super::clock::{hour_of, read_day};
use super::super::codes::{Answer, wrong};
use super::super::element::{Element, leaf, node};
use super::super::memory::LockState;
use super::super::roster::{self, Session, Slot, Status};
use super::Hospital;

/// The longest period H301 is asked for.
const MOST_DAYS: i64 = 31;

/// How many numbers of a slot are gone.
#[derive(Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) sold: u32,
    pub(super) locked: u32,
}

impl Hospital {
    /// The sessions of these days, both included, as far as they are published.
    pub(super) fn sessions(&self, from: Date, to: Date) -> Vec<Session> {
        let today = self.now().date();
        let first = from.max(today - Duration::days(MOST_DAYS));
        let last = to.min(today + Duration::days(self.ways.days_ahead - 1));
        let mut sessions = Vec::new();
        let mut day = Some(first);
        while let Some(date) = day.filter(|date| *date <= last) {
            for session in roster::of_day(self.ways.seed, self.ways.sold_percent, date) {
                sessions.push(self.memory.sessions.get(&session.id).cloned().unwrap_or(session));
            }
            let added = self.memory.sessions.values();
            sessions.extend(added.filter(|added| added.id.starts_with('T') && added.date == date).cloned());
            day = date.next_day();
        }
        for session in &mut sessions {
            // Who has left the hospital comes no more.
            let changed = self.memory.items.get(&format!("H102/{}", session.comes()));
            if changed.is_some_and(|doctor| doctor.get("ValidFlag") != "1") {
                session.status = Status::Stopped;
            }
        }
        sessions
    }

    /// The session of a number: its second to ninth characters are the day.
    pub(super) fn session(&self, id: &str) -> Option<Session> {
        let day = id.get(1..9)?;
        let date = read_day(&format!("{}-{}-{}", day.get(..4)?, day.get(4..6)?, day.get(6..)?))?;
        self.sessions(date, date).into_iter().find(|session| session.id == id)
    }

    /// A slot and its session.
    pub(in super::super) fn slot(&self, id: &str) -> Option<(Session, Slot)> {
        let session = self.session(id.rsplit_once('-')?.0)?;
        let slot = session.slots().into_iter().find(|slot| slot.id == id)?;
        Some((session, slot))
    }

    /// What is gone of every slot that was touched since the beginning.
    fn touched(&self) -> HashMap<&str, Taken> {
        let now = self.now();
        let mut touched: HashMap<&str, Taken> = HashMap::new();
        for (slot, sold) in &self.memory.sold {
            touched.entry(slot).or_default().sold += sold;
        }
        for registration in self.memory.registrations.values().filter(|one| one.is_live()) {
            touched.entry(&registration.slot).or_default().sold += 1;
        }
        for lock in self.memory.locks.values().filter(|lock| lock.is_live(now)) {
            touched.entry(&lock.slot).or_default().locked += 1;
        }
        touched
    }

    /// What is gone of one slot.
    pub(super) fn taken(&self, session: &Session, slot: &Slot) -> Taken {
        let mut taken = self.touched().get(&*slot.id).copied().unwrap_or_default();
        taken.sold += session.sold_before(self.ways.seed, slot);
        taken
    }

    /// The first number of a slot that nobody has; those sold at the windows come first.
    pub(super) fn free_seq(&self, session: &Session, slot: &Slot) -> u32 {
        let now = self.now();
        let locks = self.memory.locks.values();
        let locked = locks.filter(|lock| lock.is_live(now) && lock.slot == slot.id).map(|lock| lock.seq);
        let registrations = self.memory.registrations.values();
        let booked = registrations.filter(|one| one.is_live() && one.slot == slot.id).map(|one| one.seq);
        let used: Vec<u32> = locked.chain(booked).collect();
        let first = (slot.seq - 1) * session.each + 1;
        let at_windows = session.sold_before(self.ways.seed, slot)
            + self.memory.sold.get(&slot.id).copied().unwrap_or_default();
        let at_windows = if session.each == 1 { 0 } else { at_windows };
        (first + at_windows..).find(|seq| !used.contains(seq)).unwrap_or(first)
    }

    pub(super) fn query_sessions(&mut self, body: &Element) -> Answer {
        let (Some(from), Some(to)) = (read_day(body.get("StartDate")), read_day(body.get("EndDate"))) else {
            return Err(wrong("`StartDate` or `EndDate` is no date"));
        };
        let days = (to - from).whole_days() + 1;
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(wrong("`StartDate` to `EndDate` is not 1 to 31 days"));
        }
        let [department, staff, clinic] = ["DeptCode", "StaffCode", "ClinicType"].map(|name| body.get(name));
        let is_asked = |session: &Session| {
            (department.is_empty() || session.department == department)
                && (staff.is_empty() || session.doctor == staff || session.comes() == staff)
                && (clinic.is_empty() || session.clinic == clinic)
        };
        let touched = self.touched();
        let mut sessions = self.sessions(from, to);
        sessions.retain(is_asked);
        let written = sessions.iter().map(|session| self.written(session, &touched)).collect();
        Ok(vec![node("Schedules", written)])
    }

    fn written(&self, session: &Session, touched: &HashMap<&str, Taken>) -> Element {
        let slots = session.slots();
        let remain: u32 = slots.iter().map(|slot| self.remain(session, slot, touched)).sum();
        let status = match session.status {
            Status::Stopped => "2",
            Status::Substituted => "3",
            Status::Open if remain == 0 => "4",
            Status::Open => "1",
        };
        node(
            "Schedule",
            vec![
                leaf("ScheduleId", &session.id),
                leaf("ScheduleDate", session.date),
                leaf("NoonCode", &session.noon),
                leaf("StartTime", hour_of(session.start)),
                leaf("EndTime", hour_of(session.end)),
                leaf("DeptCode", &session.department),
                leaf("StaffCode", &session.doctor),
                leaf("RoomCode", &session.room),
                leaf("ClinicType", &session.clinic),
                leaf("RegLevel", &session.level),
                leaf("TotalNum", session.parts * session.each),
                leaf("RemainNum", remain),
                leaf("AddNum", 0),
                leaf("RegFee", session.reg_fee),
                leaf("ConsultFee", session.consult_fee),
                leaf("Status", status),
                leaf("SubstituteCode", &session.substitute),
            ],
        )
    }

    /// What can still be booked of a slot.
    fn remain(&self, session: &Session, slot: &Slot, touched: &HashMap<&str, Taken>) -> u32 {
        if session.status == Status::Stopped || session.begins(slot) <= self.now() {
            return 0;
        }
        let taken = touched.get(&*slot.id).copied().unwrap_or_default();
        slot.total.saturating_sub(session.sold_before(self.ways.seed, slot) + taken.sold + taken.locked)
    }

    pub(super) fn query_slots(&mut self, body: &Element) -> Answer {
        let session =
            self.session(body.get("ScheduleId")).ok_or_else(|| wrong("`ScheduleId` is not known"))?;
        let touched = self.touched();
        let written = |slot: &Slot| {
            let remain = self.remain(&session, slot, &touched);
            let is_over = session.begins(slot) <= self.now();
            let is_locked = touched.get(&*slot.id).is_some_and(|taken| taken.locked > 0);
            let status = match () {
                () if session.status == Status::Stopped || is_over => "3",
                () if remain > 0 => "0",
                () if is_locked => "1",
                () => "2",
            };
            node(
                "Slot",
                vec![
                    leaf("SlotId", &slot.id),
                    leaf("SeqNo", (slot.seq - 1) * session.each + 1),
                    leaf("StartTime", hour_of(slot.start)),
                    leaf("EndTime", hour_of(slot.end)),
                    leaf("TotalNum", slot.total),
                    leaf("RemainNum", remain),
                    leaf("Status", status),
                    leaf("Overbook", 0),
                ],
            )
        };
        Ok(vec![node("Slots", session.slots().iter().map(written).collect())])
    }

    /// Sells a number at the hospital's windows; false where there is none left.
    pub(in super::super) fn sell(&mut self, slot_id: &str) -> bool {
        let Some((session, slot)) = self.slot(slot_id) else { return false };
        let is_free = self.remain(&session, &slot, &self.touched()) > 0;
        if is_free {
            *self.memory.sold.entry(slot.id).or_default() += 1;
        }
        is_free
    }

    /// Lets every lock run out now.
    pub(in super::super) fn expire_locks(&mut self) {
        let now = self.now();
        for lock in self.memory.locks.values_mut().filter(|lock| lock.state == LockState::Held) {
            lock.expires = lock.expires.min(now);
        }
    }
}
