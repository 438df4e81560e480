//! Literals: values the mapping itself gives, checked against the element they stand in.

use hub_core::finding::FindingKind;
use hub_fhir::elements::{Element, TypeDef, TypeKind, TypeRef};
use hub_fhir::{Json, Object};
use toml::Spanned;
use toml::de::DeValue;

use super::Compiler;
use super::level::{Level, Slot};
use crate::reading::{Sheet, Table, Word};

impl Compiler<'_> {
    /// The literal under `key`: one value, or several for a list.
    pub(super) fn literals(
        &self,
        table: &Table<'_, '_>,
        key: &str,
        slot: &Slot,
        level: Level,
    ) -> Option<Vec<Json>> {
        let value = table.value(key)?;
        let sheet = &table.sheet;
        let items: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
            DeValue::Array(items) if slot.many => items.iter().collect(),
            DeValue::Array(_) if matches!(level, Level::Fhir(_)) => {
                let message = format!("`{}` takes one value, not a list", slot.name);
                let help = format!("write one of them: `{key} = ..` without brackets");
                sheet.find_help(FindingKind::WrongCardinality, value.span(), message, Some(help));
                return None;
            }
            _ => vec![value],
        };
        let mut literals = Vec::with_capacity(items.len());
        for item in items {
            let json = to_json(sheet, item)?;
            if let Level::Fhir(_) = level {
                let Some(of) = slot.sole_type() else {
                    // A choice without a name is told by the line itself.
                    return Some(Vec::new());
                };
                let word = Word { text: &slot.name, span: item.span() };
                if !check(sheet, &word, of, slot.binding.is_some().then_some(slot), &json) {
                    return None;
                }
            }
            literals.push(json);
        }
        Some(literals)
    }
}

/// A TOML value as JSON. Numbers keep their digits.
fn to_json(sheet: &Sheet<'_>, value: &Spanned<DeValue<'_>>) -> Option<Json> {
    Some(match value.get_ref() {
        DeValue::String(text) => Json::string(text),
        DeValue::Boolean(truth) => Json::Bool(*truth),
        DeValue::Integer(number) if number.radix() == 10 => Json::Number(number.as_str().into()),
        DeValue::Float(number) if number.as_str().bytes().all(|byte| !byte.is_ascii_alphabetic()) => {
            Json::Number(number.as_str().trim_start_matches('+').into())
        }
        DeValue::Integer(_) | DeValue::Float(_) => {
            sheet.find(FindingKind::WrongType, value.span(), "a number is written with decimal digits");
            return None;
        }
        DeValue::Datetime(_) => {
            sheet.find(FindingKind::WrongType, value.span(), "a date is written as a string, in quotes");
            return None;
        }
        DeValue::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| to_json(sheet, item)).collect();
            Json::Array(items.into_iter().collect::<Option<_>>()?)
        }
        DeValue::Table(members) => {
            let mut object = Object::with_capacity(members.len());
            for (name, value) in members {
                object.set(name.get_ref(), to_json(sheet, value)?);
            }
            Json::Object(object)
        }
    })
}

/// Checks a literal against its type; findings say where in it something is wrong.
fn check(
    sheet: &Sheet<'_>,
    word: &Word<'_>,
    of: &'static TypeRef,
    bound: Option<&Slot>,
    json: &Json,
) -> bool {
    let wrong = |what: String| {
        sheet.find(FindingKind::WrongType, word.span.clone(), format!("`{}`: {what}", word.text));
        false
    };
    match of.kind {
        TypeKind::Primitive(primitive) => {
            if let Err(expected) = primitive.check(json) {
                return wrong(expected.to_owned());
            }
            if let (Some(slot), Json::String(code)) = (bound, json)
                && let Some(set) = slot.binding
                && !set.has_code(code)
            {
                let known: Vec<_> = set.codes().take(24).collect();
                let message = format!("`{}` does not take the code `{code}`", word.text);
                let help = format!("`{}` allows: {}", set.name, known.join(", "));
                sheet.find_help(FindingKind::UnknownCode, word.span.clone(), message, Some(help));
                return false;
            }
            true
        }
        TypeKind::AnyResource => wrong("a resource within a resource is not written by a mapping".to_owned()),
        TypeKind::Complex(_) => {
            let (Some(object), Some(def)) = (json.as_object(), of.def()) else {
                return wrong(format!("expected {} as a table of its elements", of.name));
            };
            check_object(sheet, word, def, object)
        }
    }
}

fn check_object(sheet: &Sheet<'_>, word: &Word<'_>, def: &'static TypeDef, object: &Object) -> bool {
    let mut right = true;
    for (name, value) in object.iter() {
        let path = format!("{}.{name}", word.text);
        let inner = Word { text: &path, span: word.span.clone() };
        let level = Level::Fhir(def);
        let name_word = Word { text: name, span: word.span.clone() };
        let Some(slot) = level.slot(sheet, &name_word) else {
            right = false;
            continue;
        };
        let Some(of) = slot.sole_type() else { continue };
        match (slot.many, value) {
            (true, Json::Array(items)) => {
                right &= items.iter().all(|item| check(sheet, &inner, of, Some(&slot), item));
            }
            (true, _) => {
                let message = format!("`{path}` is a list: write `{name} = [..]`");
                sheet.find(FindingKind::WrongCardinality, word.span.clone(), message);
                right = false;
            }
            (false, value) => right &= check(sheet, &inner, of, Some(&slot), value),
        }
    }
    let missing = |element: &&Element| {
        let there = object.get(element.name).is_some();
        element.min > 0 && !there && !element.concrete.iter().any(|name| object.get(name).is_some())
    };
    for element in def.elements.iter().filter(missing) {
        let message = format!("`{}` needs `{}`", word.text, element.name);
        sheet.find(FindingKind::MissingKey, word.span.clone(), message);
        right = false;
    }
    right
}
