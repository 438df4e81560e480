//! Says of every row of the official maps whether it is covered, left out on purpose, or missing.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context, bail};

use super::lines::MappingLine;
use super::sheets::{MapKind, Row};
use super::types::{Probe, function_of};

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// By this line of a mapping, or this function.
    Covered(String),
    /// For this reason.
    LeftOut(String),
    /// Nobody has decided.
    Missing,
}

/// A reason of `mappings/left-out.tsv`.
pub struct LeftOut {
    sheet: String,
    /// `*`: every field.
    field: String,
    /// What the element begins with.
    element: String,
    reason: String,
    /// Its line of the file.
    pub line: usize,
    used: std::cell::Cell<bool>,
}

impl LeftOut {
    /// `mappings/left-out.tsv:12: PID[Patient] PID-21`
    pub fn place(&self) -> String {
        format!("mappings/left-out.tsv:{}: {} {} {}", self.line, self.sheet, self.field, self.element)
    }

    fn fits(&self, row: &Row) -> bool {
        self.sheet == row.sheet
            && (self.field == "*" || self.field == row.field)
            && row.element.starts_with(&self.element)
    }
}

/// Reads `mappings/left-out.tsv`; a project without it leaves nothing out.
pub fn left_out(root: &Path) -> anyhow::Result<Vec<LeftOut>> {
    let path = root.join("mappings/left-out.tsv");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut entries = Vec::new();
    for (at, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
        let [sheet, field, element, reason] = line.split('\t').collect::<Vec<_>>()[..] else {
            bail!(
                "{}:{}: expected sheet, field, element and reason, with tabs between them",
                path.display(),
                at + 1
            );
        };
        entries.push(LeftOut {
            sheet: sheet.to_owned(),
            field: field.to_owned(),
            element: element.to_owned(),
            reason: reason.to_owned(),
            line: at + 1,
            used: std::cell::Cell::new(false),
        });
    }
    Ok(entries)
}

/// Judges rows.
pub struct Judge<'j> {
    pub lines: &'j [MappingLine],
    pub left_out: &'j [LeftOut],
    /// The messages that some mapping's `basis` names.
    pub messages: &'j BTreeSet<String>,
}

impl Judge<'_> {
    /// Every row with its verdict, in the order of the rows.
    pub fn all(&self, rows: &[Row]) -> Vec<Verdict> {
        let mut probes: HashMap<&'static str, Option<Probe>> = HashMap::new();
        let of_parts = |row: &Row| match row.kind {
            MapKind::Message => None,
            MapKind::Segment => Some(self.line(row)),
            MapKind::DataType => {
                let function = function_of(row)?;
                let probe = probes.entry(function.name).or_insert_with(|| Probe::new(function));
                let covers = probe.as_ref().is_some_and(|probe| probe.covers(row));
                Some(covers.then(|| format!("the function `{}`", function.name)))
            }
        };
        let mut verdicts: Vec<Verdict> = rows
            .iter()
            .map(of_parts)
            .zip(rows)
            .map(|(covered, row)| self.verdict(row, covered.flatten()))
            .collect();
        // A message's row says which map its segment goes by: it is covered when something of that map is.
        for at in 0..rows.len() {
            if rows[at].kind == MapKind::Message && verdicts[at] == Verdict::Missing {
                verdicts[at] = of_map(&rows[at].element, rows, &verdicts);
            }
        }
        verdicts
    }

    /// What `left-out.tsv` says wins: a field may be read for something else.
    fn verdict(&self, row: &Row, covered: Option<String>) -> Verdict {
        let entry = self.left_out.iter().find(|entry| entry.fits(row));
        if let Some(entry) = entry {
            entry.used.set(true);
            return Verdict::LeftOut(entry.reason.clone());
        }
        covered.map_or(Verdict::Missing, Verdict::Covered)
    }

    /// The first mapping line that covers a segment's row: the element of the resource from the field, or, where the row goes through
    /// another resource in parentheses, that resource from the field.
    fn line(&self, row: &Row) -> Option<String> {
        let (kind, element) = (row.writes(), root(&row.element));
        let is_field = row
            .field
            .split_once('-')
            .is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
        let reads = |line: &&MappingLine| !is_field || line.fields.contains(&row.field);
        let writes =
            |line: &&MappingLine| line.kind == kind && (stem(&line.element) == element || element == "$this");
        let direct = self.lines.iter().filter(reads).find(writes);
        let others = others(&row.element);
        let through =
            || self.lines.iter().filter(|_| is_field).filter(reads).find(|line| others.contains(&line.kind));
        direct.or_else(through).map(|line| line.place.clone())
    }

    /// Whether a map is one that the mappings read: its segment, its data type's function, its message.
    pub fn is_read(&self, row: &Row) -> bool {
        match row.kind {
            MapKind::Message => self.messages.contains(&row.sheet),
            MapKind::Segment => {
                let segment = row.of();
                self.lines
                    .iter()
                    .flat_map(|line| &line.fields)
                    .any(|field| field.split('-').next() == Some(segment))
            }
            MapKind::DataType => function_of(row).is_some(),
        }
    }

    /// Entries of `left-out.tsv` that name a row that is not there.
    pub fn unused(&self) -> impl Iterator<Item = &LeftOut> {
        self.left_out.iter().filter(|entry| !entry.used.get())
    }
}

/// What the rows of a map come to, taken together.
fn of_map(map: &str, rows: &[Row], verdicts: &[Verdict]) -> Verdict {
    let of_map = || rows.iter().zip(verdicts).filter(|(row, _)| row.sheet == map).map(|(_, verdict)| verdict);
    if let Some(covered) = of_map().find(|verdict| matches!(verdict, Verdict::Covered(_))) {
        return covered.clone();
    }
    let is_left_out = |verdict: &&Verdict| matches!(verdict, Verdict::LeftOut(_));
    match of_map().find(is_left_out) {
        Some(reason) if of_map().all(|verdict| is_left_out(&verdict)) => reason.clone(),
        _ => Verdict::Missing,
    }
}

/// `telecom[1].use` is `telecom`; `valueQuantity[1]` and `value[x]` meet as `value`; `[1].family` is `family`.
pub fn root(element: &str) -> String {
    if element == "local implementation" {
        return "extension".to_owned();
    }
    let element = element.trim().replace("element(", "");
    let element = match element.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => rest.trim_start_matches('.').to_owned(),
        None => element,
    };
    let end = element.find(|letter: char| !letter.is_ascii_alphabetic() && letter != '$');
    stem(&element[..end.unwrap_or(element.len())]).to_owned()
}

/// The name of a choice without its type.
fn stem(element: &str) -> &str {
    const CHOICES: [&str; 7] =
        ["value", "deceased", "multipleBirth", "effective", "onset", "collected", "occurrence"];
    let is_of = |choice: &str| {
        let rest = element.strip_prefix(choice);
        rest.is_some_and(|rest| rest == "[x]" || rest.starts_with(|letter: char| letter.is_ascii_uppercase()))
    };
    CHOICES.iter().copied().find(|choice| is_of(choice)).unwrap_or(element)
}

/// The resources a row goes through: `participant.individual(Practitioner.identifier)`.
fn others(element: &str) -> BTreeSet<String> {
    let after = element.match_indices('(').map(|(at, _)| &element[at + 1..]);
    let mut found = BTreeSet::new();
    for inside in after {
        let words = inside.split(|letter: char| !letter.is_ascii_alphanumeric());
        let kind =
            words.into_iter().find(|word| word.starts_with(|letter: char| letter.is_ascii_uppercase()));
        found.extend(kind.map(str::to_owned));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_meet_by_their_root() {
        for (element, wanted) in [
            ("telecom[1].use", "telecom"),
            ("valueQuantity[1].value", "value"),
            ("[1].family", "family"),
            ("$this", "$this"),
            ("extension??-identityUnknown", "extension"),
            ("local implementation", "extension"),
        ] {
            assert_eq!(root(element), wanted);
        }
        assert_eq!(Vec::from_iter(others("participant[1].individual(Practitioner.name)")), ["Practitioner"]);
    }
}
