//! Clients of OAuth by others sign in at the hub's authorization server, on both databases. They are told beside it what a phone would
//! show and what an administrator would do.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use hub_auth::manage::{self, App, Invited, System};
use hub_auth::{AuthSettings, CodeSender, Server};
use hub_core::accounts::People;
use hub_core::language::Language;
use hub_core::who::Role;
use hub_fhir::Id;
use hub_store::{Store, StoreOptions};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::net::TcpListener;

use crate::harness;
use crate::tools;

/// The phones of the patients.
#[derive(Default)]
struct Phones(Mutex<HashMap<String, String>>);

#[async_trait]
impl CodeSender for Phones {
    async fn send(
        &self,
        phone: &str,
        code: &str,
        _: Language,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().insert(phone.to_owned(), code.to_owned());
        Ok(())
    }
}

/// What stands beside the hub.
#[derive(Clone)]
struct Beside {
    store: Store,
    settings: AuthSettings,
    phones: Arc<Phones>,
}

async fn code(
    State(beside): State<Beside>,
    Query(asked): Query<HashMap<String, String>>,
) -> Result<String, StatusCode> {
    beside.phones.0.lock().unwrap().get(&asked["phone"]).cloned().ok_or(StatusCode::NOT_FOUND)
}

async fn invitation(State(beside): State<Beside>) -> String {
    let invited = Invited { number: "1001".into(), roles: vec![Role::Doctor], is: None };
    manage::invite(&beside.store, &beside.settings, invited, OffsetDateTime::now_utc()).await.unwrap()
}

async fn system(State(beside): State<Beside>, keys: String) -> StatusCode {
    let (id, name) = (Id::new("lis").unwrap(), "LIS".into());
    let system = System { id, name, roles: vec![Role::System], is: None, keys };
    match manage::register_system(&beside.store, system, OffsetDateTime::now_utc()).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

/// Has a program sign in, so many ways.
async fn judged(program: impl Fn() -> Command, ways: usize) {
    let folder = TempDir::new().unwrap();
    let database = harness::postgres::shared().database();
    for options in [StoreOptions::new(folder.path()), StoreOptions::postgres(database, folder.path())] {
        let kind = format!("{options:?}");
        let store = Store::open(options).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let settings = AuthSettings::new(&issuer).unwrap();
        for (id, people, back) in [
            ("patient-app", People::Public, "https://app.example/back"),
            ("desk-app", People::Staff, "https://desk.example/back"),
        ] {
            let (id, redirects) = (Id::new(id).unwrap(), vec![back.to_owned()]);
            let app = App { id, name: "App".into(), people, redirects, keys: None };
            manage::register_app(&store, app, OffsetDateTime::now_utc()).await.unwrap();
        }
        let phones = Arc::new(Phones::default());
        let now = Arc::new(OffsetDateTime::now_utc);
        let server = Server::new(Arc::new(store.clone()), phones.clone(), settings.clone(), now);
        let router = Router::new()
            .route("/test/code", get(code))
            .route("/test/invitation", get(invitation))
            .route("/test/system", post(system))
            .with_state(Beside { store: store.clone(), settings, phones })
            .merge(hub_auth::router(server));
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let limits = hub_http::ServeLimits::default();
        let serving = tokio::spawn(hub_http::serve(listener, router, limits, stopped.clone()));
        let mut program = program();
        program.arg(&issuer).env("PYTHONDONTWRITEBYTECODE", "1");
        let told = tokio::task::spawn_blocking(move || program.output()).await.unwrap().unwrap();
        stop.send(true).unwrap();
        stopped.changed().await.ok();
        serving.await.unwrap();
        store.close().await;
        let said = String::from_utf8_lossy(&told.stdout);
        println!("{said}");
        assert!(told.status.success(), "{kind}\n{said}\n{}", String::from_utf8_lossy(&told.stderr));
        assert_eq!(said.lines().count(), ways, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_signs_in_refreshes_and_leaves() {
    let Some(folder) = tools::javascript() else { return };
    let program = || {
        let mut program = Command::new("node");
        program.arg(folder.join("oauth.mjs")).current_dir(&folder);
        program
    };
    judged(program, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_signs_in_and_a_system_proves_itself_to_it() {
    let Some(python) = tools::python() else { return };
    let program = || {
        let mut program = Command::new(&python);
        program.arg(tools::of_the_project("python").join("sign_in.py"));
        program
    };
    judged(program, 2).await;
}
