//! The path grammar that all formats share: `PID-3(2).1`, `PATIENT_RESULT.ORDER_OBSERVATION`, `Items[].DrugCode`,
//! `Patient.identifier[system=urn:x].value`, `/Request/Body/Item[2]/@code`.
//!
//! A path has one of two forms. With a `/` outside brackets, `/` alone stands between its steps, and `-` and `.` are letters of names, as
//! in XML; one that begins with `/` begins at the root. Without, `.` stands between steps, and `-` before a field number (`PID-3`);
//! any other `-` is a letter: `order-no`.

use std::fmt;

use compact_str::CompactString;
use thiserror::Error;

/// A place, or a set of places, in a document. Parsed once, when a mapping is compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    text: CompactString,
    steps: Vec<Step>,
}

/// One step of a path, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What is stepped into.
    pub to: To,
    /// Which of several; `None`: all of them.
    pub pick: Option<Pick>,
}

/// What a step goes into.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// A segment, a group, an element, an attribute (`@code`), a member, a column.
    Name(CompactString),
    /// A field (after `-`), a component, a subcomponent: numbers count from 1.
    Part(u16),
}

/// Which of several things at one place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pick {
    /// `(2)`, `[2]`: the second one.
    Nth(u16),
    /// `[system=urn:x]`, `[5=PI]`, `[@root='1.2']`: those whose part or child has this value.
    Where {
        /// The part (a number) or child (a name) compared.
        part: CompactString,
        /// The value it must have.
        equals: CompactString,
    },
}

impl Path {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let form = if has_slash(text) { Form::Slashes } else { Form::Dots };
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('/').unwrap_or(text);
        let error = |rest: &str, expected: &'static str| PathError {
            path: text.to_owned(),
            column: text.chars().count() - rest.chars().count() + 1,
            expected,
        };
        loop {
            let (word, after) = rest.split_at(form.word(rest));
            let to = step(word, steps.is_empty(), form).map_err(|expected| error(rest, expected))?;
            rest = after;
            let pick = if let Some(inner) = rest.strip_prefix('(') {
                let Some((number, after)) = inner.split_once(')') else {
                    return Err(error(rest, "`)`"));
                };
                rest = after;
                Some(nth(number).ok_or_else(|| error(inner, NUMBER))?)
            } else if let Some(inner) = rest.strip_prefix('[') {
                let Some((test, after)) = inner.split_once(']') else {
                    return Err(error(rest, "`]`"));
                };
                rest = after;
                match test.split_once('=') {
                    Some((part, equals)) if !part.is_empty() && !equals.is_empty() => {
                        Some(Pick::Where { part: part.trim().into(), equals: unquoted(equals.trim()).into() })
                    }
                    None if test.is_empty() => None,
                    None if is_digits(test) => Some(nth(test).ok_or_else(|| error(inner, NUMBER))?),
                    _ => return Err(error(inner, "`part=value` or a number")),
                }
            } else {
                None
            };
            steps.push(Step { to, pick });
            let Some(separator) = rest.chars().next() else {
                return Ok(Self { text: text.into(), steps });
            };
            match (form, separator) {
                (Form::Slashes, '/') | (Form::Dots, '-' | '.') => rest = &rest[1..],
                (Form::Slashes, _) => return Err(error(rest, "`/`")),
                (Form::Dots, _) => return Err(error(rest, "`-` or `.`")),
            }
        }
    }

    /// The path of one name.
    pub fn name(name: &str) -> Self {
        Self { text: name.into(), steps: vec![Step { to: To::Name(name.into()), pick: None }] }
    }

    /// Whether it begins at the root (`/Request/Body`), wherever it is seen from.
    pub fn is_absolute(&self) -> bool {
        self.text.starts_with('/')
    }

    /// What stands behind its first step; `None` when nothing does.
    pub fn tail(&self) -> Option<Self> {
        let steps = self.steps.get(1..).filter(|steps| !steps.is_empty())?;
        let behind = self.text.find(['.', '/', '-', '[', '(']).map_or("", |at| &self.text[at..]);
        Some(Self { text: behind.trim_start_matches(['.', '/', '-']).into(), steps: steps.to_vec() })
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its steps, outermost first; at least one.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

/// What stands between the steps of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Dots,
    Slashes,
}

impl Form {
    /// How long the word is that `rest` begins with.
    fn word(self, rest: &str) -> usize {
        let ends = |(at, letter): (usize, char)| match letter {
            '(' | '[' => true,
            '/' => self == Self::Slashes,
            '.' => self == Self::Dots,
            '-' => self == Self::Dots && is_before_field(&rest[..at], &rest[at + 1..]),
            _ => false,
        };
        let found = rest.char_indices().find(|place| ends(*place));
        found.map_or(rest.len(), |(at, _)| at)
    }
}

/// Whether `-` between these two stands before a field number: a segment's name or a number before it, a number after it.
fn is_before_field(before: &str, after: &str) -> bool {
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let is_segment =
        before.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let is_number = digits > 0 && after[digits..].chars().next().is_none_or(|next| "-./([".contains(next));
    !before.is_empty() && is_segment && is_number
}

const NUMBER: &str = "a number from 1 to 65535";

fn step(word: &str, is_first: bool, form: Form) -> Result<To, &'static str> {
    if word.is_empty() {
        return Err("a name or a number");
    }
    if is_digits(word) && !is_first {
        return word.parse().ok().filter(|number| *number > 0).map(To::Part).ok_or(NUMBER);
    }
    let is_letter = |letter: char| {
        letter.is_alphanumeric()
            || "_:@*#$%+-".contains(letter)
            || (letter == '.' && form == Form::Slashes)
            || !(letter.is_ascii() || letter.is_whitespace() || letter.is_control())
    };
    let hyphens_within = !word.starts_with('-') && !word.ends_with('-') && !word.contains("--");
    if word.chars().all(is_letter) && (hyphens_within || form == Form::Slashes) {
        return Ok(To::Name(word.into()));
    }
    Err("a name of letters, digits, `_`, `-` and `:`")
}

fn nth(number: &str) -> Option<Pick> {
    number.parse().ok().filter(|nth| *nth > 0).map(Pick::Nth)
}

fn is_digits(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// `'x'` is `x`, as XPath writes it.
fn unquoted(value: &str) -> &str {
    let inner = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    inner.filter(|inner| !inner.is_empty()).unwrap_or(value)
}

/// Whether a `/` stands outside brackets.
fn has_slash(text: &str) -> bool {
    let mut within = false;
    text.chars().any(|letter| {
        match letter {
            '[' => within = true,
            ']' => within = false,
            _ => {}
        }
        letter == '/' && !within
    })
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A path that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the path `{path}` cannot be read: expected {expected} at column {column}")]
pub struct PathError {
    /// The path.
    pub path: String,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was expected there.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<String> {
        let path = Path::parse(path).unwrap();
        path.steps().iter().map(|step| format!("{:?}{:?}", step.to, step.pick)).collect()
    }

    #[test]
    fn a_field_path_has_a_segment_and_numbers() {
        assert_eq!(names("PID-3(2).1"), ["Name(\"PID\")None", "Part(3)Some(Nth(2))", "Part(1)None"]);
    }

    #[test]
    fn a_group_path_has_names() {
        assert_eq!(names("PATIENT_RESULT.ORDER_OBSERVATION").len(), 2);
    }

    #[test]
    fn a_pick_may_name_a_value() {
        assert_eq!(
            names("Patient.identifier[system=urn:oid:1.2].value")[1],
            "Name(\"identifier\")Some(Where { part: \"system\", equals: \"urn:oid:1.2\" })"
        );
    }

    #[test]
    fn a_bad_path_says_where_and_what() {
        assert_eq!(
            Path::parse("PID-3(x)").unwrap_err().to_string(),
            "the path `PID-3(x)` cannot be read: expected a number from 1 to 65535 at column 7"
        );
        assert!(Path::parse("").is_err());
        assert!(Path::parse("PID-0").is_err());
        assert!(Path::parse("PID--3").is_err());
    }

    #[test]
    fn a_hyphen_is_a_separator_before_a_field_number_only() {
        assert_eq!(names("order-no"), ["Name(\"order-no\")None"]);
        assert_eq!(names("row.订单-编号（元）"), ["Name(\"row\")None", "Name(\"订单-编号（元）\")None"]);
        assert_eq!(names("OBSERVATION.OBX-5(2).1").len(), 4);
        assert_eq!(names("PV1(2)-19")[1], "Part(19)None");
        assert_eq!(names("OBX[3]-5"), ["Name(\"OBX\")Some(Nth(3))", "Part(5)None"]);
        assert_eq!(names("Encounter.part-1x"), ["Name(\"Encounter\")None", "Name(\"part-1x\")None"]);
        assert!(Path::parse("PID-").is_err());
    }

    #[test]
    fn with_a_slash_only_slashes_separate() {
        let absolute = Path::parse("/soap:Envelope/a.b-c/ICD-10/@code").unwrap();
        assert!(absolute.is_absolute());
        assert_eq!(absolute.steps().len(), 4);
        assert_eq!(names("@/ICD-10"), ["Name(\"@\")None", "Name(\"ICD-10\")None"]);
        assert!(!Path::parse("@/ICD-10").unwrap().is_absolute());
        assert_eq!(names("Patient.identifier[system=http://x].value").len(), 3);
        assert_eq!(
            names("/ClinicalDocument/id[@root='2.16.1']/@extension")[1],
            "Name(\"id\")Some(Where { part: \"@root\", equals: \"2.16.1\" })"
        );
        assert_eq!(Path::parse("/a/b(2).c").unwrap_err().expected, "`/`");
        assert_eq!(Path::parse("Items[0].x").unwrap_err().expected, NUMBER);
    }
}
