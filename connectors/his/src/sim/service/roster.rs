//! The rosters: which doctor sits when and where, and the numbers of each session; decided by the seed and the date alone.

use serde::{Deserialize, Serialize};
use sim_kit::dice::Dice;
use time::{Date, PrimitiveDateTime, Time};

use super::clock;
use super::house::{Doctor, HOUSE, room_code};
use super::money::Fen;

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// 1.
    Open,
    /// 2: the doctor does not come.
    Stopped,
    /// 3: another doctor comes.
    Substituted,
}

/// Half a day of a doctor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    pub(super) id: String,
    #[serde(with = "clock::day")]
    pub(super) date: Date,
    /// 1 morning, 2 afternoon, 3 evening, 4 the whole day.
    pub(super) noon: String,
    #[serde(with = "clock::hour")]
    pub(super) start: Time,
    #[serde(with = "clock::hour")]
    pub(super) end: Time,
    pub(super) department: String,
    pub(super) doctor: String,
    pub(super) room: String,
    /// 0 ordinary, 1 international, 2 VIP, 3 online.
    pub(super) clinic: String,
    pub(super) level: String,
    /// In how many parts the session is divided, and how many patients each part takes: 1 where it is a number.
    pub(super) parts: u32,
    pub(super) each: u32,
    pub(super) reg_fee: Fen,
    pub(super) consult_fee: Fen,
    pub(super) status: Status,
    pub(super) substitute: String,
    /// How many of a hundred numbers were sold at the hospital's windows before.
    pub(super) sold_percent: u64,
}

/// A part of a session: one number, or a period for several.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) id: String,
    pub(super) seq: u32,
    pub(super) start: Time,
    pub(super) end: Time,
    pub(super) total: u32,
}

impl Session {
    /// Who sits there.
    pub(super) fn comes(&self) -> &str {
        if self.status == Status::Substituted { &self.substitute } else { &self.doctor }
    }

    /// Its parts, in order.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let minutes = minutes_of(self.end).saturating_sub(minutes_of(self.start));
        let at = |part: u32| time_of(minutes_of(self.start) + minutes * part / self.parts.max(1));
        let slot = |part: u32| Slot {
            id: format!("{}-{part:02}", self.id),
            seq: part,
            start: at(part - 1),
            end: at(part),
            total: self.each,
        };
        (1..=self.parts).map(slot).collect()
    }

    /// How many patients of a part were sold at the windows before anybody asked.
    pub(super) fn sold_before(&self, seed: u64, slot: &Slot) -> u32 {
        let mut dice = Dice::new(seed, &slot.id, 0);
        (0..slot.total).map(|_| u32::from(dice.percent(self.sold_percent))).sum()
    }

    /// When one of its parts begins.
    pub(super) fn begins(&self, slot: &Slot) -> PrimitiveDateTime {
        PrimitiveDateTime::new(self.date, slot.start)
    }

    /// Whether two sessions take place at the same time; touching ends do not.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.date == other.date && self.start < other.end && other.start < self.end
    }
}

/// The sessions of a day, before anybody changed them; `sold_percent` of their numbers are sold at the windows.
pub(super) fn of_day(seed: u64, sold_percent: u64, date: Date) -> Vec<Session> {
    let weekday = date.weekday().number_from_monday().to_string();
    let mut sessions = Vec::new();
    for doctor in &HOUSE.doctors {
        for entry in doctor.week.iter().filter(|entry| entry.starts_with(&weekday)) {
            sessions.push(session(seed, sold_percent, date, doctor, entry));
        }
    }
    substitute(seed, &mut sessions);
    sessions
}

/// One entry of a doctor's week, such as `1A0`, on its day.
fn session(seed: u64, sold_percent: u64, date: Date, doctor: &Doctor, entry: &str) -> Session {
    let (noon, start, end) = match entry.as_bytes().get(1) {
        Some(b'A') => ("1", 8_u32, 12_u32),
        Some(b'P') => ("2", 14, 17),
        _ => ("3", 19, 21),
    };
    let clinic = entry.get(2..).unwrap_or("0");
    let hours = end - start;
    let (_, place) = HOUSE.doctor(&doctor.code).unwrap_or((doctor, 1));
    // Every second doctor sells an ordinary session by the hour, the others by numbers.
    let (parts, each) = match (clinic, place % 2) {
        ("0", 1) => (hours * 4, 1),
        ("0", _) => (hours, 5),
        ("1", _) => (hours * 2, 1),
        ("2", _) => (hours, 1),
        _ => (hours, 10),
    };
    let id = format!("S{}{}{noon}", date.to_string().replace('-', ""), doctor.code);
    let mut dice = Dice::new(seed, &id, 0);
    let (status, sold_percent) = match dice.below(100) {
        0..=4 => (Status::Stopped, sold_percent),
        // Sold out at the windows.
        5..=9 => (Status::Open, 100),
        _ => (Status::Open, sold_percent),
    };
    let (reg_fee, consult_fee) = fees(&doctor.title, clinic);
    Session {
        noon: noon.to_owned(),
        start: time_of(start * 60),
        end: time_of(end * 60),
        department: doctor.department.clone(),
        doctor: doctor.code.clone(),
        // Online there is no room.
        room: if clinic == "3" { String::new() } else { room_code(&doctor.department, place) },
        clinic: clinic.to_owned(),
        level: level(&doctor.title, clinic).to_owned(),
        parts,
        each,
        reg_fee,
        consult_fee,
        status,
        substitute: String::new(),
        sold_percent,
        date,
        id,
    }
}

/// Has a colleague of the department come, who is free then, for some of the sessions.
fn substitute(seed: u64, sessions: &mut [Session]) {
    for at in 0..sessions.len() {
        let session = &sessions[at];
        let mut dice = Dice::new(seed, &session.id, 1);
        if session.status != Status::Open || !dice.percent(6) {
            continue;
        }
        let is_free = |doctor: &&Doctor| {
            doctor.department == session.department
                && !doctor.week.is_empty()
                && !sessions.iter().any(|other| other.comes() == doctor.code && other.overlaps(session))
        };
        if let Some(colleague) = HOUSE.doctors.iter().find(is_free) {
            sessions[at].substitute = colleague.code.clone();
            sessions[at].status = Status::Substituted;
        }
    }
}

/// What a patient pays: registration and consultation, by the price list.
pub(super) fn fees(title: &str, clinic: &str) -> (Fen, Fen) {
    let item = match (clinic, title) {
        ("3", _) => "110200901",
        ("2", _) => "110200002c",
        (_, "231") => "110200002b",
        (_, "232") => "110200002a",
        (_, "233") => "110200001b",
        _ => "110200001a",
    };
    let price = |code| {
        let (ordinary, international) = HOUSE.price(code).unwrap_or_default();
        if clinic == "0" { ordinary } else { international.unwrap_or(ordinary) }
    };
    (price("110100001"), price(item))
}

/// 号别.
pub(super) fn level(title: &str, clinic: &str) -> &'static str {
    match (clinic, title) {
        ("2", _) => "特需",
        (_, "231") => "专家",
        (_, "232") => "副主任",
        _ => "普通",
    }
}

/// Minutes since midnight.
pub(super) fn minutes_of(time: Time) -> u32 {
    u32::from(time.hour()) * 60 + u32::from(time.minute())
}

fn time_of(minutes: u32) -> Time {
    let part = |number: u32| u8::try_from(number).unwrap_or(0);
    Time::from_hms(part(minutes / 60), part(minutes % 60), 0).unwrap_or(Time::MIDNIGHT)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    fn fortnight() -> Vec<Session> {
        let mut day = date!(2026 - 03 - 02);
        let mut sessions = Vec::new();
        for _ in 0..14 {
            sessions.extend(of_day(1, 25, day));
            day = day.next_day().unwrap();
        }
        sessions
    }

    #[test]
    fn a_fortnight_shows_every_kind_of_clinic_and_what_goes_wrong() {
        let sessions = fortnight();
        for clinic in ["0", "1", "2", "3"] {
            assert!(sessions.iter().any(|session| session.clinic == clinic));
        }
        for status in [Status::Open, Status::Stopped, Status::Substituted] {
            assert!(sessions.iter().any(|session| session.status == status), "{status:?}");
        }
        assert!(sessions.iter().any(|session| session.each == 1));
        assert!(sessions.iter().any(|session| session.each == 10));
        assert!(sessions.iter().any(|session| session.sold_percent == 100));
    }

    #[test]
    fn nobody_sits_in_two_places_and_no_room_holds_two() {
        let sessions = fortnight();
        for (at, one) in sessions.iter().enumerate() {
            for other in sessions[at + 1..].iter().filter(|other| other.overlaps(one)) {
                assert_ne!(one.comes(), other.comes(), "{} {}", one.id, other.id);
                assert!(one.room.is_empty() || one.room != other.room, "{} {}", one.id, other.id);
            }
        }
    }

    #[test]
    fn who_has_no_week_sits_nowhere() {
        for session in fortnight() {
            let (doctor, _) = HOUSE.doctor(session.comes()).unwrap();
            assert!(!doctor.week.is_empty(), "{}", session.id);
        }
    }

    #[test]
    fn the_parts_of_a_session_follow_each_other_and_fill_it() {
        for session in fortnight() {
            let slots = session.slots();
            assert_eq!((slots[0].start, slots[slots.len() - 1].end), (session.start, session.end));
            assert!(slots.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }

    #[test]
    fn fees_are_those_of_the_price_list() {
        assert_eq!(fees("231", "0"), (Fen(100), Fen(6_000)));
        assert_eq!(fees("231", "1"), (Fen(5_000), Fen(80_000)));
    }
}
