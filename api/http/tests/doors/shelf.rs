//! The doors in front of a real store, on either database.

use std::sync::Arc;

use axum::Router;
use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, Resources as _, Upkeep as _};
use hub_core::who::Gatekeeper;
use hub_directory::{Directory, Keeper};
use hub_fhir::Resource;
use hub_fhirpath::SearchLanguage;
use hub_http::{Access, Clerk, Doors, FhirSettings, router};
use hub_store::{Store, StoreOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::business::Porter;
use crate::fake::{Answer, Fake, ask, doors_of};
use crate::postgres;

/// A store behind the doors.
#[derive(Clone)]
pub struct Shelf {
    doors: Router,
    store: Store,
    folder: Arc<TempDir>,
}

impl Shelf {
    /// In a folder.
    pub async fn sqlite() -> Self {
        Self::with(FhirSettings::default()).await
    }

    /// In a folder, with these settings.
    pub async fn with(settings: FhirSettings) -> Self {
        let folder = TempDir::new().unwrap();
        let options = StoreOptions::new(folder.path());
        Self::open(options, folder, settings).await
    }

    /// In a database of PostgreSQL.
    pub async fn postgres() -> Self {
        let folder = TempDir::new().unwrap();
        let options = StoreOptions::postgres(postgres::shared().database(), folder.path());
        Self::open(options, folder, FhirSettings::default()).await
    }

    /// Two nodes on one database of PostgreSQL.
    pub async fn nodes() -> [Self; 2] {
        let database = postgres::shared().database();
        let node = async |name: &str| {
            let folder = TempDir::new().unwrap();
            let options = StoreOptions::postgres(&database, folder.path());
            let options = StoreOptions { node: name.to_owned(), ..options };
            Self::open(options, folder, FhirSettings::default()).await
        };
        [node("a").await, node("b").await]
    }

    /// Every way to be several clients at once: on one door or two.
    pub async fn sites() -> [[Self; 2]; 3] {
        let [sqlite, postgres] = Self::both().await;
        [[sqlite.clone(), sqlite], [postgres.clone(), postgres], Self::nodes().await]
    }

    /// One of each, where everybody has to show a token, and what he does is written down.
    pub async fn guarded() -> [Self; 2] {
        let (sqlite, postgres) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let first = StoreOptions::new(sqlite.path());
        let second = StoreOptions::postgres(postgres::shared().database(), postgres.path());
        [Self::guarded_in(first, sqlite).await, Self::guarded_in(second, postgres).await]
    }

    async fn guarded_in(options: StoreOptions, folder: TempDir) -> Self {
        Self::open(options, folder, FhirSettings::default()).await.guard(None)
    }

    /// The same with a directory of doctors, which a keeper keeps.
    pub fn keeping(self) -> Self {
        let now = || time::OffsetDateTime::now_utc();
        let bookable = |now| now..now + time::Duration::days(14);
        let directory = Arc::new(Directory::new(Arc::new(now), Arc::new(bookable)));
        let resources = Arc::new(self.store.clone());
        let keeper = Keeper { directory: directory.clone(), resources, publishes: true };
        tokio::spawn(async move {
            let (_goes_on, stopped) = tokio::sync::watch::channel(false);
            keeper.run(stopped).await;
        });
        self.guard(Some(directory))
    }

    fn guard(self, directory: Option<Arc<Directory>>) -> Self {
        let open = self;
        let (clerk, noting) = Clerk::new(Arc::new(open.store.clone()));
        tokio::spawn(noting);
        let gatekeeper: Arc<dyn Gatekeeper> = Arc::new(Porter);
        let access = Access { gatekeeper: Some(gatekeeper), is_open: false, proxies: 0, clerk: Some(clerk) };
        let doors = Doors {
            resources: Arc::new(open.store.clone()),
            fhir: FhirSettings::default(),
            access,
            directory,
            ..doors_of(&Fake::new())
        };
        Self { doors: router(doors, Router::new()), ..open }
    }

    async fn open(options: StoreOptions, folder: TempDir, settings: FhirSettings) -> Self {
        let options = StoreOptions { language: Some(Arc::new(SearchLanguage)), ..options };
        let store = Store::open(options).await.unwrap();
        let doors = Doors { resources: Arc::new(store.clone()), fhir: settings, ..doors_of(&Fake::new()) };
        Self { doors: router(doors, Router::new()), store, folder: Arc::new(folder) }
    }

    /// The doors themselves.
    pub fn router(&self) -> Router {
        self.doors.clone()
    }

    /// Indexes all that is to be indexed anew.
    pub async fn index(&self) {
        while self.store.index_anew(100).await.unwrap() > 0 {}
    }

    /// Writes what this server writes itself.
    pub async fn put(&self, resources: impl IntoIterator<Item = Resource>) {
        let changes = resources.into_iter().map(Change::Put).collect();
        let commit = Commit { changes, ..Commit::default() };
        self.store.commit(Cause::Timer { name: "test" }, commit).await.unwrap();
    }

    /// One of each.
    pub async fn both() -> [Self; 2] {
        [Self::sqlite().await, Self::postgres().await]
    }

    /// Sends a request such as `GET /fhir/Patient`, its body as FHIR's JSON unless a header says otherwise.
    pub async fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = headers.to_vec();
        let says = headers.iter().any(|(name, _)| *name == "content-type");
        if !says && !body.is_empty() {
            all.push(("content-type", "application/fhir+json"));
        }
        ask(self.doors.clone(), line, &all, body).await
    }

    /// Sends a resource, or nothing where it is `null`.
    pub async fn tell(&self, line: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(line, &[], &body).await
    }

    /// Who wrote, by which request, and how much: the audit trail of a store in a folder.
    pub async fn audit(&self) -> Vec<(String, String, i64)> {
        let file = format!("sqlite://{}/hub.db?mode=ro", self.folder.path().display());
        let pool = sqlx::SqlitePool::connect(&file).await.unwrap();
        let rows = sqlx::query_as("SELECT who, request, writes FROM audit WHERE cause = 2 ORDER BY seq");
        rows.fetch_all(&pool).await.unwrap()
    }

    /// A GET that must succeed.
    pub async fn get(&self, target: &str) -> Value {
        let answer = self.send(&format!("GET {target}"), &[], "").await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.json()
    }
}
