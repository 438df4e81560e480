//! The primitive types of R4B and the form of their values (R4B §2.24.0.1).

use crate::json::Json;
use crate::moment::{self, Precision};

/// A primitive type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

/// The longest string the standard allows, in bytes (R4B §2.24.0.1: 1 MB).
const MAX_STRING: usize = 1024 * 1024;

impl Primitive {
    /// The primitive of this name: `dateTime`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "base64Binary" => Self::Base64Binary,
            "boolean" => Self::Boolean,
            "canonical" => Self::Canonical,
            "code" => Self::Code,
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "decimal" => Self::Decimal,
            "id" => Self::Id,
            "instant" => Self::Instant,
            "integer" => Self::Integer,
            "markdown" => Self::Markdown,
            "oid" => Self::Oid,
            "positiveInt" => Self::PositiveInt,
            "string" => Self::String,
            "time" => Self::Time,
            "unsignedInt" => Self::UnsignedInt,
            "uri" => Self::Uri,
            "url" => Self::Url,
            "uuid" => Self::Uuid,
            "xhtml" => Self::Xhtml,
            _ => return None,
        })
    }

    /// Checks a JSON value; the error says what was expected.
    pub fn check(self, value: &Json) -> Result<(), &'static str> {
        match (self, value) {
            (Self::Boolean, Json::Bool(_)) => Ok(()),
            (Self::Boolean, _) => Err("expected `true` or `false`"),
            (Self::Decimal, Json::Number(_)) => Ok(()),
            (Self::Decimal, _) => Err("expected a number"),
            (Self::Integer, Json::Number(digits)) => whole(digits, -2_147_483_648),
            (Self::UnsignedInt, Json::Number(digits)) => whole(digits, 0),
            (Self::PositiveInt, Json::Number(digits)) => whole(digits, 1),
            (Self::Integer | Self::UnsignedInt | Self::PositiveInt, _) => Err("expected a whole number"),
            (_, Json::String(text)) => self.check_text(text),
            _ => Err("expected a string"),
        }
    }

    fn check_text(self, text: &str) -> Result<(), &'static str> {
        if text.is_empty() {
            return Err("expected a string that is not empty");
        }
        let (fits, expected) = match self {
            Self::String | Self::Markdown => {
                (is_text(text), "expected text of at most 1 MB without control characters")
            }
            Self::Code => (is_code(text), "expected a code: no space around it, single spaces within"),
            Self::Uri | Self::Url | Self::Canonical => (has_no_space(text), "expected a URI without spaces"),
            Self::Id => (is_id(text), "expected an id: 1 to 64 characters of A-Z, a-z, 0-9, `-` and `.`"),
            Self::Date => (is_date(text, Precision::Year), "expected a date: YYYY, YYYY-MM or YYYY-MM-DD"),
            Self::DateTime => (
                is_date(text, Precision::Second),
                "expected a date, or a date and time with seconds and offset",
            ),
            Self::Instant => (is_instant(text), "expected a date and time with seconds and offset"),
            Self::Time => (moment::is_time(text), "expected a time: hh:mm:ss"),
            Self::Base64Binary => (is_base64(text), "expected base64"),
            Self::Oid => (is_oid(text), "expected `urn:oid:` and an OID"),
            Self::Uuid => (is_uuid(text), "expected `urn:uuid:` and a lower-case UUID"),
            Self::Xhtml => (text.trim_start().starts_with("<div"), "expected XHTML within a `div`"),
            Self::Boolean | Self::Decimal | Self::Integer | Self::UnsignedInt | Self::PositiveInt => {
                (false, "expected no string")
            }
        };
        if fits { Ok(()) } else { Err(expected) }
    }
}

fn whole(digits: &str, least: i64) -> Result<(), &'static str> {
    let value = digits.parse::<i64>().ok().filter(|_| digits != "-0");
    match value {
        Some(value) if value >= least && value <= i64::from(i32::MAX) => Ok(()),
        Some(_) => Err("expected a whole number within the bounds of its type"),
        None => Err("expected a whole number"),
    }
}

fn is_text(text: &str) -> bool {
    text.len() <= MAX_STRING
        && text.bytes().all(|byte| byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r'))
        && text.contains(|letter: char| !letter.is_whitespace())
}

/// `[^\s]+(\s[^\s]+)*`
fn is_code(text: &str) -> bool {
    let mut after_space = true;
    for letter in text.chars() {
        let space = letter.is_whitespace();
        if (space && after_space) || letter.is_control() {
            return false;
        }
        after_space = space;
    }
    !after_space
}

fn has_no_space(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

fn is_id(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// A date; with `Precision::Second`, also a time, which then needs seconds and an offset.
fn is_date(text: &str, finest: Precision) -> bool {
    moment::read(text).is_some_and(|moment| match moment.precision {
        Precision::Year | Precision::Month | Precision::Day => true,
        Precision::Minute => false,
        Precision::Second | Precision::Fraction => finest >= Precision::Second && moment.zoned,
    })
}

fn is_instant(text: &str) -> bool {
    moment::read(text).is_some_and(|moment| moment.precision >= Precision::Second && moment.zoned)
}

fn is_base64(text: &str) -> bool {
    let mut letters = 0usize;
    let mut padding = 0usize;
    for byte in text.bytes() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => letters += 1,
            _ => return false,
        }
    }
    letters > 0 && padding <= 2 && (letters + padding).is_multiple_of(4)
}

fn is_oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else { return false };
    let mut arcs = arcs.split('.');
    let first_fits = arcs.next().is_some_and(|arc| matches!(arc, "0" | "1" | "2"));
    let mut others = 0;
    let others_fit = arcs.all(|arc| {
        others += 1;
        !arc.is_empty()
            && arc.bytes().all(|byte| byte.is_ascii_digit())
            && (arc == "0" || !arc.starts_with('0'))
    });
    first_fits && others_fit && others > 0
}

fn is_uuid(text: &str) -> bool {
    let Some(digits) = text.strip_prefix("urn:uuid:") else { return false };
    digits.len() == 36
        && digits.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(name: &str, json: &str) -> bool {
        Primitive::from_name(name).unwrap().check(&crate::json::parse(json).unwrap()).is_ok()
    }

    #[test]
    fn values_of_the_right_form_are_taken() {
        for (name, json) in [
            ("boolean", "true"),
            ("integer", "-5"),
            ("unsignedInt", "0"),
            ("positiveInt", "2147483647"),
            ("decimal", "1.10"),
            ("decimal", "1e400"),
            ("string", r#""a\nb""#),
            ("code", r#""a b""#),
            ("uri", r#""urn:oid:1.2""#),
            ("id", r#""A-1.b""#),
            ("date", r#""2026-11""#),
            ("dateTime", r#""2026""#),
            ("dateTime", r#""2026-11-22T08:30:00+08:00""#),
            ("instant", r#""2026-11-22T08:30:00.123Z""#),
            ("time", r#""08:30:00""#),
            ("base64Binary", r#""aGk=""#),
            ("oid", r#""urn:oid:2.16.840.1""#),
            ("uuid", r#""urn:uuid:c757873d-ec9a-4326-a141-556f43239520""#),
        ] {
            assert!(fits(name, json), "{name} {json}");
        }
    }

    #[test]
    fn values_of_another_form_are_refused() {
        for (name, json) in [
            ("boolean", r#""true""#),
            ("integer", "1.0"),
            ("integer", "2147483648"),
            ("unsignedInt", "-1"),
            ("positiveInt", "0"),
            ("decimal", r#""1""#),
            ("string", r#""""#),
            ("string", r#"" ""#),
            ("string", r#""a\u0001""#),
            ("string", "1"),
            ("code", r#"" a""#),
            ("code", r#""a  b""#),
            ("uri", r#""a b""#),
            ("id", r#""a_b""#),
            ("date", r#""2026-02-30""#),
            ("date", r#""2026-11-22T08:30:00Z""#),
            ("dateTime", r#""2026-11-22T08:30:00""#),
            ("dateTime", r#""2026-11-22T08:30Z""#),
            ("instant", r#""2026-11-22""#),
            ("time", r#""08:30""#),
            ("base64Binary", r#""aGk""#),
            ("oid", r#""urn:oid:3.1""#),
            ("oid", r#""1.2.3""#),
            ("uuid", r#""urn:uuid:C757873D-ec9a-4326-a141-556f43239520""#),
            ("xhtml", r#""<p/>""#),
        ] {
            assert!(!fits(name, json), "{name} {json}");
        }
    }
}
