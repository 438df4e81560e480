//! `huitong messages`: finds messages in the running hub; bodies only on demand.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::{Global, MessagesArguments};
use crate::client::Client;
use crate::paint;
use crate::table::{self, Cell, Row, hint, items, number, text};

/// What the operators' API gives at a time.
const PAGE: u32 = 500;

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
            let page = find(&client, &arguments).await?;
            if arguments.json {
                println!("{page}");
            } else {
                list(&page);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// As many as were asked for, page by page, in the shape of one page.
async fn find(client: &Client, arguments: &MessagesArguments) -> anyhow::Result<Value> {
    let mut found: Vec<Value> = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let left = arguments.limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
        let mut query = arguments.filter.pairs();
        query.push(("limit", left.min(PAGE).to_string()));
        query.extend(before.take().map(|id| ("before", id)));
        let page = client.get("messages", &query).await?;
        found.extend(items(&page, "messages").iter().cloned());
        before = page["next"].as_str().map(str::to_owned);
        if before.is_none() || found.len() >= arguments.limit as usize {
            return Ok(json!({ "messages": found, "next": before }));
        }
    }
}

fn state(message: &Value) -> Cell {
    let state = text(message, "state");
    Cell::words(state).painted(match state {
        "committed" => |text| paint::good(text),
        "quarantined" => |text| paint::error(text),
        "received" => |text| paint::warning(text),
        _ => |text| text,
    })
}

fn list(page: &Value) {
    let messages = items(page, "messages");
    if messages.is_empty() {
        println!("no such messages");
        return;
    }
    let rows: Vec<Row> = messages
        .iter()
        .map(|message| {
            let keys: Vec<String> = items(message, "keys")
                .iter()
                .map(|key| format!("{}={}", text(key, "name"), text(key, "value")))
                .collect();
            let cells = vec![
                Cell::words(text(message, "id")),
                Cell::words(table::time(&message["received_at"])),
                state(message),
                Cell::words(text(message, "channel")),
                Cell::words(text(message, "type")),
                Cell::words(text(message, "control_id")),
                Cell::words(keys.join(" ")).painted(paint::dim),
            ];
            let pieces = message["pieces"].as_u64().map(|count| format!("{count} pieces"));
            Row { cells, notes: why(message).into_iter().chain(pieces).collect() }
        })
        .collect();
    table::print(&[], &rows);
    if page["next"].is_string() {
        hint(&format!(
            "the newest {}; more with --limit, one whole with `huitong messages ID`",
            messages.len()
        ));
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
    let line = |what: &str, told: &str| println!("  {what:<11} {told}");
    println!("{}", paint::strong(text(message, "id")));
    line("channel", text(message, "channel"));
    line("state", text(message, "state"));
    if let Some(rule) = message["filtered_by"].as_str() {
        line("stopped by", rule);
    }
    if message["fault"].is_object() {
        let fault = &message["fault"];
        line("step", text(fault, "step"));
        line("place", &paint::strong(text(fault, "place")));
        line("rule", text(fault, "rule"));
        line("reason", &paint::error(text(fault, "reason")));
    }
    if message["held"].is_object() {
        let (held, fault) = (&message["held"], &message["held"]["fault"]);
        let place = fault["place"].as_str().map_or(String::new(), |place| format!(" at {place}"));
        let why = format!("{}{place}: {}", text(fault, "step"), text(fault, "reason"));
        line(
            "its lane",
            &paint::error(if held["again_at"].is_string() { "waits for another try" } else { "stands" }),
        );
        line("reason", &paint::error(why));
        line("behind it", &number(held, "behind").to_string());
    }
    if let Some(parent) = message["parent"].as_str() {
        line("piece", &format!("{} of {parent}", number(message, "nth")));
    }
    if let Some(counts) = message["pieces_by_state"].as_object() {
        let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
        line("pieces", &counts.join(", "));
    }
    if let Some(answered) = message["answered"].as_str() {
        line("answered", &format!("{answered} at {}", table::time(&message["answered_at"])));
    }
    line("type", text(message, "type"));
    line("control id", text(message, "control_id"));
    line("sender", text(message, "sender"));
    line("peer", text(message, "peer"));
    line("received", &table::time(&message["received_at"]));
    line("ended", &table::time(&message["ended_at"]));
    if message["imported_at"].is_string() {
        line("imported", &format!("{}, from an archive", table::time(&message["imported_at"])));
    }
    line("size", &format!("{} bytes", number(message, "size_bytes")));
    if number(message, "replays") > 0 {
        line("replays", &number(message, "replays").to_string());
    }
    if message["reused_control_id"].as_bool().unwrap_or(false) {
        line("beware", &paint::warning("an earlier message has the same control id and other content"));
    }
    for key in items(message, "keys") {
        line(text(key, "name"), text(key, "value"));
    }
    for note in items(message, "notes") {
        line("left out", &format!("{}: {}", text(note, "place"), text(note, "reason")));
    }
    for wrote in items(message, "wrote") {
        line("wrote", &format!("{} version {}", text(wrote, "reference"), wrote["version"]));
    }
    for parcel in items(message, "parcels") {
        line("parcel", &owed(parcel));
    }
    next(message);
}

fn owed(parcel: &Value) -> String {
    let tries = match number(parcel, "attempts") {
        1 => "1 try".to_owned(),
        tries => format!("{tries} tries"),
    };
    let state = text(parcel, "state");
    let error = parcel["error"].as_str().map_or(String::new(), |error| format!(": {error}"));
    // Only one that did not arrive is asked for by its id.
    let id = if state == "delivered" { String::new() } else { format!("  {}", text(parcel, "id")) };
    format!("to {}: {state} after {tries}{error}{id}", text(parcel, "to"))
}

/// What an engineer does next with a message that did not go its way.
fn next(message: &Value) {
    let id = text(message, "id");
    if message["held"].is_object() && !message["held"]["again_at"].is_string() {
        hint("");
        hint(
            "Those behind it wait for it. Mend the channel, the mapping or a code table and start the hub again,",
        );
        hint("or have it tried again as things are; or set it aside, and those behind it go on:");
        hint(&format!("  huitong messages {id} --raw | tr '\\r' '\\n'"));
        hint(&format!("  huitong replay {id}"));
        hint(&format!("  huitong skip {id}"));
    }
    if message["fault"].is_object() {
        hint("");
        hint(
            "See what the message has at that place (patient data), and either have the sender put it right,",
        );
        hint("or mend the channel, the mapping or a code table, deploy it, and replay:");
        hint(&format!("  huitong messages {id} --raw | tr '\\r' '\\n'"));
        if text(&message["fault"], "step") == "map" {
            hint(&format!("  huitong map explain channels/{}.toml {id}", text(message, "channel")));
        }
        hint("  huitong test && huitong deploy --why '..'");
        hint(&format!("  huitong replay {id}"));
    }
    if message["pieces_by_state"]["quarantined"].as_u64().is_some_and(|count| count > 0) {
        hint("");
        hint("See which of the pieces were set aside and why; each can be replayed alone:");
        hint(&format!("  huitong messages --parent {id} --state quarantined"));
        hint(&format!("  huitong replay --parent {id} --state quarantined"));
    }
    let parcels = items(message, "parcels").iter();
    for parcel in parcels.filter(|parcel| text(parcel, "state") == "given-up") {
        hint(&format!("  huitong retry --parcel {}", text(parcel, "id")));
    }
}
