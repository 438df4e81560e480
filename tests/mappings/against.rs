//! What other converters make of the same messages, compared with what we make.
//!
//! A leaf is a path without indices and a value. For every leaf of theirs: we have the same; or the same after a rule
//! (dates as digits, numbers by value, words whatever their case); or another value at this path; or nothing there.
//! Why we differ stands in `mappings/disagreements.tsv`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;

use hub_fhir::Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::house::{self, Mappings, resources};

/// Leaves of one type of resource.
#[derive(Default)]
struct Score {
    same: usize,
    by_rule: usize,
    otherwise: usize,
    absent: usize,
}

/// One path on which we differ.
#[derive(Default)]
struct Disagreement {
    otherwise: usize,
    absent: usize,
}

/// A reason of `mappings/disagreements.tsv`.
struct Reason {
    kind: String,
    path: String,
    reason: String,
    decides: String,
}

/// What is not compared: ids and references are each converter's own, narrative and envelope are none of ours.
const SKIPPED: [&str; 9] = [
    "id",
    "reference",
    "meta",
    "text.status",
    "text.div",
    "resourceType",
    "fullUrl",
    "extension",
    "contained",
];

type Leaves = HashMap<(String, String), Vec<(String, usize)>>;

#[test]
fn other_converters_are_compared_with() {
    let Some(folder) = house::corpus("v2-to-fhir-pairs") else { return };
    let mappings = Mappings::of_the_house();
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let mut differ: BTreeMap<(String, String), Disagreement> = BTreeMap::new();
    let (mut pairs, mut unmapped, mut unreadable) = (0, 0, 0);
    for path in house::files(&folder) {
        if path.extension().is_none_or(|extension| extension != "hl7") {
            continue;
        }
        let Ok(expected) = fs::read(path.with_extension("expected.json")) else { continue };
        let bytes = fs::read(&path).expect("a file of the corpus can be read");
        let messages = house::messages(&bytes);
        let [message] = messages.as_slice() else { continue };
        let kind = house::message_type(message);
        if !(kind == "ORU^R01" || crate::corpus::accepted(&kind)) {
            continue;
        }
        pairs += 1;
        let mapping = mappings.for_type(&kind[..3]).expect("both kinds have a mapping");
        let Ok(mapped) = house::run(mapping, message) else {
            unmapped += 1;
            continue;
        };
        let Ok(theirs) = hub_fhir::json::parse(&String::from_utf8_lossy(&expected)) else {
            unreadable += 1;
            continue;
        };
        let mut ours = Leaves::new();
        for resource in resources(&mapped.run) {
            leaves(resource.kind().name(), &Json::from(resource.tree().clone()), &mut ours);
        }
        let mut expected = Leaves::new();
        for entry in theirs.get("entry").map_or(&[][..], Json::items) {
            let Some(resource) = entry.get("resource") else { continue };
            let Some(kind) = resource.get("resourceType").and_then(Json::as_str) else { continue };
            leaves(kind, resource, &mut expected);
        }
        for ((kind, path), values) in &expected {
            let score = scores.entry(kind.clone()).or_default();
            let mine = ours.get(&(kind.clone(), path.clone()));
            for (value, count) in values {
                let Some(mine) = mine else {
                    score.absent += count;
                    differ.entry((kind.clone(), path.clone())).or_default().absent += count;
                    continue;
                };
                if mine.iter().any(|(one, _)| one == value) {
                    score.same += count;
                } else if mine.iter().any(|(one, _)| same_by_rule(one, value)) {
                    score.by_rule += count;
                } else {
                    score.otherwise += count;
                    differ.entry((kind.clone(), path.clone())).or_default().otherwise += count;
                }
            }
        }
    }
    let report = report([pairs, unmapped, unreadable], &scores, &differ);
    println!("{report}");
    let file = house::root().join("docs/v2-to-fhir-comparison.md");
    if std::env::var_os("HUITONG_BLESS").is_some() {
        fs::write(&file, report).expect("the report can be written");
    } else {
        let stored = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            stored == report,
            "docs/v2-to-fhir-comparison.md is not up to date: run with HUITONG_BLESS=1"
        );
    }
}

/// Adds every leaf of a resource.
fn leaves(kind: &str, json: &Json, into: &mut Leaves) {
    let mut stack = vec![(String::new(), json)];
    while let Some((path, value)) = stack.pop() {
        let text = match value {
            Json::Object(object) => {
                for (name, value) in object.iter() {
                    let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                    let skipped = SKIPPED.iter().any(|skipped| inner == *skipped || name == *skipped);
                    if !skipped && !name.starts_with('_') {
                        stack.push((inner, value));
                    }
                }
                continue;
            }
            Json::Array(items) => {
                stack.extend(items.iter().map(|item| (path.clone(), item)));
                continue;
            }
            Json::String(text) | Json::Number(text) => text.to_string(),
            Json::Bool(truth) => truth.to_string(),
            Json::Null => continue,
        };
        let values = into.entry((kind.to_owned(), path)).or_default();
        match values.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += 1,
            None => values.push((text, 1)),
        }
    }
}

fn same_by_rule(ours: &str, theirs: &str) -> bool {
    let digits = |text: &str| -> String {
        let local = text.split_once('T').map_or(text, |_| text.trim_end_matches('Z'));
        let local = if local.len() > 19 { &local[..19] } else { local };
        local.chars().filter(char::is_ascii_digit).collect()
    };
    let is_date = |text: &str| {
        text.len() >= 4
            && text.as_bytes().get(4).is_none_or(|byte| *byte == b'-')
            && text[..4.min(text.len())].bytes().all(|byte| byte.is_ascii_digit())
    };
    let moment = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    if let (Some(ours), Some(theirs)) = (moment(ours), moment(theirs))
        && ours == theirs
    {
        return true;
    }
    if is_date(ours) && is_date(theirs) {
        let (ours, theirs) = (digits(ours), digits(theirs));
        return ours.starts_with(&theirs) || theirs.starts_with(&ours);
    }
    if let (Ok(ours), Ok(theirs)) = (ours.parse::<f64>(), theirs.parse::<f64>()) {
        return (ours - theirs).abs() < f64::EPSILON;
    }
    let plain =
        |text: &str| -> String { text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect() };
    let (ours, theirs) = (plain(ours), plain(theirs));
    // `urn:id:HIS` says the same as `HIS`.
    !theirs.is_empty()
        && (ours == theirs
            || ours.strip_prefix("urnid") == Some(&theirs)
            || theirs.strip_prefix("urnid") == Some(&ours))
}

fn reasons() -> Vec<Reason> {
    let text =
        fs::read_to_string(house::root().join("mappings/disagreements.tsv")).expect("the reasons are there");
    let rows = text.lines().skip(1).map(|line| {
        let mut cells = line.split('\t').map(str::to_owned);
        let mut next = || cells.next().unwrap_or_default();
        Reason { kind: next(), path: next(), reason: next(), decides: next() }
    });
    rows.collect()
}

fn report(
    [pairs, unmapped, unreadable]: [usize; 3],
    scores: &BTreeMap<String, Score>,
    differ: &BTreeMap<(String, String), Disagreement>,
) -> String {
    let reasons = reasons();
    let mut text = String::from(
        "# Comparison with other converters\n\n\
         Made by `tests/mappings/against.rs` (`HUITONG_BLESS=1`) from the pairs of two other converters; do not edit it. They do not agree\n\
         with one another and neither is the norm. Counted are the leaves of their resources: path without indices, and value; ids,\n\
         references, narrative and extensions are left aside. *By a rule*: the same date, number or word in another form.\n\n",
    );
    let _ = writeln!(
        text,
        "{pairs} pairs of ADT and ORU messages: {unmapped} of them we set aside (no patient number, as a rule), \
         {unreadable} expected bundles are no JSON (a member twice).\n"
    );
    text += "| resource | their leaves | the same | by a rule | another value | not there |\n|---|---|---|---|---|---|\n";
    let row = |name: &str, score: &Score| {
        let all = score.same + score.by_rule + score.otherwise + score.absent;
        format!(
            "| {name} | {all} | {} | {} | {} | {} |\n",
            score.same, score.by_rule, score.otherwise, score.absent
        )
    };
    let mut sum = Score::default();
    for (kind, score) in scores {
        text += &row(kind, score);
        sum.same += score.same;
        sum.by_rule += score.by_rule;
        sum.otherwise += score.otherwise;
        sum.absent += score.absent;
    }
    text += &row("**all**", &sum);
    text += "\n## Where we differ, and why\n\n| element | another value | not there | why | what decides |\n|---|---|---|---|---|\n";
    let mut rows: Vec<_> = differ.iter().collect();
    rows.sort_by_key(|((kind, path), found)| {
        (std::cmp::Reverse(found.otherwise + found.absent), kind.clone(), path.clone())
    });
    let mut unexplained = 0;
    for ((kind, path), found) in rows {
        let reason = reasons.iter().find(|reason| {
            (reason.kind == *kind || reason.kind == "*")
                && (reason.path == "*" || path.starts_with(&reason.path))
        });
        let (why, decides) =
            reason.map_or(("", ""), |reason| (reason.reason.as_str(), reason.decides.as_str()));
        if reason.is_none() {
            unexplained += found.otherwise + found.absent;
        }
        if found.otherwise + found.absent >= 5 {
            let _ = writeln!(
                text,
                "| {kind}.{path} | {} | {} | {why} | {decides} |",
                found.otherwise, found.absent
            );
        }
    }
    let _ = writeln!(
        text,
        "\nPaths with fewer than five differences are not listed. Leaves without a reason: {unexplained}."
    );
    text
}
