//! Signing in at the running hub: its authorization server, who lets in at the doors, and how codes get to phones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use hub_auth::local::LocalTokens;
use hub_auth::{AuthSettings, CodeSender, Gate, Server};
use hub_core::commit::Commit;
use hub_core::errands::{Errands, task_id};
use hub_core::id::{ChannelId, CorrelationId};
use hub_core::language::Language;
use hub_core::store::{Cause, Resources};
use hub_fhir::{Json, Resource, tree};
use hub_http::{Access, Clerk};
use hub_runtime::hub::Hub;
use hub_store::Store;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use uuid::Uuid;

use crate::settings::Settings;

/// How often what is over is forgotten.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// What signing in brings.
pub struct SigningIn {
    /// The authorization server.
    pub server: Arc<Server>,
    /// Who is let in at the doors.
    pub access: Access,
    /// The pages and endpoints.
    pub routes: Router,
    /// What operators do with accounts.
    pub desk: Router,
}

/// Puts it together; the future writes down who accessed what, until nobody can be let in any more.
pub fn open(
    settings: &Settings,
    http: SocketAddr,
    store: &Arc<Store>,
    hub: &Arc<Hub>,
) -> anyhow::Result<(SigningIn, impl Future<Output = ()> + Send + use<>)> {
    let issuer = settings.http.base_url.clone().unwrap_or_else(|| format!("http://{http}"));
    let lives = settings.sign_in.lives();
    let proxies = settings.http.proxies;
    let mut told = AuthSettings::new(&issuer).context("`http.base_url`: nobody could sign in")?;
    (told.lives, told.proxies) = (lives, proxies);
    let sender =
        ByChannel { hub: hub.clone(), store: store.clone(), channel: settings.sign_in.codes.as_str().into() };
    let now: hub_auth::Now = Arc::new(OffsetDateTime::now_utc);
    let server = Server::new(store.clone(), Arc::new(sender), told, now.clone());
    let local =
        LocalTokens::open(&settings.data_dir, now).context("no token could be made at the command line")?;
    let gate = Gate::new(server.clone(), Some(local));
    let (clerk, noting) = Clerk::new(store.clone());
    let access =
        Access { gatekeeper: Some(Arc::new(gate)), is_open: settings.http.open, proxies, clerk: Some(clerk) };
    let (routes, desk) = (hub_auth::router(server.clone()), hub_auth::desk(server.clone()));
    Ok((SigningIn { server, access, routes, desk }, noting))
}

/// Forgets what is over, now and then, until the hub stops.
pub async fn sweep(server: Arc<Server>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
        if let Err(error) = server.sweep().await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "What is over of accounts could not be forgotten; it will be tried again.");
        }
    }
}

/// Sends codes by a channel that carries out tasks. The task itself is not stored; the parcel is, until it is delivered.
struct ByChannel {
    hub: Arc<Hub>,
    store: Arc<Store>,
    channel: ChannelId,
}

#[async_trait]
impl CodeSender for ByChannel {
    async fn send(
        &self,
        phone: &str,
        code: &str,
        language: Language,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let now = OffsetDateTime::now_utc();
        let number = Uuid::now_v7().to_string();
        let input = |name: &str, value: &str| -> Json {
            let coding = tree! { "system" => "urn:impf:cs:value", "code" => name };
            tree! { "id" => name, "type" => tree! { "coding" => [coding] }, "valueString" => value }.into()
        };
        let coding = tree! { "system" => "urn:impf:cs:act", "code" => "sign-in-code" };
        let task = tree! {
            "resourceType" => "Task",
            "id" => task_id(&number).as_str(),
            "identifier" => [tree! { "system" => "urn:impf:task", "value" => number.as_str() }],
            "status" => "requested",
            "intent" => "order",
            "code" => tree! { "coding" => [coding] },
            "authoredOn" => now.format(&Rfc3339)?,
            "input" => vec![
                input("to", phone),
                input("code", code),
                input("minutes", &hub_auth::CODE_LIVES.whole_minutes().to_string()),
                input("language", language.tag()),
                input("expire-at", &(now + hub_auth::CODE_LIVES).format(&Rfc3339)?),
            ],
        };
        let task = Resource::from_tree(Json::Object(task))?;
        let parcels = self.hub.parcels(&self.channel, &CorrelationId::from(number.as_str()), &task)?;
        let commit = Commit { parcels, ..Commit::default() };
        let committed = self.store.commit(Cause::Timer { name: "sign-in" }, commit).await?;
        self.hub.owed(&committed.owed);
        Ok(())
    }
}
