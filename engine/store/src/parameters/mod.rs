//! The server's own search parameters: what is in force, how it comes to be so on every node, and how what was there before is indexed.
//!
//! 1. Whatever writes a SearchParameter counts it in `parameter_set`, in its own transaction ([`crate::writer`]).
//! 2. A node that sees the count reads all of them, makes the set of those that are active and go together, and declares it: the next
//!    generation. Of several nodes one succeeds ([`declare`]).
//! 3. Every node takes a new generation over through its writer, which then says so in its row of `node`: whatever it writes after that is
//!    indexed by that set or a later one; what a caller had made ready before is made ready again.
//! 4. When all nodes have said so, the resources of the types it is about are walked over and indexed anew ([`walk`]). What was written
//!    before is walked over; what was written after is indexed already: so none is missed. Until the walk has ended a search by the
//!    parameter is refused.

mod declare;
mod walk;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use compact_str::CompactString;
use hub_core::store::StoreError;
use hub_fhir::ResourceType;
use hub_fhir::definition::Definition;
use hub_fhir::json::{self, Json};
use hub_fhir::parameters::Parameters;
use tracing::{debug, info, warn};

use crate::error::unavailable;
use crate::open::{Inner, Store};
use crate::writer::{Upkeep, Work};

pub(crate) use declare::search_parameter;
pub(crate) use walk::own_are_whole;

/// How often it is looked whether another node has declared something.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is in force on this node.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    /// Which set of all there were.
    pub generation: i64,
    pub parameters: Arc<Parameters>,
    /// Since which generation each definition has been as it is, by its URL.
    since: HashMap<CompactString, i64>,
    /// Types that are not indexed by all of it yet, as far as is known here.
    walked: HashSet<ResourceType>,
}

impl InForce {
    /// Whether the search rows in the database may be of an earlier set.
    pub fn is_walked(&self, kind: ResourceType) -> bool {
        self.walked.contains(&kind)
    }
}

/// A definition in force.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Declared {
    since: i64,
    definition: Definition,
}

impl Declared {
    fn all_of(text: &str) -> Option<Vec<Self>> {
        let tree = json::parse(text).ok()?;
        let one = |entry: &Json| {
            let Json::Number(since) = entry.get("since")? else { return None };
            let definition = Definition::read(entry.get("definition")?.as_object()?).ok()?;
            Some(Self { since: since.parse().ok()?, definition })
        };
        tree.as_array()?.iter().map(one).collect()
    }

    fn text_of(all: &[Self]) -> String {
        let one = |declared: &Self| {
            let mut entry = hub_fhir::Object::with_capacity(2);
            entry.set("since", Json::Number(declared.since.to_string().into()));
            entry.set("definition", Json::Object(declared.definition.to_tree()));
            Json::Object(entry)
        };
        Json::Array(all.iter().map(one).collect()).to_text()
    }
}

/// The row of `parameter_set`.
struct Row {
    changes: i64,
    seen: i64,
    generation: i64,
    definitions: String,
}

impl Store {
    /// Brings what is in force here to what the database says, and what that says to the SearchParameter resources.
    pub(crate) async fn refresh_parameters(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.inner.refreshing.lock().await;
        loop {
            let row = self.declared_row().await?;
            if row.changes != row.seen && self.declare(&row).await? {
                continue;
            }
            let known = self.inner.words.in_force();
            if row.generation > known.generation {
                self.adopt(&row).await?;
                continue;
            }
            let walked = self.walked_types().await?;
            if walked != known.walked {
                let InForce { generation, ref parameters, ref since, .. } = *known;
                let next =
                    InForce { generation, parameters: Arc::clone(parameters), since: since.clone(), walked };
                self.inner.words.put_in_force(Arc::new(next));
            }
            return Ok(());
        }
    }

    async fn declared_row(&self) -> Result<Row, StoreError> {
        let sql = self.inner.readers.sql("SELECT changes, seen, generation, definitions FROM parameter_set");
        let found = self.inner.readers.fetch_optional(sql).await.map_err(unavailable)?;
        let Some(row) = found else {
            return Ok(Row { changes: 0, seen: 0, generation: 0, definitions: "[]".to_owned() });
        };
        let number = |column| row.get::<i64>(column).map_err(unavailable);
        let definitions = row.get::<String>(3).map_err(unavailable)?;
        Ok(Row { changes: number(0)?, seen: number(1)?, generation: number(2)?, definitions })
    }

    /// Takes a set over: through the writer, so that what it writes afterwards is indexed by it.
    async fn adopt(&self, row: &Row) -> Result<(), StoreError> {
        let rows =
            self.inner.readers.fetch_all(self.inner.readers.sql("SELECT number, text FROM word")).await;
        let words = rows.map_err(unavailable)?;
        let words =
            words.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<Vec<_>, sqlx::Error>>();
        self.inner.words.absorb(words.map_err(unavailable)?);
        let declared = Declared::all_of(&row.definitions).unwrap_or_else(|| {
            warn!("The search parameters in force cannot be read; R4B's own are left.");
            Vec::new()
        });
        let language = self.inner.language.as_deref();
        let (parameters, refused) =
            Parameters::of_definitions(declared.iter().map(|declared| &declared.definition), language);
        for (definition, clash) in refused {
            warn!(url = %definition.url, why = %clash.what, "A search parameter that another node uses is not known here.");
        }
        let in_force = InForce {
            generation: row.generation,
            parameters: Arc::new(parameters),
            since: declared.iter().map(|one| (one.definition.url.clone(), one.since)).collect(),
            walked: self.walked_types().await?,
        };
        self.inner.writer.ask(Work::Upkeep(Upkeep::Adopt(Arc::new(in_force)))).await?;
        info!(
            generation = row.generation,
            own = declared.len(),
            "The search parameters in force have changed."
        );
        Ok(())
    }
}

/// Looks for changes for as long as the store is open.
pub(crate) async fn look_on(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(inner) = inner.upgrade().filter(|inner| !inner.readers.is_closed()) else { return };
        if let Err(error) = (Store { inner }).refresh_parameters().await {
            debug!(%error, "It cannot be seen which search parameters are in force; it will be tried again.");
        }
    }
}
