//! The numbers of messages, resources and parcels: each is larger than all that were given out before it was asked for.

use std::collections::VecDeque;

use hub_core::cluster::Company;

use crate::clock;
use crate::database::{Connection, DatabaseError, Line, Locks, all};
use crate::writer::locks;
use crate::writer::work::{Draft, Work};

/// Numbers of one kind, to be taken in order.
#[derive(Clone, Debug)]
pub(crate) enum Supply {
    /// On SQLite: nobody else gives any out, so the next is known.
    Next(i64),
    /// On PostgreSQL: as many as the batch can need, from a sequence that all nodes share.
    Given(VecDeque<i64>),
}

impl Supply {
    /// The next number.
    pub fn take(&mut self) -> i64 {
        match self {
            Supply::Next(next) => {
                let taken = *next;
                *next += 1;
                taken
            }
            Supply::Given(given) => given.pop_front().expect("as many were asked for as the works can need"),
        }
    }
}

/// Where the numbers stand.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    pub message: Supply,
    pub resource: Supply,
    pub parcel: Supply,
    /// Who else there is.
    pub company: Company,
    /// The time of the resources that are written, in microseconds: not before any that was, and on PostgreSQL by the database's clock,
    /// taken under the locks of the batch ([`crate::settled`]).
    pub written_us: i64,
}

impl Numbers {
    /// None to give out: nothing is known of the database yet.
    pub fn none() -> Self {
        let none = || Supply::Given(VecDeque::new());
        Self { message: none(), resource: none(), parcel: none(), company: Company::default(), written_us: 0 }
    }

    /// Reads where the numbers stand.
    pub fn load(connection: &Connection) -> Result<Self, DatabaseError> {
        if connection.dialect().is_postgres() {
            return Ok(Self::none());
        }
        let read = |line: &Line<'_>| {
            let next = |column| Ok::<_, DatabaseError>(Supply::Next(line.get(column)?));
            let (company, written_us) = (Company::default(), line.get(3)?);
            Ok(Self { message: next(0)?, resource: next(1)?, parcel: next(2)?, company, written_us })
        };
        let found = all(
            connection,
            "SELECT (SELECT coalesce(max(seq), 0) + 1 FROM message),
                    (SELECT coalesce(max(rid), 0) + 1 FROM resource),
                    (SELECT coalesce(max(seq), 0) + 1 FROM parcel),
                    0",
            &[],
            read,
        )?;
        found.into_iter().next().ok_or(DatabaseError::Missing("its numbers"))
    }

    /// The numbers for a batch, and its locks. On PostgreSQL they are asked for within its transaction, so that a message which is answered
    /// has a smaller number than any that comes later, at whatever node; and this node must still be one of the hub's.
    pub fn for_works(
        &self,
        connection: &Connection,
        node: i64,
        works: &[&Work],
    ) -> Result<Self, DatabaseError> {
        if !connection.dialect().is_postgres() {
            return Ok(Self { written_us: self.written_us.max(clock::now()), ..self.clone() });
        }
        let (mut messages, mut resources, mut parcels) = (0_u64, 0_u64, 0_u64);
        for work in works {
            let draft = match work {
                Work::Receive(_) | Work::ReceiveAttachment { .. } => {
                    messages += 1;
                    None
                }
                Work::Expand { pieces, .. } => {
                    messages += pieces.len() as u64;
                    None
                }
                Work::Commit { draft, .. } => Some(draft),
                Work::Settle(settle) => settle.draft.as_ref(),
                _ => None,
            };
            if let Some(Draft { changes, parcels: owed, .. }) = draft {
                resources += changes.len() as u64;
                parcels += owed.len() as u64;
            }
        }
        let Connection::Postgres(link) = connection else { return Ok(self.clone()) };
        let (given, company, now) = link.numbers(node, [messages, resources, parcels], &locks::of(works))?;
        let [message, resource, parcel] = given.map(|given| Supply::Given(given.into()));
        Ok(Self { message, resource, parcel, company, written_us: self.written_us.max(now) })
    }

    /// The numbers for so many messages and parcels that are taken back in.
    pub fn for_import(
        &self,
        connection: &Connection,
        node: i64,
        messages: u64,
        parcels: u64,
    ) -> Result<Self, DatabaseError> {
        let Connection::Postgres(link) = connection else { return Ok(self.clone()) };
        let (given, company, _) = link.numbers(node, [messages, 0, parcels], &Locks::new())?;
        let [message, resource, parcel] = given.map(|given| Supply::Given(given.into()));
        Ok(Self { message, resource, parcel, company, written_us: self.written_us })
    }
}
