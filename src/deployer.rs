//! Changes what the running hub runs: reads the files, keeps them, hands them to the engine, and says what came of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::deployments::{
    DeploymentEnd, DeploymentKind, DeploymentResult, Deployments, Files, NewDeployment, TextDigest, compare,
    digests,
};
use hub_core::finding::Finding;
use hub_core::id::DestinationId;
use hub_core::operations::{DeployError, DeployOrder, DeployReport, DeployWhat, Deploying};
use hub_core::store::StoreError;
use hub_runtime::clock::Clock;
use hub_runtime::deploy::{PrepareError, Prepared};
use hub_runtime::hub::Hub;
use hub_spec::{Origin, Project, ProjectFiles};

use crate::cli::Global;
use crate::secrets::NamedSecrets;
use crate::settings::Settings;
use crate::{connectors, folder, hub, who};

/// How often the end of a deployment is tried to be written down again.
const AGAIN: Duration = Duration::from_secs(5);
/// A deployment of another node that has not ended after so long has broken off.
const LONGEST: time::Duration = time::Duration::HOUR;
/// So many deployments are looked through for such as broke off with the hub.
const RECENT: u32 = 100;

/// Deploys into a running hub.
#[derive(Clone)]
pub struct Deployer(Arc<Parts>);

struct Parts {
    hub: Arc<Hub>,
    deployments: Arc<dyn Deployments>,
    clock: Arc<dyn Clock>,
    global: Global,
    settings: Settings,
    /// One deployment at a time.
    one: tokio::sync::Mutex<()>,
    running: Mutex<Running>,
}

/// What runs.
#[derive(Clone, Default)]
struct Running {
    number: Option<u64>,
    files: Files<TextDigest>,
}

/// Files that have been read, and what they say.
struct Wanted {
    files: Files<String>,
    project: Project,
    settings: Settings,
}

impl Deployer {
    /// A deployer of this hub, which was started with these settings.
    pub fn new(
        hub: Arc<Hub>,
        deployments: Arc<dyn Deployments>,
        clock: Arc<dyn Clock>,
        global: Global,
        settings: Settings,
    ) -> Self {
        let (one, running) = (tokio::sync::Mutex::default(), Mutex::default());
        Self(Arc::new(Parts { hub, deployments, clock, global, settings, one, running }))
    }

    /// The hub has started with these files: they are kept when they are not those that ran last.
    pub async fn started(&self, files: Files<String>) -> Result<(), StoreError> {
        let parts = &self.0;
        for row in parts.deployments.list(None, RECENT).await? {
            // Another node may well be deploying now.
            let is_own = row.node == parts.settings.node() || parts.clock.now() - row.at > LONGEST;
            if row.end.is_none() && is_own {
                let reason = "the hub ended before the deployment had".to_owned();
                parts.deployments.finish(row.number, parts.end(DeploymentResult::Failed { reason })).await?;
            }
        }
        let now = digests(&files);
        let last = parts.deployments.applied().await?;
        let number = match last.filter(|last| last.files == now) {
            Some(last) => last.row.number,
            None => {
                let number = parts
                    .record(DeploymentKind::Start, &who::system_user(), "the hub was started", files)
                    .await?;
                parts.deployments.finish(number, parts.end(DeploymentResult::Applied)).await?;
                number
            }
        };
        *parts.running() = Running { number: Some(number), files: now };
        Ok(())
    }
}

#[async_trait]
impl Deploying for Deployer {
    async fn deploy(&self, order: DeployOrder) -> Result<DeployReport, DeployError> {
        let parts = self.0.clone();
        // In a task of its own: whoever asked may go away, and what was begun must come to its end.
        let deployed = tokio::spawn(async move { parts.deploy(order).await }).await;
        deployed.unwrap_or_else(|_| {
            let reason = "the program failed at it; its log tells where".to_owned();
            Err(DeployError::Refused { reason })
        })
    }

    fn running(&self) -> Option<u64> {
        self.0.running().number
    }
}

impl Parts {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn deploy(&self, order: DeployOrder) -> Result<DeployReport, DeployError> {
        let Ok(_one) = self.one.try_lock() else {
            return refused("another deployment is under way; `huitong deployments` shows it");
        };
        let Wanted { files, project, settings } = self.wanted(order.what).await?;
        let secrets = NamedSecrets::of_hub(&self.global, &settings);
        let registry = connectors::registry();
        let prepared = match self.hub.prepare(project, &registry, &secrets).await {
            Ok(prepared) => prepared,
            Err(error @ (PrepareError::Stopping | PrepareError::Start(_))) => {
                return refused(format!("{:#}", anyhow::Error::from(error)));
            }
        };
        let before = self.running().clone();
        let mut report = report(&before, &files, &prepared);
        if settings.without_channels() != self.settings.without_channels() {
            let notice =
                "settings other than those of channels have changed: they are taken at the next start";
            report.notices.push(notice.to_owned());
        }
        let in_folder = self.in_folder(order.what, &files, &mut report).await?;
        let folder_differs = in_folder.as_ref().is_some_and(|found| *found != files);
        let is_nothing = prepared.is_nothing() && report.files.is_empty() && !folder_differs;
        if is_nothing || order.dry_run {
            return Ok(report);
        }
        if !order.abandon {
            self.nothing_owed(prepared.removed_destinations().to_vec()).await?;
        }
        if let Some(found) = &in_folder {
            report.kept = self.keep(found, &files, &before, &order).await?;
        }
        let kind = match order.what {
            DeployWhat::Folder => DeploymentKind::Deploy,
            DeployWhat::Earlier { to, .. } => DeploymentKind::Rollback { to },
        };
        let number = self.record(kind, &order.who, &order.why, files.clone()).await?;
        report.number = Some(number);
        hub_runtime::crash::place("deployment-begun");
        tracing::info!(deployment = number, kind = %kind, "A deployment begins.");
        let applied = self.apply(prepared, &files, in_folder, order.abandon).await;
        let result = match &applied {
            Ok(()) => DeploymentResult::Applied,
            Err(reason) => DeploymentResult::Failed { reason: reason.clone() },
        };
        if applied.is_ok() {
            *self.running() = Running { number: Some(number), files: digests(&files) };
        }
        self.finish(number, result).await;
        match applied {
            Ok(()) => {
                tracing::info!(deployment = number, "A deployment has been applied.");
                Ok(report)
            }
            Err(reason) => {
                tracing::error!(deployment = number, reason, "A deployment failed; everything was put back.");
                Err(DeployError::Failed { number, reason })
            }
        }
    }

    /// Reads what is to run and finds everything that is wrong with it. Nothing is touched.
    async fn wanted(&self, what: DeployWhat) -> Result<Wanted, DeployError> {
        let earlier = match what {
            DeployWhat::Folder => None,
            DeployWhat::Earlier { to, .. } => Some(self.files_of(to).await?),
        };
        let global = self.global.clone();
        let read = tokio::task::spawn_blocking(move || -> Result<Result<Wanted, Vec<Finding>>, String> {
            let settings = Settings::read(&global).map_err(|error| format!("{error:#}"))?;
            let (files, origin) = match &earlier {
                None => (ProjectFiles::read(&global.root), Origin::Folder),
                Some(texts) => (ProjectFiles::of(texts), Origin::Earlier),
            };
            let secrets = NamedSecrets::of_hub(&global, &settings);
            let loaded = hub::load_files(&files, &global.root, origin, &settings, &secrets);
            let loaded = loaded.map_err(|error| format!("{error:#}"))?;
            Ok(loaded.map(|project| Wanted { files: files.texts(), project, settings }))
        });
        match read.await {
            Ok(Ok(Ok(wanted))) => Ok(wanted),
            Ok(Ok(Err(findings))) => Err(DeployError::Findings(findings)),
            Ok(Err(reason)) => refused(reason),
            Err(_) => refused("the program failed at the files; its log tells where"),
        }
    }

    /// The exact texts of an earlier deployment.
    async fn files_of(&self, number: u64) -> Result<Files<String>, DeployError> {
        let found = self.deployments.read(number).await?.ok_or(DeployError::Unknown(number))?;
        let texts = self.deployments.texts(&found.files.values().copied().collect()).await?;
        let text = |(path, digest): (String, TextDigest)| Some((path, texts.get(&digest)?.clone()));
        let files: Option<Files<String>> = found.files.into_iter().map(text).collect();
        files.ok_or_else(|| DeployError::Refused {
            reason: format!("the store does not have all files of deployment {number}"),
        })
    }

    /// What stands in the folder that a roll-back writes to, which must be possible; `None` when the folder stays as it is.
    async fn in_folder(
        &self,
        what: DeployWhat,
        to: &Files<String>,
        report: &mut DeployReport,
    ) -> Result<Option<Files<String>>, DeployError> {
        let DeployWhat::Earlier { leave_folder, .. } = what else { return Ok(None) };
        if leave_folder {
            let notice =
                "the folder was left as it is: the next start and the next `huitong deploy` read it again";
            report.notices.push(notice.to_owned());
            return Ok(None);
        }
        let (root, wanted) = (self.global.root.clone(), to.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let found = ProjectFiles::read(&root);
            let unreadable = found.unreadable().first().map(|finding| finding.file.display().to_string());
            if let Some(file) = unreadable {
                return Err(format!("`{file}` in the folder cannot be read, so it could not be kept"));
            }
            let texts = found.texts();
            folder::check_writable(&root, &texts, &wanted).map_err(|error| format!("{error:#}"))?;
            Ok((folder::is_in_git(&root) && texts != wanted, texts))
        });
        match looked.await {
            Ok(Ok((is_in_git, found))) => {
                if is_in_git {
                    let notice = "the folder is a git checkout: what is written there shows as local changes; commit them, or \
                                  the next checkout brings back the files of before";
                    report.notices.push(notice.to_owned());
                }
                Ok(Some(found))
            }
            Ok(Err(reason)) => refused(format!(
                "{reason}: at the next start the hub would run the folder's files again. Mend that, or roll back only the \
                 running hub with --leave-folder"
            )),
            Err(_) => refused("the program failed at the folder; its log tells where"),
        }
    }

    async fn nothing_owed(&self, removed: Vec<DestinationId>) -> Result<(), DeployError> {
        let owed = self.hub.owed_for_good(&removed).await?;
        if owed.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = owed.iter().map(ToString::to_string).collect();
        refused(format!(
            "destinations that would be no more are still owed parcels ({}): see to them (`huitong retry`), or leave them in the \
             store with --abandon, where a destination of the same name finds them again",
            told.join("; ")
        ))
    }

    /// Keeps what stands in the folder and would be lost.
    async fn keep(
        &self,
        found: &Files<String>,
        wanted: &Files<String>,
        before: &Running,
        order: &DeployOrder,
    ) -> Result<Option<u64>, DeployError> {
        if found == wanted || digests(found) == before.files {
            return Ok(None);
        }
        let why = "what stood in the folder when it was rolled back";
        let number = self.record(DeploymentKind::Kept, &order.who, why, found.clone()).await?;
        self.deployments.finish(number, self.end(DeploymentResult::Kept)).await?;
        Ok(Some(number))
    }

    async fn record(
        &self,
        kind: DeploymentKind,
        who: &str,
        why: &str,
        files: Files<String>,
    ) -> Result<u64, StoreError> {
        let (at, node) = (self.clock.now(), self.settings.node());
        let (who, why) = (who.to_owned(), why.to_owned());
        self.deployments.record(NewDeployment { at, who, why, node, kind, files }).await
    }

    /// Writes the folder, where it is to be written, and runs what was prepared. Whatever fails, the folder is as it was.
    async fn apply(
        &self,
        prepared: Prepared,
        files: &Files<String>,
        in_folder: Option<Files<String>>,
        abandon: bool,
    ) -> Result<(), String> {
        if let Some(found) = &in_folder {
            self.write_folder(found.clone(), files.clone()).await?;
        }
        let Err(error) = self.hub.apply(prepared, abandon).await else { return Ok(()) };
        let mut reason = error.to_string();
        if let Some(found) = in_folder
            && let Err(also) = self.write_folder(files.clone(), found).await
        {
            reason = format!("{reason}; the folder was not put back: {also}");
        }
        Err(reason)
    }

    async fn write_folder(&self, from: Files<String>, to: Files<String>) -> Result<(), String> {
        let root: PathBuf = self.global.root.clone();
        let written = tokio::task::spawn_blocking(move || folder::write(&root, &from, &to)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(_) => Err("the program failed at the folder".to_owned()),
        }
    }

    fn end(&self, result: DeploymentResult) -> DeploymentEnd {
        DeploymentEnd { at: self.clock.now(), result }
    }

    /// Writes down how it ended; goes on trying when the store does not answer, as the hub runs what it runs.
    async fn finish(&self, number: u64, result: DeploymentResult) {
        let end = self.end(result);
        let Err(error) = self.deployments.finish(number, end.clone()).await else { return };
        tracing::error!(
            deployment = number,
            error = &error as &dyn std::error::Error,
            "How a deployment ended cannot be stored; it will be tried again."
        );
        let deployments = self.deployments.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(AGAIN).await;
                if deployments.finish(number, end.clone()).await.is_ok() {
                    break;
                }
            }
        });
    }
}

fn refused<T>(reason: impl Into<String>) -> Result<T, DeployError> {
    Err(DeployError::Refused { reason: reason.into() })
}

fn report(before: &Running, files: &Files<String>, prepared: &Prepared) -> DeployReport {
    DeployReport {
        number: None,
        files: compare(&before.files, &digests(files)),
        channels: prepared.channels(),
        destinations: prepared.destinations(),
        untouched: prepared.untouched(),
        kept: None,
        notices: Vec::new(),
    }
}
