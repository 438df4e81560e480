//! `huitong messages`: finds messages in the running hub; bodies only on demand.

use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;

use crate::cli::{Global, MessagesArguments};
use crate::client::Client;
use crate::paint;

/// Shows a page of messages, or one.
pub async fn run(global: &Global, arguments: MessagesArguments) -> anyhow::Result<ExitCode> {
    let client = Client::new(global)?;
    match &arguments.id {
        Some(id) if arguments.raw => {
            let bytes = client.get_bytes(&format!("messages/{id}/raw")).await?;
            std::io::stdout().write_all(&bytes)?;
        }
        Some(id) => {
            let message = client.get(&format!("messages/{id}"), &[]).await?;
            if arguments.json {
                println!("{message}");
            } else {
                detail(&message);
            }
        }
        None => {
            let mut query = arguments.filter.pairs();
            query.push(("limit", arguments.limit.to_string()));
            let page = client.get("messages", &query).await?;
            if arguments.json {
                println!("{page}");
            } else {
                list(&page);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("-")
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn state(message: &Value) -> String {
    let state = text(message, "state");
    let padded = format!("{state:<11}");
    match state {
        "committed" => paint::good(padded),
        "quarantined" => paint::error(padded),
        "received" => paint::warning(padded),
        _ => padded,
    }
}

fn list(page: &Value) {
    let messages = items(page, "messages");
    if messages.is_empty() {
        println!("no such messages");
        return;
    }
    for message in messages {
        let time = text(message, "received_at").get(..19).unwrap_or("-");
        let keys: Vec<String> = items(message, "keys")
            .iter()
            .map(|key| format!("{}={}", text(key, "name"), text(key, "value")))
            .collect();
        println!(
            "{}  {time}  {}  {:<10} {:<12} {:<20} {}",
            text(message, "id"),
            state(message),
            text(message, "channel"),
            text(message, "type"),
            text(message, "control_id"),
            paint::dim(keys.join(" ")),
        );
        if let Some(why) = why(message) {
            println!("    {why}");
        }
    }
    if page["next"].is_string() {
        println!("{}", paint::dim(format!("{} shown, newest first; more with --limit", messages.len())));
    }
}

/// Why a message did not go on.
fn why(message: &Value) -> Option<String> {
    if let Some(rule) = message["filtered_by"].as_str() {
        return Some(format!("stopped by: {rule}"));
    }
    let fault = message.get("fault").filter(|fault| fault.is_object())?;
    let place =
        fault["place"].as_str().map_or(String::new(), |place| format!(" at {}", paint::strong(place)));
    let rule = fault["rule"].as_str().map_or(String::new(), |rule| format!("  ({rule})"));
    Some(format!("{}{place}: {}{rule}", text(fault, "step"), text(fault, "reason")))
}

fn detail(message: &Value) {
    println!("{} {}  {}", paint::strong(text(message, "id")), state(message), text(message, "channel"));
    for (label, name) in [
        ("type", "type"),
        ("control id", "control_id"),
        ("sender", "sender"),
        ("peer", "peer"),
        ("received", "received_at"),
        ("ended", "ended_at"),
    ] {
        println!("  {label:<11} {}", text(message, name));
    }
    println!("  {:<11} {} bytes (--raw prints them)", "size", message["size_bytes"]);
    if message["replays"].as_u64().unwrap_or(0) > 0 {
        println!("  {:<11} {}", "replays", message["replays"]);
    }
    if message["reused_control_id"].as_bool().unwrap_or(false) {
        println!("  {}", paint::warning("an earlier message has the same control id and other content"));
    }
    if let Some(why) = why(message) {
        println!("  {:<11} {why}", "why");
    }
    for key in items(message, "keys") {
        println!("  {:<11} {}", text(key, "name"), text(key, "value"));
    }
    for note in items(message, "notes") {
        println!("  {:<11} {}: {}", "left out", text(note, "place"), text(note, "reason"));
    }
    for wrote in items(message, "wrote") {
        println!("  {:<11} {} version {}", "wrote", text(wrote, "reference"), wrote["version"]);
    }
    for parcel in items(message, "parcels") {
        let error = parcel["error"].as_str().map_or(String::new(), |error| format!(": {error}"));
        println!(
            "  {:<11} {} {} after {} tries{error}",
            "owed",
            text(parcel, "to"),
            text(parcel, "state"),
            parcel["attempts"]
        );
    }
}
