//! The fields of an HL7 v2 message that is written, named as lineage and people name them: `PID[2]-3(1).1`.

use std::collections::HashMap;

use hub_fhir::{Json, Object};

/// The segments of a message in their order: each with its name, which of this name it is, and whether there are others.
pub struct Segments(Vec<Segment>);

struct Segment {
    name: String,
    nth: usize,
    is_one_of_several: bool,
}

impl Segments {
    /// Those of a tree as the writer of HL7 v2 is given it.
    pub fn of(tree: &Object) -> Self {
        let segments = tree.get("segments").map_or(&[][..], Json::items);
        let name = |segment: &Json| Some(segment.as_object()?.iter().next()?.0.to_string());
        let names: Vec<String> = segments.iter().map(|segment| name(segment).unwrap_or_default()).collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let counted = names.iter().map(|name| {
            let count = counts.entry(name).or_default();
            *count += 1;
            (name, *count)
        });
        let counted: Vec<(&String, usize)> = counted.collect();
        let segment = |(name, nth): (&String, usize)| Segment {
            name: name.clone(),
            nth,
            is_one_of_several: counts.get(name.as_str()).is_some_and(|count| *count > 1),
        };
        Self(counted.into_iter().map(segment).collect())
    }

    /// A value of the tree, as lineage names it and as people do: `segments[4].PID.3[0].1` is `PID[1]-3[0].1` and, where there is no other
    /// PID, `PID-3(1).1`.
    pub fn names(&self, path: &str) -> Option<(String, String)> {
        let (place, rest) = path.strip_prefix("segments[")?.split_once("].")?;
        let segment = self.0.get(place.parse::<usize>().ok()?)?;
        let field = rest.strip_prefix(segment.name.as_str())?.strip_prefix('.')?;
        let Segment { name, nth, is_one_of_several } = segment;
        let nth_shown = if *is_one_of_several { format!("[{nth}]") } else { String::new() };
        Some((format!("{name}[{nth}]-{field}"), format!("{name}{nth_shown}-{}", repetitions(field))))
    }
}

/// `3[0].1` is the first repetition: `3(1).1`.
fn repetitions(field: &str) -> String {
    let Some((before, rest)) = field.split_once('[') else { return field.to_owned() };
    let Some((place, after)) = rest.split_once(']') else { return field.to_owned() };
    match place.parse::<usize>() {
        Ok(place) => format!("{before}({}){after}", place + 1),
        Err(_) => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_by_its_segment() {
        let text =
            r#"{"segments":[{"MSH":{"9":{"1":"RSP"}}},{"PID":{"3":[{"1":"A"}]}},{"PID":{"7":"19900101"}}]}"#;
        let tree = hub_fhir::json::parse(text).unwrap();
        let segments = Segments::of(tree.as_object().unwrap());
        let names = |path: &str| segments.names(path).unwrap();
        assert_eq!(names("segments[0].MSH.9.1"), ("MSH[1]-9.1".to_owned(), "MSH-9.1".to_owned()));
        assert_eq!(names("segments[1].PID.3[0].1"), ("PID[1]-3[0].1".to_owned(), "PID[1]-3(1).1".to_owned()));
        assert_eq!(names("segments[2].PID.7"), ("PID[2]-7".to_owned(), "PID[2]-7".to_owned()));
        assert_eq!(segments.names("name[0].family"), None);
    }
}
