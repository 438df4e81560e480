//! The report of coverage: for people at a terminal, as JSON, and as the page `docs/v2-to-fhir-coverage.md`.

use serde_json::{Value, json};

use super::judge::Verdict;
use super::sheets::Row;
use super::{Counts, Report};
use crate::paint;
use crate::table::{self, Cell, Row as TableRow};

/// The report as JSON, in the shape docs/mapping-commands.md tells.
pub fn json(report: &Report, only_missing: bool) -> Value {
    let count = |counts: Counts| json!({ "rows": counts.rows, "covered": counts.covered, "left_out": counts.left_out, "missing": counts.missing });
    let maps = report.maps().into_iter().map(|(kind, sheet, counts)| {
        let mut map = count(counts);
        map["kind"] = kind.name().into();
        map["map"] = sheet.into();
        map
    });
    let row = |(row, verdict): &(Row, Verdict)| {
        let (state, told) = told(verdict);
        json!({
            "kind": row.kind.name(), "map": row.sheet, "field": row.field, "title": row.title, "element": row.element,
            "condition": row.condition, "state": state, "by": told,
        })
    };
    let kept = report.rows.iter().filter(|(_, verdict)| !only_missing || *verdict == Verdict::Missing);
    json!({
        "all": count(report.counts()), "maps": maps.collect::<Vec<_>>(), "rows": kept.map(row).collect::<Vec<_>>(),
        "unused": report.unused,
    })
}

/// Its name, and by what or why.
fn told(verdict: &Verdict) -> (&'static str, &str) {
    match verdict {
        Verdict::Covered(by) => ("covered", by),
        Verdict::LeftOut(reason) => ("left-out", reason),
        Verdict::Missing => ("missing", ""),
    }
}

/// The report at a terminal: a line for each map; row by row where that is asked.
pub fn print(report: &Report, only_missing: bool, whole: bool) {
    if only_missing || whole {
        rows(report, only_missing);
    } else {
        maps(report);
    }
    for entry in &report.unused {
        println!("{}  {entry}", paint::warning("unused"));
    }
    let all = report.counts();
    let missing = format!("{} missing", all.missing);
    println!(
        "\n{} rows: {} covered, {} left out on purpose, {}",
        all.rows,
        paint::good(all.covered),
        all.left_out,
        if all.missing == 0 { paint::good(missing) } else { paint::error(missing) }
    );
}

fn maps(report: &Report) {
    let rows: Vec<TableRow> = report
        .maps()
        .into_iter()
        .map(|(kind, sheet, counts)| TableRow {
            cells: vec![
                Cell::words(kind.name()).painted(paint::dim),
                Cell::words(sheet),
                Cell::count(counts.rows as u64),
                Cell::count(counts.covered as u64),
                Cell::count(counts.left_out as u64),
                Cell::trouble(counts.missing as u64),
            ],
            notes: Vec::new(),
        })
        .collect();
    table::print(&["", "map", "rows", "covered", "left out", "missing"], &rows);
}

fn rows(report: &Report, only_missing: bool) {
    let kept = report.rows.iter().filter(|(_, verdict)| !only_missing || *verdict == Verdict::Missing);
    let rows: Vec<TableRow> = kept
        .map(|(row, verdict)| {
            let (told, paint): (String, fn(String) -> String) = match verdict {
                Verdict::Covered(by) => (by.clone(), paint::good),
                Verdict::LeftOut(reason) => (format!("left out: {reason}"), paint::dim),
                Verdict::Missing if row.condition.is_empty() => ("missing".to_owned(), paint::error),
                Verdict::Missing => (format!("missing ({})", row.condition), paint::error),
            };
            let field = format!("{} {}", row.field, row.title);
            let cells = [&row.sheet, &table::shortened(&field, 44), &table::shortened(&row.element, 40)];
            let mut cells: Vec<Cell> = cells.into_iter().map(Cell::words).collect();
            cells.push(Cell::words(told).painted(paint));
            TableRow { cells, notes: Vec::new() }
        })
        .collect();
    if !rows.is_empty() {
        table::print(&["map", "field", "element", ""], &rows);
    }
}

/// Whether a row belongs in a section.
type Is = fn(&Verdict) -> bool;

/// The page for people.
pub fn markdown(report: &Report) -> String {
    let mut page = String::from(
        "# Coverage of the official HL7 v2-to-FHIR maps\n\n\
         Made by `huitong map coverage --markdown` of the maps of HL7's v2-to-FHIR guide, the mappings and `mappings/left-out.tsv`; a\n\
         test holds it to them. Do not edit it. A row is one v2 field, component or segment and one FHIR element; rows without a FHIR\n\
         element are not counted. The maps are those whose segment or message a mapping reads, and whose data type is a function of the\n\
         mapping language; a function covers a row when it makes something else of a field without that component.\n\n\
         | | map | rows | covered | left out on purpose | missing |\n|---|---|---|---|---|---|\n",
    );
    for (kind, sheet, counts) in report.maps() {
        let Counts { rows, covered, left_out, missing } = counts;
        page.push_str(&format!(
            "| {} | {sheet} | {rows} | {covered} | {left_out} | {missing} |\n",
            kind.name()
        ));
    }
    let Counts { rows, covered, left_out, missing } = report.counts();
    page.push_str(&format!("| | **all** | {rows} | {covered} | {left_out} | {missing} |\n"));
    let titled: [(&str, &str, Is); 3] = [
        ("Missing", "condition", |verdict| *verdict == Verdict::Missing),
        ("Left out on purpose", "why", |verdict| matches!(verdict, Verdict::LeftOut(_))),
        ("Covered", "by", |verdict| matches!(verdict, Verdict::Covered(_))),
    ];
    for (title, column, is_here) in titled {
        page.push_str(&format!("\n## {title}\n\n"));
        let here: Vec<_> = report.rows.iter().filter(|(_, verdict)| is_here(verdict)).collect();
        if here.is_empty() && (title != "Missing" || report.unused.is_empty()) {
            page.push_str("Nothing.\n");
            continue;
        }
        page.push_str(&format!("| map | field | element | {column} |\n|---|---|---|---|\n"));
        for (row, verdict) in here {
            let told = if *verdict == Verdict::Missing { row.condition.as_str() } else { told(verdict).1 };
            let field = format!("{} {}", row.field, row.title);
            page.push_str(&format!(
                "| {} | {} | `{}` | {} |\n",
                row.sheet,
                cell(field.trim()),
                cell(&row.element),
                cell(told)
            ));
        }
        if title == "Missing" {
            for entry in &report.unused {
                page.push_str(&format!("| | | | {} |\n", cell(entry)));
            }
        }
    }
    page
}

/// What would end a cell does not.
fn cell(text: &str) -> String {
    text.replace('|', "/")
}
