//! The one way anything is changed: a commit.

use bytes::Bytes;
use compact_str::CompactString;
use hub_fhir::search::Search;
use hub_fhir::{Id, Object, Reference, Resource, merge};
use time::OffsetDateTime;

use crate::id::{CorrelationId, DestinationId, ParcelId};

/// Everything one message, command or timer brings about. Written whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Writes to the FHIR store, in order.
    pub changes: Vec<Change>,
    /// What is owed to partners.
    pub parcels: Vec<Parcel>,
    /// Events to raise later.
    pub wakes: Vec<Wake>,
    /// What the message can be found by.
    pub keys: Vec<Key>,
    /// What was left out, and why: kept with the message for the operator.
    pub notes: Vec<Note>,
    /// What must hold when it is written; where one does not, nothing is.
    pub guards: Vec<Guard>,
}

/// What a search found when the commit was made, and must find again when it is written: nobody can come in between.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The search. Its filters alone count: not its order, page or includes.
    pub search: Search,
    /// All it finds, in any order.
    pub finds: Vec<Id>,
}

/// One write to the FHIR store. A write that changes nothing makes no new version.
#[derive(Clone, Debug)]
pub enum Change {
    /// The resource is this one from now on.
    Put(Resource),
    /// The same, but the commit fails unless the stored version is still `version`.
    PutIf {
        /// The whole resource.
        resource: Resource,
        /// The version it was made from.
        version: u64,
    },
    /// The elements it carries replace the stored ones; the others stay ([`hub_fhir::merge`]).
    /// Creates the resource when it is not there.
    Merge {
        /// The part that is known.
        resource: Resource,
        /// Elements the sender says are empty now.
        clear: Vec<CompactString>,
        /// Elements that count only when the resource is created: what must be there from the start, of which the sender
        /// says nothing now.
        initial: Vec<CompactString>,
    },
    /// Creates the resource when it is not there; otherwise nothing.
    Ensure(Resource),
    /// The resource is gone from now on; its history stays. Nothing when it is not there.
    Delete(Reference),
    /// The same, but the commit fails unless the stored version is still `version`.
    DeleteIf {
        /// What is deleted.
        reference: Reference,
        /// The version that is known of it.
        version: u64,
    },
}

impl Change {
    /// What is written to.
    pub fn reference(&self) -> Reference {
        match self {
            Change::Put(resource)
            | Change::PutIf { resource, .. }
            | Change::Merge { resource, .. }
            | Change::Ensure(resource) => resource.reference(),
            Change::Delete(reference) | Change::DeleteIf { reference, .. } => reference.clone(),
        }
    }

    /// The resource that is written, where there is one.
    pub fn resource(&self) -> Option<&Resource> {
        match self {
            Change::Put(resource)
            | Change::PutIf { resource, .. }
            | Change::Merge { resource, .. }
            | Change::Ensure(resource) => Some(resource),
            Change::Delete(_) | Change::DeleteIf { .. } => None,
        }
    }

    /// What is there after it, where this is stored now; `None`: nothing is.
    pub fn onto(&self, stored: Option<&Object>) -> Option<Object> {
        match (self, stored) {
            (Change::Delete(_) | Change::DeleteIf { .. }, _) => None,
            (Change::Ensure(_), Some(stored)) => Some(stored.clone()),
            (Change::Merge { resource, clear, initial }, Some(stored)) => {
                let mut part = resource.tree().clone();
                for name in initial {
                    part.remove(name);
                }
                Some(merge(stored, part, clear))
            }
            (
                Change::Put(resource)
                | Change::PutIf { resource, .. }
                | Change::Merge { resource, .. }
                | Change::Ensure(resource),
                _,
            ) => Some(resource.tree().clone()),
        }
    }
}

/// One thing owed to one destination. Kept until it is delivered or given up.
#[derive(Clone)]
pub struct Parcel {
    /// Its name, and the idempotency key for the peer. Stable: see [`ParcelId::of`].
    pub id: ParcelId,
    /// Whom it is owed to.
    pub to: DestinationId,
    /// What is sent.
    pub body: Bytes,
    /// The media type of the body: `application/json`, `x-application/hl7-v2+er7`.
    pub content_type: CompactString,
    /// Ties it to what it follows from.
    pub correlation: CorrelationId,
    /// Parcels with the same key reach the destination in order, one at a time.
    pub order_key: Option<CompactString>,
}

impl std::fmt::Debug for Parcel {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parcel({} to {}, {} bytes)", self.id, self.to, self.body.len())
    }
}

/// An event to raise later: a payment unanswered, a booking not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When.
    pub at: OffsetDateTime,
    /// Its name: `payment.unanswered`.
    pub event: CompactString,
    /// What it is about.
    pub subject: Reference,
}

/// Something a message can be found by: (`patient`, `123456`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The name the channel file gives it: `patient`, `visit`, `order`.
    pub name: CompactString,
    /// The value, as the sender writes it.
    pub value: CompactString,
}

impl std::fmt::Debug for Key {
    /// The value may be a patient's number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

/// Something that was not taken over, and why. Holds no patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where in the source: `PID[1]-7`.
    pub place: String,
    /// Why: `expected a date`.
    pub reason: String,
}
