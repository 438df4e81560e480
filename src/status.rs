//! `huitong status`: how the running hub stands.

use std::process::ExitCode;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::{Global, StatusArguments};
use crate::client::Client;
use crate::paint;
use crate::table::{self, Cell, Row, hint, items, number, text};

/// So many held lanes of a channel are shown.
const MAX_HELD_SHOWN: usize = 5;

/// Shows channels and destinations.
pub async fn run(global: &Global, arguments: StatusArguments) -> anyhow::Result<ExitCode> {
    let status = Client::new(global)?.get("status", &[]).await?;
    if arguments.json {
        println!("{status}");
    } else {
        show(&status);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(status: &Value) {
    let readiness = if status["ready"].as_bool().unwrap_or(false) { "" } else { ", not ready" };
    let deployment =
        status["deployment"].as_u64().map(|number| format!(", deployment {number}")).unwrap_or_default();
    println!(
        "Huitong {}, running since {}{deployment}{}",
        text(status, "version"),
        table::time(&status["started_at"]),
        paint::warning(readiness)
    );
    println!();
    let channels: Vec<Row> = items(status, "channels").iter().map(channel).collect();
    table::print(&["channel", "listens", "waiting", "committed", "filtered", "quarantined"], &channels);
    let now = moment(&status["at"]);
    let destinations: Vec<Row> =
        items(status, "destinations").iter().map(|one| destination(one, now)).collect();
    if !destinations.is_empty() {
        println!();
        table::print(&["destination", "circuit", "owed", "delivered", "given up", "in doubt"], &destinations);
    }
    let unindexed = number(status, "unindexed");
    if unindexed > 0 {
        println!();
        println!(
            "{unindexed} resources are being indexed for searches that came with an update or a new search parameter."
        );
    }
    let nodes: Vec<Row> = items(status, "nodes").iter().map(node).collect();
    if !nodes.is_empty() {
        println!();
        table::print(&["node", "number", "since", "channels", "destinations"], &nodes);
    }
    hints(status);
}

fn node(node: &Value) -> Row {
    let does = |what: &str| {
        let names = items(node, "does").iter().filter_map(Value::as_str);
        names.filter(|name| name.starts_with(what)).count() as u64
    };
    let this = if node["this"].as_bool().unwrap_or(false) { " (asked)" } else { "" };
    let cells = vec![
        Cell::words(format!("{}{this}", text(node, "name"))),
        Cell::count(number(node, "number")),
        Cell::words(table::time(&node["joined_at"])),
        Cell::count(does("channel ")),
        Cell::count(does("destination ")),
    ];
    Row { cells, notes: Vec::new() }
}

fn channel(channel: &Value) -> Row {
    let messages = &channel["messages"];
    let mut cells = vec![
        Cell::words(text(channel, "id")),
        Cell::words(text(channel, "address")),
        Cell::count(number(messages, "received")),
        Cell::count(number(messages, "committed")),
        Cell::count(number(messages, "filtered")),
        Cell::trouble(number(messages, "quarantined")),
    ];
    let first: Vec<&str> = items(channel, "waits_for").iter().filter_map(Value::as_str).collect();
    if !first.is_empty() {
        cells.push(Cell::words(format!("waits for {}", first.join(", "))).painted(paint::warning));
    } else if !channel["running"].as_bool().unwrap_or(false) {
        cells.push(Cell::words("stopped; its log line says why").painted(paint::error));
    }
    Row { cells, notes: items(channel, "held").iter().take(MAX_HELD_SHOWN).map(held).collect() }
}

/// A lane that is held at a message that failed.
fn held(lane: &Value) -> String {
    let fault = &lane["fault"];
    let place = fault["place"].as_str().map_or(String::new(), |place| format!(" at {place}"));
    let why = format!("{}{place}: {}", text(fault, "step"), text(fault, "reason"));
    let (message, behind) = (text(lane, "message"), number(lane, "behind"));
    if lane["again_at"].is_string() {
        let at = table::time(&lane["again_at"]);
        return paint::dim(format!("{message} is tried again {at}, {behind} wait behind it: {why}"));
    }
    let since = table::time(&lane["since"]);
    paint::error(format!("a lane stands at {message} since {since}, {behind} wait behind it: {why}"))
}

fn destination(destination: &Value, now: Option<OffsetDateTime>) -> Row {
    let parcels = &destination["parcels"];
    let circuit = destination["circuit"].as_str().unwrap_or("none");
    let circuit = match circuit {
        "closed" => Cell::words(circuit),
        other => Cell::words(other).painted(paint::error),
    };
    let mut notes = Vec::new();
    if !destination["configured"].as_bool().unwrap_or(true) {
        notes.push(paint::warning("no channel names it any more: nothing is sent"));
    }
    if let (Some(now), Some(oldest)) = (now, moment(&destination["oldest_pending_at"])) {
        notes.push(format!("the oldest has waited {}", age((now - oldest).whole_seconds())));
    }
    let last_error = &destination["last_error"];
    if let Some(error) = last_error["message"].as_str() {
        notes.push(paint::dim(format!("last failure {}: {error}", table::time(&last_error["at"]))));
    }
    let cells = vec![
        Cell::words(text(destination, "id")),
        circuit,
        Cell::count(number(parcels, "pending")),
        Cell::count(number(parcels, "delivered")),
        Cell::trouble(number(parcels, "given_up")),
        Cell::trouble(number(parcels, "in_doubt")),
    ];
    Row { cells, notes }
}

fn hints(status: &Value) {
    let quarantined = items(status, "channels").iter().any(|one| number(&one["messages"], "quarantined") > 0);
    let given_up = items(status, "destinations").iter().find(|one| number(&one["parcels"], "given_up") > 0);
    let standing = items(status, "channels").iter().any(|one| number(one, "lanes_standing") > 0);
    if quarantined || standing || given_up.is_some() {
        hint("");
    }
    if quarantined {
        hint("huitong messages --state quarantined   what was set aside, where and why");
    }
    if standing {
        hint(
            "huitong messages ID   the message at which a lane stands; then `huitong replay ID`, once it is mended, or `huitong skip ID`",
        );
    }
    if let Some(destination) = given_up {
        hint(&format!(
            "huitong retry {}   puts what was given up back into its queue",
            text(destination, "id")
        ));
    }
}

fn moment(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()
}

fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{} s", seconds.max(0)),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_the_unit_that_fits() {
        let told = [(-3, "0 s"), (59, "59 s"), (90, "1 min"), (7300, "2 h 1 min"), (200_000, "2 days")];
        for (seconds, expected) in told {
            assert_eq!(age(seconds), expected);
        }
    }
}
