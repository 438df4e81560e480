//! The schema of channel files, made of the keys their reader goes by and of the connectors and formats there are.

use hub_fhir::{Json, Object, ResourceType};
use hub_spec::{KEYS, KeyInfo, Need, Takes};

/// The version of the channel language.
const VERSION: i64 = 1;

/// The schema.
pub fn schema() -> Object {
    let mut schema = Object::new();
    schema.set("$schema", "http://json-schema.org/draft-07/schema#");
    schema.set("title", "Huitong: a channel");
    schema.set("description", "One flow of messages: docs/channels.md");
    for (name, value) in table("") {
        schema.push(name, value);
    }
    schema
}

/// The table of this name in [`KEYS`].
fn table(name: &str) -> Object {
    let mut known = Object::new();
    for info in KEYS.iter().filter(|info| info.table == name) {
        known.set(info.key, key(info));
    }
    let needed = KEYS.iter().filter(|info| info.table == name && info.need == Need::Required);
    let needed: Vec<Json> = needed.map(|info| Json::from(info.key)).collect();
    let mut table = of_type("object");
    table.set("properties", known);
    table.set("additionalProperties", false);
    if !needed.is_empty() {
        table.set("required", needed);
    }
    table
}

fn key(info: &KeyInfo) -> Object {
    let left_out = match info.need {
        Need::Required => String::new(),
        Need::Default(default) => format!(" Left out: {default}."),
    };
    let mut schema = Object::new();
    schema
        .set("description", format!("{}.{left_out} Example: `{}`", without_links(info.about), info.example));
    if info.table.is_empty() && info.key == "version" {
        schema.set("enum", vec![Json::from(VERSION)]);
        return schema;
    }
    for (name, value) in value(info.takes) {
        schema.push(name, value);
    }
    schema
}

fn value(takes: Takes) -> Object {
    let registry = crate::connectors::registry();
    match takes {
        Takes::Unsaid => Object::new(),
        Takes::Text | Takes::Path | Takes::Condition | Takes::Mapping | Takes::Fixture => of_type("string"),
        Takes::Words(words) => one_of(words.iter().copied()),
        Takes::Number(least, most) => {
            let mut number = of_type("integer");
            let bound = |bound: u64| Json::from(i64::try_from(bound).unwrap_or(i64::MAX));
            number.set("minimum", bound(least));
            number.set("maximum", bound(most));
            number
        }
        Takes::Source => one_of(registry.source_names()),
        Takes::Destination => one_of(registry.destination_names()),
        Takes::Format => one_of(hub_formats::FORMATS.iter().copied()),
        Takes::ResourceType => one_of(ResourceType::all().map(ResourceType::name)),
        Takes::Settings => of_type("object"),
        Takes::Table(name) => table(name),
        Takes::Tables(name) => list(table(name)),
        Takes::List(items) => list(value(*items)),
        Takes::Pairs(values) => {
            let mut pairs = of_type("object");
            pairs.set("additionalProperties", value(*values));
            pairs
        }
    }
}

fn list(items: Object) -> Object {
    let mut list = of_type("array");
    list.set("items", items);
    list
}

fn one_of<'w>(words: impl IntoIterator<Item = &'w str>) -> Object {
    let mut schema = Object::new();
    schema.set("enum", words.into_iter().map(Json::from).collect::<Vec<_>>());
    schema
}

fn of_type(name: &str) -> Object {
    let mut schema = Object::new();
    schema.set("type", name);
    schema
}

/// `[Conditions](mapping.md#conditions)` is `Conditions`: an editor shows the words far from the page they point into.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let (words, link) = (before.rsplit_once('['), after.split_once(')'));
        let (Some((before, words)), Some((_, after))) = (words, link) else { break };
        plain.push_str(before);
        plain.push_str(words);
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_left_out_and_their_words_kept() {
        assert_eq!(without_links("A [condition](mapping.md#conditions): x"), "A condition: x");
        assert_eq!(without_links("[a] and (b)"), "[a] and (b)");
    }
}
