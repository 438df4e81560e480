//! What clashes (EX-6): the same doctor or the same room at the same time; one doctor on two campuses without time to travel.

use hub_fhir::Reference;
use time::{Duration, OffsetDateTime};

use crate::calendar;

/// A session, as far as it can clash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub doctor: Option<Reference>,
    pub room: Option<Reference>,
    pub campus: Option<String>,
    pub start: OffsetDateTime,
    pub end: OffsetDateTime,
}

/// Why two sessions clash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Doctor,
    Room,
    Travel,
}

impl Session {
    /// Why it clashes with another one; sessions that touch do not. `travel`: between two campuses.
    pub fn clashes(&self, other: &Self, travel: Duration) -> Option<Why> {
        let is_same = |one: &Option<Reference>, other: &Option<Reference>| one.is_some() && one == other;
        let overlaps = calendar::overlap((self.start, self.end), (other.start, other.end));
        let (same_doctor, same_room) =
            (is_same(&self.doctor, &other.doctor), is_same(&self.room, &other.room));
        if overlaps && same_doctor {
            return Some(Why::Doctor);
        }
        if overlaps && same_room {
            return Some(Why::Room);
        }
        let are_apart = self.campus.is_some() && other.campus.is_some() && self.campus != other.campus;
        let too_near = calendar::overlap((self.start - travel, self.end + travel), (other.start, other.end));
        (same_doctor && are_apart && too_near).then_some(Why::Travel)
    }

    /// The times of its day, between eight and eight, that are free of these sessions and long enough for it.
    pub fn free_times(&self, others: &[&Self], travel: Duration) -> Vec<(OffsetDateTime, OffsetDateTime)> {
        let day = calendar::begins(calendar::day(self.start));
        let (first, last) = (day + Duration::hours(8), day + Duration::hours(20));
        let lasts = self.end - self.start;
        // A time that is free begins when the day does, or when another session is over.
        let mut begins: Vec<OffsetDateTime> =
            others.iter().flat_map(|other| [other.end, other.end + travel]).chain([first]).collect();
        begins.sort_unstable();
        begins.dedup();
        let at = |start: OffsetDateTime| Self { start, end: start + lasts, ..self.clone() };
        let is_free = |session: &Self| others.iter().all(|other| session.clashes(other, travel).is_none());
        let fits = |start: &OffsetDateTime| *start >= first && *start + lasts <= last && is_free(&at(*start));
        begins.into_iter().filter(fits).map(|start| (start, start + lasts)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const TRAVEL: Duration = Duration::minutes(30);

    fn session(doctor: &str, room: &str, campus: &str, from: i64, to: i64) -> Session {
        let reference = |kind: &str, id: &str| {
            (!id.is_empty()).then(|| Reference::parse(&format!("{kind}/{id}")).unwrap())
        };
        let day = datetime!(2026-11-26 00:00 +8);
        Session {
            doctor: reference("Practitioner", doctor),
            room: reference("Location", room),
            campus: (!campus.is_empty()).then(|| campus.to_owned()),
            start: day + Duration::minutes(from),
            end: day + Duration::minutes(to),
        }
    }

    #[test]
    fn ex_6_what_clashes_and_what_does_not() {
        let wanted = session("d", "r", "east", 600, 660);
        for (other, why) in [
            (session("d", "x", "east", 630, 700), Some(Why::Doctor)),
            (session("d", "", "", 0, 1440), Some(Why::Doctor)),
            (session("e", "r", "east", 659, 700), Some(Why::Room)),
            // What touches does not clash.
            (session("d", "r", "east", 660, 720), None),
            (session("d", "r", "east", 540, 600), None),
            // Another doctor in another room.
            (session("e", "x", "east", 600, 660), None),
            // No room is known of either: that is no room in common.
            (session("e", "", "", 600, 660), None),
            // The other campus: half an hour to travel.
            (session("d", "x", "west", 689, 720), Some(Why::Travel)),
            (session("d", "x", "west", 690, 720), None),
            (session("d", "x", "west", 540, 571), Some(Why::Travel)),
            (session("d", "x", "west", 540, 570), None),
            (session("e", "x", "west", 661, 720), None),
        ] {
            assert_eq!(wanted.clashes(&other, TRAVEL), why, "{other:?}");
        }
    }

    #[test]
    fn ex_7_the_free_times_are_long_enough_and_free() {
        let wanted = session("d", "r", "east", 600, 660);
        let (morning, noon) = (session("d", "r", "east", 480, 720), session("e", "r", "east", 750, 800));
        let free = wanted.free_times(&[&morning, &noon], TRAVEL);
        let starts: Vec<i64> =
            free.iter().map(|(start, _)| (*start - datetime!(2026-11-26 00:00 +8)).whole_minutes()).collect();
        assert_eq!(starts, [800, 830]);
    }

    proptest! {
        #[test]
        fn ex_6_clashing_is_mutual_and_a_minute_in_common_of_one_doctor_always_clashes(
            from in 0i64..1400, lasts in 1i64..200, other_from in 0i64..1400, other_lasts in 1i64..200,
            same_doctor: bool, same_room: bool, same_campus: bool,
        ) {
            let one = session("d", "r", "east", from, from + lasts);
            let name = |same: bool, name: &'static str| if same { name } else { "other" };
            let other = session(name(same_doctor, "d"), name(same_room, "r"), name(same_campus, "east"), other_from, other_from + other_lasts);
            prop_assert_eq!(one.clashes(&other, TRAVEL), other.clashes(&one, TRAVEL));
            let shared = (from..from + lasts).any(|minute| (other_from..other_from + other_lasts).contains(&minute));
            prop_assert_eq!(shared && (same_doctor || same_room), matches!(one.clashes(&other, TRAVEL), Some(Why::Doctor | Why::Room)));
        }
    }
}
