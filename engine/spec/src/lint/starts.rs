//! Channels that start after others: the others are there, and nobody waits for himself.

use hub_core::finding::{FindingKind, nearest};

use crate::read::Draft;
use crate::sheet::{At, Span};

/// Checks what every channel says of its start.
pub(crate) fn check(drafts: &mut [Draft]) {
    let names: Vec<String> = drafts.iter().map(|draft| draft.id.to_string()).collect();
    for draft in &mut *drafts {
        let Some(start) = &draft.start else { continue };
        for name in &start.after.value {
            if names.contains(&name.value) {
                continue;
            }
            let message = format!("there is no channel `{}` to start after", name.value);
            let near = nearest(&name.value, names.iter().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the channels are {}", names.join(", ")),
            };
            draft.sheet.report_with(FindingKind::UnknownReference, &name.span, message, Some(help));
        }
    }
    for (nth, circle) in circles(drafts) {
        let message = match circle.names.as_slice() {
            [own] => format!("`{own}` cannot start after itself"),
            names => {
                format!("these channels wait for each other, and none would start: {}", names.join(" -> "))
            }
        };
        let help = Some("take one of them out of `after`".to_owned());
        drafts[nth].sheet.report_with(FindingKind::StartLoop, &circle.span, message, help);
    }
}

/// A way from a channel over what it waits for back to itself.
struct Circle {
    span: Span,
    names: Vec<String>,
}

/// Each circle once, told in the file of its first channel by name.
fn circles(drafts: &[Draft]) -> Vec<(usize, Circle)> {
    let place = |name: &str| drafts.iter().position(|draft| draft.id.as_str() == name);
    let mut found: Vec<(usize, Circle)> = Vec::new();
    for (nth, draft) in drafts.iter().enumerate() {
        for first in after(draft) {
            let Some(start) = place(&first.value) else { continue };
            let Some(way) = way(drafts, &place, start, nth) else { continue };
            // A circle through an earlier channel has been told of there.
            if way.iter().any(|place| *place < nth) {
                continue;
            }
            let names = if start == nth {
                vec![draft.id.to_string()]
            } else {
                let on_the_way = way.iter().map(|place| drafts[*place].id.to_string());
                std::iter::once(draft.id.to_string()).chain(on_the_way).collect()
            };
            found.push((nth, Circle { span: first.span.clone(), names }));
        }
    }
    found
}

/// The shortest way from one channel to another, over what each waits for; both ends are in it.
fn way(
    drafts: &[Draft],
    place: &dyn Fn(&str) -> Option<usize>,
    from: usize,
    to: usize,
) -> Option<Vec<usize>> {
    let mut came_from: Vec<Option<usize>> = vec![None; drafts.len()];
    let mut waiting = std::collections::VecDeque::from([from]);
    let mut seen = vec![false; drafts.len()];
    seen[from] = true;
    while let Some(at) = waiting.pop_front() {
        if at == to {
            let mut way: Vec<usize> = std::iter::successors(Some(to), |at| came_from[*at]).collect();
            way.reverse();
            return Some(way);
        }
        for next in after(&drafts[at]).iter().filter_map(|name| place(&name.value)) {
            if !seen[next] {
                seen[next] = true;
                came_from[next] = Some(at);
                waiting.push_back(next);
            }
        }
    }
    None
}

fn after(draft: &Draft) -> &[At<String>] {
    draft.start.as_ref().map_or(&[], |start| &start.after.value)
}
