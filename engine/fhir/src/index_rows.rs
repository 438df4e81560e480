//! Makes the search rows of a resource.

use std::sync::{LazyLock, OnceLock};

use compact_str::CompactString;

use crate::aspects::{Aspect, aspects};
use crate::composite::{self, Composite};
use crate::fhirpath::{Item, Value, points_at, split_literal};
use crate::index::{IndexRow, IndexValue, ParamId};
use crate::index_numbers::{number, quantity};
use crate::json::{Json, Object};
use crate::moment;
use crate::normal::normal;
use crate::parameters::Parameters;
use crate::params::{Param, ParamKind, indexed, params_of};
use crate::types::ResourceType;

/// Every row that the supported parameters of `kind` give for this tree: sorted, each once.
pub fn rows(kind: ResourceType, tree: &Object) -> Vec<IndexRow> {
    rows_of(kind, tree, Parameters::of_r4b())
}

/// The same with the server's own parameters.
pub fn rows_of(kind: ResourceType, tree: &Object, parameters: &Parameters) -> Vec<IndexRow> {
    let mut rows = Vec::with_capacity(32);
    for (param, finder) in indexed(kind).iter().chain(parameters.indexed(kind)) {
        let param_id = param.id;
        finder.each(tree, &mut |item| {
            let mut put = |aspect, value| rows.push(IndexRow { param: param_id, aspect, value });
            value_of(param, item, &mut |value| put(Aspect::Value, value));
            aspects(param, item, &mut put);
        });
    }
    for (param, composite) in composites(kind).iter().chain(parameters.composites(kind)) {
        for group in composite.groups(tree) {
            rows.push(IndexRow { param: *param, aspect: Aspect::Value, value: IndexValue::Group(group) });
        }
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// A composite parameter and what it is made of.
pub(crate) type Made = (ParamId, &'static Composite);

/// The composites of a type.
fn composites(kind: ResourceType) -> &'static [Made] {
    static KNOWN: LazyLock<Vec<OnceLock<Vec<Made>>>> =
        LazyLock::new(|| ResourceType::all().map(|_| OnceLock::new()).collect());
    KNOWN[kind.index()].get_or_init(|| {
        params_of(kind).iter().filter_map(|param| Some((param.id, composite::of(param)?))).collect()
    })
}

/// What one parameter finds: sorted, each once.
pub(crate) fn values(param: &Param, tree: &Object) -> Vec<IndexValue> {
    let mut values = Vec::new();
    if let Some(finder) = param.finder() {
        finder.each(tree, &mut |item| value_of(param, item, &mut |value| values.push(value)));
    }
    values.sort_unstable();
    values.dedup();
    values
}

/// What a parameter is searched by in one element.
fn value_of(param: &Param, item: Item<'_>, add: Add<'_>) {
    match param.kind {
        ParamKind::Token => token(item, add),
        ParamKind::String => string(item, add),
        ParamKind::Reference => reference(item, add),
        ParamKind::Date => date(item, add),
        ParamKind::Number => number(item, add),
        ParamKind::Quantity => quantity(item, add),
        ParamKind::Uri => uri(item, add),
        ParamKind::Composite | ParamKind::Special => {}
    }
}

pub(crate) type Add<'f> = &'f mut dyn FnMut(IndexValue);

pub(crate) fn type_name(item: Item<'_>) -> &'static str {
    item.of.map_or("", |(of, _)| of.name)
}

pub(crate) fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Json::as_str).filter(|text| !text.is_empty())
}

pub(crate) fn entries<'a>(object: &'a Object, name: &str) -> &'a [Json] {
    object.get(name).map(Json::items).unwrap_or_default()
}

fn token(item: Item<'_>, add: Add<'_>) {
    let mut put = |system: &str, code: &str| {
        add(IndexValue::Token { system: system.into(), code: code.into() });
    };
    let json = match item.value {
        Value::Truth(truth) => return put("", if truth { "true" } else { "false" }),
        Value::Json(json) => json,
        Value::Resource(_) => return,
    };
    match json {
        Json::Bool(truth) => put("", if *truth { "true" } else { "false" }),
        Json::Number(digits) => put("", digits),
        Json::String(code) if !code.is_empty() => {
            let binding = item.of.and_then(|(_, element)| element.binding);
            put(binding.and_then(|set| set.sole_system()).unwrap_or_default(), code);
        }
        Json::Object(object) => match type_name(item) {
            "Coding" => coding(object, &mut put),
            "CodeableConcept" => concept(object, &mut put),
            "CodeableReference" => {
                if let Some(inner) = object.get("concept").and_then(Json::as_object) {
                    concept(inner, &mut put);
                }
            }
            "Identifier" => {
                if let Some(value) = text(object, "value") {
                    put(text(object, "system").unwrap_or_default(), value);
                }
            }
            "ContactPoint" => {
                if let Some(value) = text(object, "value") {
                    put("", value);
                }
            }
            _ => {}
        },
        Json::Null | Json::String(_) | Json::Array(_) => {}
    }
}

fn concept(object: &Object, put: &mut impl FnMut(&str, &str)) {
    for inner in entries(object, "coding").iter().filter_map(Json::as_object) {
        coding(inner, put);
    }
}

fn coding(object: &Object, put: &mut impl FnMut(&str, &str)) {
    if let Some(code) = text(object, "code") {
        put(text(object, "system").unwrap_or_default(), code);
    }
}

fn string(item: Item<'_>, add: Add<'_>) {
    let mut put = |exact: &str| {
        let normal = normal(exact);
        if !normal.is_empty() {
            add(IndexValue::String { normal, exact: exact.into() });
        }
    };
    let Value::Json(json) = item.value else { return };
    match json {
        Json::String(text) => put(text),
        Json::Object(object) => match type_name(item) {
            "HumanName" => human_name(object, &mut put),
            "Address" => {
                for name in ["text", "line", "city", "district", "state", "postalCode", "country"] {
                    entries(object, name).iter().filter_map(Json::as_str).for_each(&mut put);
                }
            }
            _ => {}
        },
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => {}
    }
}

/// Every part, the text, and family and given names together, so that a whole name is found as it is spoken:
/// `王小明` without a space, `zhang wei` with one.
fn human_name(name: &Object, put: &mut impl FnMut(&str)) {
    for part in ["text", "family", "given", "prefix", "suffix"] {
        entries(name, part).iter().filter_map(Json::as_str).for_each(&mut *put);
    }
    let given = entries(name, "given");
    if let (Some(family), false) = (text(name, "family"), given.is_empty()) {
        let space = if family.is_ascii() || !family.contains(is_ideograph) { " " } else { "" };
        let mut whole = CompactString::new(family);
        for part in given.iter().filter_map(Json::as_str) {
            whole.push_str(space);
            whole.push_str(part);
        }
        put(&whole);
    }
}

/// Of the CJK Unified Ideographs blocks: names in these are written without a space.
fn is_ideograph(letter: char) -> bool {
    matches!(letter, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// A URI as it stands; a token without a system.
fn uri(item: Item<'_>, add: Add<'_>) {
    if let Value::Json(Json::String(uri)) = item.value
        && !uri.is_empty()
    {
        add(IndexValue::Token { system: CompactString::const_new(""), code: uri.clone() });
    }
}

fn reference(item: Item<'_>, add: Add<'_>) {
    match (item.value, type_name(item)) {
        (Value::Json(Json::Object(object)), "Reference") => literal(object, add),
        (Value::Json(Json::Object(object)), "CodeableReference") => {
            if let Some(inner) = object.get("reference").and_then(Json::as_object) {
                literal(inner, add);
            }
        }
        (Value::Json(Json::Object(resource)), "Resource") => {
            let kind = text(resource, "resourceType").and_then(ResourceType::from_name);
            if let (Some(kind), Some(id)) = (kind, text(resource, "id")) {
                add(IndexValue::Reference { kind: Some(kind), id: id.into() });
            }
        }
        // A canonical or uri: the whole URL.
        (Value::Json(Json::String(url)), _) if !url.is_empty() && !url.starts_with('#') => {
            add(IndexValue::Reference { kind: None, id: url.clone() });
        }
        _ => {}
    }
}

/// A relative reference gives type and id; any other is kept whole; one into the resource itself gives nothing.
fn literal(reference: &Object, add: Add<'_>) {
    let Some(literal) = text(reference, "reference") else { return };
    if literal.starts_with('#') {
        return;
    }
    let kind = points_at(reference);
    let id = match split_literal(literal) {
        Some((kind, id)) if literal.starts_with(kind.name()) => id,
        _ => literal,
    };
    add(IndexValue::Reference { kind, id: id.into() });
}

fn date(item: Item<'_>, add: Add<'_>) {
    let span = match item.value {
        Value::Json(Json::String(text)) => moment::read(text).map(|moment| (moment.low, moment.high)),
        Value::Json(Json::Object(object)) => match type_name(item) {
            "Period" => period(object),
            "Timing" => timing(object),
            _ => None,
        },
        _ => None,
    };
    if let Some((low, high)) = span {
        add(IndexValue::Date { low, high });
    }
}

/// An open end reaches to the end of time. A period without any end, or with a start after its end, is no span.
fn period(period: &Object) -> Option<(i64, i64)> {
    let end_of = |name| text(period, name).map(|text| moment::read(text).ok_or(()));
    let (start, end) = (end_of("start").transpose().ok()?, end_of("end").transpose().ok()?);
    if start.is_none() && end.is_none() {
        return None;
    }
    let low = start.map_or(i64::MIN, |moment| moment.low);
    let high = end.map_or(i64::MAX, |moment| moment.high);
    (low < high).then_some((low, high))
}

/// From the first event to the last, the bounds of the repetition included (R4B §3.1.1.4.7: outer limits).
fn timing(timing: &Object) -> Option<(i64, i64)> {
    let events = entries(timing, "event").iter().filter_map(Json::as_str).filter_map(moment::read);
    let events = events.map(|moment| (moment.low, moment.high));
    let bounds = timing.get("repeat").and_then(|repeat| repeat.get("boundsPeriod")?.as_object());
    events.chain(bounds.and_then(period)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}
