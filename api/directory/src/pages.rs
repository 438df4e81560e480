//! A search, read page by page.

use hub_core::store::{Resources, StoreError};
use hub_fhir::search::{Search, Stored, parse_by};
use hub_fhir::{Json, Object, ResourceType, json};

/// The pages of a search.
pub(crate) struct Pages<'r> {
    resources: &'r dyn Resources,
    search: Option<Search>,
}

impl<'r> Pages<'r> {
    /// The pages of what is asked for: `_count` is how much one holds.
    pub fn of(
        resources: &'r dyn Resources,
        kind: ResourceType,
        query: &[(&str, &str)],
    ) -> Result<Self, StoreError> {
        let query: Vec<(String, String)> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let search = parse_by(kind, &query, None, &resources.parameters());
        let search = search.map_err(|wrong| StoreError::Invalid { what: wrong.to_string() })?;
        Ok(Self { resources, search: Some(search) })
    }

    /// The next page; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<Stored>>, StoreError> {
        let Some(search) = self.search.take() else { return Ok(None) };
        let page = self.resources.search(&search).await?;
        self.search = page.next.map(|after| Search { after: Some(after), ..search });
        Ok(Some(page.matches))
    }
}

/// The tree of what is stored; a deletion has none.
pub(crate) fn tree(stored: &Stored) -> Option<Object> {
    match json::parse(std::str::from_utf8(&stored.body).ok()?).ok()? {
        Json::Object(tree) => Some(tree),
        _ => None,
    }
}
