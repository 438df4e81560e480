//! H308 H902: what the hospital tells by itself, pushed or asked for: sessions that stop, change or are added.

use serde::Deserialize;

use super::super::clock::{hour_of, read_hour, stamped};
use super::super::codes::Answer;
use super::super::element::{Element, leaf, node};
use super::super::memory::Event;
use super::super::roster::{Session, Status};
use super::Hospital;

/// How a session changes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", tag = "act", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(in super::super) enum Change {
    /// The doctor does not come.
    Stop { schedule_id: String },
    /// Another doctor comes.
    Replace { schedule_id: String, staff_code: String },
    /// Another room.
    Room { schedule_id: String, room_code: String },
    /// Another time of the same day; every number moves with it.
    Time { schedule_id: String, start_time: String, end_time: String },
}

impl Change {
    fn session(&self) -> &str {
        match self {
            Self::Stop { schedule_id }
            | Self::Replace { schedule_id, .. }
            | Self::Room { schedule_id, .. }
            | Self::Time { schedule_id, .. } => schedule_id,
        }
    }
}

impl Hospital {
    /// Changes a session and tells of it; false where it or what is new is not known.
    pub(in super::super) fn change_session(&mut self, change: &Change) -> bool {
        let Some(mut session) = self.session(change.session()) else { return false };
        let kind = match change {
            Change::Stop { .. } => {
                session.status = Status::Stopped;
                "STOP"
            }
            Change::Replace { staff_code, .. } => {
                if self.item("H102", staff_code).is_none() {
                    return false;
                }
                session.status = Status::Substituted;
                staff_code.clone_into(&mut session.substitute);
                "REPLACE"
            }
            Change::Room { room_code, .. } => {
                if self.item("H103", room_code).is_none() {
                    return false;
                }
                room_code.clone_into(&mut session.room);
                "ROOM"
            }
            Change::Time { start_time, end_time, .. } => {
                let (Some(start), Some(end)) = (read_hour(start_time), read_hour(end_time)) else {
                    return false;
                };
                if start >= end {
                    return false;
                }
                (session.start, session.end) = (start, end);
                "TIME"
            }
        };
        self.move_registrations(&session);
        self.tell_of(&session, kind, "门诊安排调整");
        self.memory.sessions.insert(session.id.clone(), session);
        true
    }

    /// Registrations follow their session: its doctor and its times.
    fn move_registrations(&mut self, session: &Session) {
        let slots = session.slots();
        let booked = self.memory.registrations.values_mut();
        for registration in booked.filter(|one| one.session == session.id && one.status == "1") {
            session.comes().clone_into(&mut registration.doctor);
            if let Some(slot) = slots.iter().find(|slot| slot.id == registration.slot) {
                (registration.start, registration.end) = (slot.start, slot.end);
            }
        }
    }

    /// Puts H308 into the row of events.
    pub(super) fn tell_of(&mut self, session: &Session, change: &str, reason: &str) {
        let booked = self.memory.registrations.values();
        let affected = booked.filter(|one| one.session == session.id && one.status == "1");
        let numbers = affected.map(|one| leaf("RegNo", &one.reg_no)).collect();
        let body = vec![
            leaf("ScheduleId", &session.id),
            leaf("ChangeType", change),
            leaf("ScheduleDate", session.date),
            leaf("StartTime", hour_of(session.start)),
            leaf("EndTime", hour_of(session.end)),
            leaf("DeptCode", &session.department),
            leaf("StaffCode", &session.doctor),
            leaf("SubstituteCode", &session.substitute),
            leaf("RoomCode", &session.room),
            leaf("ClinicType", &session.clinic),
            leaf("Reason", reason),
            node("RegNos", numbers),
        ];
        self.memory.tell("H308", self.clock.now(), body);
    }

    pub(super) fn query_events(&mut self, body: &Element) -> Answer {
        let number = |name, otherwise| body.get_or(name, otherwise).parse::<usize>().unwrap_or(0);
        let (after, size) = (number("LastEventId", "0"), number("PageSize", "100"));
        let written = |event: &Event| {
            node(
                "Event",
                vec![
                    leaf("EventId", event.id),
                    leaf("TransCode", &event.trans_code),
                    leaf("EventTime", stamped(event.at)),
                    node("Content", event.body.clone()),
                ],
            )
        };
        let events: Vec<Element> = self.memory.events.iter().skip(after).take(size).map(written).collect();
        // Where to go on: after the last one told here.
        Ok(vec![leaf("LastEventId", after + events.len()), node("Events", events)])
    }

    /// The oldest event the hub has not acknowledged.
    pub(in super::super) fn next_push(&self) -> Option<Event> {
        self.memory.events.get(self.memory.acknowledged).cloned()
    }
}
