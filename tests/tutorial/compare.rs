//! Holds what was printed to what the page shows: message ids, times and measures may differ, nothing else.

use std::collections::BTreeMap;

use uuid::Uuid;

/// A line of these stands for any lines.
const LEFT_OUT: &str = "...";
/// In lines with one of these the numbers are measures of the machine, or counts that grow with the program.
const MEASURES: [&str; 4] = [" sent in ", " looked at, in ", " files written", "Huitong "];
const ID: usize = 36;

/// Which id of this run stands for which of the page.
#[derive(Clone, Debug, Default)]
pub struct Ids(BTreeMap<String, String>);

impl Ids {
    /// A text of the page with the ids of this run.
    pub fn of_this_run(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (page, run)| text.replace(page, run))
    }

    /// A text of this run with the ids of the page, where it has them.
    pub fn of_the_page(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (page, run)| text.replace(run, page))
    }
}

/// Whether the lines are those shown. The ids that stand in the same places are one and the same from then on.
pub fn matches(shown: &[String], printed: &[String], ids: &mut Ids) -> bool {
    let Some((first, rest)) = shown.split_first() else { return printed.is_empty() };
    if first == LEFT_OUT {
        return (0..=printed.len()).any(|skip| {
            let mut tried = ids.clone();
            let fits = matches(rest, &printed[skip..], &mut tried);
            if fits {
                *ids = tried;
            }
            fits
        });
    }
    let Some((line, others)) = printed.split_first() else { return false };
    same_line(first, line, ids) && matches(rest, others, ids)
}

fn same_line(shown: &str, printed: &str, ids: &mut Ids) -> bool {
    let (shown, shown_ids) = plain(shown.trim_end());
    let (printed, printed_ids) = plain(printed.trim_end());
    if shown != printed {
        return false;
    }
    shown_ids
        .into_iter()
        .zip(printed_ids)
        .all(|(page, run)| *ids.0.entry(page).or_insert_with(|| run.clone()) == run)
}

/// The line without what differs from run to run, and the message ids in it.
fn plain(line: &str) -> (String, Vec<String>) {
    let (mut text, mut ids) = (String::new(), Vec::new());
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        if let Some(id) = rest.get(..ID).filter(|piece| is_message_id(piece)) {
            ids.push(id.to_owned());
            text.push_str("ID");
            rest = &rest[ID..];
        } else if let Some(length) = time(rest) {
            text.push_str("TIME");
            rest = &rest[length..];
        } else {
            text.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    if MEASURES.iter().any(|words| line.contains(words)) {
        text.retain(|letter| !letter.is_ascii_digit());
    }
    (text, ids)
}

/// Message ids are made by the clock (version 7). Those of resources are computed, and must be the ones shown.
fn is_message_id(piece: &str) -> bool {
    Uuid::try_parse(piece).is_ok_and(|id| id.get_version_num() == 7)
}

/// The length of a time of the hub's own clock: `2026-11-23T08:15:00.123Z`. Those of the message have an offset.
fn time(text: &str) -> Option<usize> {
    let form = "0000-00-00T00:00:00";
    let fits = |(letter, form): (u8, u8)| if form == b'0' { letter.is_ascii_digit() } else { letter == form };
    let (head, rest) = text.split_at_checked(form.len())?;
    let fraction = rest
        .strip_prefix('.')
        .map_or("", |rest| &rest[..rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len())]);
    let length = form.len() + if fraction.is_empty() { 0 } else { fraction.len() + 1 };
    (head.bytes().zip(form.bytes()).all(fits) && text[length..].starts_with('Z')).then_some(length + 1)
}

#[test]
fn ids_and_times_may_differ_and_results_may_not() {
    let same = |shown: &str, printed: &str| {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        matches(&lines(shown), &lines(printed), &mut Ids::default())
    };
    let (one, other) = ("01a21424-470f-702c-a4e6-be1db8bac13d", "01a21424-46a1-7b1e-801c-1fda8f367043");
    assert!(same(&format!("{one} 2026-11-20T10:15:00.5Z"), &format!("{other} 2027-01-01T00:00:00Z")));
    assert!(!same(&format!("{one} {one}"), &format!("{one} {other}")), "two messages are shown as one");
    assert!(!same("2026-11-20T10:15:00+08:00", "2026-11-20T10:16:00+08:00"));
    assert!(!same("28ce9912-7741-8e3b-80be-9e51011d8e66", "1903e247-1e1e-8722-a7af-c48605dca774"));
    assert!(same("1 sent in 0.01 s, 151 a second", "1 sent in 0.02 s, 60 a second"));
    assert!(!same("value 11.2", "value 11.3"));
    assert!(same("a\n...\nd", "a\nb\nc\nd") && same("a\n...\nd", "a\nd") && !same("a\n...\nd", "a\nb\nc"));
}
