//! The values of a FHIRPath Patch: `value[x]`, or parts that stand for the elements of a type without a name.

use compact_str::{CompactString, format_compact};
use hub_fhir::elements::{Element, TypeDef};
use hub_fhir::{Json, Object};

use crate::patch_place::Slot;

/// Parts may hold parts; deeper ones are refused.
const MAX_DEPTH: usize = 32;

/// The parts of a parameter.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'p>(pub(crate) &'p [Json]);

/// A value that is set.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// `value[x]`: the end of its name, its value and what stands beside it.
    Typed(CompactString, Json, Json),
    /// Elements by their names.
    Elements(Vec<(CompactString, Value)>),
}

impl<'p> Parts<'p> {
    fn named(self, name: &str) -> Option<&'p Json> {
        self.0.iter().find(|part| part.get("name").and_then(Json::as_str) == Some(name))
    }

    /// The text of a part, whichever of FHIR's types of text it has.
    pub(crate) fn text(self, name: &str) -> Option<&'p str> {
        let (_, value) = chosen(self.named(name)?)?;
        value.as_str()
    }

    /// The whole number of a part.
    pub(crate) fn place(self, name: &str) -> Option<usize> {
        match chosen(self.named(name)?)?.1 {
            Json::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// The part `value`.
    pub(crate) fn value(self) -> Result<Value, String> {
        let part = self.named("value").ok_or("expected a part `value`")?;
        value_of(part, 0)
    }
}

/// A part's `value[x]`: the end of its name, and the value.
fn chosen(part: &Json) -> Option<(&str, &Json)> {
    let object = part.as_object()?;
    object
        .iter()
        .find_map(|(name, value)| Some((name.strip_prefix("value").filter(|end| !end.is_empty())?, value)))
}

fn value_of(part: &Json, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err(format!("parts are nested deeper than {MAX_DEPTH} levels"));
    }
    let beside = part.as_object().and_then(|object| {
        object.iter().find_map(|(name, value)| Some((name.strip_prefix("_value")?, value)))
    });
    if let Some((of, value)) = chosen(part) {
        let beside =
            beside.filter(|(other, _)| *other == of).map_or(Json::Null, |(_, beside)| beside.clone());
        return Ok(Value::Typed(of.into(), value.clone(), beside));
    }
    if let Some((of, beside)) = beside {
        return Ok(Value::Typed(of.into(), Json::Null, beside.clone()));
    }
    let parts = part.get("part").map(Json::items).unwrap_or_default();
    if parts.is_empty() {
        return Err("`value` has neither a `value[x]` nor parts".to_owned());
    }
    let named = parts.iter().map(|part| {
        let name = part.get("name").and_then(Json::as_str).ok_or("a part of `value` has no name")?;
        Ok((CompactString::new(name), value_of(part, depth + 1)?))
    });
    Ok(Value::Elements(named.collect::<Result<_, String>>()?))
}

impl Value {
    /// The name in JSON of an element that has this value.
    pub(crate) fn json_name(&self, element: &'static Element) -> Result<CompactString, String> {
        if !element.is_choice() {
            return Ok(element.name.into());
        }
        let Value::Typed(of, ..) = self else { return Err(type_expected(element)) };
        let first_small = |of: &str| {
            let mut signs = of.chars();
            signs.next().map(|first| format_compact!("{}{}", first.to_ascii_lowercase(), signs.as_str()))
        };
        let name = element.json_name(of).or_else(|| element.json_name(&first_small(of)?));
        name.map(CompactString::new).ok_or_else(|| type_expected(element))
    }

    /// The value in JSON, and what stands beside it.
    pub(crate) fn made(&self, element: &'static Element) -> Result<(Json, Json), String> {
        match self {
            Value::Typed(_, value, beside) => Ok((value.clone(), beside.clone())),
            Value::Elements(parts) => {
                let def =
                    element.sole_type().and_then(|of| of.def()).ok_or_else(|| type_expected(element))?;
                Ok((Json::Object(object(def, parts)?), Json::Null))
            }
        }
    }
}

fn object(def: &'static TypeDef, parts: &[(CompactString, Value)]) -> Result<Object, String> {
    let mut object = Object::new();
    for (name, value) in parts {
        let choice = || def.elements.iter().find(|element| element.is_choice() && element.stem() == name);
        let element = def.element(name).or_else(choice);
        let element =
            element.ok_or_else(|| format!("`{}` has no element of the name of a part", def.name))?;
        let mut slot = Slot::of(&object, &value.json_name(element)?, element.is_list());
        if !element.is_list() && !slot.is_empty() {
            return Err(format!("`{}` stands there twice", element.name));
        }
        slot.insert(slot.len(), value.made(element)?);
        slot.write(&mut object);
    }
    Ok(object)
}

fn type_expected(element: &Element) -> String {
    let names: Vec<&str> = element.types.iter().map(|of| of.name).take(8).collect();
    format!("the value is of another type; expected {}", names.join(", "))
}
