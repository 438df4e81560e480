//! Periods: HL7 v2 DR, and pairs of dates within other types.

use hub_fhir::Json;

use super::build::Build;
use super::{Context, Misfit, Outcome, dates};
use crate::read::Value;

pub(super) fn period(value: Value<'_>, context: &Context<'_>) -> Outcome {
    between(value.part(1), value.part(2), context)
}

/// A period of two parts; nothing when neither has a value.
pub(super) fn between(
    start: Option<Value<'_>>,
    end: Option<Value<'_>>,
    context: &Context<'_>,
) -> Result<Option<Json>, Misfit> {
    let mut built = Build::default();
    if let Some(start) = start {
        built.put_some("start", dates::date_time(start, context)?);
    }
    if let Some(end) = end {
        built.put_some("end", dates::date_time(end, context)?);
    }
    built.finish()
}
