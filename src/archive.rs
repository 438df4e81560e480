//! `huitong archive`: lists and verifies archived messages, and takes them back in.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use bytes::Bytes;
use hub_core::store::{Imported, StoreError, Upkeep};
use hub_store::{ArchiveError, ArchiveFile, ArchiveHeader, Entry, Store};
use serde_json::{Value, json};

use crate::cli::{ArchiveCommand, ArchiveFiles, Global, ImportArguments};
use crate::client::Client;
use crate::paint;
use crate::settings::Settings;
use crate::table::{self, Cell, Row};

/// About so many bytes of messages are handed over at once.
const BATCH: usize = 4 << 20;
/// How many batches may be read before they have been stored.
const AHEAD: usize = 2;

/// Does what is asked of archives.
pub async fn run(global: &Global, command: ArchiveCommand) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(global)?;
    match command {
        ArchiveCommand::List(which) => list(&settings, &which),
        ArchiveCommand::Verify(which) => verify(&settings, &which),
        ArchiveCommand::Import(arguments) => import(global, settings, arguments).await,
    }
}

/// The archives that are meant.
fn files(settings: &Settings, paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let folder = settings.retention.archive.iter().cloned().collect::<Vec<_>>();
    let paths = if paths.is_empty() { &folder } else { paths };
    if paths.is_empty() {
        bail!("name an archive or a folder of them; the setting `retention.archive` names none");
    }
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let within = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
        let mut within: Vec<PathBuf> = within.flatten().map(|entry| entry.path()).collect();
        within.retain(|path| path.extension().is_some_and(|end| end == "archive"));
        within.sort();
        found.append(&mut within);
    }
    Ok(found)
}

fn told(path: &Path, header: &ArchiveHeader) -> Value {
    let mut told = serde_json::to_value(header).unwrap_or_default();
    told["file"] = path.display().to_string().into();
    told
}

fn list(settings: &Settings, which: &ArchiveFiles) -> anyhow::Result<ExitCode> {
    let (mut rows, mut failed) = (Vec::new(), false);
    for path in files(settings, &which.paths)? {
        let header = match ArchiveFile::open(&path) {
            Ok(file) => file.header,
            Err(error) => {
                eprintln!("{}: {:#}", paint::error("error"), anyhow::Error::from(error));
                failed = true;
                continue;
            }
        };
        let told = told(&path, &header);
        if which.json {
            println!("{told}");
            continue;
        }
        let cells = vec![
            Cell::words(path.display().to_string()),
            Cell::count(header.messages),
            Cell::words(table::time(&told["from"])),
            Cell::words(table::time(&told["to"])),
            Cell::words(header.key.clone()),
            Cell::words(header.channels.join(" ")),
        ];
        rows.push(Row { cells, notes: Vec::new() });
    }
    if !which.json {
        table::print(&["archive", "messages", "from", "to", "key", "channels"], &rows);
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn verify(settings: &Settings, which: &ArchiveFiles) -> anyhow::Result<ExitCode> {
    let mut failed = false;
    for path in files(settings, &which.paths)? {
        let verified = read(settings, &path, |_| Ok(()));
        failed |= verified.is_err();
        match (verified, which.json) {
            (Ok(header), false) => {
                println!("{} {}: {} messages", paint::good("whole"), path.display(), header.messages);
            }
            (Ok(header), true) => {
                let mut told = told(&path, &header);
                told["whole"] = true.into();
                println!("{told}");
            }
            (Err(error), false) => eprintln!("{}: {error:#}", paint::error("error")),
            (Err(error), true) => {
                let file = path.display().to_string();
                println!("{}", json!({ "file": file, "whole": false, "error": format!("{error:#}") }));
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Reads an archive whole, with the key that it names.
fn read(
    settings: &Settings,
    path: &Path,
    each: impl FnMut(Entry) -> Result<(), anyhow::Error>,
) -> anyhow::Result<ArchiveHeader> {
    let mut file = ArchiveFile::open(path)?;
    let key = settings.archive_key(&file.header.key).with_context(|| path.display().to_string())?;
    file.read::<anyhow::Error>(&key, each)?;
    Ok(file.header)
}

/// Where imported messages go.
enum Into {
    Hub(Client),
    Store(Box<Store>),
}

impl Into {
    async fn import(&self, batch: Bytes) -> anyhow::Result<Imported> {
        match self {
            Into::Hub(client) => {
                let report = client.post_bytes("import", batch).await?;
                let count = |name: &str| {
                    report[name].as_u64().with_context(|| format!("the hub's answer has no `{name}`"))
                };
                Ok(Imported { added: count("added")?, known: count("known")? })
            }
            Into::Store(store) => store.import(batch).await.map_err(|error| match error {
                StoreError::Invalid { what } => anyhow::anyhow!(what),
                error => error.into(),
            }),
        }
    }
}

async fn import(global: &Global, settings: Settings, arguments: ImportArguments) -> anyhow::Result<ExitCode> {
    let client = Client::new(global)?;
    // Of each the whole is read before anything of it is stored: one that was cut or changed is not half taken in.
    for path in &arguments.paths {
        read(&settings, path, |_| Ok(()))?;
    }
    let into = if global.url.is_some() || client.answers().await {
        Into::Hub(client)
    } else {
        let opened = Store::open(settings.store_options()?).await;
        Into::Store(Box::new(opened.context("no hub answers, and the store could not be opened")?))
    };
    let imported = import_all(&settings, &arguments, &into).await;
    if let Into::Store(store) = &into {
        store.close().await;
    }
    let imported = imported?;
    if arguments.json {
        println!("{}", json!({ "added": imported.added, "known": imported.known }));
    } else {
        println!("{} taken in, {} were there already", paint::good(imported.added), imported.known);
    }
    Ok(ExitCode::SUCCESS)
}

async fn import_all(
    settings: &Settings,
    arguments: &ImportArguments,
    into: &Into,
) -> anyhow::Result<Imported> {
    let mut all = Imported::default();
    for path in &arguments.paths {
        let (batches, mut read_batches) = tokio::sync::mpsc::channel(AHEAD);
        let (settings, path, channel) = (settings.clone(), path.clone(), arguments.channel.clone());
        let reading =
            tokio::task::spawn_blocking(move || read_into(&settings, &path, channel.as_deref(), &batches));
        while let Some(batch) = read_batches.recv().await {
            let imported = into.import(batch).await?;
            all.added += imported.added;
            all.known += imported.known;
        }
        reading.await??;
    }
    Ok(all)
}

/// Reads an archive into batches.
fn read_into(
    settings: &Settings,
    path: &Path,
    channel: Option<&str>,
    batches: &tokio::sync::mpsc::Sender<Bytes>,
) -> anyhow::Result<()> {
    let mut batch = Vec::new();
    let gone = || anyhow::anyhow!("the messages are no longer taken");
    read(settings, path, |entry| {
        if channel.is_some_and(|channel| channel != entry.head.channel) {
            return Ok(());
        }
        if !batch.is_empty() && batch.len() + entry.weight() > BATCH {
            batches.blocking_send(std::mem::take(&mut batch).into()).map_err(|_| gone())?;
        }
        let io = |source| ArchiveError::Io { path: path.to_owned(), source };
        Ok(entry.write(&mut batch).map_err(io)?)
    })?;
    if !batch.is_empty() {
        batches.blocking_send(batch.into()).map_err(|_| gone())?;
    }
    Ok(())
}
