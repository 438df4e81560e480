//! `huitong deploy` and `huitong rollback`: the running hub runs other files, whole or not at all.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::{DeployArguments, Global, HowArguments, RollbackArguments};
use crate::client::{Client, Refused};
use crate::table::{self, Cell, Row, hint, items, number, text};
use crate::{EXIT_WRONG_FILES, paint, who};

/// Tells the running hub to read its files again.
pub async fn run(global: &Global, arguments: DeployArguments) -> anyhow::Result<ExitCode> {
    let DeployArguments { why, how } = arguments;
    let order = json!({
        "why": why.unwrap_or_default(),
        "who": who::system_user(),
        "dry_run": how.dry_run,
        "abandon": how.abandon,
    });
    send(global, "deploy", &order, &how).await
}

/// Tells the running hub to run the files of an earlier deployment.
pub async fn roll_back(global: &Global, arguments: RollbackArguments) -> anyhow::Result<ExitCode> {
    let RollbackArguments { to, why, leave_folder, how } = arguments;
    let order = json!({
        "to": to,
        "why": why.unwrap_or_default(),
        "who": who::system_user(),
        "dry_run": how.dry_run,
        "abandon": how.abandon,
        "leave_folder": leave_folder,
    });
    send(global, "rollback", &order, &how).await
}

async fn send(global: &Global, path: &str, order: &Value, how: &HowArguments) -> anyhow::Result<ExitCode> {
    match Client::new(global)?.order(path, order).await? {
        Ok(report) => {
            if how.json {
                println!("{report}");
            } else {
                show(&report, how.dry_run);
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(refused) => Ok(tell(&refused, how.json)),
    }
}

fn show(report: &Value, dry_run: bool) {
    let of = |name: &str| report[name].as_object().cloned().unwrap_or_default();
    let (files, channels, destinations) = (of("files"), of("channels"), of("destinations"));
    match report["deployment"].as_u64() {
        Some(number) => println!("{}", paint::good(format!("deployment {number} is applied"))),
        None if dry_run && !(files.is_empty() && channels.is_empty() && destinations.is_empty()) => {
            println!("nothing was changed; a deployment would change:");
        }
        None => println!("nothing to change: the hub runs these files already"),
    }
    let rows = |all: &serde_json::Map<String, Value>, what: fn(&str) -> &'static str| -> Vec<Row> {
        let row = |(name, change): (&String, &Value)| {
            let change = change.as_str().unwrap_or_default();
            let cells = [name.as_str(), change, what(change)].into_iter().filter(|text| !text.is_empty());
            Row { cells: cells.map(Cell::words).collect(), notes: Vec::new() }
        };
        all.iter().map(row).collect()
    };
    for (heading, rows) in [
        ("channel", rows(&channels, of_channel)),
        ("destination", rows(&destinations, |_| "")),
        ("file", rows(&files, |_| "")),
    ] {
        if !rows.is_empty() {
            println!();
            table::print(&[heading], &rows);
        }
    }
    let untouched = number(report, "untouched_channels");
    if !channels.is_empty() && untouched > 0 {
        println!("\n{untouched} channel{} not touched", if untouched == 1 { "" } else { "s" });
    }
    if let Some(kept) = report["kept"].as_u64() {
        println!("\nwhat stood in the folder and had never run is kept as deployment {kept}");
    }
    for notice in items(report, "notices").iter().filter_map(Value::as_str) {
        println!("\n{}: {notice}", paint::warning("note"));
    }
    if let Some(number) = report["deployment"].as_u64().filter(|number| *number > 1) {
        hint("");
        hint(&format!("huitong deployments diff {} {number}   shows what differs", number - 1));
    }
}

/// What a change means for those who are connected.
fn of_channel(change: &str) -> &'static str {
    match change {
        "mended" => "its connections stay",
        "replaced" => "its source is a new one",
        _ => "",
    }
}

fn tell(refused: &Refused, as_json: bool) -> ExitCode {
    let findings = items(&refused.error, "findings");
    if as_json {
        println!("{}", json!({ "error": refused.error }));
    } else {
        for finding in findings {
            eprintln!("{}\n", text(finding, "text"));
        }
        eprintln!("{}: {}", paint::error("error"), text(&refused.error, "message"));
    }
    if findings.is_empty() { ExitCode::FAILURE } else { ExitCode::from(EXIT_WRONG_FILES) }
}
