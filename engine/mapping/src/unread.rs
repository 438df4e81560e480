//! What a mapping left unread: every source value nobody asked for.

use hub_core::document::Document;

use crate::plan::Plan;
use crate::trace::Trace;

/// A source leaf that holds a value and was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Where: `ZPV[1]-3`.
    pub place: String,
    /// The reason the mapping gives for leaving it, when it does.
    pub on_purpose: Option<String>,
}

pub(crate) fn unread(plan: &Plan, doc: &dyn Document, trace: &Trace) -> Vec<Unread> {
    let mut list = Vec::new();
    for leaf in doc.leaves() {
        if trace.read.contains(&leaf) {
            continue;
        }
        let place = doc.place(leaf);
        let plain = without_occurrences(&place);
        let reason = plan.on_purpose.iter().find(|(prefix, _)| starts(&plain, prefix));
        list.push(Unread { place, on_purpose: reason.map(|(_, reason)| reason.clone()) });
    }
    list
}

/// `OBX[3]-5(2).1` is `OBX-5.1`.
fn without_occurrences(place: &str) -> String {
    let mut plain = String::with_capacity(place.len());
    let mut depth = 0usize;
    for letter in place.chars() {
        match letter {
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    plain
}

/// Whether a place is the prefix or stands within it: `OBX-1` is not within `OBX-17`.
fn starts(place: &str, prefix: &str) -> bool {
    place.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_name_or_number_ends() {
        assert_eq!(without_occurrences("OBX[3]-5(2).1"), "OBX-5.1");
        assert!(starts("OBX-17.1", "OBX-17") && starts("ZPV-3", "ZPV") && starts("OBX-17", "OBX-17"));
        assert!(!starts("OBX-17", "OBX-1") && !starts("ZPVX-1", "ZPV"));
    }
}
