//! References that point by number and name, not by an id of this store.

use hub_fhir::primitive::Primitive;

use super::build::{Build, text};
use super::{Context, Outcome, identifier, names, plain};
use crate::read::Value;

pub(super) fn xcn(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut built = Build::with_capacity(2);
    built.put_some("identifier", identifier::xcn(value, context)?);
    built.put_some("display", names::xcn_string(value, context)?);
    built.finish()
}

pub(super) fn xon(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut built = Build::with_capacity(2);
    built.put_some("identifier", identifier::xon(value, context)?);
    built.put_some("display", text(value.part(1))?);
    built.finish()
}

pub(super) fn pl(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut built = Build::with_capacity(1);
    built.put_some("display", pl_string(value, context)?);
    built.finish()
}

/// The description (component 9) when there is one; else facility, building, floor, point of care, room and bed.
pub(super) fn pl_string(value: Value<'_>, _: &Context<'_>) -> Outcome {
    if let Some(description) = text(value.part(9))? {
        return Ok(Some(description));
    }
    let words: Vec<_> = [4, 7, 8, 1, 2, 3].iter().filter_map(|part| value.part_text(*part)).collect();
    if words.is_empty() {
        return Ok(None);
    }
    plain::readable(value, &words.join(" "), Primitive::String)
}
