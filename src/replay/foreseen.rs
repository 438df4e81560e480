//! `huitong replay --dry-run`: what a replay would do, as the hub tells it line by line.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::Value;

use super::show::{self, counted};
use crate::cli::NewReplay;
use crate::client::Client;
use crate::paint;
use crate::table::{items, number, text};

/// So many messages are shown one by one; `--json` tells of all.
const MOST_SHOWN: u64 = 50;

/// Shows what the hub foresees.
pub async fn run(client: &Client, order: &Value, new: &NewReplay) -> anyhow::Result<ExitCode> {
    if new.show && !std::io::stdout().is_terminal() {
        bail!("--show prints values of patients, and this is no terminal; without it the elements are named");
    }
    let mut lines = client.post_lines("replays", order).await?;
    let mut told = 0;
    while let Some(line) = lines.next().await? {
        if new.json {
            println!("{line}");
        }
        let line: Value = serde_json::from_str(&line).context("the hub's answer is not JSON")?;
        if let Some(error) = line["error"]["message"].as_str() {
            bail!("{error}");
        }
        let sum = &line["sum"];
        if sum.is_object() {
            if !new.json {
                whole(sum, told);
            }
            return Ok(ExitCode::SUCCESS);
        }
        if !new.json && text(&line, "would") != "same" {
            told += 1;
            if told <= MOST_SHOWN {
                message(&line);
            }
        }
    }
    bail!("the hub broke off: what it told so far is not all")
}

fn message(line: &Value) {
    let would = match text(line, "would") {
        "changed" => "would change".to_owned(),
        "held_back" => paint::warning("would be held back in part"),
        "filtered" => format!("would be filtered: {}", text(line, "rule")),
        "set_aside" => paint::warning("would be set aside"),
        "handed_on" => "would be given back to its channel, to be split".to_owned(),
        _ => "would be left alone".to_owned(),
    };
    println!("{}  {}  {would}", text(line, "message"), text(line, "channel"));
    let fault = &line["fault"];
    if fault.is_object() {
        let places: Vec<&str> = [&fault["place"], &fault["rule"], &fault["reason"]]
            .into_iter()
            .filter_map(Value::as_str)
            .collect();
        println!("    {}: {}", text(fault, "step"), places.join("; "));
    }
    for resource in items(line, "resources") {
        let what = if number(resource, "version") == 0 { "new" } else { "" };
        println!("    {} {what}", text(resource, "reference"));
        for one in items(resource, "differences") {
            let values = match (one["old"].as_str(), one["new"].as_str()) {
                (None, None) => String::new(),
                (old, new) => format!(": {} -> {}", old.unwrap_or("-"), new.unwrap_or("-")),
            };
            println!("      {} {}{values}", text(one, "path"), paint::dim(text(one, "how")));
        }
        for name in items(resource, "older").iter().filter_map(Value::as_str) {
            println!("      {name} {}", paint::warning("would put older content over newer"));
        }
    }
    for parcel in items(line, "parcels").iter().filter(|parcel| parcel["there"] == false) {
        println!("    would be sent to {}", text(parcel, "to"));
    }
}

fn whole(sum: &Value, told: u64) {
    if told > MOST_SHOWN {
        println!("{}", paint::dim(format!("... and {} more; --json tells of each", told - MOST_SHOWN)));
    }
    println!("{}", paint::strong(format!("{}, nothing written", counted(number(sum, "seen"), "message"))));
    show::sum(sum, |came| match came {
        "changed something" => "would change something",
        "changed nothing" => "would change nothing",
        "held back where a later message has written since" => {
            "would put older content over newer, and be held back there (unless --force)"
        }
        "filtered" => "would be filtered",
        "set aside" => "would be set aside",
        "given back to the channel, to be split" => "would be given back to the channel, to be split",
        other => other,
    });
    counts("elements that would differ", sum, "elements");
    counts("elements where older content would go over newer", sum, "older");
    counts("rules that would stop messages", sum, "rules");
    for fault in items(sum, "faults") {
        let rule = fault["rule"].as_str().map(|rule| format!(" ({rule})")).unwrap_or_default();
        println!(
            "  {} {}",
            paint::warning(format!(
                "{} at {}:",
                counted(number(fault, "messages"), "message"),
                text(fault, "step")
            )),
            format_args!("{}{rule}", text(fault, "reason"))
        );
    }
    for one in items(sum, "destinations") {
        println!(
            "  {}: {} owed, {} there already",
            text(one, "to"),
            number(one, "owed"),
            number(one, "there")
        );
    }
}

fn counts(heading: &str, sum: &Value, name: &str) {
    let Some(counts) = sum[name].as_object().filter(|counts| !counts.is_empty()) else { return };
    println!("  {heading}:");
    let mut counts: Vec<(&String, u64)> =
        counts.iter().map(|(name, count)| (name, count.as_u64().unwrap_or(0))).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    for (name, count) in counts {
        println!("    {name}  in {}", counted(count, "message"));
    }
}
