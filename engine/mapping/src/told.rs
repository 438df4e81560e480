//! The names that a mapping itself says: of a place that a `*` has led to, no other is told, as the sender may have put a patient there.

use std::collections::HashSet;

use compact_str::CompactString;
use hub_core::path::{Path, To};

/// The names of all paths of a mapping.
#[derive(Debug, Default)]
pub(crate) struct Told {
    names: HashSet<CompactString>,
    /// Some path goes into whatever stands there.
    any: bool,
}

impl Told {
    /// Adds a path of the mapping.
    pub(crate) fn add(&mut self, path: &Path) {
        for step in path.steps() {
            if let To::Name(name) = &step.to {
                self.any |= name == "*";
                self.names.insert(plain(name).into());
            }
        }
    }

    /// The place of a node as it may be told: names that the mapping does not say are `*`.
    pub(crate) fn place(&self, place: String) -> String {
        if !self.any {
            return place;
        }
        let separator = if place.contains('/') { '/' } else { '.' };
        let steps: Vec<String> = place.split(separator).map(|step| self.step(step)).collect();
        steps.join(separator.encode_utf8(&mut [0; 4]))
    }

    fn step(&self, step: &str) -> String {
        let (name, nth) = match step.strip_suffix(']').and_then(|step| step.rsplit_once('[')) {
            Some((name, nth)) if nth.bytes().all(|digit| digit.is_ascii_digit()) => {
                (name, format!("[{nth}]"))
            }
            _ => (step, String::new()),
        };
        if name.is_empty() || self.names.contains(plain(name)) {
            return step.to_owned();
        }
        format!("*{nth}")
    }
}

/// A name without the prefix that a sender or a layout has for its namespace: `code` of `@v3:code`.
fn plain(name: &str) -> &str {
    let name = name.strip_prefix('@').unwrap_or(name);
    name.rsplit_once(':').map_or(name, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_only_the_sender_says_is_not_told() {
        let told = |paths: &[&str], place: &str| {
            let mut told = Told::default();
            paths.iter().for_each(|path| told.add(&Path::parse(path).unwrap()));
            told.place(place.to_owned())
        };
        let any = ["/r/*/s:date", "/r/*/@code"];
        assert_eq!(told(&any, "/r/陈思远[2]/date"), "/r/*[2]/date");
        assert_eq!(told(&any, "/r/陈思远/@code"), "/r/*/@code");
        assert_eq!(told(&any, "/r/x[陈]"), "/r/*");
        assert_eq!(told(&["items.*"], "items[3].陈/思.远"), "*/*"); // no name of the mapping
        assert_eq!(told(&["items.*"], "items[3].陈"), "items[3].*");
        assert_eq!(told(&["/r/x"], "/r/陈"), "/r/陈"); // no path leads there
    }
}
