//! Every key a channel file may have: the one list that the reader, the findings and `docs/channels.md` go by.

/// One key of a channel file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The table it stands in; empty: the top of the file. `to.retry` is the value of `retry` in a `[[to]]`.
    pub table: &'static str,
    /// Its name.
    pub key: &'static str,
    /// Whether it may be left out, and what is meant then.
    pub need: Need,
    /// A line that is right.
    pub example: &'static str,
}

/// Whether a key may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be there.
    Required,
    /// It may be left out; then it is this.
    Default(&'static str),
}

const fn required(table: &'static str, key: &'static str, example: &'static str) -> KeyInfo {
    KeyInfo { table, key, need: Need::Required, example }
}

const fn optional(
    table: &'static str,
    key: &'static str,
    default: &'static str,
    example: &'static str,
) -> KeyInfo {
    KeyInfo { table, key, need: Need::Default(default), example }
}

/// All of them, in the order of the file.
pub const KEYS: &[KeyInfo] = &[
    required("", "name", r#"name = "lis/oru-r01""#),
    required("", "version", "version = 1"),
    required("", "about", r#"about = "Laboratory results are stored.""#),
    required("", "from", "[from]"),
    required("", "parse", "[parse]"),
    optional("", "filter", "every message is kept", "[filter]"),
    required("", "map", "[map]"),
    optional("", "keys", "messages are found by what the wire says only", "[keys]"),
    optional("", "to", "nothing is sent", "[[to]]"),
    required("", "test", "[[test]]"),
    required("from", "connector", r#"connector = "lis""#),
    optional("from", "acknowledge", r#""on_received""#, r#"acknowledge = "on_committed""#),
    optional("from", "lane_by", "one lane for all messages", r#"lane_by = "PID-3.1""#),
    optional("from", "settings", "the connector's own defaults", "[from.settings]"),
    required("parse", "format", r#"format = "hl7v2""#),
    optional("parse", "accept", "every kind of message", r#"accept = ["ORU^R01"]"#),
    optional("parse", "charset", "the format's own default", r#"charset = "GB18030""#),
    optional("parse", "split", "each frame or file is one message", r#"split = "messages""#),
    required("filter", "keep", r#"keep = ['MSH-11.1 = "P"']"#),
    required("map", "mapping", r#"mapping = "lis/oru-r01""#),
    required("map", "writes", r#"writes = ["DiagnosticReport", "Observation"]"#),
    required("to", "name", r#"name = "ward-notice""#),
    required("to", "connector", r#"connector = "notify""#),
    optional(
        "to",
        "settings",
        "the connector's own defaults",
        r#"settings = { url = "http://127.0.0.1:9000" }"#,
    ),
    optional("to", "when", "always", r#"when = 'Observation.status = "final"'"#),
    optional("to", "each", "one parcel for each message", r#"each = "Observation""#),
    optional(
        "to",
        "mapping",
        "the message is sent on as it was received",
        r#"mapping = "notify/critical-result""#,
    ),
    optional("to", "answer", "the answer is kept and not mapped", r#"answer = "his/ack""#),
    optional("to", "order_by", "no order", r#"order_by = "Observation.subject.reference""#),
    optional("to", "retry", "the defaults of `to.retry`", "retry = { first_secs = 2, max_secs = 60 }"),
    optional("to", "in_doubt", r#""hold""#, r#"in_doubt = "resend""#),
    optional("to", "circuit", "the defaults of `to.circuit`", "circuit = { failures = 10 }"),
    optional("to.retry", "first_secs", "1", "first_secs = 2"),
    optional("to.retry", "max_secs", "600", "max_secs = 60"),
    optional("to.retry", "give_up_after_hours", "24", "give_up_after_hours = 4"),
    optional("to.circuit", "failures", "5", "failures = 10"),
    optional("to.circuit", "within_secs", "30", "within_secs = 60"),
    optional("to.circuit", "probe_secs", "15", "probe_secs = 5"),
    required("test", "name", r#"name = "a critical potassium is also told to the ward""#),
    required("test", "given", r#"given = "lis/oru-r01/critical-potassium.hl7""#),
    optional("test", "receipt", "not looked at", r#"receipt = "AA""#),
    optional("test", "state", r#""committed""#, r#"state = "quarantined""#),
    optional("test", "place", "not looked at", r#"place = "PID[1]-7""#),
    optional("test", "reason", "not looked at", r#"reason = "expected a date""#),
    optional("test", "writes", "not looked at", r#"writes = "lis/oru-r01/critical-potassium.bundle.json""#),
    optional(
        "test",
        "sends",
        "not looked at",
        r#"sends = { ward-notice = "lis/oru-r01/critical-potassium.notice.json" }"#,
    ),
];

/// The keys of one table.
pub(crate) fn keys_of(table: &str) -> impl Iterator<Item = &'static KeyInfo> {
    KEYS.iter().filter(move |info| info.table == table)
}

/// How a table is written in a file: `[from]`, `[[to]]`, `retry of [[to]]`.
pub(crate) fn heading(table: &str) -> String {
    match table {
        "" => "the top of the file".to_owned(),
        "to" | "test" => format!("[[{table}]]"),
        _ => match table.split_once('.') {
            Some((outer, inner)) => format!("{inner} of [[{outer}]]"),
            None => format!("[{table}]"),
        },
    }
}
