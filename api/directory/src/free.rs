//! The earliest free slot of each doctor. Half a million slots are never read: each doctor's earliest is asked for, and again only when
//! something of the doctor's has changed or the slot's time has come.

use std::collections::{BTreeSet, HashMap, HashSet};

use hub_core::store::{Resources, StoreError};
use hub_fhir::search::Stored;
use hub_fhir::{Id, Json, Object, Reference, ResourceType};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::changes::{Follow, News};
use crate::doctor::pointed;
use crate::index::FreeSlots;
use crate::pages::{Pages, tree};

/// So many sessions are looked through at once.
const SESSIONS: &str = "50";

/// Finds them, and remembers what it has found.
pub(crate) struct Finder {
    schedules: Follow,
    slots: Follow,
    schedule: ResourceType,
    slot: ResourceType,
    /// Of each doctor that was asked for; `None`: there is none.
    earliest: HashMap<Id, Option<Earliest>>,
}

/// The earliest free slot of a doctor.
struct Earliest {
    start: OffsetDateTime,
    slot: Reference,
    schedule: Option<Reference>,
}

impl Finder {
    /// Has found nothing yet.
    pub fn new(now: OffsetDateTime) -> Option<Self> {
        let [schedule, slot] = ["Schedule", "Slot"].map(ResourceType::from_name);
        let (schedule, slot) = (schedule?, slot?);
        Some(Self {
            schedules: Follow::new(schedule, now),
            slots: Follow::new(slot, now),
            schedule,
            slot,
            earliest: HashMap::new(),
        })
    }

    /// Asks again for those of whom it may be another one now; `from`: when a slot must begin to be bookable yet.
    pub async fn look(
        &mut self,
        resources: &dyn Resources,
        doctors: &BTreeSet<Id>,
        now: OffsetDateTime,
        from: OffsetDateTime,
    ) -> Result<FreeSlots, StoreError> {
        if let Err(error) = self.forget_changed(resources, now).await {
            // What has changed is not known, or will not be told again.
            self.earliest.clear();
            return Err(error);
        }
        self.earliest.retain(|doctor, earliest| {
            doctors.contains(doctor) && earliest.as_ref().is_none_or(|earliest| earliest.start >= from)
        });
        for doctor in doctors {
            if !self.earliest.contains_key(doctor) {
                let earliest = self.ask(resources, doctor, from).await?;
                self.earliest.insert(doctor.clone(), earliest);
            }
        }
        let starts = self.earliest.iter();
        Ok(starts.filter_map(|(doctor, earliest)| Some((doctor.clone(), earliest.as_ref()?.start))).collect())
    }

    /// Forgets what was found of doctors whose schedules or slots have changed.
    async fn forget_changed(
        &mut self,
        resources: &dyn Resources,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let schedules = self.schedules.news(resources, now).await?;
        let slots = self.slots.news(resources, now).await?;
        let (News::Some(schedules), News::Some(slots)) = (schedules, slots) else {
            self.earliest.clear();
            return Ok(());
        };
        let mut changed: HashSet<Reference> =
            schedules.iter().chain(&slots).map(|stored| stored.reference.clone()).collect();
        let mut trees: Vec<Object> = schedules.iter().filter_map(tree).collect();
        for schedule in slots.iter().filter_map(tree).filter_map(|slot| pointed(&slot, "schedule")) {
            if changed.insert(schedule.clone()) {
                trees.extend(resources.read(&schedule).await?.as_ref().and_then(tree));
            }
        }
        let actors: HashSet<Id> = trees.iter().flat_map(actors).collect();
        // The schedule may have been another doctor's before; of what was deleted nobody knows any more whose it was.
        let has_changed = |earliest: &Earliest| {
            let schedule = earliest.schedule.as_ref();
            changed.contains(&earliest.slot) || schedule.is_some_and(|schedule| changed.contains(schedule))
        };
        self.earliest.retain(|doctor, earliest| {
            !actors.contains(doctor) && !earliest.as_ref().is_some_and(has_changed)
        });
        Ok(())
    }

    /// The earliest free slot of a doctor's sessions. Two searches by what is indexed are far faster than one through a chain, which a
    /// database may do from the wrong end.
    async fn ask(
        &self,
        resources: &dyn Resources,
        doctor: &Id,
        from: OffsetDateTime,
    ) -> Result<Option<Earliest>, StoreError> {
        let mut sessions = Pages::of(
            resources,
            self.schedule,
            &[("actor", &format!("Practitioner/{doctor}")), ("active:not", "false"), ("_count", SESSIONS)],
        )?;
        let from = hub_fhir::prepare::instant(from);
        let mut earliest: Option<Earliest> = None;
        while let Some(page) = sessions.next().await?.filter(|page| !page.is_empty()) {
            let ids: Vec<String> = page.iter().map(|session| session.reference.to_string()).collect();
            let slots = [
                ("schedule", ids.join(",")),
                ("status", "free".to_owned()),
                ("start", format!("ge{from}")),
                ("_sort", "start".to_owned()),
                ("_count", "1".to_owned()),
            ];
            let slots = slots.each_ref().map(|(name, value)| (*name, value.as_str()));
            let found = Pages::of(resources, self.slot, &slots)?.next().await?.unwrap_or_default();
            let slot = found.first().and_then(Earliest::of);
            earliest = [earliest, slot].into_iter().flatten().min_by_key(|slot| slot.start);
        }
        Ok(earliest)
    }
}

impl Earliest {
    fn of(stored: &Stored) -> Option<Self> {
        let slot = tree(stored)?;
        let start = OffsetDateTime::parse(slot.get("start")?.as_str()?, &Rfc3339).ok()?;
        Some(Self { start, slot: stored.reference.clone(), schedule: pointed(&slot, "schedule") })
    }
}

/// The doctors of a schedule.
fn actors(schedule: &Object) -> Vec<Id> {
    let actors = schedule.get("actor").map(Json::items).unwrap_or_default().iter();
    let actors = actors.filter_map(|actor| Reference::parse(actor.get("reference")?.as_str()?).ok());
    actors.filter(|actor| actor.kind.name() == "Practitioner").map(|actor| actor.id).collect()
}
