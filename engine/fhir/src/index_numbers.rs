//! Makes the search rows of numbers and quantities (R4B §3.1.1.4.6 and §3.1.1.4.10).

use crate::fhirpath::{Item, Value};
use crate::index::IndexValue;
use crate::index_rows::{Add, text, type_name};
use crate::json::{Json, Object};
use crate::measure::{Unit, Written, place, point};

/// The code system of currencies, which `Money` is counted in.
const CURRENCIES: &str = "urn:iso:std:iso:4217";

pub(crate) fn number(item: Item<'_>, add: Add<'_>) {
    let Value::Json(Json::Number(digits)) = item.value else { return };
    if let Some(written) = Written::read(digits) {
        let (low, high) = point(written.value());
        add(IndexValue::Number { low, high });
    }
}

pub(crate) fn quantity(item: Item<'_>, add: Add<'_>) {
    let Value::Json(Json::Object(object)) = item.value else { return };
    match type_name(item) {
        "Money" => {
            let Some(value) = value_of(object) else { return };
            let currency = text(object, "currency");
            let counted = Counted { system: CURRENCIES, code: currency, name: None };
            counted.add(Some((value, Ends::Point)), None, add);
        }
        "Range" => {
            let end = |name| object.get(name).and_then(Json::as_object);
            let (low, high) = (end("low"), end("high"));
            let Some(counted) = low.or(high).map(Counted::of) else { return };
            let low = low.and_then(value_of).map(|value| (value, Ends::From));
            let high = high.and_then(value_of).map(|value| (value, Ends::UpTo));
            counted.add(low.or(high), low.and(high), add);
        }
        // What is sampled has many values, none of which is the quantity.
        "SampledData" => {}
        _ => {
            let Some(value) = value_of(object) else { return };
            let ends = match text(object, "comparator") {
                Some("<") => Ends::Below,
                Some("<=") => Ends::UpTo,
                Some(">=") => Ends::From,
                Some(">") => Ends::Above,
                _ => Ends::Point,
            };
            Counted::of(object).add(Some((value, ends)), None, add);
        }
    }
}

fn value_of(quantity: &Object) -> Option<Written> {
    match quantity.get("value")? {
        Json::Number(digits) => Written::read(digits),
        _ => None,
    }
}

/// Which numbers a value stands for.
#[derive(Clone, Copy)]
enum Ends {
    Point,
    Below,
    UpTo,
    From,
    Above,
}

impl Ends {
    fn span(self, number: f64) -> (i64, i64) {
        match self {
            Ends::Point => point(number),
            Ends::Below => (i64::MIN, place(number)),
            Ends::UpTo => (i64::MIN, place(number) + 1),
            Ends::From => (place(number), i64::MAX),
            Ends::Above => (place(number) + 1, i64::MAX),
        }
    }
}

/// What is counted.
struct Counted<'a> {
    system: &'a str,
    code: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> Counted<'a> {
    fn of(quantity: &'a Object) -> Self {
        Self {
            system: text(quantity, "system").unwrap_or_default(),
            code: text(quantity, "code"),
            name: text(quantity, "unit"),
        }
    }

    /// Adds the rows of what one value, or two together, stand for.
    fn add(&self, one: Option<(Written, Ends)>, other: Option<(Written, Ends)>, add: Add<'_>) {
        let Some(one) = one else { return };
        let span_of = |value: &dyn Fn(Written) -> Option<f64>| {
            let (low, high) = one.1.span(value(one.0)?);
            let Some(other) = other else { return Some((low, high)) };
            let (from, to) = other.1.span(value(other.0)?);
            // A range whose ends have changed places stands for nothing.
            Some((low.max(from), high.min(to))).filter(|(low, high)| low < high)
        };
        let Some((low, high)) = span_of(&|written| Some(written.value())) else { return };
        add(IndexValue::Number { low, high });
        for name in [self.code, self.name.filter(|name| Some(*name) != self.code)].into_iter().flatten() {
            add(IndexValue::Named { name: name.into(), low, high });
        }
        let Some(code) = self.code else { return };
        let unit = Unit::of(self.system, code);
        if let Some((low, high)) = span_of(&|written| unit.value(written)) {
            add(IndexValue::Measure { unit: unit.name, low, high });
        }
    }
}
