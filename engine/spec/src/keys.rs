//! Every key a channel file may have: the one list that the reader, the findings, `docs/channels.md` and the JSON Schema go by.

/// A day, in seconds: no wait between tries is longer.
pub(crate) const DAY_SECS: u64 = 24 * 3600;
/// A year, in hours: nothing is owed for longer.
pub(crate) const YEAR_HOURS: u64 = 366 * 24;

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
    /// What its value may be.
    pub takes: Takes,
    /// What it means, in the words of `docs/channels.md`.
    pub about: &'static str,
}

/// What the value of a key may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nobody has said; a test does not let that stand.
    Unsaid,
    /// Any text.
    Text,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// A path into the document: `PID-3.1`.
    Path,
    /// A condition on the document: `PID-8 = "F"`.
    Condition,
    /// The name of a source connector.
    Source,
    /// The name of a destination connector.
    Destination,
    /// The name of a format.
    Format,
    /// The name of a mapping.
    Mapping,
    /// The name of a type of FHIR resource.
    ResourceType,
    /// A file below `fixtures/`.
    Fixture,
    /// A table that the connector reads.
    Settings,
    /// The table of this name in [`KEYS`].
    Table(&'static str),
    /// Any number of tables of this name in [`KEYS`].
    Tables(&'static str),
    /// A list of these.
    List(&'static Takes),
    /// A table of free names, each with one of these.
    Pairs(&'static Takes),
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
    KeyInfo { table, key, need: Need::Required, example, takes: Takes::Unsaid, about: "" }
}

const fn optional(
    table: &'static str,
    key: &'static str,
    default: &'static str,
    example: &'static str,
) -> KeyInfo {
    KeyInfo { table, key, need: Need::Default(default), example, takes: Takes::Unsaid, about: "" }
}

impl KeyInfo {
    const fn takes(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }

    const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }
}

/// All of them, in the order of the file.
pub const KEYS: &[KeyInfo] = &[
    required("", "name", r#"name = "lis/oru-r01""#)
        .takes(Takes::Text)
        .about("The channel's name for ever. It equals the path below `channels/`, without the suffix"),
    required("", "version", "version = 1")
        .takes(Takes::Number(1, 1000))
        .about("The version of the channel language: 1"),
    required("", "about", r#"about = "Laboratory results are stored.""#)
        .takes(Takes::Text)
        .about("What the channel is for, in a sentence: shown to operators"),
    required("", "from", "[from]")
        .takes(Takes::Table("from"))
        .about("Where messages come from"),
    required("", "parse", "[parse]")
        .takes(Takes::Table("parse"))
        .about("How bytes become documents"),
    optional("", "filter", "every message is kept", "[filter]")
        .takes(Takes::Table("filter"))
        .about("Which messages are mapped"),
    required("", "map", "[map]")
        .takes(Takes::Table("map"))
        .about("What becomes of a message"),
    optional("", "keys", "messages are found by what the wire says only", "[keys]")
        .takes(Takes::Pairs(&Takes::Path))
        .about("What messages can be found by"),
    optional("", "raise", "nobody is told", "[raise]")
        .takes(Takes::Pairs(&Takes::Text))
        .about("The events that are raised for each resource written, by a message or by an answer: its type, and the event's name. Workflows act on them. See [below](#raise)"),
    optional("", "to", "nothing is sent", "[[to]]")
        .takes(Takes::Tables("to"))
        .about("Where something is sent, once for each destination"),
    optional("", "reply", "senders are answered by a receipt", "[reply]")
        .takes(Takes::Table("reply"))
        .about("What senders are answered who want more than a receipt; with `acknowledge = \"on_answered\"`"),
    optional("", "start", "it waits for no other channel", "[start]")
        .takes(Takes::Table("start"))
        .about("What must run before it. See [below](#start)"),
    optional("", "on_fault", "what fails is set aside, and the next one goes on", "[on_fault]")
        .takes(Takes::Table("on_fault"))
        .about("What happens to a message that fails, and to those behind it"),
    required("", "test", "[[test]]")
        .takes(Takes::Tables("test"))
        .about("What the channel promises, by example; at least one"),
    required("from", "connector", r#"connector = "lis""#)
        .takes(Takes::Source)
        .about("The system that is spoken to: the name of a source connector"),
    optional("from", "acknowledge", r#""on_received""#, r#"acknowledge = "on_committed""#)
        .takes(Takes::Words(&["on_received", "on_committed", "on_answered"]))
        .about("When senders are answered: `\"on_received\"`, as soon as the bytes are safe on disk; `\"on_committed\"`, when the message has been mapped and written, or set aside; `\"on_answered\"`, with the answer that `[reply]` makes"),
    optional("from", "lane_by", "one lane for all messages", r#"lane_by = "PID-3.1""#)
        .takes(Takes::Path)
        .about("A path. Messages with the same value there are worked on in order of arrival, others side by side"),
    optional("from", "settings", "the connector's own defaults", "[from.settings]")
        .takes(Takes::Settings)
        .about("The connector's own settings: see docs/connectors.md, or its README. Addresses here, names of secrets here, never secrets"),
    required("parse", "format", r#"format = "hl7v2""#)
        .takes(Takes::Format)
        .about("The format of the messages, the same as the connector's: `\"hl7v2\"`"),
    optional("parse", "accept", "every kind of message", r#"accept = ["ORU^R01"]"#)
        .takes(Takes::List(&Takes::Text))
        .about("The kinds of message taken, as they name themselves: `[\"ORU^R01\"]`, `[\"ADT^*\"]`. `*` is any letters. Others are refused at the door and kept as filtered"),
    optional("parse", "charset", "the format's own default", r#"charset = "GB18030""#)
        .takes(Takes::Text)
        .about("The character set of messages that do not name theirs: `\"GB18030\"`. A message that is not in it is set aside, never guessed at"),
    optional("parse", "split", "each frame or file is one message", r#"split = "messages""#)
        .takes(Takes::Text)
        .about("What there are several of in a frame or file: `\"messages\"`, as the format itself holds them (an HL7 v2 batch, the items of a JSON array, the lines of NDJSON, the rows of a CSV file, the entries of a Bundle), or a path: `\"/Request/Items/Item\"`. See [below](#several-messages-in-one)"),
    required("filter", "keep", r#"keep = ['MSH-11.1 = "P"']"#)
        .takes(Takes::List(&Takes::Condition))
        .about("[Conditions](mapping.md#conditions). Each must hold, otherwise the message ends as filtered, with the words of the condition as the reason"),
    required("map", "mapping", r#"mapping = "lis/oru-r01""#)
        .takes(Takes::Mapping)
        .about("The mapping that makes resources of the message. Its `from` is the channel's format"),
    required("map", "writes", r#"writes = ["DiagnosticReport", "Observation"]"#)
        .takes(Takes::List(&Takes::ResourceType))
        .about("The resource types the mapping writes: all of them and no others, so that a reader need not open it"),
    required("to", "name", r#"name = "ward-notice""#)
        .takes(Takes::Text)
        .about("The destination's name within the channel: small letters, digits and `-`. With the channel's name it is the name of a queue; a new name is a new queue"),
    required("to", "connector", r#"connector = "notify""#)
        .takes(Takes::Destination)
        .about("The name of a destination connector"),
    optional(
        "to",
        "settings",
        "the connector's own defaults",
        r#"settings = { url = "http://127.0.0.1:9000" }"#,
    )
        .takes(Takes::Settings)
        .about("The connector's own settings: see docs/connectors.md, or its README. `url` or `address` for where"),
    optional("to", "when", "always", r#"when = 'Observation.status = "final"'"#)
        .takes(Takes::Condition)
        .about("A [condition](mapping.md#conditions): only what it holds for is sent. Seen from each node of `each`"),
    optional("to", "each", "one parcel for each message", r#"each = "Observation""#)
        .takes(Takes::Path)
        .about("A path: one parcel for each node found"),
    optional(
        "to",
        "mapping",
        "the message is sent on as it was received",
        r#"mapping = "notify/critical-result""#,
    )
        .takes(Takes::Mapping)
        .about("The mapping that makes the body"),
    optional("to", "answer", "the answer is kept and not mapped", r#"answer = "his/ack""#)
        .takes(Takes::Mapping)
        .about("The mapping that makes resources of the receiver's answer; they are written together with the delivery"),
    optional("to", "order_by", "no order", r#"order_by = "Observation.subject.reference""#)
        .takes(Takes::Path)
        .about("A path. What has the same value there arrives in order, one at a time; others go side by side"),
    optional("to", "retry", "the defaults of `to.retry`", "retry = { first_secs = 2, max_secs = 60 }")
        .takes(Takes::Table("to.retry"))
        .about("When to try again"),
    optional("to", "in_doubt", r#""hold""#, r#"in_doubt = "resend""#)
        .takes(Takes::Words(&["hold", "ask", "resend"]))
        .about("What to do when something may or may not have arrived: `\"hold\"`, keep it until a person has found out; `\"ask\"`, ask the receiver until it can tell, and send again only what it says has not arrived; `\"resend\"`, send it again under the same id, for receivers that know a parcel by its id"),
    optional("to", "circuit", "the defaults of `to.circuit`", "circuit = { failures = 10 }")
        .takes(Takes::Table("to.circuit"))
        .about("When to leave a failing destination alone"),
    optional("to.retry", "first_secs", "1", "first_secs = 2")
        .takes(Takes::Number(1, DAY_SECS))
        .about("The wait after the first try, 1 to 86400 seconds"),
    optional("to.retry", "max_secs", "600", "max_secs = 60")
        .takes(Takes::Number(1, DAY_SECS))
        .about("No wait is longer, unless the receiver asks for it; when `first_secs` is more, that is the default"),
    optional("to.retry", "give_up_after_hours", "24", "give_up_after_hours = 4")
        .takes(Takes::Number(1, YEAR_HOURS))
        .about("So long after it was owed, after one last try, a parcel is given up: an operator sees it and can put it back"),
    optional("to.circuit", "failures", "5", "failures = 10")
        .takes(Takes::Number(1, 1000))
        .about("So many failures, 1 to 1000..."),
    optional("to.circuit", "within_secs", "30", "within_secs = 60")
        .takes(Takes::Number(1, DAY_SECS))
        .about("...within so many seconds"),
    optional("to.circuit", "probe_secs", "15", "probe_secs = 5")
        .takes(Takes::Number(1, DAY_SECS))
        .about("One parcel is tried each time so many seconds have passed"),
    required("reply", "mapping", r#"mapping = "his/find-patients-answer""#)
        .takes(Takes::Mapping)
        .about("The mapping that makes the answer; what it reads is said by `search` or `of`"),
    optional("reply", "search", "nothing is looked up", r#"search = ["Patient?identifier={QPD-3.1}"]"#)
        .takes(Takes::List(&Takes::Text))
        .about("Searches of the store, in the words of FHIR; `{PATH}` is the value at a path of the request. The mapping reads what they find, side by side, with `from = \"fhir\"`"),
    optional("reply", "of", "the request alone", r#"of = "commit""#)
        .takes(Takes::Text)
        .about("What the answer is made of instead: `\"commit\"`, the resources that the message wrote (`from = \"fhir\"`), or the name of a `[[to]]`, what that receiver answered (`from` is the format of its answers)"),
    optional("reply", "within_secs", "10", "within_secs = 5")
        .takes(Takes::Number(1, 300))
        .about("An answer that has not come so many seconds after the request is busy; it is never given to a later request"),
    optional("reply", "busy", "the protocol's own words", r#"busy = "his/busy""#)
        .takes(Takes::Mapping)
        .about("The mapping that says, from the request alone, that it cannot be answered now. Left out: `AE` for HL7 v2, 503 with `Retry-After` for HTTP"),
    optional("reply", "refused", "the protocol's own words", r#"refused = "his/refused""#)
        .takes(Takes::Mapping)
        .about("The mapping that says, from the request alone, that it will not be answered: it was filtered, set aside or refused at the door. Left out: `AE` or `AR` for HL7 v2, 422 for HTTP"),
    required("start", "after", r#"after = ["his/adt"]"#)
        .takes(Takes::List(&Takes::Text))
        .about("The channels that start before this one does, and stop after it has"),
    optional("start", "when", r#""started""#, r#"when = "caught-up""#)
        .takes(Takes::Words(&["started", "caught-up"]))
        .about("How far they must have come: `\"started\"`, they take messages; `\"caught-up\"`, they do, and what had waited for them in the journal has been worked off"),
    optional("on_fault", "then", r#""set_aside""#, r#"then = "stop""#)
        .takes(Takes::Words(&["set_aside", "stop"]))
        .about("What happens in the end: `\"set_aside\"`, it is kept for a person and the next one goes on; `\"stop\"`, its lane stands: it and what comes after it with the same `lane_by` wait for a person, in their order, while other lanes go on"),
    optional("on_fault", "tries", "1", "tries = 5")
        .takes(Takes::Number(1, 1000))
        .about("How often a message is tried, 1 to 1000, where the fault may pass: what is looked up is not there yet, or the store refuses the commit because somebody else has changed a resource. What cannot be read or mapped is the same each time and is not tried again"),
    optional("on_fault", "pause_secs", "5", "pause_secs = 30")
        .takes(Takes::Number(1, DAY_SECS))
        .about("The wait before each further try, 1 to 86400 seconds. What is behind the message in its lane waits too"),
    required("test", "name", r#"name = "a critical potassium is also told to the ward""#)
        .takes(Takes::Text)
        .about("A sentence: what the channel does"),
    required("test", "given", r#"given = "lis/oru-r01/critical-potassium.hl7""#)
        .takes(Takes::Fixture)
        .about("The file of the message"),
    optional("test", "receipt", "not looked at", r#"receipt = "AA""#)
        .takes(Takes::Text)
        .about("What the sender is answered: `\"AA\"`, `\"AE\"`, `\"AR\"` for HL7 v2"),
    optional("test", "state", r#""committed""#, r#"state = "quarantined""#)
        .takes(Takes::Words(&["committed", "filtered", "quarantined"]))
        .about("How the message, or each of its pieces, ends: `\"committed\"`, `\"filtered\"`, `\"quarantined\"`. The last also for a message at which a lane stands (`[on_fault]`)"),
    optional("test", "pieces", "not looked at", "pieces = 3")
        .takes(Takes::Number(0, 10_000))
        .about("How many messages the frame or file holds, for a channel with `split`"),
    optional("test", "stored", "an empty store", r#"stored = "his/find/patients.bundle.json""#)
        .takes(Takes::Fixture)
        .about("What the store holds before: the file of a Bundle, of one resource, or of NDJSON, for mappings with `find` and for replies"),
    optional("test", "reply", "not looked at", r#"reply = "his/find/one-patient.answer.json""#)
        .takes(Takes::Fixture)
        .about("The file of what the sender is answered, for a channel with `[reply]`"),
    optional("test", "place", "not looked at", r#"place = "PID[1]-7""#)
        .takes(Takes::Text)
        .about("Where it is wrong, for a message that is set aside: `\"PID[1]-7\"`"),
    optional("test", "reason", "not looked at", r#"reason = "expected a date""#)
        .takes(Takes::Text)
        .about("Words of the reason, or of the condition that stopped it; needs `state`"),
    optional("test", "writes", "not looked at", r#"writes = "lis/oru-r01/critical-potassium.bundle.json""#)
        .takes(Takes::Fixture)
        .about("The file of the resources written, as a bundle"),
    optional(
        "test",
        "sends",
        "not looked at",
        r#"sends = { ward-notice = "lis/oru-r01/critical-potassium.notice.json" }"#,
    )
        .takes(Takes::Pairs(&Takes::Fixture))
        .about("What is sent, for each destination a file: `{ ward-notice = \"lis/oru-r01/notice.json\" }`"),
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
