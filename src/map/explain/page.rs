//! An explanation as one HTML page that needs nothing else: source on the left, target on the right, and what ties them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{Became, Explained, Origin, SourceField, TargetPart};
use crate::map::lookup::{Asked, found_in_words};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Nothing may be fetched, whatever stands in a message.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

impl Became {
    /// What it is called at the page.
    fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Read => "read",
            Self::OnPurpose => "on-purpose",
            Self::Unread => "unread",
            Self::Fault => "fault",
            Self::Unknown => "unknown",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Read => "only read",
            Self::OnPurpose => "left out on purpose",
            Self::Unread => "not read",
            Self::Fault => "set aside here",
            Self::Unknown => "not known",
        }
    }
}

/// The page. The mapping's own lines are read below `root`, to be shown beside what they made.
pub fn write(explained: &Explained, root: &Path) -> String {
    let mut page = String::with_capacity(64 * 1024);
    let title = format!("{} · {}", explained.mapping, explained.message);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escaped(&title)
    );
    let rules = rules(explained, root);
    header(&mut page, explained, &rules);
    page.push_str("<main>\n<section class=\"source\" aria-label=\"Source\">\n<h2>The message</h2>\n");
    source(&mut page, &explained.source);
    page.push_str("</section>\n<div></div>\n<section class=\"target\" aria-label=\"Target\">\n<h2>What is written</h2>\n");
    if explained.target.is_empty() {
        page.push_str("<p class=\"none\">Nothing is written.</p>\n");
    }
    let mut number = 0;
    for part in &explained.target {
        target(&mut page, part, explained, &mut number);
    }
    notes(&mut page, explained);
    looked_up(&mut page, explained);
    page.push_str("</section>\n<svg aria-hidden=\"true\"></svg>\n</main>\n");
    page.push_str(
        "<footer aria-live=\"polite\"><div class=\"lead\">Point at a field to see what it becomes, and which line of the mapping \
         makes it. Click or <kbd>Enter</kbd> holds it, <kbd>Esc</kbd> lets go; <kbd>↑</kbd> <kbd>↓</kbd> walk, <kbd>←</kbd> \
         <kbd>→</kbd> cross over, <kbd>/</kbd> searches.</div></footer>\n",
    );
    let rules = Value::from_iter(rules);
    let _ = write!(
        page,
        "<script type=\"application/json\" id=\"rules\">{}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        in_script(&rules)
    );
    page
}

fn header(page: &mut String, explained: &Explained, rules: &BTreeMap<String, String>) {
    let _ = write!(
        page,
        "<header>\n<div class=\"title\"><h1>{}</h1><span class=\"message\">{} · {}</span>\
         <span class=\"privacy\">patient data: not to be passed on</span></div>\n\
         <div class=\"tools\"><input id=\"search\" type=\"search\" placeholder=\"Search fields, values, lines\" aria-label=\"Search\">\n",
        escaped(&explained.mapping),
        escaped(&explained.message),
        escaped(&explained.format)
    );
    for became in [Became::Written, Became::Read, Became::OnPurpose, Became::Unread, Became::Fault] {
        let count = explained.source.iter().filter(|field| field.became == became).count();
        if count > 0 {
            let (name, words) = (became.name(), became.words());
            let _ = writeln!(
                page,
                "<button class=\"chip {name}\" data-state=\"{name}\" aria-pressed=\"false\"><i class=\"dot\"></i>{words} <b>{count}</b></button>"
            );
        }
    }
    page.push_str(
        "<button class=\"plain\" id=\"theme\" title=\"Light or dark\">◐</button></div>\n</header>\n",
    );
    if let Some(why) = &explained.filtered {
        let _ = writeln!(page, "<div class=\"alarm\"><b>Filtered</b>: {}</div>", escaped(why));
    }
    for notice in &explained.notices {
        let _ = writeln!(page, "<div class=\"alarm\"><b>Not known here</b>: {}</div>", escaped(notice));
    }
    if let Some(fault) = &explained.fault {
        let place = fault
            .place
            .as_deref()
            .map_or(String::new(), |place| format!(" at <code>{}</code>", escaped(place)));
        let line = fault.rule.as_ref().and_then(|rule| rules.get(rule)).map_or("", String::as_str);
        let rule = fault.rule.as_deref().map_or(String::new(), |rule| {
            format!("<br><code>{}</code>&emsp;<code>{}</code>", escaped(rule), escaped(line))
        });
        let _ = writeln!(
            page,
            "<div class=\"alarm\"><b>The message is set aside</b>{place}: {}. Nothing is written.{rule}</div>",
            escaped(&fault.reason)
        );
    }
}

fn source(page: &mut String, fields: &[SourceField]) {
    let mut open: Option<&str> = None;
    for (at, field) in fields.iter().enumerate() {
        let group = group_of(&field.place);
        if open != Some(group) {
            if open.is_some() {
                page.push_str("</div>\n");
            }
            let _ = writeln!(page, "<div class=\"card\"><h3>{}</h3>", escaped(group));
            open = Some(group);
        }
        let state = field.became.name();
        let value = field.value.as_deref();
        let lines: BTreeSet<String> =
            field.to.iter().map(|link| format!("{}:{}", link.file, link.line)).collect();
        let text = [&field.place, value.unwrap_or_default(), &Vec::from_iter(lines).join(" ")]
            .join(" ")
            .to_lowercase();
        let _ = write!(
            page,
            "<div class=\"row {state}\" tabindex=\"0\" id=\"s{at}\" data-state=\"{state}\" data-name=\"{place}\" data-text=\"{}\">\
             <span class=\"place\"><i class=\"dot\"></i>{short}</span><span class=\"value\">{}</span>",
            escaped(&text),
            value.map_or("<span class=\"null\">no value any more</span>".to_owned(), escaped),
            place = escaped(&field.place),
            short = escaped(short(&field.place, group)),
        );
        let why = match (field.became, &field.reason) {
            (Became::Written | Became::Unknown, _) => String::new(),
            (became, Some(reason)) => format!("{}: {}", became.words(), escaped(reason)),
            (became, None) => became.words().to_owned(),
        };
        if !why.is_empty() {
            let _ = write!(page, "<span class=\"why\">{why}</span>");
        }
        let ties: Vec<String> =
            field.to.iter().map(|link| format!("→ {}  {}:{}", link.target, link.file, link.line)).collect();
        if !ties.is_empty() {
            let _ = write!(page, "<span class=\"ties\">{}</span>", escaped(&ties.join("; ")));
        }
        page.push_str("</div>\n");
    }
    if open.is_some() {
        page.push_str("</div>\n");
    }
}

fn target(page: &mut String, part: &TargetPart, explained: &Explained, number: &mut usize) {
    let _ = write!(page, "<div class=\"card\"><h3>{}", escaped(&part.name));
    if let Some(write) = part.write {
        let _ = write!(page, "<em>{write}</em>");
    }
    if let Some(reference) = &part.reference {
        let _ = write!(page, "<small>{}</small>", escaped(reference));
    }
    page.push_str("</h3>\n");
    for value in &part.values {
        let from: Vec<Value> = value
            .from
            .iter()
            .map(|origin| json!({ "fields": origin.fields, "rule": rule(origin) }))
            .collect();
        let name =
            if part.name.is_empty() { value.path.clone() } else { format!("{}.{}", part.name, value.path) };
        let told: Vec<String> = value.from.iter().map(|origin| told(origin, explained)).collect();
        let text = format!("{name} {} {}", value.value, told.join(" ")).to_lowercase();
        let _ = writeln!(
            page,
            "<div class=\"row\" tabindex=\"0\" id=\"t{number}\" data-name=\"{}\" data-text=\"{}\" data-from=\"{}\">\
             <span class=\"place\">{}</span><span class=\"value\">{}</span><span class=\"ties\">{}</span></div>",
            escaped(&name),
            escaped(&text),
            escaped(&Value::from(from).to_string()),
            escaped(&value.path),
            escaped(&value.value),
            escaped(&told.join("; ")),
        );
        *number += 1;
    }
    for name in &part.clears {
        let _ = writeln!(page, "<div class=\"none\">removes {}</div>", escaped(name));
    }
    page.push_str("</div>\n");
}

fn looked_up(page: &mut String, explained: &Explained) {
    let mut answered =
        explained.looked_up.iter().filter_map(|one| Some((one, one.found.as_ref()?))).peekable();
    if answered.peek().is_none() {
        return;
    }
    page.push_str("<h2>Looked up in the store</h2>\n<div class=\"card\">\n");
    for (Asked { question, .. }, found) in answered {
        let (question, found) = (escaped(question), escaped(&found_in_words(found)));
        let _ = writeln!(page, "<div class=\"none\">&ensp;<code>{question}</code> → {found}</div>");
    }
    page.push_str("</div>\n");
}

fn notes(page: &mut String, explained: &Explained) {
    if explained.notes.is_empty() {
        return;
    }
    page.push_str("<h2>Left out, because it does not fit</h2>\n<div class=\"card\">\n");
    for note in &explained.notes {
        let (place, reason) = (escaped(&note.place), escaped(&note.reason));
        let _ = writeln!(page, "<div class=\"none\">&ensp;<code>{place}</code> {reason}</div>");
    }
    page.push_str("</div>\n");
}

/// Where a value comes from, for paper.
fn told(origin: &Origin, explained: &Explained) -> String {
    let places: Vec<&str> = origin.fields.iter().map(|at| explained.source[*at].place.as_str()).collect();
    let from = match (&origin.place, places.is_empty()) {
        (_, false) => places.join(", "),
        (Some(place), true) => place.clone(),
        (None, true) => "the mapping itself".to_owned(),
    };
    format!("← {from}  {}", rule(origin))
}

fn rule(origin: &Origin) -> String {
    format!("{}:{}", origin.file, origin.line)
}

/// Every line of the mapping that made something, with its text.
fn rules(explained: &Explained, root: &Path) -> BTreeMap<String, String> {
    let texts: BTreeMap<&str, Vec<String>> = explained
        .files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            (file.as_str(), text.lines().map(str::to_owned).collect())
        })
        .collect();
    let origins = explained.target.iter().flat_map(|part| &part.values).flat_map(|value| &value.from);
    let wrong = explained.fault.as_ref().and_then(|fault| fault.rule.clone());
    origins
        .map(rule)
        .chain(wrong)
        .map(|rule| {
            let (file, line) = rule.rsplit_once(':').unwrap_or((&rule, ""));
            let lines = texts.get(file).map_or(&[][..], Vec::as_slice);
            let line = line.parse::<usize>().ok().and_then(|line| lines.get(line.saturating_sub(1)));
            let text = line.map_or(String::new(), |line| line.trim().to_owned());
            (rule, text)
        })
        .collect()
}

/// What fields are shown together by: the segment, the resource, or the first two steps of a path with slashes.
fn group_of(place: &str) -> &str {
    if let Some((segment, _)) = place.split_once('-')
        && !segment.contains(['/', '.'])
    {
        return segment;
    }
    if !place.contains('/') {
        return place.split('.').next().unwrap_or(place);
    }
    let steps: Vec<usize> = place.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).collect();
    match steps.as_slice() {
        [_, second, ..] => &place[..*second],
        [only] => &place[..*only],
        [] => place,
    }
}

/// A place below the heading of its group: `name.family`; of HL7 v2 whole, as people say it.
fn short<'p>(place: &'p str, group: &str) -> &'p str {
    let below = place.strip_prefix(group).map(|rest| rest.trim_start_matches(['.', '/']));
    below.filter(|below| !below.is_empty() && !below.starts_with('-')).unwrap_or(place)
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

/// JSON that cannot end the script it stands in.
fn in_script(json: &Value) -> String {
    json.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_grouped_by_segment_or_by_the_first_steps_of_a_path() {
        assert_eq!(group_of("OBX[3]-5(2).1"), "OBX[3]");
        assert_eq!(group_of("/Request/Body/Items/Item[2]/Code"), "/Request/Body");
        assert_eq!(group_of("Patient.name[0].family"), "Patient");
        assert_eq!(short("Patient.name[0].family", "Patient"), "name[0].family");
        assert_eq!(short("OBX[3]-5(2).1", "OBX[3]"), "OBX[3]-5(2).1");
        assert_eq!(group_of("id"), "id");
    }

    #[test]
    fn no_value_can_leave_its_place_in_the_page() {
        assert_eq!(escaped("<script>\"'&"), "&lt;script&gt;&quot;&#39;&amp;");
        assert_eq!(in_script(&json!("</script>")), "\"\\u003c/script>\"");
    }
}
