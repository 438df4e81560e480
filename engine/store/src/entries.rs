//! The search rows of a resource in the store's own numbers, and their JSON form beside the resource.

use std::collections::BTreeSet;
use std::sync::Arc;

use compact_str::CompactString;
use hub_fhir::ResourceType;
use hub_fhir::index::{IndexRow, IndexValue};
use hub_fhir::json::{self, Json};
use sha2::{Digest, Sha256};

use crate::short::short;
use crate::words::{Words, is_text};

/// Spans of more than this are `long`.
pub(crate) const SHORT_SPAN_US: i64 = 25 * 3_600 * 1_000_000;

/// One search row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    Token {
        param: i64,
        code: CompactString,
        system: i64,
    },
    String {
        param: i64,
        normal: CompactString,
        exact: CompactString,
    },
    Reference {
        param: i64,
        target: CompactString,
        kind: i64,
    },
    /// `long`: see [`classify`].
    Date {
        param: i64,
        low: i64,
        high: i64,
        long: bool,
    },
    /// A number as it is written. `long`: see [`classify`].
    Number {
        param: i64,
        low: i64,
        high: i64,
        long: bool,
    },
    /// The number of a quantity in a unit's base units.
    Measure {
        param: i64,
        low: i64,
        high: i64,
        unit: i64,
        long: bool,
    },
    /// The number of a quantity as it is written, beside its code or unit. Stands beside the resource only.
    Named {
        param: i64,
        low: i64,
        high: i64,
        name: i64,
    },
    /// What the components of a composite find in one of several elements, as JSON: `[{"t0": [[code, system], ...]}, ...]`. Stands
    /// beside the resource only.
    Group {
        param: i64,
        text: CompactString,
    },
}

/// The search rows beside a resource, as its two columns have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    /// Those every program reads.
    pub rows: Arc<str>,
    /// Those that came with the tables of version 30; `None`: it has none.
    pub more: Option<Arc<str>>,
}

/// The rows this program makes. 1: numbers, URIs and composites; 2: the aspects of elements.
const GENERATION: i64 = 2;

/// The words that say of a resource `r` that its rows are of an earlier generation; the index `resource_stale` has the same.
macro_rules! stale {
    () => {
        "r.indexed < r.version * 256 + 2"
    };
}
pub(crate) use stale;

/// What [`Beside`] a version of a resource says that the rows are as this program makes them.
pub(crate) fn indexed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX).saturating_mul(256).saturating_add(GENERATION)
}

/// The number that stands for a system: 0 for none, else 64 bits of its SHA-256. A hash and not an interned number,
/// because systems are chosen by senders, and because a reader then needs no look-up.
pub(crate) fn system_number(system: &str) -> i64 {
    if system.is_empty() {
        return 0;
    }
    let hash = Sha256::digest(system.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(first)
}

/// The number that stands for the type a reference points at; 0 when it is not known.
pub(crate) fn kind_number(words: &Words, kind: Option<ResourceType>) -> i64 {
    kind.map_or(0, |kind| words.kind(kind))
}

/// Sets `long` on the spans of sorted entries: those of more than a day or more than one number, and all of a parameter that has
/// several for this resource. A row that is not long can be skipped by its low end alone.
fn classify(entries: &mut [Entry]) {
    let params: Vec<i64> = entries.iter().filter_map(span_param).collect();
    for entry in entries {
        let is_several = span_param(entry)
            .is_some_and(|param| params.iter().filter(|other| **other == param).nth(1).is_some());
        let (low, high, widest, long) = match entry {
            Entry::Date { low, high, long, .. } => (low, high, SHORT_SPAN_US, long),
            Entry::Number { low, high, long, .. } | Entry::Measure { low, high, long, .. } => {
                (low, high, 1, long)
            }
            _ => continue,
        };
        *long = is_several || high.checked_sub(*low).is_none_or(|span| span > widest);
    }
}

/// The parameter of an entry by which resources can be walked in the order of its spans.
fn span_param(entry: &Entry) -> Option<i64> {
    if let Entry::Date { param, .. } | Entry::Number { param, .. } = entry { Some(*param) } else { None }
}

/// The search rows, sorted, each once.
pub(crate) fn entries(rows: &[IndexRow], words: &Words) -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        rows.iter().map(|row| entry(words.aspect(row.param, row.aspect), &row.value, words)).collect();
    entries.sort_unstable();
    entries.dedup();
    classify(&mut entries);
    entries
}

/// The texts beside codes, each once. Several parameters have the same (`code`, `combo-code`): beside the resource they stand under each,
/// in the index once for all, so that a search by one of them looks beside what it finds there.
pub(crate) fn texts(entries: &[Entry]) -> BTreeSet<&CompactString> {
    let texts = entries.iter().filter_map(|entry| match entry {
        Entry::String { param, normal, .. } if is_text(*param) => Some(normal),
        _ => None,
    });
    texts.collect()
}

fn entry(param: i64, value: &IndexValue, words: &Words) -> Entry {
    match value {
        IndexValue::Token { system, code } => {
            Entry::Token { param, code: short(code), system: system_number(system) }
        }
        IndexValue::String { normal, exact } => {
            Entry::String { param, normal: short(normal), exact: short(exact) }
        }
        IndexValue::Reference { kind, id } => {
            Entry::Reference { param, target: short(id), kind: kind_number(words, *kind) }
        }
        IndexValue::Date { low, high } => Entry::Date { param, low: *low, high: *high, long: false },
        IndexValue::Number { low, high } => Entry::Number { param, low: *low, high: *high, long: false },
        IndexValue::Measure { unit, low, high } => {
            Entry::Measure { param, low: *low, high: *high, unit: system_number(unit), long: false }
        }
        IndexValue::Named { name, low, high } => {
            Entry::Named { param, low: *low, high: *high, name: system_number(name) }
        }
        IndexValue::Group(group) => Entry::Group { param, text: group_text(group, words) },
    }
}

/// The components of a group, each as [`to_json`] writes it, under the parameter 0.
fn group_text(group: &[Vec<IndexValue>], words: &Words) -> CompactString {
    let mut text = CompactString::const_new("[");
    for (at, values) in group.iter().enumerate() {
        let mut entries: Vec<Entry> = values.iter().map(|value| entry(0, value, words)).collect();
        entries.sort_unstable();
        text.push_str(if at > 0 { "," } else { "" });
        text.push_str(&to_json(&entries));
    }
    text.push(']');
    text
}

impl Entry {
    /// The member its pair stands under: `t12`.
    fn place(&self) -> (char, i64) {
        match self {
            Entry::Token { param, .. } => ('t', *param),
            Entry::String { param, .. } => ('s', *param),
            Entry::Reference { param, .. } => ('r', *param),
            Entry::Date { param, .. } => ('d', *param),
            Entry::Number { param, .. } => ('n', *param),
            Entry::Measure { param, .. } => ('q', *param),
            Entry::Named { param, .. } => ('u', *param),
            Entry::Group { param, .. } => ('c', *param),
        }
    }

    /// Whether it stands in the second column.
    fn is_more(&self) -> bool {
        is_more(self.place().0)
    }

    fn write_pair(&self, text: &mut String) {
        use std::fmt::Write;
        if let Entry::Group { text: group, .. } = self {
            text.push_str(group);
            return;
        }
        text.push('[');
        match self {
            Entry::Token { code: first, system: number, .. }
            | Entry::Reference { target: first, kind: number, .. } => {
                json::write(&Json::String(first.clone()), text);
                write!(text, ",{number}").expect("writing to a string succeeds");
            }
            Entry::String { normal, exact, .. } => {
                json::write(&Json::String(normal.clone()), text);
                text.push(',');
                json::write(&Json::String(exact.clone()), text);
            }
            Entry::Date { low, high, .. } | Entry::Number { low, high, .. } => {
                write!(text, "{low},{high}").expect("writing to a string succeeds");
            }
            Entry::Measure { low, high, unit: third, .. } | Entry::Named { low, high, name: third, .. } => {
                write!(text, "{low},{high},{third}").expect("writing to a string succeeds");
            }
            Entry::Group { .. } => {}
        }
        text.push(']');
    }
}

/// Whether entries under this letter stand in the second column.
pub(crate) fn is_more(letter: char) -> bool {
    matches!(letter, 'n' | 'q' | 'u' | 'c')
}

impl Beside {
    /// Of sorted entries.
    pub fn of(entries: &[Entry]) -> Self {
        // The kinds of the second column are the later ones.
        let (rows, more) = entries.split_at(entries.partition_point(|entry| !entry.is_more()));
        let more = (!more.is_empty()).then(|| to_json(more).into());
        Self { rows: to_json(rows).into(), more }
    }

    /// The entries, sorted; none where the text is damaged.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = from_json(&self.rows).unwrap_or_default();
        entries.extend(self.more.as_deref().and_then(from_json).unwrap_or_default());
        entries
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.rows.len() + self.more.as_ref().map_or(0, |more| more.len())
    }
}

/// The JSON form of sorted entries of one column.
pub(crate) fn to_json(entries: &[Entry]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(entries.len() * 28 + 2);
    text.push('{');
    let mut last = None;
    for entry in entries {
        let place = entry.place();
        if last == Some(place) {
            text.push(',');
        } else {
            if last.is_some() {
                text.push_str("],");
            }
            write!(text, "\"{}{}\":[", place.0, place.1).expect("writing to a string succeeds");
            last = Some(place);
        }
        entry.write_pair(&mut text);
    }
    if last.is_some() {
        text.push(']');
    }
    text.push('}');
    text
}

/// Reads the JSON form. `None` when it is not one.
pub(crate) fn from_json(text: &str) -> Option<Vec<Entry>> {
    let tree = json::parse(text).ok()?;
    let mut entries = Vec::new();
    for (place, pairs) in tree.as_object()?.iter() {
        let param: i64 = place.get(1..)?.parse().ok()?;
        for pair in pairs.as_array()? {
            if place.starts_with('c') {
                let mut text = String::new();
                json::write(pair, &mut text);
                entries.push(Entry::Group { param, text: text.into() });
                continue;
            }
            let (first, second, third) = match pair.as_array()? {
                [first, second] => (first, second, None),
                [first, second, Json::Number(third)] => (first, second, Some(third.parse::<i64>().ok()?)),
                _ => return None,
            };
            entries.push(match (place.as_bytes().first()?, first, second) {
                (b't', Json::String(code), Json::Number(system)) => {
                    Entry::Token { param, code: code.clone(), system: system.parse().ok()? }
                }
                (b's', Json::String(normal), Json::String(exact)) => {
                    Entry::String { param, normal: short(normal), exact: short(exact) }
                }
                (b'r', Json::String(target), Json::Number(kind)) => {
                    Entry::Reference { param, target: target.clone(), kind: kind.parse().ok()? }
                }
                (b'd', Json::Number(low), Json::Number(high)) => {
                    Entry::Date { param, low: low.parse().ok()?, high: high.parse().ok()?, long: false }
                }
                (b'n', Json::Number(low), Json::Number(high)) => {
                    Entry::Number { param, low: low.parse().ok()?, high: high.parse().ok()?, long: false }
                }
                (b'q', Json::Number(low), Json::Number(high)) => Entry::Measure {
                    param,
                    low: low.parse().ok()?,
                    high: high.parse().ok()?,
                    unit: third?,
                    long: false,
                },
                (b'u', Json::Number(low), Json::Number(high)) => {
                    Entry::Named { param, low: low.parse().ok()?, high: high.parse().ok()?, name: third? }
                }
                _ => return None,
            });
        }
    }
    // PostgreSQL orders the members of an object by its own rule.
    entries.sort_unstable();
    classify(&mut entries);
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_from_their_json_form_as_they_were() {
        let mut before = vec![
            Entry::Token { param: 12, code: "a\"\u{1}b".into(), system: i64::MIN },
            Entry::Token { param: 12, code: "c".into(), system: 0 },
            Entry::Token { param: 2, code: "c".into(), system: -1 },
            Entry::String { param: 13, normal: "müller".into(), exact: "Müller".into() },
            Entry::Reference { param: 14, target: "1".into(), kind: 3 },
            Entry::Date { param: 15, low: i64::MIN, high: i64::MAX, long: true },
            Entry::Number { param: 16, low: 5, high: 6, long: false },
            Entry::Number { param: 17, low: 5, high: 6, long: true },
            Entry::Number { param: 17, low: 7, high: 8, long: true },
            Entry::Measure { param: 16, low: -5, high: -4, unit: i64::MAX, long: false },
            Entry::Named { param: 16, low: 5, high: 6, name: -7 },
            Entry::Group { param: 18, text: r#"[{"t0":[["a",0]]},{},{"n0":[[1,2]]}]"#.into() },
        ];
        before.sort();
        assert_eq!(Beside::of(&before).entries(), before);
        assert_eq!(Beside::of(&[]), Beside { rows: "{}".into(), more: None });
    }
}
