//! `huitong run`: the hub.

use std::fmt::Display;
use std::process::ExitCode;

use anyhow::Context;
use hub_spec::{Origin, ProjectFiles};

use crate::cli::{Global, RunArguments};
use crate::hub::{self, Begun, RunningHub};
use crate::settings::Settings;
use crate::{EXIT_WRONG_FILES, check, log, out, paint, stop};

/// Runs the hub until it is told to stop.
pub async fn run(global: &Global, arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let mut stopped = stop::on_signal()?;
    let Some(running) = begin(global, &arguments).await? else { return Ok(ExitCode::from(EXIT_WRONG_FILES)) };
    out::line(format_args!("Stop with Ctrl-C. `huitong status` in another terminal shows how it stands."));
    stop::wait(&mut stopped).await;
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Starts the hub and says where it is. `None` when people's files are wrong; then every finding has been printed.
pub async fn begin(global: &Global, arguments: &RunArguments) -> anyhow::Result<Option<RunningHub>> {
    let settings = Settings::read(global)?;
    log::start(&settings.log)?;
    let files = ProjectFiles::read(&global.root);
    let project = match hub::load_files(&files, &global.root, Origin::Folder, &settings)? {
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
