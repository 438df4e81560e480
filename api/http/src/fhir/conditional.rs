//! Versions in headers, and requests that ask only for what is newer (R4B §3.1.0.1.3, RFC 9110 §13).

use axum::http::header::{
    ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use httpdate::{fmt_http_date, parse_http_date};
use time::OffsetDateTime;

use crate::fhir::problem::Problem;

/// The weak ETag of a resource's version: `W/"3"`.
pub(crate) fn version_tag(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// What whoever writes expects of what is stored (R4B §3.1.0.1.3, RFC 9110 §13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing.
    Any,
    /// `If-Match: W/"3"`: this version.
    Version(u64),
    /// `If-Match` with a tag that no version has.
    Never,
    /// `If-Match: *`: that there is one.
    There,
    /// `If-None-Match: *`: that there is none.
    NotThere,
}

impl Expected {
    /// Reads the headers.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if headers.contains_key(IF_MATCH) {
            let mut tags = headers.get_all(IF_MATCH).iter();
            let tag = tags.next().and_then(|tag| tag.to_str().ok()).unwrap_or_default();
            let is_list = tags.next().is_some() || tag.contains(',');
            return if is_list { Err(Self::one_tag()) } else { Self::matching(tag) };
        }
        match headers.get(IF_NONE_MATCH).map(|tag| tag.as_bytes().trim_ascii()) {
            None => Ok(Self::Any),
            Some(b"*") => Ok(Self::NotThere),
            Some(_) => {
                let text = "whoever writes may say `If-None-Match: *` alone";
                Err(Problem::bad_parameter("If-None-Match", text))
            }
        }
    }

    /// Reads what stands in `If-Match`.
    pub(crate) fn matching(tag: &str) -> Result<Self, Problem> {
        let tag = tag.trim();
        if tag == "*" {
            return Ok(Self::There);
        }
        let quoted = tag.strip_prefix("W/").unwrap_or(tag);
        let bare =
            quoted.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).ok_or_else(Self::one_tag)?;
        Ok(bare.parse().ok().filter(|version| *version > 0).map_or(Self::Never, Self::Version))
    }

    fn one_tag() -> Problem {
        Problem::bad_parameter("If-Match", "`If-Match` must be one ETag, such as `W/\"3\"`")
    }
}

/// What a client may compare its copy with.
pub(crate) struct Validators<'a> {
    /// The ETag, its quotes included.
    pub tag: &'a str,
    /// When it was last changed.
    pub updated: OffsetDateTime,
}

impl Validators<'_> {
    /// Whether the client's copy is still good. `If-None-Match` decides alone where it is given; a date knows only
    /// seconds.
    pub(crate) fn still_good(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(IF_NONE_MATCH) {
            let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
            return tags.flat_map(|tags| tags.split(',')).any(|tag| same_tag(tag.trim(), self.tag));
        }
        let since = headers.get(IF_MODIFIED_SINCE).and_then(|date| date.to_str().ok());
        let since = since.and_then(|date| parse_http_date(date).ok()).map(OffsetDateTime::from);
        since.is_some_and(|since| self.updated.unix_timestamp() <= since.unix_timestamp())
    }

    /// Writes both headers.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Ok(tag) = HeaderValue::from_str(self.tag) {
            headers.insert(ETAG, tag);
        }
        // Years before 1970 and after 9999 cannot be written as an HTTP date.
        let writable = 0..=253_402_300_799;
        if writable.contains(&self.updated.unix_timestamp())
            && let Ok(date) = HeaderValue::from_str(&fmt_http_date(self.updated.into()))
        {
            headers.insert(LAST_MODIFIED, date);
        }
    }
}

/// The weak comparison of RFC 9110 §8.8.3.2.
fn same_tag(given: &str, ours: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    given == "*" || opaque(given) == opaque(ours)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn good(name: &'static str, value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let updated = datetime!(2026-11-23 12:00:00.5 UTC);
        Validators { tag: "W/\"3\"", updated }.still_good(&headers)
    }

    #[test]
    fn a_copy_with_the_same_tag_is_still_good() {
        assert!(good("if-none-match", "W/\"3\""));
        assert!(good("if-none-match", "\"3\""));
        assert!(good("if-none-match", "W/\"2\", W/\"3\""));
        assert!(good("if-none-match", "*"));
        assert!(!good("if-none-match", "W/\"2\""));
        assert!(!good("if-none-match", "3"));
    }

    #[test]
    fn a_writer_expects_one_version_or_any_or_none() {
        let expected = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            Expected::of(&headers)
        };
        assert_eq!(expected("if-match", "W/\"3\""), Ok(Expected::Version(3)));
        assert_eq!(expected("if-match", "\"3\""), Ok(Expected::Version(3)));
        assert_eq!(expected("if-match", "W/\"0\""), Ok(Expected::Never));
        assert_eq!(expected("if-match", "W/\"abc\""), Ok(Expected::Never));
        assert_eq!(expected("if-match", "*"), Ok(Expected::There));
        assert!(expected("if-match", "3").is_err() && expected("if-match", "W/\"3\", W/\"4\"").is_err());
        assert_eq!(expected("if-none-match", "*"), Ok(Expected::NotThere));
        assert!(expected("if-none-match", "W/\"3\"").is_err());
        assert_eq!(expected("accept", "*/*"), Ok(Expected::Any));
    }

    #[test]
    fn a_copy_of_the_same_second_is_still_good() {
        assert!(good("if-modified-since", "Mon, 23 Nov 2026 12:00:00 GMT"));
        assert!(!good("if-modified-since", "Mon, 23 Nov 2026 11:59:59 GMT"));
        assert!(!good("if-modified-since", "yesterday"));
    }
}
