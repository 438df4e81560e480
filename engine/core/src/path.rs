//! The path grammar that all formats share: `PID-3(2).1`, `PATIENT_RESULT.ORDER_OBSERVATION`, `Items[].DrugCode`,
//! `Patient.identifier[system=urn:x].value`, `/Request/Body/Item`.

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
    /// A segment, a group, an element, a member.
    Name(CompactString),
    /// A field (after `-`), a component, a subcomponent: numbers count from 1.
    Part(u16),
}

/// Which of several things at one place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pick {
    /// `(2)`: the second one.
    Nth(u16),
    /// `[system=urn:x]`, `[5=PI]`: those whose part or child has this value.
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
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('/').unwrap_or(text);
        let error = |rest: &str, expected: &'static str| PathError {
            path: text.to_owned(),
            column: text.chars().count() - rest.chars().count() + 1,
            expected,
        };
        loop {
            let length = rest.find(['-', '.', '/', '(', '[']).unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            if word.is_empty() {
                return Err(error(rest, "a name or a number"));
            }
            let numeric = word.bytes().all(|byte| byte.is_ascii_digit());
            let to = if numeric && !steps.is_empty() {
                match word.parse::<u16>() {
                    Ok(number) if number > 0 => To::Part(number),
                    _ => return Err(error(rest, "a number from 1 to 65535")),
                }
            } else if word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '@' | '*')) {
                To::Name(word.into())
            } else {
                return Err(error(rest, "a name of letters, digits, `_` and `:`"));
            };
            rest = after;
            let pick = if let Some(inner) = rest.strip_prefix('(') {
                let Some((number, after)) = inner.split_once(')') else {
                    return Err(error(rest, "`)`"));
                };
                rest = after;
                match number.parse::<u16>() {
                    Ok(nth) if nth > 0 => Some(Pick::Nth(nth)),
                    _ => return Err(error(inner, "a number from 1 to 65535")),
                }
            } else if let Some(inner) = rest.strip_prefix('[') {
                let Some((test, after)) = inner.split_once(']') else {
                    return Err(error(rest, "`]`"));
                };
                rest = after;
                match test.split_once('=') {
                    Some((part, equals)) if !part.is_empty() && !equals.is_empty() => {
                        Some(Pick::Where { part: part.trim().into(), equals: equals.trim().into() })
                    }
                    None if test.is_empty() => None,
                    _ => return Err(error(inner, "`part=value`")),
                }
            } else {
                None
            };
            steps.push(Step { to, pick });
            if rest.is_empty() {
                return Ok(Self { text: text.into(), steps });
            }
            let separator = rest.chars().next().unwrap_or('.');
            if !matches!(separator, '-' | '.' | '/') {
                return Err(error(rest, "`-`, `.` or `/`"));
            }
            rest = &rest[1..];
        }
    }

    /// The path of one name.
    pub fn name(name: &str) -> Self {
        Self { text: name.into(), steps: vec![Step { to: To::Name(name.into()), pick: None }] }
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
}
