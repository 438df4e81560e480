//! Writes Bundles by setting stored texts side by side: nothing is parsed again.

use std::fmt::Write;

use bytes::Bytes;
use time::OffsetDateTime;

use crate::json::{Json, parse};
use crate::json_write::write_string;
use crate::outcome::Outcome;
use crate::prepare::instant;
use crate::search::{Page, Stored};

/// A link of a Bundle: `self`, `next`, ..
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its relation.
    pub relation: &'static str,
    /// Where it leads.
    pub url: String,
}

/// A Bundle of type `searchset`. `base` is the server's URL without a slash at its end; `told` is what the client is told of the search
/// itself.
pub fn searchset(base: &str, page: &Page, links: &[Link], told: Option<&Outcome>) -> Bytes {
    let stored = page.matches.iter().chain(&page.included);
    let mut text = start("searchset", page.total, links, stored);
    let modes = matches(page).into_iter().map(|entry| (entry, "match"));
    let entries = modes.chain(page.included.iter().map(|stored| (Entry::Stored(stored), "include")));
    let entries = entries.chain(told.map(|told| (Entry::Told(told), "outcome")));
    list(&mut text, entries, |text, (entry, mode)| {
        match entry {
            Entry::Stored(stored) => {
                full_url(text, base, stored);
                text.extend_from_slice(b",\"resource\":");
                text.extend_from_slice(&stored.body);
            }
            Entry::Within(stored, id, body) => {
                full_url(text, base, stored);
                // The address of the container, and what it is called there.
                text.pop();
                let mut place = format!("#{id}");
                place.retain(|letter| letter.is_ascii_alphanumeric() || "#-._".contains(letter));
                text.extend_from_slice(place.as_bytes());
                text.extend_from_slice(b"\",\"resource\":");
                text.extend_from_slice(body.as_bytes());
            }
            Entry::Told(told) => {
                text.extend_from_slice(b"\"resource\":");
                text.extend_from_slice(told.text().as_bytes());
            }
        }
        text.extend_from_slice(b",\"search\":{\"mode\":\"");
        text.extend_from_slice(mode.as_bytes());
        text.extend_from_slice(b"\"}");
    });
    text.push(b'}');
    Bytes::from(text)
}

/// What an entry of a batch or transaction came to.
#[derive(Clone, Debug, Default)]
pub struct EntryResponse {
    /// The text of the resource that is given back.
    pub resource: Option<Bytes>,
    /// `201 Created`
    pub status: String,
    /// Where the version that was written stands.
    pub location: Option<String>,
    /// `W/"1"`
    pub etag: Option<String>,
    /// When the version was written.
    pub last_modified: Option<OffsetDateTime>,
    /// The text of an OperationOutcome.
    pub outcome: Option<Bytes>,
}

/// A Bundle of type `kind`: `batch-response` or `transaction-response`.
pub fn responses(kind: &str, entries: &[EntryResponse]) -> Bytes {
    let mut text = start(kind, None, &[], [].iter());
    text.reserve(
        entries.iter().filter_map(|entry| entry.resource.as_ref()).map(|body| body.len() + 320).sum(),
    );
    list(&mut text, entries.iter(), |text, entry| {
        if let Some(resource) = &entry.resource {
            text.extend_from_slice(b"\"resource\":");
            text.extend_from_slice(resource);
            text.push(b',');
        }
        let last_modified = entry.last_modified.map(|moment| instant(moment).to_string());
        let mut response = String::from("\"response\":{\"status\":");
        write_string(&entry.status, &mut response);
        let texts = [("location", &entry.location), ("etag", &entry.etag), ("lastModified", &last_modified)];
        for (name, value) in texts.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            response.push_str(&format!(",\"{name}\":"));
            write_string(value, &mut response);
        }
        text.extend_from_slice(response.as_bytes());
        if let Some(outcome) = &entry.outcome {
            text.extend_from_slice(b",\"outcome\":");
            text.extend_from_slice(outcome);
        }
        text.push(b'}');
    });
    text.push(b'}');
    Bytes::from(text)
}

/// What an entry of a searchset holds.
enum Entry<'p> {
    Stored(&'p Stored),
    /// What a resource contains: its id within that, and its text.
    Within(&'p Stored, String, String),
    Told(&'p Outcome),
}

/// The matches of a page: what they contain, where that was asked for.
fn matches(page: &Page) -> Vec<Entry<'_>> {
    let mut entries = Vec::with_capacity(page.matches.len());
    for (at, stored) in page.matches.iter().enumerate() {
        let places = page.contained.get(at).map(Vec::as_slice).unwrap_or_default();
        let tree = if places.is_empty() { None } else { std::str::from_utf8(&stored.body).ok() };
        let Some(Json::Object(tree)) = tree.and_then(|text| parse(text).ok()) else {
            entries.push(Entry::Stored(stored));
            continue;
        };
        let contained = tree.get("contained").map(Json::items).unwrap_or_default();
        for one in places.iter().filter_map(|place| contained.get(*place)) {
            let id = one.get("id").and_then(Json::as_str).unwrap_or_default().to_owned();
            entries.push(Entry::Within(stored, id, one.to_text()));
        }
    }
    entries
}

/// A Bundle of type `history`: versions of resources, newest first; deletions have no resource.
pub fn history(base: &str, versions: &[Stored], total: Option<u64>, links: &[Link]) -> Bytes {
    let mut text = start("history", total, links, versions.iter());
    list(&mut text, versions.iter(), |text, stored| {
        full_url(text, base, stored);
        if !stored.deleted {
            text.extend_from_slice(b",\"resource\":");
            text.extend_from_slice(&stored.body);
        }
        let (method, status) = match (stored.deleted, stored.version) {
            (true, _) => ("DELETE", "204"),
            (false, 1) => ("PUT", "201"),
            (false, _) => ("PUT", "200"),
        };
        let reference = &stored.reference;
        let tail = format!(
            ",\"request\":{{\"method\":\"{method}\",\"url\":\"{reference}\"}},\"response\":{{\"status\":\"{status}\",\
             \"etag\":\"W/\\\"{}\\\"\",\"lastModified\":\"{}\"}}",
            stored.version,
            instant(stored.updated)
        );
        text.extend_from_slice(tail.as_bytes());
    });
    text.push(b'}');
    Bytes::from(text)
}

fn start<'s>(
    kind: &str,
    total: Option<u64>,
    links: &[Link],
    stored: impl Iterator<Item = &'s Stored>,
) -> Vec<u8> {
    let mut text = format!("{{\"resourceType\":\"Bundle\",\"type\":\"{kind}\"");
    if let Some(total) = total {
        write!(text, ",\"total\":{total}").expect("writing to a string succeeds");
    }
    for (at, link) in links.iter().enumerate() {
        text.push_str(if at == 0 { ",\"link\":[{\"relation\":" } else { ",{\"relation\":" });
        write_string(link.relation, &mut text);
        text.push_str(",\"url\":");
        write_string(&link.url, &mut text);
        text.push('}');
    }
    if !links.is_empty() {
        text.push(']');
    }
    let mut text = text.into_bytes();
    text.reserve(stored.map(|stored| stored.body.len() + 320).sum());
    text
}

/// Writes `,"entry":[..]`, or nothing when there are no entries: an empty array is not FHIR.
fn list<E>(text: &mut Vec<u8>, entries: impl Iterator<Item = E>, write_entry: impl Fn(&mut Vec<u8>, E)) {
    let mut is_open = false;
    for entry in entries {
        text.extend_from_slice(if is_open { b",{" } else { b",\"entry\":[{" });
        is_open = true;
        write_entry(text, entry);
        text.push(b'}');
    }
    if is_open {
        text.push(b']');
    }
}

fn full_url(text: &mut Vec<u8>, base: &str, stored: &Stored) {
    let mut url = String::with_capacity(base.len() + 80);
    write_string(&format!("{base}/{}", stored.reference), &mut url);
    text.extend_from_slice(b"\"fullUrl\":");
    text.extend_from_slice(url.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Json, parse};
    use crate::resource::Reference;
    use time::macros::datetime;

    fn stored(version: u64, deleted: bool) -> Stored {
        let body = if deleted { Bytes::new() } else { Bytes::from(r#"{"resourceType":"Patient","id":"1"}"#) };
        Stored {
            reference: Reference::parse("Patient/1").unwrap(),
            version,
            updated: datetime!(2026-11-22 0:00 UTC),
            deleted,
            body,
        }
    }

    fn valid(bytes: &Bytes) -> Json {
        let tree = parse(std::str::from_utf8(bytes).unwrap()).unwrap();
        assert_eq!(crate::validate(tree.as_object().unwrap()), []);
        tree
    }

    #[test]
    fn the_answers_to_a_batch_are_a_valid_bundle() {
        let made = EntryResponse {
            resource: Some(stored(1, false).body),
            status: "201 Created".to_owned(),
            location: Some("http://h/fhir/Patient/1/_history/1".to_owned()),
            etag: Some("W/\"1\"".to_owned()),
            last_modified: Some(datetime!(2026-11-22 0:00 UTC)),
            outcome: None,
        };
        let outcome = Some(crate::outcome::Outcome::error("not-found", "none").text().into());
        let failed =
            EntryResponse { status: "404 Not Found".to_owned(), outcome, ..EntryResponse::default() };
        let bundle = valid(&responses("batch-response", &[made, failed]));
        assert_eq!(bundle.at(&["entry", "0", "response", "etag"]), Some(&Json::string("W/\"1\"")));
        assert_eq!(
            bundle.at(&["entry", "1", "response", "outcome", "issue", "0", "code"]),
            Some(&Json::string("not-found"))
        );
        valid(&responses("transaction-response", &[]));
    }

    #[test]
    fn a_searchset_is_a_valid_bundle() {
        let page = Page {
            matches: vec![stored(1, false)],
            included: vec![stored(1, false)],
            total: Some(1),
            ..Page::default()
        };
        let link = Link { relation: "self", url: "http://hub/fhir/Patient?name=\"a\"".into() };
        let bundle =
            valid(&searchset("http://hub/fhir", &page, &[link], Some(&Outcome::error("too-costly", "cut"))));
        assert_eq!(bundle.at(&["entry", "0", "fullUrl"]), Some(&Json::string("http://hub/fhir/Patient/1")));
        assert_eq!(bundle.at(&["entry", "1", "search", "mode"]), Some(&Json::string("include")));
        assert_eq!(bundle.at(&["entry", "2", "search", "mode"]), Some(&Json::string("outcome")));
        assert_eq!(
            bundle.at(&["entry", "2", "resource", "resourceType"]),
            Some(&Json::string("OperationOutcome"))
        );
        assert_eq!(bundle.at(&["total"]), Some(&Json::from(1)));
        valid(&searchset("http://hub/fhir", &Page::default(), &[], None));
    }

    #[test]
    fn a_history_tells_of_deletions() {
        let bundle = valid(&history("http://hub/fhir", &[stored(2, true), stored(1, false)], Some(2), &[]));
        assert_eq!(bundle.at(&["entry", "0", "request", "method"]), Some(&Json::string("DELETE")));
        assert_eq!(bundle.at(&["entry", "0", "resource"]), None);
        assert_eq!(bundle.at(&["entry", "0", "response", "etag"]), Some(&Json::string("W/\"2\"")));
        assert_eq!(bundle.at(&["entry", "1", "response", "status"]), Some(&Json::string("201")));
    }
}
