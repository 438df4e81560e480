//! `huitong run`: the hub.

use std::fmt::Display;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hub_core::store::StoreError;
use hub_spec::{Origin, ProjectFiles};
use hub_store::OpenError;

use crate::cli::{Global, RunArguments};
use crate::hub::{self, Begun, RunningHub};
use crate::secrets::NamedSecrets;
use crate::settings::Settings;
use crate::{EXIT_WRONG_FILES, check, log, out, paint, stop};

/// Tells the program that it has run already, and begins anew.
pub const ANEW: &str = "HUITONG_BEGUN_ANEW";
/// The pause before another try to begin anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs the hub until it is told to stop.
pub async fn run(global: &Global, arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let mut stopped = stop::on_signal()?;
    let begun = match begin(global, &arguments).await {
        // A hub that ran lives through a database that is gone for a while; one that has to begin anew just then does too.
        Err(error) if std::env::var_os(ANEW).is_some() && is_without_database(&error) => {
            let error: &dyn std::error::Error = error.as_ref();
            tracing::warn!(error, "The database does not answer; the hub will try again to begin anew.");
            tokio::select! {
                () = stop::wait(&mut stopped) => return Ok(ExitCode::SUCCESS),
                () = tokio::time::sleep(PAUSE) => return begin_anew(),
            }
        }
        begun => begun?,
    };
    let Some(running) = begun else { return Ok(ExitCode::from(EXIT_WRONG_FILES)) };
    out::line(format_args!("Stop with Ctrl-C. `huitong status` in another terminal shows how it stands."));
    tokio::select! {
        () = stop::wait(&mut stopped) => {}
        () = running.lost() => return begin_anew(),
    }
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Starts this program again in its own place: nothing of what it holds in memory is true any more.
fn begin_anew() -> anyhow::Result<ExitCode> {
    tracing::warn!("The hub begins anew.");
    let program = std::env::current_exe().context("the program cannot find itself")?;
    let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).env(ANEW, "1").exec();
    Err(anyhow::Error::new(error).context("the hub could not begin anew"))
}

/// Whether a hub could not start because its database does not answer.
fn is_without_database(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(OpenError::Server { .. }))
            || matches!(cause.downcast_ref(), Some(StoreError::Unavailable(_)))
    })
}

/// Starts the hub and says where it is. `None` when people's files are wrong; then every finding has been printed.
pub async fn begin(global: &Global, arguments: &RunArguments) -> anyhow::Result<Option<RunningHub>> {
    let settings = Settings::read(global)?;
    log::start(&settings.log)?;
    let files = ProjectFiles::read(&global.root);
    let secrets = NamedSecrets::of_hub(global, &settings);
    let project = match hub::load_files(&files, &global.root, Origin::Folder, &settings, &secrets)? {
        Ok(project) => project,
        Err(findings) => {
            check::print(&findings, false);
            return Ok(None);
        }
    };
    let begun = Begun { project, files: files.texts(), settings };
    let running = hub::start(begun, global.clone()).await?;
    if let Some(file) = &arguments.ready_file {
        let text = serde_json::to_string_pretty(&running.addresses())?;
        let unfinished = file.with_extension("tmp");
        std::fs::write(&unfinished, text)
            .and_then(|()| std::fs::rename(&unfinished, file))
            .with_context(|| format!("the addresses could not be written to {}", file.display()))?;
    }
    announce(&running);
    Ok(Some(running))
}

fn announce(running: &RunningHub) {
    let base = format!("http://{}", running.http);
    out::line(format_args!("Huitong 汇通 {} is ready.", env!("CARGO_PKG_VERSION")));
    say("start page", format!("{base}/"));
    say("FHIR API", format!("{base}/fhir/metadata"));
    say("operators", format!("{base}/ops/status"));
    say("health", format!("{base}/health"));
    say("metrics", format!("{base}/metrics"));
    for channel in running.hub.channels() {
        if let Some(address) = channel.address() {
            say(&channel.id, format!("{address:<21} {}", paint::dim(channel.about())));
        }
    }
    let data = std::path::absolute(&running.settings.data_dir);
    say("data", data.as_ref().unwrap_or(&running.settings.data_dir).display());
}

/// A line of what is printed at the start.
pub fn say(what: impl Display, where_it_is: impl Display) {
    out::line(format_args!("  {what:<18} {where_it_is}", what = what.to_string()));
}
