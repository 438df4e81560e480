//! `huitong bench`: measures this machine and this build, and writes the figures beside their targets.
//!
//! The hub under test is a child process of this program, so that its memory and CPU are its own. Everything is measured in one run, the
//! disk's own fsync rate included: ratios and CPU per message say more than absolute times of a shared machine.

mod child;
mod disk;
mod flows;
mod formats;
mod hospital;
mod million;
mod people;
#[path = "../tests/harness/postgres.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod postgres;
mod pure;
mod server;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use crate::cli::{BenchArguments, Global};
use crate::settings::Settings;
use crate::{EXIT_WRONG_FILES, check, hub};
use table::Table;

pub use table::On;

/// Measures everything and writes the table.
pub async fn run(global: &Global, arguments: BenchArguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(global)?;
    let project = match hub::load(global, &settings)? {
        Ok(project) => project,
        Err(findings) => {
            check::print(&findings, false);
            return Ok(ExitCode::from(EXIT_WRONG_FILES));
        }
    };
    let each = Duration::from_secs(arguments.secs.max(1));
    let mut table = Table::new(arguments.secs);
    eprintln!("disk ...");
    let folder = tempfile::tempdir_in(".").context("the bench needs a folder on the disk it measures")?;
    let fsyncs = disk::fsync_rate(folder.path(), each)?;
    table.machine(fsyncs);
    if arguments.million {
        let section = million::measure(global, arguments.only, table).await?;
        return write(&arguments, |page| million::with_section(page, &section));
    }
    if arguments.fhir {
        for on in arguments.databases() {
            table.on(on);
            child::stand_on(on);
            server::measure(global, each, &mut table).await?;
        }
        child::stand_on(On::Sqlite);
        println!("{}", table.to_markdown());
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("parse, map ...");
    pure::measure(project, &mut table)?;
    formats::measure(&global.root, &mut table)?;
    let plain = flows::Adt { name: "ADT to Patient and Encounter", make: people::plain_adt };
    let whole = flows::Adt { name: "ADT with all segments (11 resources)", make: people::adt };
    for on in arguments.databases() {
        eprintln!("{on:?}");
        table.on(on);
        child::stand_on(on);
        for connections in [1, 8, 32] {
            eprintln!("ADT taken in, {connections} connections ...");
            flows::intake(global, connections, each, fsyncs, &mut table).await?;
        }
        for adt in [plain, whole] {
            for connections in [1, 8, 32] {
                eprintln!("{}, {connections} connections ...", adt.name);
                flows::adt(global, adt, connections, each, fsyncs, &mut table).await?;
            }
        }
        eprintln!("ORU ...");
        flows::oru(global, each, &mut table).await?;
        eprintln!("from the socket to the API ...");
        flows::visible(global, each, &mut table).await?;
        eprintln!("the FHIR server ...");
        server::measure(global, each, &mut table).await?;
    }
    child::stand_on(On::Sqlite);
    let text = table.to_markdown();
    write(&arguments, |page| million::with_section(&text, million::section_of(page)))
}

impl BenchArguments {
    /// The databases that are measured on.
    fn databases(&self) -> impl Iterator<Item = On> + use<> {
        let only = self.only;
        [On::Sqlite, On::Postgres].into_iter().filter(move |on| only.is_none_or(|only| only == *on))
    }
}

/// Writes the page; `change` makes it of what it was.
fn write(arguments: &BenchArguments, change: impl FnOnce(&str) -> String) -> anyhow::Result<ExitCode> {
    if arguments.out.as_os_str() == "-" {
        println!("{}", change(""));
        return Ok(ExitCode::SUCCESS);
    }
    let before = match std::fs::read_to_string(&arguments.out) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| arguments.out.display().to_string())?,
    };
    let text = change(&before);
    std::fs::write(&arguments.out, &text).with_context(|| arguments.out.display().to_string())?;
    println!("{text}\nwritten to {}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}
