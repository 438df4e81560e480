//! What is moved: every table of SQLite with its columns, and what each holds.
//!
//! A column that is not named here cannot be moved, and a move that meets one refuses to begin: whoever adds a column says here
//! whether it holds a message's place, for places are numbered anew.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// A number that stays as it is.
    Int,
    /// The place of a message in the order of arrival.
    Place,
    /// The same in a replay by filter; in one by ids (`what` is a JSON array) it counts them.
    ReplayPlace,
    Text,
    /// The search rows of a resource, as JSON.
    SearchRows,
    Blob,
}

/// A table that is moved.
#[derive(Debug)]
pub(crate) struct Table {
    pub name: &'static str,
    /// So many of the first columns are its key, in the order of the key.
    pub key: usize,
    /// Columns that must be unique besides the key.
    pub unique: &'static [&'static str],
    pub columns: &'static [(&'static str, Holds)],
}

use Holds::{Blob, Int, Place, ReplayPlace, SearchRows, Text};

/// Every table that is moved row by row. What refers to another table comes after it.
pub(crate) const TABLES: [Table; 36] = [
    Table { name: "word", key: 1, unique: &["text"], columns: &[("number", Int), ("text", Text)] },
    Table {
        name: "message",
        key: 1,
        unique: &[],
        columns: &[
            ("seq", Place),
            ("id", Blob),
            ("channel", Int),
            ("state", Int),
            ("received_us", Int),
            ("ended_us", Int),
            ("size", Int),
            ("reused", Int),
            ("replays", Int),
            ("digest", Blob),
            ("dedupe", Text),
            ("message_type", Text),
            ("control_id", Text),
            ("sender", Text),
            ("correlation", Text),
            ("peer_address", Text),
            ("peer_identity", Text),
            ("parent", Place),
            ("nth", Int),
            ("answered", Int),
            ("answered_us", Int),
            ("imported_us", Int),
        ],
    },
    Table { name: "message_body", key: 1, unique: &[], columns: &[("seq", Place), ("body", Blob)] },
    Table {
        name: "message_trace",
        key: 1,
        unique: &[],
        columns: &[
            ("seq", Place),
            ("step", Text),
            ("place", Text),
            ("rule", Text),
            ("reason", Text),
            ("keys", Text),
            ("notes", Text),
            ("wrote", Text),
        ],
    },
    Table {
        name: "message_key",
        key: 3,
        unique: &[],
        columns: &[("value", Text), ("name", Int), ("seq", Place)],
    },
    Table {
        name: "resource",
        key: 1,
        unique: &["type", "id"],
        columns: &[
            ("rid", Int),
            ("type", Int),
            ("id", Text),
            ("version", Int),
            ("updated_us", Int),
            ("deleted", Int),
            ("digest", Blob),
            ("rows", SearchRows),
            ("body", Blob),
            ("by_at", Place),
            ("by_nth", Int),
            ("more", SearchRows),
            ("indexed", Int),
        ],
    },
    Table {
        name: "history",
        key: 2,
        unique: &[],
        columns: &[
            ("rid", Int),
            ("version", Int),
            ("updated_us", Int),
            ("deleted", Int),
            ("body", Blob),
            ("by_at", Place),
            ("by_nth", Int),
        ],
    },
    Table {
        name: "idx_token",
        key: 4,
        unique: &[],
        columns: &[("param", Int), ("code", Text), ("rid", Int), ("system", Int)],
    },
    Table {
        name: "idx_string",
        key: 4,
        unique: &[],
        columns: &[("param", Int), ("normal", Text), ("rid", Int), ("exact", Text)],
    },
    Table {
        name: "idx_reference",
        key: 4,
        unique: &[],
        columns: &[("param", Int), ("target", Text), ("rid", Int), ("kind", Int)],
    },
    Table {
        name: "idx_date",
        key: 5,
        unique: &[],
        columns: &[("param", Int), ("long", Int), ("low", Int), ("rid", Int), ("high", Int)],
    },
    Table {
        name: "idx_number",
        key: 6,
        unique: &[],
        columns: &[("param", Int), ("unit", Int), ("long", Int), ("low", Int), ("rid", Int), ("high", Int)],
    },
    Table {
        name: "contained",
        key: 2,
        unique: &[],
        columns: &[
            ("rid", Int),
            ("nth", Int),
            ("type", Int),
            ("id", Text),
            ("rows", SearchRows),
            ("more", SearchRows),
        ],
    },
    Table {
        name: "parcel",
        key: 1,
        unique: &["id"],
        columns: &[
            ("seq", Int),
            ("id", Blob),
            ("dest", Int),
            ("okey", Text),
            ("state", Int),
            ("due_us", Int),
            ("created_us", Int),
            ("attempts", Int),
            ("doubt", Int),
            ("begun", Int),
            ("message", Place),
            ("correlation", Text),
            ("error", Text),
        ],
    },
    Table {
        name: "parcel_body",
        key: 1,
        unique: &[],
        columns: &[("seq", Int), ("content_type", Text), ("body", Blob), ("answer", Blob)],
    },
    Table {
        name: "wake",
        key: 1,
        unique: &[],
        columns: &[("seq", Int), ("at_us", Int), ("event", Text), ("subject", Text)],
    },
    Table {
        name: "audit",
        key: 1,
        unique: &[],
        columns: &[
            ("seq", Int),
            ("at_us", Int),
            ("cause", Int),
            ("who", Text),
            ("request", Text),
            ("message", Place),
            ("writes", Int),
            ("parcels", Int),
        ],
    },
    Table {
        name: "deployment",
        key: 1,
        unique: &[],
        columns: &[
            ("number", Int),
            ("at_us", Int),
            ("who", Text),
            ("why", Text),
            ("node", Text),
            ("kind", Text),
            ("goes_to", Int),
            ("ended_us", Int),
            ("result", Text),
            ("reason", Text),
        ],
    },
    Table {
        name: "deployed_text",
        key: 1,
        unique: &["sha256"],
        columns: &[("id", Int), ("sha256", Blob), ("body", Blob)],
    },
    Table {
        name: "deployed_file",
        key: 2,
        unique: &[],
        columns: &[("deployment", Int), ("path", Text), ("text", Int)],
    },
    Table {
        name: "replay",
        key: 1,
        unique: &[],
        columns: &[
            ("number", Int),
            ("ordered_us", Int),
            ("ended_us", Int),
            ("state", Int),
            ("what", Text),
            ("newer", Text),
            ("owing", Text),
            ("rate", Int),
            ("at", ReplayPlace),
            ("nth", Int),
            ("last", ReplayPlace),
            ("sum", Text),
            ("holder", Int),
            ("held_us", Int),
        ],
    },
    Table {
        name: "attachment",
        key: 1,
        unique: &["sha256"],
        columns: &[
            ("place", Text),
            ("sha256", Blob),
            ("size", Int),
            ("media_type", Text),
            ("stored_us", Int),
            ("state", Int),
            ("due_us", Int),
        ],
    },
    Table {
        name: "parameter_set",
        key: 1,
        unique: &[],
        columns: &[("one", Int), ("changes", Int), ("seen", Int), ("generation", Int), ("definitions", Text)],
    },
    Table {
        name: "parameter_type",
        key: 1,
        unique: &[],
        columns: &[("type", Int), ("generation", Int), ("whole", Int), ("place", Text)],
    },
    Table { name: "attachment_need", key: 2, unique: &[], columns: &[("seq", Place), ("place", Text)] },
    Table { name: "attachment_use", key: 2, unique: &[], columns: &[("place", Text), ("resource", Text)] },
    Table {
        name: "account",
        key: 1,
        unique: &["name"],
        columns: &[
            ("id", Text),
            ("name", Text),
            ("roles", Text),
            ("stands_for", Text),
            ("opened_us", Int),
            ("disabled_us", Int),
            ("password", Text),
            ("totp", Blob),
            ("totp_step", Int),
            ("failed", Int),
            ("locked_us", Int),
        ],
    },
    Table {
        name: "account_invitation",
        key: 1,
        unique: &["digest"],
        columns: &[("account", Text), ("digest", Text), ("totp", Blob), ("until_us", Int)],
    },
    Table {
        name: "account_code",
        key: 1,
        unique: &[],
        columns: &[("phone", Text), ("digest", Text), ("tries", Int), ("until_us", Int)],
    },
    Table {
        name: "account_code_sent",
        key: 1,
        unique: &[],
        columns: &[("id", Text), ("phone", Text), ("address", Text), ("at_us", Int)],
    },
    Table {
        name: "oauth_client",
        key: 1,
        unique: &[],
        columns: &[
            ("id", Text),
            ("name", Text),
            ("kind", Int),
            ("redirects", Text),
            ("roles", Text),
            ("stands_for", Text),
            ("keys", Text),
            ("disabled", Int),
        ],
    },
    Table {
        name: "oauth_grant",
        key: 1,
        unique: &[],
        columns: &[
            ("digest", Text),
            ("account", Text),
            ("client", Text),
            ("redirect", Text),
            ("challenge", Text),
            ("scope", Text),
            ("nonce", Text),
            ("signed_in_us", Int),
            ("until_us", Int),
            ("session", Text),
            ("spent", Int),
        ],
    },
    Table {
        name: "oauth_session",
        key: 1,
        unique: &[],
        columns: &[
            ("id", Text),
            ("account", Text),
            ("client", Text),
            ("scope", Text),
            ("signed_in_us", Int),
            ("until_us", Int),
            ("ends_us", Int),
            ("ended_us", Int),
        ],
    },
    Table {
        name: "oauth_refresh",
        key: 1,
        unique: &[],
        columns: &[("digest", Text), ("session", Text), ("spent", Int)],
    },
    Table {
        name: "oauth_assertion",
        key: 2,
        unique: &[],
        columns: &[("client", Text), ("digest", Text), ("until_us", Int)],
    },
    Table {
        name: "oauth_key",
        key: 1,
        unique: &[],
        columns: &[("id", Text), ("secret", Blob), ("made_us", Int)],
    },
];

/// Tables of SQLite that are not moved row by row: the counters are counted anew, each database knows its own migrations, and the words of
/// texts are made anew when the hub starts on the other side.
pub(crate) const NOT_MOVED: [&str; 8] = [
    "tally",
    "_sqlx_migrations",
    "full_text_type",
    "full_text",
    "full_text_config",
    "full_text_data",
    "full_text_docsize",
    "full_text_idx",
];

impl Table {
    /// Its columns, with commas between them.
    pub fn column_list(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// The columns of its key, with commas between them.
    pub fn key_list(&self) -> String {
        self.columns[..self.key].iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// The places of a key's values in a statement, from this number on: `($1, $2)`.
    pub fn key_places(&self, from: usize) -> String {
        let places: Vec<String> = (from..from + self.key).map(|place| format!("${place}")).collect();
        format!("({})", places.join(", "))
    }
}
