//! The report of a comparison, for people and as JSON.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::About;
use super::tally::{Reason, Sample, Tally, When};
use crate::paint;
use crate::table::{self, Cell, Row, shortened, terminal_width};

/// The report as JSON, in the shape docs/mapping-commands.md tells.
pub fn json(about: &About, tally: &Tally, took: Duration) -> Value {
    let sample = |sample: &Sample| {
        let mut told = json!({ "message": sample.message.0, "place": sample.place });
        for (name, value) in [("old", &sample.old), ("new", &sample.new)] {
            if let Some(value) = value {
                told[name] = value.as_str().into();
            }
        }
        told
    };
    let fields: Vec<Value> = tally
        .fields
        .iter()
        .map(|(name, field)| {
            json!({
                "field": name, "messages": field.messages, "changed": field.changed, "added": field.added,
                "removed": field.removed, "samples": field.samples.iter().map(sample).collect::<Vec<_>>(),
            })
        })
        .collect();
    let faults: Vec<Value> = tally
        .faults
        .iter()
        .map(|(Reason { when, rule, reason }, seen)| {
            let samples = seen.samples.iter();
            let samples = samples.map(|(id, place)| json!({ "message": id.0, "place": place }));
            json!({
                "when": when_name(*when), "rule": rule, "reason": reason, "messages": seen.count,
                "samples": samples.collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "mapping": about.mapping,
        "against": about.against,
        "channels": about.stretch.channels.iter().map(|channel| channel.as_str()).collect::<Vec<_>>(),
        "from": about.stretch.from.map(told),
        "to": about.stretch.to.map(told),
        "messages": {
            "looked_at": tally.looked_at, "filtered": tally.filtered, "unchanged": tally.unchanged,
            "changed": tally.changed, "newly_failing": tally.newly_failing, "newly_passing": tally.newly_passing,
            "still_failing": tally.still_failing,
        },
        "fields": fields,
        "faults": faults,
        "seconds": took.as_secs_f64(),
    })
}

/// The report for people.
pub fn print(about: &About, tally: &Tally, took: Duration) {
    let channels: Vec<&str> = about.stretch.channels.iter().map(|channel| channel.as_str()).collect();
    println!("{}: the files now, against {}", paint::strong(&about.mapping), about.against);
    let from = about.stretch.from.map_or_else(|| "the first message".to_owned(), told);
    let to = about.stretch.to.map_or_else(|| "now".to_owned(), told);
    println!("{}", paint::dim(format!("{}: {}, from {from} to {to}", about.place, channels.join(", "))));
    println!();
    counts(tally, took);
    fields(tally);
    for when in [When::NewlyFailing, When::NewlyPassing, When::StillFailing] {
        faults(tally, when);
    }
    if tally.has_values() {
        println!("\n{}", paint::warning("The examples are patient data; --no-values leaves them out."));
    }
}

fn counts(tally: &Tally, took: Duration) {
    let rate = tally.looked_at as f64 / took.as_secs_f64().max(0.001);
    let row = |count: u64, words: String, paint: fn(String) -> String| Row {
        cells: vec![
            Cell::words(""),
            Cell::count(count),
            Cell::words(words).painted(if count == 0 { |text| text } else { paint }),
        ],
        notes: Vec::new(),
    };
    let pace = format!("messages looked at, in {:.1} s ({rate:.0} a second)", took.as_secs_f64());
    let mut rows = vec![
        row(tally.looked_at, pace, |text| text),
        row(tally.unchanged, "unchanged".to_owned(), paint::good),
        row(tally.changed, "changed".to_owned(), paint::warning),
        row(tally.newly_failing, "newly failing".to_owned(), paint::error),
        row(tally.newly_passing, "newly passing".to_owned(), paint::good),
        row(tally.still_failing, "failing as before".to_owned(), |text| text),
    ];
    if tally.filtered > 0 {
        rows.push(row(tally.filtered, "filtered when they came, and not looked at".to_owned(), |text| text));
    }
    table::print(&[], &rows);
}

fn fields(tally: &Tally) {
    if tally.fields.is_empty() {
        return;
    }
    println!();
    let mut fields: Vec<_> = tally.fields.iter().collect();
    fields.sort_by(|a, b| b.1.messages.cmp(&a.1.messages).then_with(|| a.0.cmp(b.0)));
    let rows: Vec<Row> = fields
        .into_iter()
        .map(|(name, field)| Row {
            cells: vec![
                Cell::words(name),
                Cell::count(field.messages),
                Cell::count(field.changed),
                Cell::count(field.added),
                Cell::count(field.removed),
            ],
            notes: field.samples.iter().map(example).collect(),
        })
        .collect();
    table::print(&["field", "messages", "changed", "added", "removed"], &rows);
}

fn example(sample: &Sample) -> String {
    let most = terminal_width().map_or(usize::MAX / 8, |width| (width.saturating_sub(52) / 2).max(16));
    let value = |value: &Option<String>, paint: fn(String) -> String| {
        value.as_ref().map_or_else(|| paint::dim("nothing"), |value| paint(shortened(value, most)))
    };
    let id = paint::dim(sample.message.0);
    if sample.old.is_none() && sample.new.is_none() {
        return format!("{id}  {}", sample.place);
    }
    let (old, new) = (value(&sample.old, paint::error), value(&sample.new, paint::good));
    format!("{id}  {old} → {new}")
}

fn faults(tally: &Tally, when: When) {
    let faults: Vec<_> = tally.faults.iter().filter(|(reason, _)| reason.when == when).collect();
    if faults.is_empty() {
        return;
    }
    let heading = match when {
        When::NewlyFailing => paint::error("Newly failing"),
        When::NewlyPassing => paint::good("Newly passing; before they were set aside for"),
        When::StillFailing => paint::strong("Failing as before"),
    };
    println!("\n{heading}");
    for (reason, seen) in faults {
        println!("  {:>6}  {}  {}", seen.count, reason.reason, paint::dim(&reason.rule));
        for (id, place) in &seen.samples {
            println!("          {}  {place}", paint::dim(id.0));
        }
    }
}

fn when_name(when: When) -> &'static str {
    match when {
        When::NewlyFailing => "newly-failing",
        When::NewlyPassing => "newly-passing",
        When::StillFailing => "still-failing",
    }
}

fn told(moment: OffsetDateTime) -> String {
    moment.replace_nanosecond(0).unwrap_or(moment).format(&Rfc3339).unwrap_or_default()
}
