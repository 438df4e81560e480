//! When values are equal, equivalent, and which comes first (FHIRPath N1, "Equality", "Equivalence", "Comparison").

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use hub_fhir::{Json, Object};
use rust_decimal::Decimal;

use crate::item::{Content, Item, Items, Node};
use crate::number;
use crate::quantity::Quantity;
use crate::temporal::Sort;

/// `=`: `None` is empty. `zone`: minutes east of UTC for moments that do not say it.
pub(crate) fn equal(left: &[Item<'_>], right: &[Item<'_>], zone: i32) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut known = Some(true);
    for (one, other) in left.iter().zip(right) {
        match item_equal(one, other, zone) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => known = None,
        }
    }
    known
}

/// `=` of two values.
pub(crate) fn item_equal(one: &Item<'_>, other: &Item<'_>, zone: i32) -> Option<bool> {
    let (of_one, of_other) = match (one.system(), other.system()) {
        (Some(of_one), Some(of_other)) => (of_one, of_other),
        (None, None) => return Some(nodes(one, other, false)),
        _ => return Some(false),
    };
    match (&of_one, &of_other) {
        (Item::Boolean(one), Item::Boolean(other)) => Some(one == other),
        (Item::String(one), Item::String(other)) => Some(one == other),
        (Item::Type(one), Item::Type(other)) => Some(one.same(*other)),
        (Item::Temporal(one), Item::Temporal(other)) => {
            if (one.sort == Sort::Time) != (other.sort == Sort::Time) {
                return Some(false);
            }
            one.compare(*other, zone).map(|order| order == Ordering::Equal)
        }
        (one, other) => match (decimal(one), decimal(other)) {
            (Some(one), Some(other)) => Some(one == other),
            _ => match (as_quantity(one), as_quantity(other)) {
                (Some(one), Some(other)) => one.compare(&other).map(|order| order == Ordering::Equal),
                _ => Some(false),
            },
        },
    }
}

/// `~`: never empty; order does not matter.
pub(crate) fn equivalent(left: &[Item<'_>], right: &[Item<'_>], zone: i32) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut taken = vec![false; right.len()];
    left.iter().all(|one| {
        let found = right.iter().enumerate().position(|(at, other)| !taken[at] && item_equivalent(one, other, zone));
        found.inspect(|at| taken[*at] = true).is_some()
    })
}

fn item_equivalent(one: &Item<'_>, other: &Item<'_>, zone: i32) -> bool {
    let (of_one, of_other) = match (one.system(), other.system()) {
        (Some(of_one), Some(of_other)) => (of_one, of_other),
        (None, None) => return nodes(one, other, true),
        _ => return false,
    };
    match (&of_one, &of_other) {
        (Item::Boolean(one), Item::Boolean(other)) => one == other,
        (Item::String(one), Item::String(other)) => normal(one) == normal(other),
        (Item::Type(one), Item::Type(other)) => one.same(*other),
        (Item::Temporal(one), Item::Temporal(other)) => {
            (one.sort == Sort::Time) == (other.sort == Sort::Time) && one.equivalent(*other, zone)
        }
        (one, other) => match (decimal(one), decimal(other)) {
            (Some(one), Some(other)) => number::equivalent(one, other),
            _ => match (as_quantity(one), as_quantity(other)) {
                (Some(one), Some(other)) => one.equivalent(&other),
                _ => false,
            },
        },
    }
}

/// Case and kind of white space do not matter.
fn normal(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The number of an Integer or Decimal.
pub(crate) fn decimal(item: &Item<'_>) -> Option<Decimal> {
    match item {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        _ => None,
    }
}

/// A quantity, or a number as one without a unit.
pub(crate) fn as_quantity(item: &Item<'_>) -> Option<Quantity> {
    match item {
        Item::Quantity(quantity) => Some((**quantity).clone()),
        other => decimal(other).map(Quantity::of_number),
    }
}

/// Which of two values comes first. `Ok(None)` is empty; the error says what cannot be compared.
pub(crate) fn compare(one: &Item<'_>, other: &Item<'_>, zone: i32) -> Result<Option<Ordering>, String> {
    let wrong = || format!("`{}` cannot be compared with `{}`", one.kind(), other.kind());
    let (of_one, of_other) = match (one.system(), other.system()) {
        (Some(of_one), Some(of_other)) => (of_one, of_other),
        // A quantity with a comparator, or a primitive without a value: nothing is known.
        (of_one, of_other) => {
            let fits = |item: &Item<'_>, system: &Option<Item<'_>>| {
                let is_primitive = item.node().is_some_and(|node| matches!(node.content, Content::Primitive { .. }));
                system.is_some() || is_primitive || item.kind().is_quantity()
            };
            return if fits(one, &of_one) && fits(other, &of_other) { Ok(None) } else { Err(wrong()) };
        }
    };
    match (&of_one, &of_other) {
        (Item::String(one), Item::String(other)) => Ok(Some(one.cmp(other))),
        (Item::Temporal(one), Item::Temporal(other)) if (one.sort == Sort::Time) == (other.sort == Sort::Time) => {
            Ok(one.compare(*other, zone))
        }
        (one, other) => match (decimal(one), decimal(other)) {
            (Some(one), Some(other)) => Ok(Some(one.cmp(&other))),
            _ => match (as_quantity(one), as_quantity(other)) {
                (Some(one), Some(other)) => Ok(one.compare(&other)),
                _ => Err(wrong()),
            },
        },
    }
}

/// Complex elements: of the same type, with the same children.
fn nodes(one: &Item<'_>, other: &Item<'_>, loosely: bool) -> bool {
    let (Some(one), Some(other)) = (one.node(), other.node()) else { return false };
    if one.address() == other.address() {
        return true;
    }
    if !one.kind.same(other.kind) && !loosely {
        return false;
    }
    match (parts(one), parts(other)) {
        ((value, object), (other_value, other_object)) => {
            value.is_some() == other_value.is_some()
                && value.zip(other_value).is_none_or(|(one, other)| same(one, other, loosely))
                && object.is_some() == other_object.is_some()
                && object.zip(other_object).is_none_or(|(one, other)| same_members(one, other, loosely))
        }
    }
}

fn parts<'a>(node: &Node<'a>) -> (Option<&'a Json>, Option<&'a Object>) {
    match node.content {
        Content::Object(object) => (None, Some(object)),
        Content::Primitive { value, beside } => (value, beside),
    }
}

fn same_members(one: &Object, other: &Object, loosely: bool) -> bool {
    one.len() == other.len()
        && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other, loosely)))
}

fn same(one: &Json, other: &Json, loosely: bool) -> bool {
    match (one, other) {
        (Json::Object(one), Json::Object(other)) => same_members(one, other, loosely),
        (Json::Array(one), Json::Array(other)) if !loosely => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other, false))
        }
        (Json::Array(one), Json::Array(other)) => {
            let mut taken = vec![false; other.len()];
            let found = |item: &Json| {
                let at = (0..other.len()).find(|at| !taken[*at] && same(item, &other[*at], true));
                at.inspect(|at| taken[*at] = true).is_some()
            };
            one.len() == other.len() && one.iter().all(found)
        }
        (Json::Number(one), Json::Number(other)) => {
            one == other
                || match (number::decimal(one), number::decimal(other)) {
                    (Some(one), Some(other)) if loosely => number::equivalent(one, other),
                    (Some(one), Some(other)) => one == other,
                    _ => false,
                }
        }
        (Json::String(one), Json::String(other)) if loosely => normal(one) == normal(other),
        (one, other) => one == other,
    }
}

/// Values of which no two are equal, found quickly.
#[derive(Default)]
pub(crate) struct Distinct<'a> {
    items: Vec<Item<'a>>,
    by_print: HashMap<u64, Vec<usize>>,
    zone: i32,
}

impl<'a> Distinct<'a> {
    pub(crate) fn new(zone: i32) -> Self {
        Self { zone, ..Self::default() }
    }

    /// Those of a collection, and how many comparisons that took.
    pub(crate) fn of(items: &Items<'a>, zone: i32) -> (Self, u64) {
        let mut made = Self::new(zone);
        let mut looked = 0;
        for item in items.iter() {
            looked += made.add(item.clone()).1;
        }
        (made, looked)
    }

    /// Adds a value unless an equal one is there. Says whether it was added, and after how many comparisons.
    pub(crate) fn add(&mut self, item: Item<'a>) -> (bool, u64) {
        let print = print(&item);
        let (has, looked) = self.has_at(print, &item);
        if !has {
            self.by_print.entry(print).or_default().push(self.items.len());
            self.items.push(item);
        }
        (!has, looked)
    }

    /// Whether an equal value is there, and after how many comparisons.
    pub(crate) fn has(&self, item: &Item<'a>) -> (bool, u64) {
        self.has_at(print(item), item)
    }

    fn has_at(&self, print: u64, item: &Item<'a>) -> (bool, u64) {
        let candidates = self.by_print.get(&print).map(Vec::as_slice).unwrap_or_default();
        let found = candidates.iter().any(|at| item_equal(&self.items[*at], item, self.zone) == Some(true));
        (found, 1 + candidates.len() as u64)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn into_items(self) -> Items<'a> {
        self.items.into_iter().collect()
    }
}

/// A number that is the same for equal values. Dates and quantities share one each: they may be equal in many forms.
fn print(item: &Item<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match item.system() {
        Some(Item::Boolean(value)) => value.hash(&mut hasher),
        Some(Item::String(text)) => text.hash(&mut hasher),
        Some(Item::Type(kind)) => kind.name().hash(&mut hasher),
        Some(Item::Temporal(_)) => 1u8.hash(&mut hasher),
        // A number equals a quantity without a unit.
        Some(Item::Integer(_) | Item::Decimal(_) | Item::Quantity(_)) => {
            let value = item.system().as_ref().and_then(as_quantity);
            match value {
                Some(quantity) if quantity.unit == crate::quantity::Unit::one() => {
                    quantity.value.normalize().hash(&mut hasher);
                }
                _ => 2u8.hash(&mut hasher),
            }
        }
        Some(Item::Node(_)) | None => {
            if let Some(node) = item.node() {
                let (value, object) = parts(node);
                value.map(json_print).hash(&mut hasher);
                object.map(members_print).hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

fn members_print(object: &Object) -> u64 {
    object.iter().fold(0, |sum: u64, (name, value)| {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        json_print(value).hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

fn json_print(json: &Json) -> u64 {
    let mut hasher = DefaultHasher::new();
    match json {
        Json::Null => 0u8.hash(&mut hasher),
        Json::Bool(value) => value.hash(&mut hasher),
        Json::Number(digits) => number::decimal(digits).map(|value| value.normalize()).hash(&mut hasher),
        Json::String(text) => text.hash(&mut hasher),
        Json::Array(items) => items.iter().for_each(|item| json_print(item).hash(&mut hasher)),
        Json::Object(object) => members_print(object).hash(&mut hasher),
    }
    hasher.finish()
}
