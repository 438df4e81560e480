//! A resource made ready for the store: its text with a gap for the version, its digest, its search rows.

use std::fmt::Write;

use bytes::Bytes;
use compact_str::CompactString;
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, UtcOffset};

use crate::index::{IndexRow, rows_of};
use crate::json::Json;
use crate::json_write::{write, write_string};
use crate::parameters::Parameters;
use crate::resource::{Reference, Resource};

/// What the store writes of a resource. Made outside the transaction, so that the writer only concatenates.
#[derive(Clone)]
pub struct Prepared {
    /// What is written.
    pub reference: Reference,
    /// The first 128 bits of the SHA-256 of the canonical text without `meta.versionId` and `meta.lastUpdated`:
    /// equal digests mean that nothing changed.
    pub digest: [u8; 16],
    /// What it can be found by; sorted, each row once.
    pub rows: Vec<IndexRow>,
    /// `{"resourceType":..,"id":..,"meta":{`, then the rest from behind `lastUpdated`.
    text: String,
    gap: usize,
}

impl Prepared {
    /// Prepares a resource. A version and time it carries are dropped: they are the store's to give.
    pub fn of(resource: &Resource) -> Self {
        Self::by(resource, Parameters::of_r4b())
    }

    /// The same with the server's own search parameters.
    pub fn by(resource: &Resource, parameters: &Parameters) -> Self {
        let mut text = String::with_capacity(1024);
        text.push_str("{\"resourceType\":");
        write_string(resource.kind().name(), &mut text);
        text.push_str(",\"id\":");
        write_string(resource.id().as_str(), &mut text);
        text.push_str(",\"meta\":{");
        let gap = text.len();
        let meta = resource.tree().get("meta").and_then(Json::as_object);
        for (name, value) in meta.into_iter().flat_map(|meta| meta.iter()) {
            let is_stores = matches!(name, "versionId" | "lastUpdated" | "_versionId" | "_lastUpdated");
            if !is_stores {
                member(name, value, &mut text);
            }
        }
        text.push('}');
        for (name, value) in resource.tree().iter() {
            if !matches!(name, "resourceType" | "id" | "meta") {
                member(name, value, &mut text);
            }
        }
        text.push('}');
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
        let rows = rows_of(resource.kind(), resource.tree(), parameters);
        Self { reference: resource.reference(), digest, rows, text, gap }
    }

    /// Its text without `meta.versionId` and `meta.lastUpdated`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole text of this version.
    pub fn body(&self, version: u64, updated: OffsetDateTime) -> Bytes {
        let (head, rest) = self.text.split_at(self.gap);
        let mut body = String::with_capacity(self.text.len() + 80);
        body.push_str(head);
        body.push_str("\"versionId\":\"");
        write!(body, "{version}").expect("writing to a string succeeds");
        body.push_str("\",\"lastUpdated\":\"");
        body.push_str(&instant(updated));
        body.push('"');
        body.push_str(rest);
        Bytes::from(body)
    }
}

impl std::fmt::Debug for Prepared {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prepared({}, {} rows)", self.reference, self.rows.len())
    }
}

fn member(name: &str, value: &Json, text: &mut String) {
    text.push(',');
    write_string(name, text);
    text.push(':');
    write(value, text);
}

/// A moment as a FHIR instant in UTC with microseconds, as the store keeps it: `2026-11-22T00:30:00.000000Z`.
pub fn instant(moment: OffsetDateTime) -> CompactString {
    let utc = moment.to_offset(UtcOffset::UTC);
    compact_str::format_compact!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        utc.year(),
        u8::from(utc.month()),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second(),
        utc.microsecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;
    use time::macros::datetime;

    fn prepared(text: &str) -> Prepared {
        Prepared::of(&Resource::from_tree(parse(text).unwrap()).unwrap())
    }

    #[test]
    fn version_and_time_stand_first_in_meta_right_after_the_id() {
        let body = prepared(r#"{"resourceType":"Patient","active":true,"meta":{"source":"urn:x"},"id":"1"}"#)
            .body(3, datetime!(2026-11-22 08:30:00.5 +8));
        assert_eq!(
            body,
            r#"{"resourceType":"Patient","id":"1","meta":{"versionId":"3","lastUpdated":"2026-11-22T00:30:00.500000Z","source":"urn:x"},"active":true}"#
        );
    }

    #[test]
    fn a_stored_body_read_back_has_the_same_digest() {
        let first = prepared(r#"{"resourceType":"Patient","id":"1","active":true}"#);
        let body = first.body(1, datetime!(2026-11-22 00:00 UTC));
        let again = prepared(std::str::from_utf8(&body).unwrap());
        assert_eq!(first.digest, again.digest);
        assert_eq!(first.rows, again.rows);
        assert_ne!(first.digest, prepared(r#"{"resourceType":"Patient","id":"1","active":false}"#).digest);
    }
}
