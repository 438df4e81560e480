//! What two nodes must not do at the same time although no row stands for it yet: take in the same message, find out which
//! parcel of an order key goes next, and write a resource that a guard of the other would have found. PostgreSQL's advisory locks
//! stand for it, to the end of the transaction: whoever writes to a type shares its lock, whoever searches it for a guard has it
//! alone.

use hub_core::id::DestinationId;
use hub_fhir::ResourceType;
use sha2::{Digest, Sha256};

use crate::database::Kind::Int;
use crate::database::{Connection, DatabaseError, Locks, Rows, Shape};
use crate::settled::GATE;
use crate::short::short;
use crate::writer::work::{Draft, Work};

const TAKE: Shape = Shape {
    before: "WITH w(name) AS (VALUES ",
    columns: &[Int],
    after: ") SELECT pg_advisory_xact_lock(w.name) FROM w",
    locks: "",
};

/// The locks of a batch, in the order in which they are taken, so that two nodes never wait for each other.
pub(super) fn of(works: &[&Work]) -> Locks {
    let mut locks: Locks = works.iter().flat_map(|work| names(work)).map(|name| (name, true)).collect();
    for draft in works.iter().filter_map(|work| work.draft()) {
        for guard in &draft.guards {
            locks.insert(type_lock(guard.kind), true);
        }
        if !draft.changes.is_empty() {
            locks.insert(GATE, false);
        }
        for change in &draft.changes {
            locks.entry(type_lock(change.reference().kind)).or_insert(false);
        }
    }
    locks
}

fn type_lock(kind: ResourceType) -> i64 {
    name("type", kind.name(), "")
}

fn in_order(mut names: Vec<i64>) -> Vec<i64> {
    names.sort_unstable();
    names.dedup();
    names
}

/// Takes the locks of order keys of destinations.
pub(super) fn take_keys<'k>(
    connection: &Connection,
    keys: impl Iterator<Item = (DestinationId, &'k str)>,
) -> Result<(), DatabaseError> {
    if !connection.dialect().is_postgres() {
        return Ok(());
    }
    let mut rows = Rows::new(&TAKE);
    for name in in_order(keys.map(|(to, key)| order(&to, key)).collect()) {
        rows.push([name.into()]);
    }
    rows.write(connection)
}

fn names(work: &Work) -> Vec<i64> {
    let of_parcels = |draft: &Draft| -> Vec<i64> {
        let keys = draft.parcels.iter().filter_map(|parcel| Some((&parcel.to, parcel.order_key.as_ref()?)));
        keys.map(|(to, key)| order(to, key)).collect()
    };
    match work {
        Work::Receive(message) | Work::ReceiveAttachment { message, .. } => {
            vec![name("message", message.head.channel.as_str(), &message.head.dedupe.0)]
        }
        Work::Commit { draft, .. } => of_parcels(draft),
        Work::Settle(settle) => {
            let mut names = settle.draft.as_ref().map(of_parcels).unwrap_or_default();
            names.extend(settle.order_key.as_ref().map(|key| order(&settle.to, key)));
            names
        }
        _ => Vec::new(),
    }
}

fn order(to: &DestinationId, key: &str) -> i64 {
    name("order", to.as_str(), &short(key))
}

/// The number that stands for a name: 64 bits of its SHA-256.
fn name(kind: &str, of: &str, key: &str) -> i64 {
    let mut hash = Sha256::new();
    for part in [kind, of, key] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    i64::from_be_bytes(first)
}
