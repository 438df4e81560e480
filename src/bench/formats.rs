//! What each format costs, step by step: bytes to document, the mapping, a tree to bytes; on one core.

use std::hint::black_box;
use std::path::Path;

use anyhow::Context;
use hub_mapping::{Found, Mapping, Target};

use super::pure::{cost, micros};
use super::table::Table;

/// The samples of `fixtures/formats` and the mappings that read them.
const SAMPLES: [(&str, &str); 8] = [
    ("wst500-outpatient", "xml/wst500-outpatient.xml"),
    ("hip-register", "xml/hip-message.xml"),
    ("prescription", "json/prescription.json"),
    ("his-bank", "csv/his-bank.txt"),
    ("oru-out", "fhir/two-results.bundle.json"),
    ("report-out", "fhir/two-results.bundle.json"),
    ("results-out", "fhir/two-results.bundle.json"),
    ("adt-forward", "../his/adt/a01-admission.hl7"),
];

/// Measures every sample; a project without them is measured without them.
pub fn measure(root: &Path, table: &mut Table) -> anyhow::Result<()> {
    let folder = root.join("fixtures/formats");
    if !folder.is_dir() {
        return Ok(());
    }
    let (files, _) = hub_spec::FolderFiles::read(&folder);
    for (name, sample) in SAMPLES {
        let bytes = std::fs::read(folder.join(sample)).with_context(|| sample.to_owned())?;
        let mapping = hub_mapping::compile(&format!("formats/{name}"), &files)
            .map_err(|findings| anyhow::anyhow!("the bench's own mapping: {}", findings[0]))?;
        one(name, &bytes, &mapping, table)?;
    }
    Ok(())
}

fn one(name: &str, bytes: &[u8], mapping: &Mapping, table: &mut Table) -> anyhow::Result<()> {
    let (from, to) = (mapping.from(), mapping.to().name());
    let parser = hub_formats::parser(from, None, mapping.source_layout())?;
    let document = parser.parse(bytes).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    let mut told = Found::default();
    told.tell("control_id", "C0001");
    told.tell("time", "2026-11-21T08:15:00+08:00");
    let parse = cost(|| black_box(parser.parse(black_box(bytes)).is_ok()));
    let map = if mapping.to() == Target::Fhir {
        cost(|| black_box(mapping.run_with(black_box(&*document), &told).is_ok()))
    } else {
        cost(|| black_box(mapping.render_with(black_box(&*document), document.root(), &told).is_ok()))
    };
    let head = format!("{name}, {from} to {to} ({} bytes)", bytes.len());
    table.row(format!("{head}: parse"), rate(parse, bytes.len()), "");
    table.row(format!("{name}: map"), micros(map), "");
    if mapping.to() != Target::Fhir {
        let writer = hub_formats::writer(to, mapping.message_layout())?;
        let tree = mapping
            .render_with(&*document, document.root(), &told)
            .map_err(|fault| anyhow::anyhow!("the bench's own message: {fault}"))?
            .tree;
        let written = writer.write(&tree).map_err(|error| anyhow::anyhow!("{name}: {error}"))?.len();
        let write = cost(|| black_box(writer.write(black_box(&tree)).is_ok()));
        table.row(format!("{name}: write ({written} bytes)"), rate(write, written), "");
    }
    Ok(())
}

/// The time, and the bytes a second that makes.
fn rate(cost: std::time::Duration, bytes: usize) -> String {
    let megabytes = bytes as f64 / 1e6 / cost.as_secs_f64();
    format!("{} ({megabytes:.0} MB/s)", micros(cost))
}
