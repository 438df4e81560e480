//! What a channel does with what comes before its mapping reads it: it takes it apart, and stops what its filter does not keep.

use hub_core::document::{Document, Split};
use hub_core::path::Path;
use hub_mapping::Condition;

/// `[parse]` and `[filter]` of a channel file.
#[derive(Clone, Debug)]
pub struct Door {
    /// The channel: `lis/oru-r01`.
    pub channel: String,
    /// The character set of messages that do not name theirs.
    pub charset: Option<String>,
    /// What there are several of in a frame or file.
    pub split: Option<Split>,
    /// Conditions that each must hold, and their words.
    keep: Vec<(String, Condition)>,
}

impl Door {
    /// Reads it. What cannot be read is left out: `huitong check` says so.
    pub fn of(channel: &str, file: &toml::Table) -> Self {
        let value = |table: &str, key: &str| file.get(table)?.get(key);
        let text = |key: &str| value("parse", key).and_then(toml::Value::as_str);
        let split = text("split").and_then(|split| match split {
            "messages" => Some(Split::Messages),
            path => Path::parse(path).ok().map(Split::At),
        });
        let keep = value("filter", "keep").and_then(toml::Value::as_array).into_iter().flatten();
        let keep = keep.filter_map(toml::Value::as_str);
        Self {
            channel: channel.to_owned(),
            charset: text("charset").map(str::to_owned),
            split,
            keep: keep
                .filter_map(|words| Some((words.to_owned(), Condition::compile(words).ok()?)))
                .collect(),
        }
    }

    /// Why the channel does not map a message; nothing when it does.
    pub fn stopped(&self, document: &dyn Document) -> Option<String> {
        let (words, _) =
            self.keep.iter().find(|(_, condition)| !condition.holds(document, document.root()))?;
        Some(format!(
            "`{words}` of channel `{}` does not hold, so that the hub does not map it",
            self.channel
        ))
    }
}
