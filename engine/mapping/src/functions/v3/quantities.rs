//! TS, PQ and intervals of them (HL7 V3 data types §2.23, §2.24, §3.2).

use hub_fhir::Json;

use super::super::build::{Build, text};
use super::super::systems::UCUM;
use super::super::{Context, Misfit, Outcome, dates, numbers};
use crate::read::Value;

/// The moment stands in the attribute `value`.
fn at(value: Value<'_>) -> Value<'_> {
    value.child("@value").unwrap_or(value)
}

pub(in crate::functions) fn ts_moment(value: Value<'_>, context: &Context<'_>) -> Outcome {
    dates::date_time(at(value), context)
}

pub(in crate::functions) fn ts_date(value: Value<'_>, context: &Context<'_>) -> Outcome {
    dates::date(at(value), context)
}

pub(in crate::functions) fn ts_instant(value: Value<'_>, context: &Context<'_>) -> Outcome {
    dates::instant(at(value), context)
}

/// `low` and `high`; one moment alone is the start.
pub(in crate::functions) fn ivl_ts(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut built = Build::with_capacity(2);
    let bound = |name: &str| value.child(name).map_or(Ok(None), |bound| moment(bound, context));
    let start = match bound("low")? {
        None => moment(value, context)?,
        start => start,
    };
    built.put_some("start", start);
    built.put_some("end", bound("high")?);
    built.finish()
}

/// A bound without a value is open or unknown.
fn moment(value: Value<'_>, context: &Context<'_>) -> Outcome {
    value.child("@value").map_or(Ok(None), |at| dates::date_time(at, context))
}

pub(in crate::functions) fn pq(value: Value<'_>, _: &Context<'_>) -> Outcome {
    let Some(number) = value.child("@value").filter(|number| number.text().is_some()) else {
        return Ok(None);
    };
    let Some(parsed) = numbers::parse(&number.text().unwrap_or_default()) else {
        return Err(Misfit::new(number, "expected a number"));
    };
    let mut built = Build::with_capacity(4);
    built.put("value", Json::Number(parsed));
    if let Some(unit) = text(value.child("@unit"))? {
        built.put("unit", unit.clone());
        built.put("system", UCUM);
        built.put("code", unit);
    }
    built.finish()
}

pub(in crate::functions) fn ivl_pq(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut built = Build::with_capacity(2);
    for name in ["low", "high"] {
        let made = value.child(name).map_or(Ok(None), |bound| pq(bound, context))?;
        built.put_some(name, made);
    }
    built.finish()
}
