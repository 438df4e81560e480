//! H303 H304 H309: a number is held for a patient for some minutes, or let go; a session is added.

use serde::Deserialize;
use time::{Duration, PrimitiveDateTime};

use super::super::clock::{hour_of, read_day, read_hour, stamped};
use super::super::codes::{Answer, Refusal, refuse, wrong};
use super::super::element::{Element, leaf};
use super::super::house::HOUSE;
use super::super::memory::{Lock, LockState};
use super::super::money::Fen;
use super::super::roster::{Session, Status, level};
use super::Hospital;

/// What a session is made of, as H309 tells it.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in super::super) struct TempSession {
    staff_code: String,
    dept_code: String,
    date: String,
    start_time: String,
    end_time: String,
    clinic_type: String,
    #[serde(default)]
    room_code: String,
    total_num: u32,
    reg_fee: String,
    consult_fee: String,
}

impl Hospital {
    pub(super) fn lock_slot(&mut self, body: &Element) -> Answer {
        let patient = self.patient(body.get("PatientId")).ok_or_else(|| refuse("2001"))?;
        if patient.get("Blacklist") == "1" {
            return Err(refuse("3007"));
        }
        let (session, slot) = self.slot(body.get("SlotId")).ok_or_else(|| wrong("`SlotId` is not known"))?;
        if session.status == Status::Stopped {
            return Err(refuse("3004"));
        }
        let now = self.now();
        if session.begins(&slot) <= now {
            return Err(refuse("3003"));
        }
        let taken = self.taken(&session, &slot);
        if taken.sold >= slot.total {
            return Err(refuse("3001"));
        }
        if taken.sold + taken.locked >= slot.total {
            return Err(refuse("3002"));
        }
        if self.has_been_there(body.get("PatientId"), &session) {
            return Err(refuse("3005"));
        }
        let minutes: i64 = body.get_or("LockMinutes", "15").parse().unwrap_or(15);
        let lock = Lock {
            lock_id: self.memory.next("L"),
            state: LockState::Held,
            expires: now + Duration::minutes(minutes),
            seq: self.free_seq(&session, &slot),
            slot: slot.id,
            session: session.id,
            patient: body.get("PatientId").to_owned(),
            reg_fee: session.reg_fee,
            consult_fee: session.consult_fee,
        };
        let answer = vec![
            leaf("LockId", &lock.lock_id),
            leaf("ExpireTime", stamped(lock.expires)),
            leaf("SeqNo", lock.seq),
            leaf("StartTime", hour_of(slot.start)),
            leaf("EndTime", hour_of(slot.end)),
            leaf("RegFee", lock.reg_fee),
            leaf("ConsultFee", lock.consult_fee),
            leaf("TotalFee", lock.total()),
        ];
        self.memory.locks.insert(lock.lock_id.clone(), lock);
        Ok(answer)
    }

    /// Whether the patient has a number of the same doctor on the same day, held or booked.
    fn has_been_there(&self, patient: &str, session: &Session) -> bool {
        let now = self.now();
        let is_same = |id: &str| {
            self.session(id)
                .is_some_and(|other| other.date == session.date && other.comes() == session.comes())
        };
        let mut registrations = self.memory.registrations.values();
        let mut locks = self.memory.locks.values();
        registrations.any(|one| one.is_live() && one.patient == patient && is_same(&one.session))
            || locks.any(|lock| lock.is_live(now) && lock.patient == patient && is_same(&lock.session))
    }

    /// A lock that is not known or not held any more is free: that is what was asked for.
    pub(super) fn unlock_slot(&mut self, body: &Element) -> Answer {
        if let Some(lock) = self.memory.locks.get_mut(body.get("LockId"))
            && lock.state == LockState::Held
        {
            lock.state = LockState::Released;
        }
        Ok(Vec::new())
    }

    pub(super) fn save_temporary(&mut self, body: &Element) -> Answer {
        let text = |name: &str| body.get(name).to_owned();
        self.add_session(&TempSession {
            staff_code: text("StaffCode"),
            dept_code: text("DeptCode"),
            date: text("Date"),
            start_time: text("StartTime"),
            end_time: text("EndTime"),
            clinic_type: text("ClinicType"),
            room_code: text("RoomCode"),
            total_num: body.get("TotalNum").parse().unwrap_or(1),
            reg_fee: text("RegFee"),
            consult_fee: text("ConsultFee"),
        })
    }

    /// Adds a session where neither the doctor nor the room has another one at that time.
    pub(in super::super) fn add_session(&mut self, added: &TempSession) -> Answer {
        let session = self.session_of(added)?;
        let others = self.sessions(session.date, session.date);
        let clashes = |other: &&Session| {
            let same_room = !session.room.is_empty() && other.room == session.room;
            other.status != Status::Stopped
                && other.overlaps(&session)
                && (other.comes() == session.doctor || same_room)
        };
        if let Some(other) = others.iter().find(clashes) {
            return Err(refuse("3008").with(vec![leaf("ConflictScheduleId", &other.id)]));
        }
        let id = session.id.clone();
        self.tell_of(&session, "ADD", "");
        self.memory.sessions.insert(id.clone(), session);
        Ok(vec![leaf("ScheduleId", id)])
    }

    fn session_of(&mut self, added: &TempSession) -> Result<Session, Refusal> {
        let date = read_day(&added.date).ok_or_else(|| wrong("`Date` is no date"))?;
        let (Some(start), Some(end)) = (read_hour(&added.start_time), read_hour(&added.end_time)) else {
            return Err(wrong("`StartTime` or `EndTime` is no time"));
        };
        if start >= end || PrimitiveDateTime::new(date, start) <= self.now() {
            return Err(wrong("the session ends before it begins, or has begun"));
        }
        let (doctor, _) = HOUSE.doctor(&added.staff_code).ok_or_else(|| wrong("`StaffCode` is not known"))?;
        let is_valid =
            |function, code: &str| self.item(function, code).is_some_and(|item| item.get("ValidFlag") == "1");
        if !is_valid("H102", &added.staff_code) || !is_valid("H101", &added.dept_code) {
            return Err(wrong("`StaffCode` or `DeptCode` is not valid"));
        }
        if !added.room_code.is_empty() && !is_valid("H103", &added.room_code) {
            return Err(wrong("`RoomCode` is not valid"));
        }
        let (Some(reg_fee), Some(consult_fee)) = (Fen::read(&added.reg_fee), Fen::read(&added.consult_fee))
        else {
            return Err(wrong("`RegFee` or `ConsultFee` is no amount"));
        };
        let day = date.to_string().replace('-', "");
        let noon = match start.hour() {
            0..=11 => "1",
            12..=17 => "2",
            _ => "3",
        };
        Ok(Session {
            id: format!("T{day}{}", self.memory.next("")),
            date,
            noon: noon.to_owned(),
            start,
            end,
            department: added.dept_code.clone(),
            doctor: added.staff_code.clone(),
            room: added.room_code.clone(),
            clinic: added.clinic_type.clone(),
            level: level(&doctor.title, &added.clinic_type).to_owned(),
            parts: added.total_num,
            each: 1,
            reg_fee,
            consult_fee,
            status: Status::Open,
            substitute: String::new(),
            sold_percent: 0,
        })
    }
}
