//! What the writer remembers of the resources it has lately read or written, so that merging into a shared one that
//! stays the same costs neither a read nor a parse.
//!
//! Exact, because only the writer writes: it learns a state when its transaction is durable, and forgets all when a
//! transaction fails. Bounded: two generations, of which the older is dropped when the younger has half the bytes.

use std::collections::HashMap;

use bytes::Bytes;
use compact_str::CompactString;
use hub_fhir::Reference;

use crate::entries::Beside;

/// How many merges that change nothing are remembered of a resource.
const MOST_SAME: usize = 4;
/// What an entry takes beside its texts, about.
const ENTRY_BYTES: usize = 400;

/// A part and what it clears: the same merge into the same version has the same outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MergeKey {
    pub digest: [u8; 16],
    pub clear: Vec<CompactString>,
    pub initial: Vec<CompactString>,
}

/// A current version whole.
#[derive(Clone)]
pub(super) struct Known {
    pub rid: i64,
    pub version: u64,
    pub updated_us: i64,
    pub is_deleted: bool,
    pub digest: Option<[u8; 16]>,
    /// The search rows.
    pub rows: Beside,
    pub body: Bytes,
    /// Merges that were found to change nothing.
    pub same: Vec<MergeKey>,
}

impl Known {
    /// Remembers a merge that changed nothing.
    pub fn add_same(same: &mut Vec<MergeKey>, key: MergeKey) {
        if same.len() == MOST_SAME {
            same.remove(0);
        }
        same.push(key);
    }

    fn bytes(&self) -> usize {
        let same: usize = self.same.iter().map(|key| 96 + (key.clear.len() + key.initial.len()) * 32).sum();
        self.rows.len() + self.body.len() + same + ENTRY_BYTES
    }
}

/// The resources remembered.
pub(super) struct Recent {
    young: HashMap<Reference, Known>,
    old: HashMap<Reference, Known>,
    young_bytes: usize,
    most_bytes: usize,
}

impl Recent {
    /// Remembers nothing yet, and never more than about so many bytes.
    pub fn new(most_bytes: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_bytes: 0, most_bytes }
    }

    /// The current version, if it is remembered.
    pub fn get(&self, reference: &Reference) -> Option<&Known> {
        self.young.get(reference).or_else(|| self.old.get(reference))
    }

    /// Remembers a version that is durable. What was remembered of the resource before is replaced.
    pub fn put(&mut self, reference: Reference, known: Known) {
        self.old.remove(&reference);
        self.young_bytes += known.bytes();
        if let Some(replaced) = self.young.insert(reference, known) {
            self.young_bytes = self.young_bytes.saturating_sub(replaced.bytes());
        }
        if self.young_bytes > self.most_bytes / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    /// Keeps what was of use.
    pub fn keep(&mut self, reference: &Reference) {
        if let Some((reference, known)) = self.old.remove_entry(reference) {
            self.put(reference, known);
        }
    }

    /// Forgets everything: what is in the database is not known.
    pub fn forget(&mut self) {
        self.young.clear();
        self.old.clear();
        self.young_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(version: u64) -> Known {
        Known {
            rid: 1,
            version,
            updated_us: 0,
            is_deleted: false,
            digest: None,
            rows: Beside::of(&[]),
            body: Bytes::from(vec![b'x'; 1_000]),
            same: Vec::new(),
        }
    }

    fn reference(n: u64) -> Reference {
        Reference::parse(&format!("Location/{n}")).unwrap()
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten_within_its_bytes() {
        let mut recent = Recent::new(40_000);
        for n in 0..1_000 {
            recent.put(reference(n), known(n));
            recent.put(reference(0), known(n));
            assert!(recent.young.len() + recent.old.len() < 40);
        }
        assert_eq!(recent.get(&reference(0)).map(|known| known.version), Some(999));
        assert!(recent.get(&reference(1)).is_none());
        recent.forget();
        assert!(recent.get(&reference(0)).is_none());
    }

    #[test]
    fn the_newest_version_is_the_one_remembered() {
        let mut recent = Recent::new(4_000);
        recent.put(reference(1), known(1));
        recent.put(reference(2), known(1));
        recent.put(reference(1), known(2));
        assert_eq!(recent.get(&reference(1)).map(|known| known.version), Some(2));
    }
}
