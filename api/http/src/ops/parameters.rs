//! Reads what an operator looks for: the same names in a query string and in a replay's filter.

use hub_core::store::{MessageQuery, StateName};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::ops::error::OpsError;

/// The fields of a filter.
pub(crate) const FILTER_FIELDS: [&str; 10] =
    ["channel", "state", "type", "control_id", "patient", "key", "parent", "since", "until", "before"];

/// The rows of a page when nothing is said.
const DEFAULT_LIMIT: u32 = 50;
/// The most rows of a page.
const MAX_LIMIT: u32 = 500;
/// Longer values cannot name anything.
const MAX_VALUE: usize = 512;

const TIME: &str = "a time such as `2026-01-31T08:00:00+08:00`, or an age such as `15m`, `2h` or `7d`";

/// Reads the parameters of a message list.
pub(crate) fn message_query(
    pairs: &[(String, String)],
    now: OffsetDateTime,
) -> Result<MessageQuery, OpsError> {
    let mut query = MessageQuery { limit: DEFAULT_LIMIT, ..MessageQuery::default() };
    for (at, (name, value)) in pairs.iter().enumerate() {
        if pairs[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(OpsError::field(name, "it once"));
        }
        if name == "limit" {
            query.limit = limit(value, MAX_LIMIT)?;
        } else {
            set(&mut query, name, value, now)?;
        }
    }
    Ok(query)
}

/// Reads a limit of 1 to `most`.
fn limit(value: &str, most: u32) -> Result<u32, OpsError> {
    let limit = value.parse().ok().filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| OpsError::field("limit", format!("a number from 1 to {most}")))
}

/// Sets one field of a filter. An empty value stands for a field that is not given, as forms send it.
pub(crate) fn set(
    query: &mut MessageQuery,
    name: &str,
    value: &str,
    now: OffsetDateTime,
) -> Result<(), OpsError> {
    if !FILTER_FIELDS.contains(&name) {
        let known: Vec<&str> = FILTER_FIELDS.into_iter().chain(["limit"]).collect();
        return Err(OpsError::unknown_field(name, &known));
    }
    if value.is_empty() {
        return Ok(());
    }
    if value.len() > MAX_VALUE {
        return Err(OpsError::field(name, format!("at most {MAX_VALUE} bytes")));
    }
    match name {
        "channel" => query.channel = Some(value.into()),
        "state" => {
            let names = StateName::ALL.map(StateName::name).join(", ");
            let state = StateName::from_name(value);
            query.state = Some(state.ok_or_else(|| OpsError::field(name, format!("one of {names}")))?);
        }
        "type" => query.message_type = Some(value.into()),
        "control_id" => query.control_id = Some(value.into()),
        "patient" | "key" if query.key.is_some() => {
            return Err(OpsError::field(name, "either `patient` or `key`, not both"));
        }
        "patient" => query.key = Some((Some("patient".into()), value.into())),
        "key" => query.key = Some(key(value)?),
        "parent" => {
            let id = value.parse();
            query.parent = Some(id.map_err(|_| OpsError::field(name, "the id of a message"))?);
        }
        "since" => query.since = Some(moment(name, value, now)?),
        "until" => query.until = Some(moment(name, value, now)?),
        _ => {
            let id = value.parse();
            query.before = Some(id.map_err(|_| OpsError::field(name, "the id of a message"))?);
        }
    }
    Ok(())
}

/// `name:value`, or a value of any name. A value that holds a colon itself is written `:a:b`.
fn key(text: &str) -> Result<(Option<compact_str::CompactString>, compact_str::CompactString), OpsError> {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_-".contains(&byte));
    let (name, value) = match text.split_once(':') {
        Some(("", value)) => (None, value),
        Some((name, value)) if is_name(name) => (Some(name.into()), value),
        _ => (None, text),
    };
    if value.is_empty() {
        return Err(OpsError::field("key", "`value` or `name:value`"));
    }
    Ok((name, value.into()))
}

/// A time of RFC 3339, or an age before now.
fn moment(name: &str, text: &str, now: OffsetDateTime) -> Result<OffsetDateTime, OpsError> {
    let unreadable = || OpsError::field(name, TIME);
    if let Some(age) = age(text) {
        return now.checked_sub(age).ok_or_else(unreadable);
    }
    // A `+` that was not escaped arrives as a space.
    OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339).map_err(|_| unreadable())
}

fn age(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u32 = text[..text.len() - 1].parse().ok()?;
    i64::from(count).checked_mul(seconds).map(Duration::seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

    fn read(name: &str, value: &str) -> Result<MessageQuery, OpsError> {
        message_query(&[(name.into(), value.into())], NOW)
    }

    #[test]
    fn an_age_counts_back_from_now() {
        assert_eq!(read("since", "15m").unwrap().since, Some(datetime!(2026-11-23 11:45 UTC)));
        assert_eq!(read("until", "7d").unwrap().until, Some(datetime!(2026-11-16 12:00 UTC)));
    }

    #[test]
    fn a_zone_whose_plus_was_not_escaped_is_read() {
        let query = read("since", "2026-11-23T08:00:00 08:00").unwrap();
        assert_eq!(query.since, Some(datetime!(2026-11-23 00:00 UTC)));
    }

    #[test]
    fn a_key_is_a_value_or_a_name_and_a_value() {
        assert_eq!(read("key", "visit:V1").unwrap().key, Some((Some("visit".into()), "V1".into())));
        assert_eq!(read("key", "V1").unwrap().key, Some((None, "V1".into())));
        assert_eq!(read("key", ":a:b").unwrap().key, Some((None, "a:b".into())));
        assert_eq!(read("patient", "P1").unwrap().key, Some((Some("patient".into()), "P1".into())));
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        let twice = [("state".into(), "received".into()), ("state".into(), "filtered".into())];
        assert_eq!(message_query(&twice, NOW).unwrap_err().field.as_deref(), Some("state"));
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_nearest_word() {
        let error = read("chanel", "x").unwrap_err();
        assert!(error.message.contains("did you mean `channel`?"), "{}", error.message);
    }

    proptest! {
        #[test]
        fn no_value_panics(name in "since|until|key|before|limit|state", value in ".{0,40}") {
            let _ = read(&name, &value);
        }
    }
}
