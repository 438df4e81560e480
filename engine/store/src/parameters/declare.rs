//! Makes the set in force of the SearchParameter resources.

use std::collections::BTreeSet;

use compact_str::{CompactString, format_compact};
use hub_core::store::StoreError;
use hub_fhir::definition::{Definition, is_active};
use hub_fhir::json::{self, Json};
use hub_fhir::parameters::Parameters;
use hub_fhir::{Object, ResourceType, described};
use tracing::warn;

use super::{Declared, Row};
use crate::error::{closed, unavailable};
use crate::open::Store;
use crate::writer::{Answer, NewSet, Upkeep, Work};

impl Store {
    /// Declares what the SearchParameter resources say; `false` when another was first.
    pub(super) async fn declare(&self, row: &Row) -> Result<bool, StoreError> {
        let definitions = self.active_definitions().await?;
        let (_, refused) = Parameters::of_definitions(&definitions, self.inner.language.as_deref());
        let refused: Vec<&Definition> = refused
            .into_iter()
            .map(|(definition, clash)| {
                warn!(url = %definition.url, element = clash.element, why = %clash.what, "A search parameter is not in force.");
                definition
            })
            .collect();
        let before = Declared::all_of(&row.definitions).unwrap_or_default();
        let next = row.generation + 1;
        let stays = |definition: &Definition| before.iter().find(|known| known.definition == *definition);
        let after: Vec<Declared> = definitions
            .iter()
            .filter(|definition| !refused.iter().any(|refused| std::ptr::eq(*refused, *definition)))
            .map(|definition| match stays(definition) {
                Some(known) => known.clone(),
                None => Declared { since: next, definition: definition.clone() },
            })
            .collect();
        let is_other = |one: &&Declared, among: &[Declared]| !among.contains(one);
        let changed = before.iter().filter(|one| is_other(one, &after));
        let changed = changed.chain(after.iter().filter(|one| is_other(one, &before)));
        let types: BTreeSet<ResourceType> =
            changed.flat_map(|one| one.definition.bases.iter().copied()).collect();
        let names = |one: &Declared| -> Vec<CompactString> {
            let (code, bases) = (&one.definition.code, &one.definition.bases);
            bases.iter().map(|base| format_compact!("{base}.{code}")).collect()
        };
        let set = NewSet {
            seen: row.changes,
            from: row.generation,
            generation: if types.is_empty() { row.generation } else { next },
            definitions: Declared::text_of(&after),
            types: types.into_iter().map(|kind| self.inner.words.kind(kind)).collect(),
            params: after.iter().flat_map(names).collect(),
        };
        match self.inner.writer.ask(Work::Upkeep(Upkeep::Declare(set))).await? {
            Answer::Count(count) => Ok(count > 0),
            _ => Err(closed()),
        }
    }

    /// The active SearchParameter resources that are not R4B's own, in the order of their ids.
    async fn active_definitions(&self) -> Result<Vec<Definition>, StoreError> {
        let mut sql =
            self.inner.readers.sql("SELECT r.body FROM resource r WHERE r.deleted = 0 AND r.type = ");
        sql.push_bind(self.inner.words.kind(search_parameter())).push(" ORDER BY r.id");
        let rows = self.inner.readers.fetch_all(sql).await.map_err(unavailable)?;
        let bodies = rows.iter().map(|row| row.get::<Vec<u8>>(0)).collect::<Result<Vec<_>, _>>();
        let bodies = bodies.map_err(unavailable)?;
        let read = tokio::task::spawn_blocking(move || bodies.iter().filter_map(|body| own(body)).collect());
        read.await.map_err(|error| StoreError::Unavailable(error.into()))
    }
}

/// The type of what defines search parameters.
pub(crate) fn search_parameter() -> ResourceType {
    ResourceType::from_name("SearchParameter").expect("R4B has this type")
}

fn own(body: &[u8]) -> Option<Definition> {
    let tree: Object = match json::parse(std::str::from_utf8(body).ok()?) {
        Ok(Json::Object(tree)) => tree,
        _ => return None,
    };
    let url = tree.get("url").and_then(Json::as_str).unwrap_or_default();
    if !is_active(&tree) || described::is_url(url) {
        return None;
    }
    match Definition::read(&tree) {
        Ok(definition) => Some(definition),
        Err(issues) => {
            let why: Vec<String> = issues.iter().map(ToString::to_string).collect();
            warn!(url, why = why.join("; "), "A search parameter is not in force.");
            None
        }
    }
}
