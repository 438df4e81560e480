//! Searches and histories with odd parameters: every name there is, with values of any kind, modifiers, chains, cursors and escapes.

use hub_fhir::ResourceType;
use hub_fhir::params::params_of;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::dice::Dice;
use crate::resources::kind;
use crate::texts::{self, SECRET};

const OWN: [&str; 34] = [
    "_id",
    "_lastUpdated",
    "_tag",
    "_profile",
    "_security",
    "_source",
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_include:iterate",
    "_revinclude:iterate",
    "_total",
    "_summary",
    "_elements",
    "_cursor",
    "_format",
    "_pretty",
    "_has",
    "_filter",
    "_text",
    "_content",
    "_list",
    "_type",
    "_query",
    "_contained",
    "_containedType",
    "_since",
    "_at",
    "_offset",
    "_page",
    "_score",
    "_language",
    "_in",
];
const MODIFIERS: [&str; 22] = [
    "",
    "",
    "",
    "",
    "",
    ":exact",
    ":contains",
    ":not",
    ":missing",
    ":text",
    ":in",
    ":not-in",
    ":above",
    ":below",
    ":identifier",
    ":of-type",
    ":Patient",
    ":Nonsense",
    ":iterate",
    ":",
    "::",
    ":exact:exact",
];
const PREFIXES: [&str; 14] = ["", "", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "xx", "eqeq"];

/// A value of a parameter, not yet escaped.
fn value(dice: &mut Dice) -> String {
    let prefix = *dice.one_of(&PREFIXES);
    let kind = kind(dice);
    let bare = match dice.below(24) {
        0 => "1980-02-11".to_owned(),
        1 => "2026-01-01T10:00:00.123456789+14:00".to_owned(),
        2 => dice
            .one_of(&[
                "0000",
                "9999-12-31",
                "2026-02-30",
                "2026-13",
                "-2026",
                "2026-01-01T25:00",
                "99999999999",
            ])
            .to_string(),
        3 => texts::number(dice),
        4 => format!("{}|{}", texts::odd(dice), texts::odd(dice)),
        5 => format!("{}|http://unitsofmeasure.org|g/dL", texts::number(dice)),
        6 => format!("5.4|http://unitsofmeasure.org|{}", texts::odd(dice)),
        7 => format!("{kind}/p"),
        8 => format!("http://hub/fhir/{kind}/p/_history/1"),
        9 => "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a".to_owned(),
        10 => texts::many(dice, "a,", 600),
        11 => texts::many(dice, SECRET, 300),
        12 => format!("a$b${}", texts::odd(dice)),
        13 => dice.one_of(&["true", "false", "maybe", "TRUE"]).to_string(),
        14 => format!("{kind}:{}", param(dice, kind)),
        15 => format!("{kind}:*"),
        16 => format!("-{},{}", param(dice, kind), param(dice, kind)),
        17 => {
            format!("({} eq \"{}\" and not ({} gt 5", param(dice, kind), texts::odd(dice), param(dice, kind))
        }
        18 => texts::many(dice, "(", 5_000),
        19 => dice.one_of(&["0", "1", "-1", "99999999999999999999", "1.5", "50"]).to_string(),
        20 => "A1.2.3.4".to_owned(),
        21 => dice
            .one_of(&[
                "json",
                "xml",
                "text",
                "data",
                "count",
                "summary",
                "accurate",
                "none",
                "application/fhir+json",
            ])
            .to_string(),
        22 => String::new(),
        _ => texts::odd(dice),
    };
    format!("{prefix}{bare}")
}

fn param(dice: &mut Dice, kind: ResourceType) -> String {
    let all = params_of(kind);
    match dice.below(5) {
        0 => (*dice.one_of(&OWN)).to_owned(),
        _ => dice.one_of(all).code.to_owned(),
    }
}

/// The name of a parameter with what stands around it.
fn name(dice: &mut Dice, kind_of: ResourceType) -> String {
    let other = kind(dice);
    let bare = param(dice, kind_of);
    let modifier = *dice.one_of(&MODIFIERS);
    match dice.below(10) {
        0 => format!("{bare}.{}{modifier}", param(dice, other)),
        1 => format!("{bare}:{other}.{}{modifier}", param(dice, other)),
        2 => format!("_has:{other}:{}:{}{modifier}", param(dice, other), param(dice, other)),
        3 => format!("{}{}", texts::many(dice, &format!("{bare}."), 12), bare),
        4 => {
            let link = format!("_has:{other}:{}:", param(dice, other));
            format!("{}{bare}", texts::many(dice, &link, 9))
        }
        5 => texts::odd_name(dice),
        _ => format!("{bare}{modifier}"),
    }
}

/// Escapes a text, mostly as it should be.
pub fn escaped(dice: &mut Dice, text: &str) -> String {
    match dice.below(12) {
        0 => text.chars().filter(|c| c.is_ascii_graphic() && !"#<>\"{}|\\^`&".contains(*c)).collect(),
        1 => format!("{}%", percent_encode(text.as_bytes(), NON_ALPHANUMERIC)),
        2 => format!("{}%ff%zz", percent_encode(text.as_bytes(), NON_ALPHANUMERIC)),
        3 => percent_encode(
            percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string().as_bytes(),
            NON_ALPHANUMERIC,
        )
        .to_string(),
        _ => percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string(),
    }
}

/// Parameters, escaped, as they stand behind the `?`.
pub fn query(dice: &mut Dice, kind: ResourceType) -> String {
    let count = match dice.below(20) {
        0 => dice.below(300),
        _ => dice.below(4),
    };
    let mut all = Vec::new();
    for _ in 0..count {
        let (name, mut value) = (name(dice, kind), value(dice));
        // The server's own parameters take names of parameters, and names may be told.
        if name.starts_with('_') {
            value = value.replace(SECRET, "name");
        }
        all.push(format!("{}={}", escaped(dice, &name), escaped(dice, &value)));
    }
    all.join("&")
}

/// A search whose parameters are sensible, but for one.
pub fn sensible(dice: &mut Dice, kind: ResourceType) -> String {
    let sorts = ["_lastUpdated", "-_lastUpdated", "_id", "-_id", "_lastUpdated,-_id"];
    let sort = *dice.one_of(&sorts);
    let mut text = format!("_count={}&_sort={sort}", dice.below(5) + 1);
    if dice.below(2) == 0 {
        let (name, value) = (param(dice, kind), value(dice).replace(SECRET, "name"));
        text.push_str(&format!("&{}={}", escaped(dice, &name), escaped(dice, &value)));
    }
    text
}
