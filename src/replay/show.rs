//! Shows how replays stand.

use serde_json::Value;

use crate::paint;
use crate::table::{self, Cell, Row, number, text};

/// What comes of messages, in the words of people; those that want a look are painted.
const CAME: [(&str, &str, bool); 7] = [
    ("changed", "changed something", false),
    ("same", "changed nothing", false),
    ("held_back", "held back where a later message has written since", false),
    ("filtered", "filtered", false),
    ("set_aside", "set aside", true),
    ("handed_on", "given back to the channel, to be split", false),
    ("left", "left alone: not there, or not ended yet", true),
];

/// One replay.
pub fn replay(replay: &Value) {
    let state = match text(replay, "state") {
        "running" => format!("running, {} of the way", percent(replay)),
        "done" => paint::good("done"),
        other => paint::warning(other),
    };
    let seen = number(replay, "seen");
    println!("replay {}: {state}, {}", replay["number"], counted(seen, "message"));
    sum(replay, |came| came);
}

/// The counts, below a heading; `words` puts what came of messages in another mood.
pub fn sum(counts: &Value, words: impl Fn(&str) -> &str) {
    for (name, came, wants_a_look) in CAME {
        let count = number(&counts["messages"], name);
        if count > 0 {
            let line = format!("{count} {}", words(came));
            println!("  {}", if wants_a_look { paint::warning(line) } else { line });
        }
    }
    let resources = &counts["resources"];
    let of = |name: &str| number(resources, name);
    println!("  resources: {} created, {} updated, {} the same", of("created"), of("updated"), of("same"));
    let parcels = &counts["parcels"];
    println!("  parcels: {} owed, {} there already", number(parcels, "owed"), number(parcels, "there"));
}

/// One line of a replay that is watched.
pub fn line(replay: &Value) {
    let messages = &replay["messages"];
    println!(
        "replay {}: {}, {} of the way, {}, {} changed, {} set aside",
        replay["number"],
        text(replay, "state"),
        percent(replay),
        counted(number(replay, "seen"), "message"),
        number(messages, "changed") + number(messages, "held_back"),
        number(messages, "set_aside"),
    );
}

/// The latest replays.
pub fn list(replays: &[Value]) {
    let row = |replay: &Value| {
        let messages = &replay["messages"];
        let cells = vec![
            Cell::count(number(replay, "number")),
            Cell::words(table::time(&replay["ordered_at"])),
            Cell::words(text(replay, "state")),
            Cell::words(percent(replay)),
            Cell::count(number(replay, "seen")),
            Cell::count(number(messages, "changed")),
            Cell::count(number(messages, "held_back")),
            Cell::trouble(number(messages, "set_aside")),
        ];
        Row { cells, notes: Vec::new() }
    };
    let rows: Vec<Row> = replays.iter().map(row).collect();
    let headings = ["number", "ordered", "state", "way", "messages", "changed", "held back", "set aside"];
    table::print(&headings, &rows);
}

fn percent(replay: &Value) -> String {
    format!("{:.0} %", replay["way"].as_f64().unwrap_or(0.0) * 100.0)
}

/// `1 message`, `2 messages`.
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
