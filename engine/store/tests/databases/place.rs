//! Where a test's store stands: a folder with SQLite, or a database of the tests' own PostgreSQL server.

use std::collections::HashSet;
use std::time::Duration;

use hub_fhir::ResourceType;
use hub_store::{Archive, OpenError, Store, StoreOptions};
use tempfile::TempDir;

use crate::postgres;

/// Where a store stands.
pub struct Place {
    /// Its folder, also beside a database.
    pub folder: TempDir,
    database: Option<String>,
}

impl Place {
    /// A folder for SQLite.
    pub fn sqlite() -> Self {
        Self { folder: TempDir::new().unwrap(), database: None }
    }

    /// A new database of PostgreSQL.
    pub fn postgres() -> Self {
        Self { folder: TempDir::new().unwrap(), database: Some(postgres::shared().database()) }
    }

    /// The address of its database, where it is not a folder.
    pub fn url(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// One of each.
    pub fn both() -> [Self; 2] {
        [Self::sqlite(), Self::postgres()]
    }

    /// What a store is opened with here.
    pub fn options(&self) -> StoreOptions {
        match &self.database {
            None => StoreOptions::new(self.folder.path()),
            // Every retention run goes on in a new stretch: the tests walk over many.
            Some(url) => {
                StoreOptions { stretch: Duration::ZERO, ..StoreOptions::postgres(url, self.folder.path()) }
            }
        }
    }

    /// Opens the store. One that is being closed elsewhere is waited for.
    pub async fn open(&self) -> Store {
        self.open_with(HashSet::new()).await
    }

    /// The same, and the texts of these types are searched.
    pub async fn open_with(&self, full_text: HashSet<ResourceType>) -> Store {
        for _ in 0..200 {
            match Store::open(StoreOptions { full_text: full_text.clone(), ..self.options() }).await {
                Ok(store) => return store,
                Err(OpenError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => {
                    panic!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string))
                }
            }
        }
        panic!("the store stays in use");
    }

    /// Opens it to be read only.
    pub async fn archive(&self) -> Archive {
        match &self.database {
            None => Archive::open(self.folder.path()).await.unwrap(),
            Some(url) => Archive::open_postgres(url, None).await.unwrap(),
        }
    }
}
