//! When values are equal, equivalent, and which comes first (FHIRPath N1, "Equality", "Equivalence", "Comparison").

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use hub_fhir::{Json, Object};
use rust_decimal::Decimal;

use crate::item::{Content, Item, Items, Node};
use crate::number;
use crate::quantity::Quantity;
use crate::temporal::Sort;

/// Counts what is looked at: comparing large trees must end as well.
#[derive(Debug)]
pub(crate) struct Steps {
    used: Cell<u64>,
    limit: u64,
}

impl Steps {
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: Cell::new(0), limit }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.get()
    }

    /// Counts so many more. False: that is too many, and what is being compared need not be finished.
    pub(crate) fn take(&self, steps: u64) -> bool {
        let used = self.used.get().saturating_add(steps);
        self.used.set(used);
        used <= self.limit
    }
}

/// `=`: `None` is empty.
pub(crate) fn equal(left: &[Item<'_>], right: &[Item<'_>], steps: &Steps) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut known = Some(true);
    for (one, other) in left.iter().zip(right) {
        match item_equal(one, other, steps) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => known = None,
        }
    }
    known
}

/// `=` of two values.
pub(crate) fn item_equal(one: &Item<'_>, other: &Item<'_>, steps: &Steps) -> Option<bool> {
    let (of_one, of_other) = match (one.system(), other.system()) {
        (Some(of_one), Some(of_other)) => (of_one, of_other),
        (None, None) => return Some(nodes(one, other, false, steps)),
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
            one.compare(*other).map(|order| order == Ordering::Equal)
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
pub(crate) fn equivalent(left: &[Item<'_>], right: &[Item<'_>], steps: &Steps) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut taken = vec![false; right.len()];
    left.iter().all(|one| {
        let found = right
            .iter()
            .enumerate()
            .position(|(at, other)| !taken[at] && steps.take(1) && item_equivalent(one, other, steps));
        found.inspect(|at| taken[*at] = true).is_some()
    })
}

fn item_equivalent(one: &Item<'_>, other: &Item<'_>, steps: &Steps) -> bool {
    let (of_one, of_other) = match (one.system(), other.system()) {
        (Some(of_one), Some(of_other)) => (of_one, of_other),
        (None, None) => return nodes(one, other, true, steps),
        _ => return false,
    };
    match (&of_one, &of_other) {
        (Item::Boolean(one), Item::Boolean(other)) => one == other,
        (Item::String(one), Item::String(other)) => normal(one) == normal(other),
        (Item::Type(one), Item::Type(other)) => one.same(*other),
        (Item::Temporal(one), Item::Temporal(other)) => {
            (one.sort == Sort::Time) == (other.sort == Sort::Time) && one.equivalent(*other)
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
pub(crate) fn compare(one: &Item<'_>, other: &Item<'_>) -> Result<Option<Ordering>, String> {
    let wrong = || format!("`{}` cannot be compared with `{}`", one.kind(), other.kind());
    let (of_one, of_other) = match (one.system(), other.system()) {
        (Some(of_one), Some(of_other)) => (of_one, of_other),
        // A quantity with a comparator, or a primitive without a value: nothing is known.
        (of_one, of_other) => {
            let fits = |item: &Item<'_>, system: &Option<Item<'_>>| {
                let is_primitive =
                    item.node().is_some_and(|node| matches!(node.content, Content::Primitive { .. }));
                system.is_some() || is_primitive || item.kind().is_quantity()
            };
            return if fits(one, &of_one) && fits(other, &of_other) { Ok(None) } else { Err(wrong()) };
        }
    };
    match (&of_one, &of_other) {
        (Item::String(one), Item::String(other)) => Ok(Some(one.cmp(other))),
        (Item::Temporal(one), Item::Temporal(other))
            if (one.sort == Sort::Time) == (other.sort == Sort::Time) =>
        {
            Ok(one.compare(*other))
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
fn nodes(one: &Item<'_>, other: &Item<'_>, loosely: bool, steps: &Steps) -> bool {
    let (Some(one), Some(other)) = (one.node(), other.node()) else { return false };
    if one.address() == other.address() {
        return true;
    }
    if !one.kind.same(other.kind) && !loosely {
        return false;
    }
    let ((value, object), (other_value, other_object)) = (parts(one), parts(other));
    value.is_some() == other_value.is_some()
        && value.zip(other_value).is_none_or(|(one, other)| same(one, other, loosely, steps))
        && object.is_some() == other_object.is_some()
        && object.zip(other_object).is_none_or(|(one, other)| same_members(one, other, loosely, steps))
}

fn parts<'a>(node: &Node<'a>) -> (Option<&'a Json>, Option<&'a Object>) {
    match node.content {
        Content::Object(object) => (None, Some(object)),
        Content::Primitive { value, beside } => (value, beside),
    }
}

fn same_members(one: &Object, other: &Object, loosely: bool, steps: &Steps) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .all(|(name, value)| other.get(name).is_some_and(|other| same(value, other, loosely, steps)))
}

fn same(one: &Json, other: &Json, loosely: bool, steps: &Steps) -> bool {
    if !steps.take(1) {
        return false;
    }
    match (one, other) {
        (Json::Object(one), Json::Object(other)) => same_members(one, other, loosely, steps),
        (Json::Array(one), Json::Array(other)) if !loosely => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| same(one, other, false, steps))
        }
        (Json::Array(one), Json::Array(other)) => {
            let mut taken = vec![false; other.len()];
            let found = |item: &Json| {
                let at = (0..other.len()).find(|at| !taken[*at] && same(item, &other[*at], true, steps));
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
pub(crate) struct Distinct<'s, 'a> {
    items: Vec<Item<'a>>,
    by_print: HashMap<u64, Vec<usize>>,
    steps: &'s Steps,
}

impl<'s, 'a> Distinct<'s, 'a> {
    pub(crate) fn new(steps: &'s Steps) -> Self {
        Self { items: Vec::new(), by_print: HashMap::new(), steps }
    }

    /// Those of a collection.
    pub(crate) fn of(items: &Items<'a>, steps: &'s Steps) -> Self {
        let mut made = Self::new(steps);
        for item in items.iter() {
            made.add(item.clone());
        }
        made
    }

    /// Adds a value unless an equal one is there; says whether it was added.
    pub(crate) fn add(&mut self, item: Item<'a>) -> bool {
        let print = print(&item, self.steps);
        let is_new = !self.has_at(print, &item);
        if is_new {
            self.by_print.entry(print).or_default().push(self.items.len());
            self.items.push(item);
        }
        is_new
    }

    /// Whether an equal value is there.
    pub(crate) fn has(&self, item: &Item<'a>) -> bool {
        self.has_at(print(item, self.steps), item)
    }

    fn has_at(&self, print: u64, item: &Item<'a>) -> bool {
        let candidates = self.by_print.get(&print).map(Vec::as_slice).unwrap_or_default();
        let is_it =
            |at: &usize| self.steps.take(1) && item_equal(&self.items[*at], item, self.steps) == Some(true);
        candidates.iter().any(is_it)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn into_items(self) -> Items<'a> {
        self.items.into_iter().collect()
    }
}

/// A number that is the same for equal values. Dates share one, and quantities: they may be equal in many forms.
fn print(item: &Item<'_>, steps: &Steps) -> u64 {
    let mut hasher = DefaultHasher::new();
    let system = item.system();
    match &system {
        Some(Item::Boolean(value)) => value.hash(&mut hasher),
        Some(Item::String(text)) => text.hash(&mut hasher),
        Some(Item::Type(kind)) => kind.name().hash(&mut hasher),
        Some(Item::Temporal(_)) => 1u8.hash(&mut hasher),
        Some(number @ (Item::Integer(_) | Item::Decimal(_))) => {
            decimal(number).map(|value| value.normalize()).hash(&mut hasher);
        }
        Some(Item::Quantity(_)) => 2u8.hash(&mut hasher),
        Some(Item::Node(_)) | None => {
            if let Some(node) = item.node() {
                let (value, object) = parts(node);
                value.map(|value| json_print(value, steps)).hash(&mut hasher);
                object.map(|object| members_print(object, steps)).hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

/// The order of members does not matter.
fn members_print(object: &Object, steps: &Steps) -> u64 {
    object.iter().fold(0, |sum: u64, (name, value)| {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        json_print(value, steps).hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

fn json_print(json: &Json, steps: &Steps) -> u64 {
    let mut hasher = DefaultHasher::new();
    if !steps.take(1) {
        return 0;
    }
    match json {
        Json::Null => 0u8.hash(&mut hasher),
        Json::Bool(value) => value.hash(&mut hasher),
        Json::Number(digits) => number::decimal(digits).map(|value| value.normalize()).hash(&mut hasher),
        Json::String(text) => text.hash(&mut hasher),
        Json::Array(items) => items.iter().for_each(|item| json_print(item, steps).hash(&mut hasher)),
        Json::Object(object) => members_print(object, steps).hash(&mut hasher),
    }
    hasher.finish()
}
