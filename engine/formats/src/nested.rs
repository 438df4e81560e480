//! Where a document stands inside the text of another: JSON text in a JSON string, an XML document in an element's text.

use compact_str::CompactString;
use hub_core::path::{Path, To};

use crate::FormatError;

/// So many paths may be named.
const MOST_PATHS: usize = 8;

/// The paths of the texts that hold documents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nested {
    paths: Vec<Vec<CompactString>>,
}

/// How far a node has come along the paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Along {
    /// A bit for each path that has been followed so far.
    paths: u8,
    steps: u16,
}

impl Nested {
    /// Reads the value of a layout's key `nested`.
    pub(crate) fn new(paths: &[String]) -> Result<Self, FormatError> {
        let wrong = |what: String| FormatError::Layout(format!("`nested`: {what}"));
        if paths.len() > MOST_PATHS {
            return Err(wrong(format!("no more than {MOST_PATHS} paths can be named")));
        }
        let mut list = Vec::new();
        for text in paths {
            let path = Path::parse(text).map_err(|error| wrong(error.to_string()))?;
            let names = path.steps().iter().map(|step| match (&step.to, &step.pick) {
                (To::Name(name), None) => Some(name.clone()),
                (To::Part(number), None) => Some(compact_str::format_compact!("{number}")),
                _ => None,
            });
            let names: Option<Vec<CompactString>> = names.collect();
            list.push(names.ok_or_else(|| {
                wrong(format!("the path `{text}` must be names alone, from the root on, without `(` or `[`"))
            })?);
        }
        Ok(Self { paths: list })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// At the root.
    pub(crate) fn root(&self) -> Along {
        Along { paths: u8::MAX, steps: 0 }
    }

    /// One step down.
    pub(crate) fn below(&self, along: Along, name: &str) -> Along {
        let goes_on = |place: &usize| {
            let is_followed = along.paths & (1 << place) != 0;
            is_followed && self.paths[*place].get(usize::from(along.steps)).is_some_and(|step| step == name)
        };
        let paths = (0..self.paths.len()).filter(goes_on).fold(0, |paths, place| paths | 1 << place);
        Along { paths, steps: along.steps.saturating_add(1) }
    }

    /// Whether a path ends here.
    pub(crate) fn ends(&self, along: Along) -> bool {
        let ends = |(place, path): (usize, &Vec<CompactString>)| {
            along.paths & (1 << place) != 0 && path.len() == usize::from(along.steps)
        };
        self.paths.iter().enumerate().any(ends)
    }
}
