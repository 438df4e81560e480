//! The official maps: read from their sheets, or from the facts of them that the program carries.

use std::path::Path;

use anyhow::{Context, bail};

/// The facts the program carries, made by `huitong map coverage --maps FOLDER --write-facts FILE`.
const FACTS: &str = include_str!("official.tsv");
/// What stands above them.
const HEAD: &str = "\
# Facts of the sheets of HL7's v2-to-FHIR guide: which v2 field, component or segment goes to which FHIR element, and when.
# From HL7/v2-to-fhir (commit 8c9b414be172, folder `mappings`), copyright HL7 International, Apache License 2.0; shortened to the rows
# that name a FHIR element. Made by `huitong map coverage --maps FOLDER --write-facts FILE`; do not edit it.
# kind\tsheet\tfield\ttitle\telement\tcondition
";

/// What a map is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MapKind {
    /// `ORU_R01`
    Message,
    /// `PID[Patient]`
    Segment,
    /// `XPN[HumanName]`
    DataType,
}

impl MapKind {
    const ALL: [Self; 3] = [Self::Message, Self::Segment, Self::DataType];

    /// Its name in the facts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Segment => "segment",
            Self::DataType => "data type",
        }
    }

    /// The folder of its sheets.
    fn folder(self) -> &'static str {
        match self {
            Self::Message => "messages",
            Self::Segment => "segments",
            Self::DataType => "datatypes",
        }
    }
}

/// One row of an official map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub kind: MapKind,
    /// The map: `PID[Patient]`, `ORU_R01`.
    pub sheet: String,
    /// What is read: `PID-5`, `XPN.1`; of a message the place of the segment: `PATIENT_RESULT.PATIENT.PID`.
    pub field: String,
    pub title: String,
    /// What is written: `name`; of a message the segment's map: `PID[Patient]`.
    pub element: String,
    pub condition: String,
}

impl Row {
    /// What the map reads: `PID` of `PID[Patient]`.
    pub fn of(&self) -> &str {
        self.sheet.split('[').next().unwrap_or(&self.sheet)
    }

    /// What the map writes: `Observation` of `OBX[Observation-Component]`.
    pub fn writes(&self) -> &str {
        let within = self.sheet.split_once('[').map_or("", |(_, within)| within);
        within.split(['-', ']', '.']).next().unwrap_or_default()
    }
}

/// The rows the program carries.
pub fn carried() -> Vec<Row> {
    let rows = FACTS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut cells = line.split('\t');
        let mut next = || cells.next().map(str::to_owned);
        let kind = next()?;
        let kind = MapKind::ALL.into_iter().find(|known| known.name() == kind)?;
        let (sheet, field, title, element) = (next()?, next()?, next()?, next()?);
        Some(Row { kind, sheet, field, title, element, condition: next()? })
    });
    rows.collect()
}

/// The rows as the program carries them.
pub fn facts(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    for row in rows {
        let Row { kind, sheet, field, title, element, condition } = row;
        text.push_str(&[kind.name(), sheet, field, title, element, condition].join("\t"));
        text.push('\n');
    }
    text
}

/// The rows of the sheets of a folder that name a FHIR element.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in MapKind::ALL {
        let sheets = folder.join(kind.folder());
        let entries = std::fs::read_dir(&sheets).with_context(|| {
            format!(
                "{}: the official maps have the folders messages, segments and datatypes",
                sheets.display()
            )
        })?;
        let mut files: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|suffix| suffix == "csv"));
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            // `OBR[DiagnosticReport]_-_OBR` is the map `OBR[DiagnosticReport]`.
            let sheet = name.find(']').map_or(name.as_str(), |end| &name[..=end]).to_owned();
            // The first two records are headings.
            for record in records(&text).into_iter().skip(2) {
                rows.extend(row(kind, &sheet, &record));
            }
        }
    }
    if rows.is_empty() {
        bail!("{} holds no rows of maps", folder.display());
    }
    Ok(rows)
}

fn row(kind: MapKind, sheet: &str, record: &[String]) -> Option<Row> {
    let cell = |at: usize| {
        record.get(at).map_or(String::new(), |cell| cell.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let either = |first: usize, second: usize| {
        let found = cell(first);
        if found.is_empty() { cell(second) } else { found }
    };
    let (field, title, element, condition) = match kind {
        MapKind::Message => {
            let place = cell(1);
            let place = place.strip_prefix(sheet).map_or(place.as_str(), |rest| rest.trim_start_matches('.'));
            (place.to_owned(), cell(3), cell(10), either(6, 8))
        }
        MapKind::Segment | MapKind::DataType => (cell(1), cell(2), either(9, 10), either(6, 8)),
    };
    if field.is_empty() || element.is_empty() {
        return None;
    }
    Some(Row { kind, sheet: sheet.to_owned(), field, title, element, condition })
}

/// The records of a CSV text (RFC 4180): quoted cells may hold commas, quotes and line ends.
fn records(text: &str) -> Vec<Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut cell)),
            '\r' if !quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut record));
            }
            letter => cell.push(letter),
        }
    }
    if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_may_hold_commas_quotes_and_line_ends() {
        let read = records("a,\"b, \"\"c\"\"\nd\",e\r\nf,,\n");
        assert_eq!(read, [vec!["a", "b, \"c\"\nd", "e"], vec!["f", "", ""]]);
    }

    #[test]
    fn what_is_carried_is_read_as_it_was_written() {
        let rows = carried();
        assert!(rows.len() > 1_500, "{}", rows.len());
        assert_eq!(facts(&rows), FACTS);
        let family = rows.iter().find(|row| row.sheet == "XPN[HumanName]" && row.field == "XPN.1").unwrap();
        assert_eq!(
            (family.of(), family.writes(), family.element.as_str()),
            ("XPN", "HumanName", "[1].family")
        );
    }
}
