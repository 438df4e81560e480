//! Destinations and tests have names of their own, and the files of the tests are there.

use std::path::{Path, PathBuf};

use hub_core::finding::{FindingKind, nearest};

use crate::read::Draft;
use crate::sheet::{At, Sheet};

/// The folder of messages and expected results.
pub(crate) const FIXTURES: &str = "fixtures";

/// Checks the names of destinations and tests.
pub(crate) fn check_names(draft: &mut Draft) {
    let sheet = &mut draft.sheet;
    let destinations: Vec<&At<String>> = draft.to.iter().filter_map(|route| route.name.as_ref()).collect();
    check_once(sheet, "destination", &destinations);
    let tests: Vec<&At<String>> = draft.tests.iter().filter_map(|test| test.name.as_ref()).collect();
    check_once(sheet, "test", &tests);
    for (name, _) in draft.tests.iter().flat_map(|test| &test.sends) {
        check_destination(sheet, name, &destinations);
    }
}

/// Checks that the files of the tests are there.
pub(crate) fn check_files(draft: &mut Draft, root: &Path) {
    let sheet = &mut draft.sheet;
    for test in &draft.tests {
        if let Some(given) = &test.given {
            check_given(sheet, given, root);
        }
        if let Some(stored) = &test.stored {
            check_given(sheet, stored, root);
        }
        for expected in test.writes.iter().chain(&test.reply).chain(test.sends.iter().map(|(_, path)| path)) {
            check_expected(sheet, expected, root);
        }
    }
}

fn check_once(sheet: &mut Sheet, what: &str, names: &[&At<String>]) {
    for (nth, name) in names.iter().enumerate() {
        let Some(first) = names[..nth].iter().find(|first| first.value == name.value) else { continue };
        let line = sheet.line(first.span.start);
        let message = format!("there are two {what}s `{}`: the first is on line {line}", name.value);
        sheet.report(FindingKind::DuplicateName, &name.span, message);
    }
}

fn check_given(sheet: &mut Sheet, given: &At<String>, root: &Path) {
    if !root.join(fixture(&given.value)).is_file() {
        let message = format!("there is no file `{FIXTURES}/{}`", given.value);
        let help = Some("paths of tests are relative to fixtures/".to_owned());
        sheet.report_with(FindingKind::FixtureMissing, &given.span, message, help);
    }
}

/// An expectation that is not there yet is no reason not to run: it is written by the tests themselves.
fn check_expected(sheet: &mut Sheet, expected: &At<String>, root: &Path) {
    if !root.join(fixture(&expected.value)).is_file() {
        let message = format!("there is no file `{FIXTURES}/{}` yet", expected.value);
        let help = Some("`huitong test --bless` writes it; read it before you keep it".to_owned());
        sheet.report_with(FindingKind::ExpectationMissing, &expected.span, message, help);
    }
}

fn check_destination(sheet: &mut Sheet, name: &At<String>, destinations: &[&At<String>]) {
    let mut known = destinations.iter().map(|known| known.value.as_str());
    if known.any(|known| known == name.value) {
        return;
    }
    let message = format!("the channel has no destination `{}`", name.value);
    let known: Vec<&str> = destinations.iter().map(|known| known.value.as_str()).collect();
    let help = match nearest(&name.value, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "it has no [[to]] at all".to_owned(),
        None => format!("its destinations are {}", known.join(", ")),
    };
    sheet.report_with(FindingKind::UnknownReference, &name.span, message, Some(help));
}

/// The path of a fixture below the project's root.
pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(FIXTURES).join(path)
}
