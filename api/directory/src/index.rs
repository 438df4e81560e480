//! All doctors in memory: who is listed, who is found, in what order. Pure; the time comes in.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use hub_fhir::{Id, Object, Reference};
use time::OffsetDateTime;
use time::macros::offset;

use crate::doctor::{Doctor, Rank};
use crate::words::Sought;

/// All doctors, as they were when it was made.
#[derive(Default)]
pub struct Index {
    doctors: Vec<Arc<Doctor>>,
}

/// When the earliest free slot of each doctor begins, by the Practitioner's id.
pub type FreeSlots = HashMap<Id, OffsetDateTime>;

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// What somebody has typed: a name, a disease, a department, in any language. All words must be found.
    pub text: String,
    /// Only doctors of this department, or of one below it: its id, number or name.
    pub department: Option<String>,
    /// Only doctors of this hospital: its id, number or name.
    pub hospital: Option<String>,
    /// So many at most.
    pub count: usize,
    /// So many are left out at the beginning.
    pub offset: usize,
}

/// What was found.
#[derive(Default)]
pub struct Found {
    /// How many there are in all.
    pub total: usize,
    /// Those of the page.
    pub listed: Vec<Listed>,
}

/// A doctor on the list.
pub struct Listed {
    /// Who it is.
    pub doctor: Arc<Doctor>,
    /// When the earliest slot that can be booked begins; `None`: a visit is asked for (DIR-3).
    pub next_free: Option<OffsetDateTime>,
}

impl Index {
    /// The doctors of these roles; `known` are Practitioners and Organizations.
    pub fn of(roles: impl IntoIterator<Item = Object>, known: &HashMap<Reference, Arc<Object>>) -> Self {
        let known = |reference: &Reference| known.get(reference).cloned();
        let doctors = roles.into_iter().filter_map(|role| Doctor::of(role, &known));
        Self { doctors: doctors.map(Arc::new).collect() }
    }

    /// Everybody in it, listed or not.
    pub fn doctors(&self) -> &[Arc<Doctor>] {
        &self.doctors
    }

    /// Finds doctors. `bookable` is from when to when a slot must begin, seen from `now`.
    pub fn find(
        &self,
        query: &Query,
        free: &FreeSlots,
        now: OffsetDateTime,
        bookable: &Range<OffsetDateTime>,
    ) -> Found {
        let sought = Sought::of(&query.text);
        let department = query.department.as_deref().map(Place::of);
        let hospital = query.hospital.as_deref().map(Place::of);
        let today = now.to_offset(offset!(+8)).date().to_string();
        let has_left = |doctor: &Doctor| {
            let last = doctor.last_day.as_deref();
            last.is_some_and(|last| today.get(..last.len()).is_some_and(|today| today > last))
        };
        let mut found = Vec::new();
        for doctor in &self.doctors {
            let next_free = free.get(&doctor.id).copied().filter(|start| bookable.contains(start));
            // DIR-2: the high titles always; others only where they can be booked, or serve online.
            let is_listed = doctor.rank != Rank::Other || next_free.is_some() || doctor.is_online;
            let is_there = |place: &Option<Place<'_>>| place.as_ref().is_none_or(|place| place.has(doctor));
            if is_listed
                && !has_left(doctor)
                && is_there(&department)
                && is_there(&hospital)
                && doctor.words.has(&sought)
            {
                // DIR-6. The id makes the order of equals the same on every page.
                let is_named = doctor.words.is_named(&sought);
                let soonest = next_free.map_or(i64::MAX, OffsetDateTime::unix_timestamp);
                let place = (Reverse(is_named), soonest, doctor.rank, Reverse(doctor.is_tagged), &doctor.id);
                found.push((place, doctor, next_free));
            }
        }
        found.sort_unstable_by_key(|(place, ..)| *place);
        let total = found.len();
        let page = found.into_iter().skip(query.offset).take(query.count);
        let listed =
            page.map(|(_, doctor, next_free)| Listed { doctor: Arc::clone(doctor), next_free }).collect();
        Found { total, listed }
    }
}

/// A department or hospital that is asked for.
struct Place<'q> {
    asked: &'q str,
    name: Sought,
}

impl<'q> Place<'q> {
    fn of(asked: &'q str) -> Self {
        Self { asked, name: Sought::of(asked) }
    }

    /// Whether a doctor is of it, or of a part of it.
    fn has(&self, doctor: &Doctor) -> bool {
        let mut houses = doctor.houses.iter();
        houses.any(|house| house.is(self.asked) || house.names.has(&self.name))
    }
}

#[cfg(test)]
mod tests;
