//! The order of a replay as text: which messages it goes over; and its counts.

use hub_core::id::MessageId;
use hub_core::operations::ReplayWhat;
use hub_core::store::{MessageQuery, StateName};
use hub_fhir::Object;
use hub_fhir::json::{self, Json};

use crate::clock;

/// Which messages, as text.
pub(crate) fn what_text(what: &ReplayWhat) -> String {
    match what {
        ReplayWhat::Messages(ids) => {
            Json::Array(ids.iter().map(|id| Json::string(id.to_string())).collect()).to_text()
        }
        ReplayWhat::Matching(query) => {
            let mut fields = Object::new();
            let mut set = |name: &str, value: Option<String>| {
                if let Some(value) = value {
                    fields.set(name, Json::string(value));
                }
            };
            let text = |text: &compact_str::CompactString| text.to_string();
            let time = |time: time::OffsetDateTime| clock::micros(time).to_string();
            set("channel", query.channel.as_ref().map(|channel| text(&channel.0)));
            set("state", query.state.map(|state| state.name().to_owned()));
            set("type", query.message_type.as_ref().map(text));
            set("control_id", query.control_id.as_ref().map(text));
            let (name, value) = query.key.clone().unzip();
            set("key_name", name.flatten().as_ref().map(text));
            set("key", value.as_ref().map(text));
            set("parent", query.parent.map(|parent| parent.to_string()));
            set("since_us", query.since.map(time));
            set("until_us", query.until.map(time));
            Json::Object(fields).to_text()
        }
    }
}

/// Which messages, of the text.
pub(crate) fn read_what(text: &str) -> Option<ReplayWhat> {
    match json::parse(text).ok()? {
        Json::Array(ids) => {
            let ids = ids.iter().map(|id| id.as_str()?.parse::<MessageId>().ok());
            ids.collect::<Option<_>>().map(ReplayWhat::Messages)
        }
        Json::Object(fields) => {
            let field = |name: &str| fields.get(name).and_then(Json::as_str);
            let time = |name: &str| match field(name) {
                None => Some(None),
                Some(time) => time.parse().ok().map(|time| Some(clock::moment(time))),
            };
            let state = match field("state") {
                None => None,
                Some(name) => Some(StateName::from_name(name)?),
            };
            let parent = match field("parent") {
                None => None,
                Some(id) => Some(id.parse().ok()?),
            };
            Some(ReplayWhat::Matching(MessageQuery {
                channel: field("channel").map(Into::into),
                state,
                message_type: field("type").map(Into::into),
                control_id: field("control_id").map(Into::into),
                key: field("key").map(|key| (field("key_name").map(Into::into), key.into())),
                parent,
                since: time("since_us")?,
                until: time("until_us")?,
                ..MessageQuery::default()
            }))
        }
        _ => None,
    }
}

/// Counts as text.
pub(crate) fn write_numbers(numbers: &[u64]) -> String {
    Json::Array(numbers.iter().map(|number| Json::Number(number.to_string().into())).collect()).to_text()
}

/// The counts of the text.
pub(crate) fn read_numbers(text: &str) -> Vec<u64> {
    let Ok(Json::Array(numbers)) = json::parse(text) else { return Vec::new() };
    let number = |number: &Json| match number {
        Json::Number(text) => text.parse().unwrap_or(0),
        _ => 0,
    };
    numbers.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let query = MessageQuery {
            channel: Some("his/adt".into()),
            state: Some(StateName::Committed),
            message_type: Some("ADT^A01".into()),
            control_id: Some("C\"1".into()),
            key: Some((Some("patient".into()), "4711".into())),
            parent: Some(MessageId(uuid::Uuid::from_u128(7))),
            since: Some(datetime!(2026-10-01 00:00 UTC)),
            until: Some(datetime!(2026-11-01 00:00:00.000001 UTC)),
            ..MessageQuery::default()
        };
        let text = what_text(&ReplayWhat::Matching(query.clone()));
        let Some(ReplayWhat::Matching(read)) = read_what(&text) else { panic!("{text}") };
        assert_eq!(format!("{read:?}"), format!("{query:?}"));
        let ids = vec![MessageId(uuid::Uuid::from_u128(1)), MessageId(uuid::Uuid::from_u128(2))];
        let text = what_text(&ReplayWhat::Messages(ids.clone()));
        assert!(matches!(read_what(&text), Some(ReplayWhat::Messages(read)) if read == ids));
        assert!(read_what("{\"state\":\"nowhere\"}").is_none());
        assert_eq!(read_numbers(&write_numbers(&[1, 0, 7])), [1, 0, 7]);
    }
}
