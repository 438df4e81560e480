//! PN, AD and TEL: names, addresses and telecommunication addresses (HL7 V3 data types §2.16, §2.18, §2.20).

use hub_fhir::{Json, primitive::Primitive};

use super::super::build::{Build, text};
use super::super::names::has_ideograph;
use super::super::{Context, Misfit, Outcome, plain};
use super::quantities::ivl_ts;
use crate::read::Value;

/// The parts of a name, in the order in which one line has them.
const NAME: [&str; 4] = ["prefix", "given", "family", "suffix"];
/// The parts of an address.
const ADDRESS: [&str; 10] = [
    "streetAddressLine",
    "streetName",
    "houseNumber",
    "additionalLocator",
    "precinct",
    "county",
    "city",
    "state",
    "postalCode",
    "country",
];

pub(in crate::functions) fn pn(value: Value<'_>, context: &Context<'_>) -> Outcome {
    if super::is_null(value) {
        return Ok(None);
    }
    let uses = value.child_text("@use");
    let usage = uses.as_deref().unwrap_or_default().split_whitespace().find_map(|word| match word {
        "L" | "OR" => Some("official"),
        "C" => Some("usual"),
        "P" => Some("nickname"),
        "ASGN" | "A" => Some("anonymous"),
        _ => None,
    });
    let mut built = Build::with_capacity(7);
    built.put_some("use", usage);
    let family = texts(value, "family")?;
    let parts: Vec<(&'static str, Vec<Json>)> = vec![
        ("given", texts(value, "given")?),
        ("prefix", texts(value, "prefix")?),
        ("suffix", texts(value, "suffix")?),
    ];
    let whole = family.is_empty() && parts.iter().all(|(_, texts)| texts.is_empty());
    if whole {
        // A name that is not taken apart, as Chinese documents have it.
        let Some(name) = text(Some(value))? else { return Ok(None) };
        built.put("text", name);
        return built.finish();
    }
    built.put_some("text", line_of(value, &NAME)?);
    let family: Vec<&str> = family.iter().filter_map(Json::as_str).collect();
    if !family.is_empty() {
        built.put("family", Json::string(family.join(" ")));
    }
    for (name, texts) in parts {
        built.list(name, texts);
    }
    built.put_some("period", period(value, context)?);
    built.finish()
}

/// The name in one line: Chinese family and given names without a blank.
pub(in crate::functions) fn pn_string(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let parts = NAME.map(|name| value.children(name));
    if parts.iter().all(Vec::is_empty) {
        return text(Some(value));
    }
    if let Some(line) = line_of(value, &NAME)? {
        return Ok(Some(line));
    }
    let [prefix, given, family, suffix] =
        parts.map(|part| part.iter().filter_map(Value::text).collect::<Vec<_>>().join(" "));
    let is_chinese = has_ideograph(&family) || has_ideograph(&given);
    let words = if is_chinese { vec![family, given] } else { vec![prefix, given, family, suffix] };
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    plain::readable(value, &words.join(if is_chinese { "" } else { " " }), Primitive::String)
}

pub(in crate::functions) fn ad(value: Value<'_>, context: &Context<'_>) -> Outcome {
    if super::is_null(value) {
        return Ok(None);
    }
    let uses = value.child_text("@use");
    let usage = uses.as_deref().unwrap_or_default().split_whitespace().find_map(|word| match word {
        "H" | "HP" | "HV" => Some("home"),
        "WP" | "DIR" | "PUB" => Some("work"),
        "TMP" => Some("temp"),
        "BAD" => Some("old"),
        _ => None,
    });
    let mut lines = texts(value, "streetAddressLine")?;
    // Chinese documents name the street and the house apart.
    for name in ["streetName", "houseNumber", "additionalLocator"] {
        lines.extend(texts(value, name)?);
    }
    let named = ["city", "state", "postalCode", "country"];
    let district = match value.child("county") {
        Some(county) => Some(county),
        None => value.child("precinct"),
    };
    let mut built = Build::with_capacity(8);
    built.put_some("use", usage);
    let nothing_named =
        lines.is_empty() && district.is_none() && named.iter().all(|name| value.child(name).is_none());
    if nothing_named {
        let Some(whole) = text(Some(value))? else { return Ok(None) };
        built.put("text", whole);
        return built.finish();
    }
    built.put_some("text", line_of(value, &ADDRESS)?);
    built.list("line", lines);
    built.text("city", value.child("city"))?;
    built.text("district", district)?;
    built.text("state", value.child("state"))?;
    built.text("postalCode", value.child("postalCode"))?;
    built.text("country", value.child("country"))?;
    built.put_some("period", period(value, context)?);
    built.finish()
}

pub(in crate::functions) fn tel(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let Some(url) = value.child("@value").filter(|url| url.text().is_some()) else { return Ok(None) };
    let whole = url.text().unwrap_or_default();
    // The case of a scheme says nothing (RFC 3986 §3.1).
    let scheme = whole.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
    let (system, number) = match scheme.as_ref().map(|(scheme, rest)| (scheme.as_str(), *rest)) {
        Some(("tel", number)) => ("phone", number),
        Some(("mailto", address)) => ("email", address),
        Some(("fax" | "x-text-fax", number)) => ("fax", number),
        Some(("http" | "https", _)) => ("url", whole.as_ref()),
        _ if whole.contains('@') => ("email", whole.as_ref()),
        _ => (context.system.unwrap_or("phone"), whole.as_ref()),
    };
    let uses = value.child_text("@use");
    let usage = uses.as_deref().unwrap_or_default().split_whitespace().find_map(|word| match word {
        "MC" => Some("mobile"),
        "H" | "HP" | "HV" => Some("home"),
        "WP" | "DIR" | "PUB" => Some("work"),
        "TMP" => Some("temp"),
        "BAD" => Some("old"),
        _ => None,
    });
    let mut built = Build::with_capacity(4);
    built.put("system", Json::string(system));
    built.put_some("value", plain::readable(url, number.trim(), Primitive::String)?);
    built.put_some("use", usage);
    built.put_some("period", period(value, context)?);
    built.finish()
}

/// Parts, and text beside them that nobody has named, in one line as they stand; nothing where all text stands in parts.
fn line_of(value: Value<'_>, names: &[&str]) -> Outcome {
    let mut words = value.children("#text");
    if words.is_empty() {
        return Ok(None);
    }
    words.extend(names.iter().flat_map(|name| value.children(name)));
    // Nodes count up through a document.
    words.sort_by_key(|word| word.node.0);
    let words: Vec<_> = words.iter().filter_map(Value::text).collect();
    let blank = if words.iter().any(|word| has_ideograph(word)) { "" } else { " " };
    plain::readable(value, &words.join(blank), Primitive::String)
}

fn texts(value: Value<'_>, name: &str) -> Result<Vec<Json>, Misfit> {
    let mut found = Vec::new();
    for part in value.children(name) {
        found.extend(text(Some(part))?);
    }
    Ok(found)
}

fn period(value: Value<'_>, context: &Context<'_>) -> Outcome {
    match value.child("validTime").or_else(|| value.child("useablePeriod")) {
        Some(period) => ivl_ts(period, context),
        None => Ok(None),
    }
}
