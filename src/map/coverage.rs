//! `huitong map coverage`: the rows of the official v2-to-FHIR maps that the mappings cover, leave out on purpose, or miss.

mod judge;
mod lines;
mod sheets;
mod show;
mod types;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use hub_mapping::Files;
use hub_spec::FolderFiles;

use self::judge::{Judge, Verdict, left_out};
use self::lines::{MappingLine, lines};
use self::sheets::{MapKind, Row};
use crate::cli::{CoverageArguments, Global};

/// Every row that is looked at, with its verdict.
pub struct Report {
    pub rows: Vec<(Row, Verdict)>,
    /// Entries of `left-out.tsv` that name a row that is not there.
    pub unused: Vec<String>,
}

/// Rows by what became of them.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub rows: usize,
    pub covered: usize,
    pub left_out: usize,
    pub missing: usize,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        self.rows += 1;
        match verdict {
            Verdict::Covered(_) => self.covered += 1,
            Verdict::LeftOut(_) => self.left_out += 1,
            Verdict::Missing => self.missing += 1,
        }
    }
}

impl Report {
    /// The maps in their order, each with its counts.
    pub fn maps(&self) -> Vec<(MapKind, &str, Counts)> {
        let mut maps: Vec<(MapKind, &str, Counts)> = Vec::new();
        for (row, verdict) in &self.rows {
            match maps.last_mut() {
                Some((kind, sheet, counts)) if *kind == row.kind && *sheet == row.sheet => {
                    counts.add(verdict)
                }
                _ => {
                    let mut counts = Counts::default();
                    counts.add(verdict);
                    maps.push((row.kind, &row.sheet, counts));
                }
            }
        }
        maps
    }

    /// All of them together.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.rows.iter().for_each(|(_, verdict)| counts.add(verdict));
        counts
    }
}

/// Measures.
pub fn run(global: &Global, arguments: &CoverageArguments) -> anyhow::Result<ExitCode> {
    let rows = match &arguments.maps {
        Some(folder) => sheets::read(folder)?,
        None => sheets::carried(),
    };
    if let Some(file) = &arguments.write_facts {
        return write(file, &sheets::facts(&rows)).map(|()| ExitCode::SUCCESS);
    }
    let report = report(&global.root, rows, arguments)?;
    if let Some(file) = &arguments.markdown {
        let below = if file == Path::new("-") { file.clone() } else { global.root.join(file) };
        write(&below, &show::markdown(&report))?;
    } else if arguments.json {
        println!("{}", show::json(&report, arguments.missing));
    } else {
        show::print(&report, arguments.missing, arguments.segment.is_some());
    }
    let missing = report.counts().missing > 0 || !report.unused.is_empty();
    Ok(if missing && arguments.fail_missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(root: &Path, rows: Vec<Row>, arguments: &CoverageArguments) -> anyhow::Result<Report> {
    let (files, findings) = FolderFiles::read(root);
    if let Some(finding) = findings.first() {
        anyhow::bail!("{finding}");
    }
    let names = files.mapping_names();
    let texts: Vec<_> = names.iter().filter_map(|name| files.mapping(name)).collect();
    let mapping_lines: Vec<MappingLine> = texts.iter().flat_map(lines).collect();
    let messages: BTreeSet<String> = texts.iter().flat_map(|file| messages(&file.text)).collect();
    let left_out = left_out(root)?;
    let judge = Judge { lines: &mapping_lines, left_out: &left_out, messages: &messages };
    let verdicts = judge.all(&rows);
    let unused =
        judge.unused().map(|entry| format!("{} names a row that is not there", entry.place())).collect();
    let is_asked = |row: &Row| match &arguments.segment {
        Some(name) => row.of().eq_ignore_ascii_case(name) || row.sheet.eq_ignore_ascii_case(name),
        None => arguments.all || judge.is_read(row),
    };
    let kept: Vec<_> = rows.into_iter().zip(verdicts).filter(|(row, _)| is_asked(row)).collect();
    if kept.is_empty()
        && let Some(name) = &arguments.segment
    {
        anyhow::bail!(
            "the official maps have none of `{name}`: expected a segment, data type or message: PID, XPN, ORU_R01"
        );
    }
    Ok(Report { rows: kept, unused })
}

/// The message structures that a mapping's `basis` names: `ORU_R01`.
fn messages(text: &str) -> Vec<String> {
    let basis = text.parse::<toml::Table>().ok();
    let basis = basis.and_then(|table| table.get("basis")?.as_str().map(str::to_owned)).unwrap_or_default();
    let words = basis.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.len() == 7 && word.as_bytes()[3] == b'_').map(str::to_owned).collect()
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    if file == Path::new("-") {
        return Ok(std::io::stdout().write_all(text.as_bytes())?);
    }
    std::fs::write(file, text).with_context(|| file.display().to_string())?;
    println!("{} is written", file.display());
    Ok(())
}
