//! A search of the store with places that a document fills: `Patient?identifier=urn:oid:1.2|{PID-3.1}`.

use hub_fhir::ResourceType;
use hub_fhir::search::{Search, SearchError, parse};
use thiserror::Error;

use crate::document::{Document, Text};
use crate::path::Path;

/// What stands in a place while a template is looked at: one of these fits each kind of parameter.
const SAMPLES: [&str; 4] = ["x", "1", "2000-01-01", "true"];

/// A search whose values come from a document. Read once, when the channel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchTemplate {
    text: String,
    kind: ResourceType,
    parameters: Vec<(String, Vec<Part>)>,
}

/// A piece of a parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// As it stands.
    Text(String),
    /// What the document has there.
    Place(Path),
}

/// A template that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the search `{template}` cannot be read: {what}")]
pub struct TemplateError {
    /// The template.
    pub template: String,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what was expected.
    pub what: String,
}

impl SearchTemplate {
    /// Reads a template. Its type and parameters are those that the store searches by.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let error = |at: usize, what: String| TemplateError {
            template: text.to_owned(),
            column: text.get(..at).map_or(1, |before| before.chars().count() + 1),
            what,
        };
        let (name, query) = text.split_once('?').unwrap_or((text, ""));
        let kind = ResourceType::from_name(name).ok_or_else(|| {
            error(0, format!("`{name}` is no type of resource: expected `Patient?identifier={{PID-3.1}}`"))
        })?;
        let mut parameters = Vec::new();
        let mut at = name.len() + 1;
        for pair in query.split('&').filter(|_| !query.is_empty()) {
            let (code, value) = pair
                .split_once('=')
                .ok_or_else(|| error(at, format!("expected `name=value` instead of `{pair}`")))?;
            let parts = parts(value).map_err(|(within, what)| error(at + code.len() + 1 + within, what))?;
            check(kind, code, &parts).map_err(|what| error(at, what.to_string()))?;
            parameters.push((code.to_owned(), parts));
            at += pair.len() + 1;
        }
        Ok(Self { text: text.to_owned(), kind, parameters })
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The type it searches.
    pub fn kind(&self) -> ResourceType {
        self.kind
    }

    /// Whether it says how many it wants at the most.
    pub fn says_count(&self) -> bool {
        self.parameters.iter().any(|(code, _)| code == "_count")
    }

    /// The search for a document. `None` when the document has no value for one of the places: then nothing is looked for, rather
    /// than more than was meant.
    pub fn fill(&self, document: &dyn Document) -> Result<Option<Search>, SearchError> {
        let mut query = Vec::with_capacity(self.parameters.len());
        for (code, parts) in &self.parameters {
            let mut value = String::new();
            for part in parts {
                match part {
                    Part::Text(text) => value.push_str(text),
                    Part::Place(path) => match first(document, path) {
                        Some(found) => escape(&found, &mut value),
                        None => return Ok(None),
                    },
                }
            }
            query.push((code.clone(), value));
        }
        parse(self.kind, &query).map(Some)
    }
}

/// The first value at a path.
fn first(document: &dyn Document, path: &Path) -> Option<String> {
    let mut nodes = Vec::new();
    document.select(document.root(), path, &mut nodes);
    let found = nodes.into_iter().find_map(|node| document.text(node).and_then(Text::value))?;
    Some(found.into_owned()).filter(|found| !found.trim().is_empty())
}

/// A value within the grammar of searches (R4B §3.1.1.5.1): what it holds of the grammar's own signs means nothing there.
fn escape(value: &str, into: &mut String) {
    for letter in value.chars() {
        if matches!(letter, '\\' | ',' | '|' | '$') {
            into.push('\\');
        }
        into.push(letter);
    }
}

fn parts(value: &str) -> Result<Vec<Part>, (usize, String)> {
    let mut parts = Vec::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('{') {
        let at = value.len() - after.len();
        let Some((path, behind)) = after.split_once('}') else {
            return Err((at - 1, "expected `}` after the path".to_owned()));
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        let path = Path::parse(path).map_err(|error| (at + error.column - 1, error.to_string()))?;
        parts.push(Part::Place(path));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// Whether the store can search so, whatever the places are filled with.
fn check(kind: ResourceType, code: &str, parts: &[Part]) -> Result<(), SearchError> {
    let with = |sample: &str| {
        let value = parts.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Place(_) => sample,
        });
        parse(kind, &[(code.to_owned(), value.collect())]).map(drop)
    };
    let first = with(SAMPLES[0]);
    match first {
        Err(SearchError::Value { .. }) if SAMPLES.iter().any(|sample| with(sample).is_ok()) => Ok(()),
        told => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &str) -> (usize, String) {
        let error = SearchTemplate::parse(text).unwrap_err();
        (error.column, error.what)
    }

    #[test]
    fn a_template_names_a_type_and_its_parameters() {
        for text in [
            "Patient?identifier={PID-3.1}",
            "Patient?identifier=urn:oid:1.2|{PID-3.1}&_count=5",
            "Observation?date=ge{QPD-5}&_sort=-date",
            "Observation?patient.identifier={PID-3.1}",
            "Location",
        ] {
            let template = SearchTemplate::parse(text).unwrap();
            assert_eq!(template.as_str(), text);
            assert_eq!(template.kind().name(), text.split('?').next().unwrap());
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_column() {
        assert_eq!(what("Patien?identifier=1").0, 1);
        let (column, told) = what("Observation?status.identifier={PID-3.1}");
        assert!(column == 13 && told.contains("status"), "{told}");
        assert_eq!(what("Patient?identifier").0, 9);
        let (column, told) = what("Patient?identifer={PID-3.1}");
        assert!(column == 9 && told.contains("identifer"), "{told}");
        assert_eq!(what("Patient?identifier={PID-3.1"), (20, "expected `}` after the path".to_owned()));
        assert_eq!(what("Patient?identifier={PID-0}").0, 25);
    }

    #[test]
    fn a_value_cannot_change_the_search() {
        let mut escaped = String::new();
        escape("a|b,c\\d$e", &mut escaped);
        assert_eq!(escaped, "a\\|b\\,c\\\\d\\$e");
    }
}
