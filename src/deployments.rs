//! `huitong deployments`: what was run when, by whom and why; what differs between two.

use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use crate::cli::{DeploymentsArguments, DeploymentsCommand, Global};
use crate::client::Client;
use crate::paint;
use crate::table::{self, Cell, Row, hint, items, number, text};

/// A reason is cut to so many columns in the list.
const WHY: usize = 60;

/// Lists deployments, or shows more of one or two.
pub async fn run(global: &Global, arguments: DeploymentsArguments) -> anyhow::Result<ExitCode> {
    let client = Client::new(global)?;
    match arguments.command {
        None => {
            let mut query = vec![("limit", arguments.limit.to_string())];
            query.extend(arguments.before.map(|before| ("before", before.to_string())));
            let page = client.get("deployments", &query).await?;
            if arguments.json { println!("{page}") } else { list(&page) }
        }
        Some(DeploymentsCommand::Show { number, file: Some(file), .. }) => {
            let text = client.get_text(&format!("deployments/{number}/file"), &[("path", file)]).await?;
            std::io::stdout().write_all(text.as_bytes())?;
        }
        Some(DeploymentsCommand::Show { number, json, .. }) => {
            let one = client.get(&format!("deployments/{number}"), &[]).await?;
            if json { println!("{one}") } else { show(&one) }
        }
        Some(DeploymentsCommand::Diff { old, new, file, json }) => {
            let query: Vec<_> = file.map(|file| ("file", file)).into_iter().collect();
            let difference = client.get(&format!("deployments/{old}/diff/{new}"), &query).await?;
            if json { println!("{difference}") } else { diff(&difference) }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(page: &Value) {
    let deployments = items(page, "deployments");
    let rows: Vec<Row> = deployments.iter().map(row).collect();
    table::print(&["number", "when", "who", "what", "result", "why"], &rows);
    if let Some(next) = page["next"].as_u64() {
        hint(&format!("\nhuitong deployments --before {next}   those before"));
    }
    if let [newest, before, ..] = deployments {
        let (new, old) = (number(newest, "number"), number(before, "number"));
        hint(&format!(
            "\nhuitong deployments diff {old} {new}   what differs\nhuitong rollback {old} --why ..   runs it again"
        ));
    }
}

fn row(one: &Value) -> Row {
    let is_running = one["running"].as_bool().unwrap_or(false);
    let result = if is_running { Cell::words("running").painted(paint::good) } else { result(one) };
    let mut notes = Vec::new();
    if let Some(reason) = one["reason"].as_str() {
        notes.push(paint::dim(reason));
    }
    let cells = vec![
        Cell::count(number(one, "number")),
        Cell::words(table::time(&one["at"])),
        Cell::words(table::shortened(text(one, "who"), 24)),
        Cell::words(what(one)),
        result,
        Cell::words(table::shortened(text(one, "why"), WHY)),
    ];
    Row { cells, notes }
}

fn result(one: &Value) -> Cell {
    let result = text(one, "result");
    match result {
        "failed" => Cell::words(result).painted(paint::error),
        "under-way" => Cell::words(result).painted(paint::warning),
        _ => Cell::words(result),
    }
}

fn what(one: &Value) -> String {
    match one["to"].as_u64() {
        Some(to) => format!("rollback to {to}"),
        None => text(one, "kind").to_owned(),
    }
}

fn show(one: &Value) {
    println!("{}", paint::strong(format!("deployment {}", number(one, "number"))));
    let running = if one["running"].as_bool().unwrap_or(false) { ", and runs" } else { "" };
    println!("  what    {}", what(one));
    println!("  when    {}", table::time(&one["at"]));
    println!("  who     {}, on {}", text(one, "who"), text(one, "node"));
    if !text(one, "why").is_empty() {
        println!("  why     {}", text(one, "why"));
    }
    println!("  result  {}{running}", text(one, "result"));
    if let Some(reason) = one["reason"].as_str() {
        println!("  reason  {}", paint::error(reason));
    }
    println!();
    let files = one["sha256"].as_object().cloned().unwrap_or_default();
    let file = |(path, digest): (&String, &Value)| {
        let digest: String = digest.as_str().unwrap_or_default().chars().take(12).collect();
        Row { cells: vec![Cell::words(path), Cell::words(digest)], notes: Vec::new() }
    };
    let rows: Vec<Row> = files.iter().map(file).collect();
    table::print(&["file", "sha-256"], &rows);
    if let Some(path) = files.keys().next() {
        hint(&format!("\nhuitong deployments show {} {path}   prints it", number(one, "number")));
    }
}

fn diff(difference: &Value) {
    let files = items(difference, "files");
    if files.is_empty() {
        println!("no difference");
    }
    for line in files.iter().flat_map(|file| text(file, "diff").split_inclusive('\n')) {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        // A carriage return belongs to the file; here it would hide the line.
        let line = line.replace('\r', "");
        let painted = match line.as_bytes().first() {
            _ if line.starts_with("+++") || line.starts_with("---") => paint::strong(line),
            Some(b'+') => paint::good(line),
            Some(b'-') => paint::error(line),
            Some(b'@') => paint::dim(line),
            _ => line,
        };
        print!("{painted}{end}");
    }
}
