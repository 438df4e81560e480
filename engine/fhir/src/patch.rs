//! JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396) on trees that keep every digit.

use std::fmt;

use crate::json::{Json, MAX_DEPTH, Object};

/// More operations than these are refused.
pub const MAX_OPERATIONS: usize = 1_000;
/// What all `copy` operations of a patch may copy together, in values.
const MOST_COPIED: usize = 100_000;

/// Why a patch cannot be read or applied. Holds no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchError {
    /// Which operation, from 1; 0: the patch itself.
    pub operation: usize,
    /// Its name: `replace`.
    pub name: &'static str,
    /// Where it was to work: `/name/0/family`; empty where that is no path of elements and may be content.
    pub path: String,
    /// What was wrong or expected.
    pub what: String,
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.operation, self.path.as_str()) {
            (0, _) => f.write_str(&self.what),
            (nth, "") => write!(f, "operation {nth} (`{}`): {}", self.name, self.what),
            (nth, path) => write!(f, "operation {nth} (`{}` at `{path}`): {}", self.name, self.what),
        }
    }
}

impl std::error::Error for PatchError {}

impl PatchError {
    /// The patch as a whole is wrong.
    pub fn whole(what: impl Into<String>) -> Self {
        Self { operation: 0, name: "", path: String::new(), what: what.into() }
    }

    /// An operation is wrong. The path is told where it can be nothing but names of elements and places.
    pub fn at(operation: usize, name: &'static str, path: &str, what: impl Into<String>) -> Self {
        let is_plain = path.len() <= 200
            && path.bytes().all(|byte| byte.is_ascii_alphabetic() || b"/.[]_-".contains(&byte) || byte.is_ascii_digit())
            // A long number may be a patient's.
            && path.split(|sign: char| !sign.is_ascii_digit()).all(|digits| digits.len() <= 4);
        let path = if is_plain { path.to_owned() } else { String::new() };
        Self { operation, name, path, what: what.into() }
    }
}

/// A JSON Patch: operations that are done in order, all or none.
#[derive(Clone, Debug)]
pub struct JsonPatch(Vec<Operation>);

#[derive(Clone, Debug)]
struct Operation {
    name: &'static str,
    path: Pointer,
    /// For `copy` and `move`.
    from: Option<Pointer>,
    /// For `add`, `replace` and `test`.
    value: Option<Json>,
}

/// A JSON Pointer (RFC 6901).
#[derive(Clone, Debug)]
struct Pointer {
    text: String,
    steps: Vec<String>,
}

const NAMES: [&str; 6] = ["add", "remove", "replace", "move", "copy", "test"];

impl JsonPatch {
    /// Reads a patch document.
    pub fn read(document: &Json) -> Result<Self, PatchError> {
        let Json::Array(operations) = document else {
            return Err(PatchError::whole("a JSON Patch is an array of operations (RFC 6902)"));
        };
        if operations.len() > MAX_OPERATIONS {
            return Err(PatchError::whole(format!("more than {MAX_OPERATIONS} operations")));
        }
        let read = operations.iter().enumerate().map(|(at, operation)| Operation::read(at + 1, operation));
        Ok(Self(read.collect::<Result<_, _>>()?))
    }

    /// The tree after all operations.
    pub fn apply(&self, tree: &Object) -> Result<Object, PatchError> {
        let mut document = Json::Object(tree.clone());
        let mut copied = 0;
        for (at, operation) in self.0.iter().enumerate() {
            let wrong = |what: String| PatchError::at(at + 1, operation.name, &operation.path.text, what);
            operation.apply(&mut document, &mut copied).map_err(wrong)?;
        }
        match document {
            Json::Object(tree) => Ok(tree),
            _ => Err(PatchError::whole("the patch leaves no JSON object")),
        }
    }
}

impl Operation {
    fn read(nth: usize, operation: &Json) -> Result<Self, PatchError> {
        let text = |name| operation.get(name).and_then(Json::as_str);
        let name = text("op").and_then(|given| NAMES.into_iter().find(|name| *name == given));
        let wrong = |name, what: &str| PatchError::at(nth, name, "", what);
        let name = name.ok_or_else(|| {
            wrong("?", "expected an object with `op`: add, remove, replace, move, copy or test")
        })?;
        let pointer = |member| {
            let pointer = text(member).and_then(Pointer::read);
            let what = format!("expected `{member}` to be a JSON Pointer such as `/name/0/family`");
            pointer.ok_or_else(|| wrong(name, &what))
        };
        let path = pointer("path")?;
        let from = if matches!(name, "move" | "copy") { Some(pointer("from")?) } else { None };
        let needs_value = matches!(name, "add" | "replace" | "test");
        let value = if needs_value {
            Some(operation.get("value").cloned().ok_or_else(|| wrong(name, "`value` is missing"))?)
        } else {
            None
        };
        Ok(Self { name, path, from, value })
    }

    fn apply(&self, document: &mut Json, copied: &mut usize) -> Result<(), String> {
        let value = self.value.clone().unwrap_or(Json::Null);
        match (self.name, &self.from) {
            ("add", _) => self.path.add(document, value),
            ("remove", _) => self.path.remove(document).map(drop),
            ("replace", _) => {
                self.path.fits(&value)?;
                *self.path.find(document)? = value;
                Ok(())
            }
            ("move", Some(from)) => {
                if self.path.steps.len() > from.steps.len() && self.path.steps.starts_with(&from.steps) {
                    return Err("nothing can be moved into itself".to_owned());
                }
                let value = from.remove(document)?;
                self.path.add(document, value)
            }
            ("copy", Some(from)) => {
                let value = from.find(document)?.clone();
                *copied += count(&value);
                if *copied > MOST_COPIED {
                    return Err("too much is copied".to_owned());
                }
                self.path.add(document, value)
            }
            _ => match same(self.path.find(document)?, &value) {
                true => Ok(()),
                false => Err("the value is another one".to_owned()),
            },
        }
    }
}

impl Pointer {
    fn read(text: &str) -> Option<Self> {
        let steps = match text {
            "" => Vec::new(),
            text => {
                let steps = text.strip_prefix('/')?.split('/');
                steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
            }
        };
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        escapes.then(|| Self { text: text.to_owned(), steps })
    }

    /// Refuses a value that would stand too deep here.
    fn fits(&self, value: &Json) -> Result<(), String> {
        match self.steps.len() + depth(value) <= MAX_DEPTH {
            true => Ok(()),
            false => Err(format!("nested deeper than {MAX_DEPTH} levels")),
        }
    }

    fn find<'j>(&self, document: &'j mut Json) -> Result<&'j mut Json, String> {
        self.steps.iter().try_fold(document, |value, step| child(value, step))
    }

    /// What the last step stands in, and the step; `None` for the whole document.
    fn parent<'j>(&self, document: &'j mut Json) -> Result<Option<(&'j mut Json, &str)>, String> {
        let Some((last, before)) = self.steps.split_last() else { return Ok(None) };
        let parent = before.iter().try_fold(document, |value, step| child(value, step))?;
        Ok(Some((parent, last)))
    }

    fn add(&self, document: &mut Json, value: Json) -> Result<(), String> {
        self.fits(&value)?;
        let Some((parent, last)) = self.parent(document)? else {
            *document = value;
            return Ok(());
        };
        match parent {
            Json::Object(object) => {
                object.set(last, value);
                Ok(())
            }
            Json::Array(items) => {
                let at = if last == "-" { items.len() } else { index(last, items.len() + 1)? };
                items.insert(at, value);
                Ok(())
            }
            _ => Err(NOT_THERE.to_owned()),
        }
    }

    fn remove(&self, document: &mut Json) -> Result<Json, String> {
        let Some((parent, last)) = self.parent(document)? else {
            return Err("the whole resource cannot be removed".to_owned());
        };
        match parent {
            Json::Object(object) => object.remove(last).ok_or_else(|| NOT_THERE.to_owned()),
            Json::Array(items) => Ok(items.remove(index(last, items.len())?)),
            _ => Err(NOT_THERE.to_owned()),
        }
    }
}

const NOT_THERE: &str = "there is nothing at this path";

fn child<'j>(value: &'j mut Json, step: &str) -> Result<&'j mut Json, String> {
    match value {
        Json::Object(object) => object.get_mut(step).ok_or_else(|| NOT_THERE.to_owned()),
        Json::Array(items) => {
            let at = index(step, items.len())?;
            Ok(&mut items[at])
        }
        _ => Err(NOT_THERE.to_owned()),
    }
}

/// A place below `end` in an array (RFC 6901 §4: no leading zeros).
fn index(step: &str, end: usize) -> Result<usize, String> {
    let is_number = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_number && (step == "0" || !step.starts_with('0'));
    let at = if is_plain { step.parse().ok() } else { None };
    at.filter(|at| *at < end).ok_or_else(|| format!("expected a place in an array, below {end}"))
}

/// How many levels a value has.
fn depth(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Json::Object(object) => 1 + object.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
        _ => 0,
    }
}

fn count(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Json::Object(object) => 1 + object.iter().map(|(_, value)| count(value)).sum::<usize>(),
        _ => 1,
    }
}

/// RFC 6902 §4.6: numbers by value, members of objects in any order.
fn same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one == other || plain(one) == plain(other),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let has = |(name, value): (&str, &Json)| other.get(name).is_some_and(|other| same(value, other));
            one.len() == other.len() && one.iter().all(has)
        }
        _ => one == other,
    }
}

/// A number as its sign, its digits without zeros at either end, and the power of ten of the last digit. `None`: an exponent beyond
/// all reason, which equals its own text alone.
fn plain(number: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i64 = exponent.parse::<i32>().ok()?.into();
    let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => (true, mantissa),
        None => (false, mantissa),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    let kept = digits.trim_end_matches('0');
    let cut = i64::try_from(digits.len() - kept.len()).ok()?;
    let kept = kept.trim_start_matches('0').to_owned();
    if kept.is_empty() {
        return Some((false, kept, 0));
    }
    Some((is_negative, kept, exponent - i64::try_from(part.len()).ok()? + cut))
}

/// The tree after a merge patch (RFC 7396): members of the patch replace those of the tree, `null` takes them away.
pub fn merge_patch(tree: &Object, patch: &Object) -> Object {
    let mut merged = tree.clone();
    for (name, value) in patch.iter() {
        match (value, merged.get(name)) {
            (Json::Null, _) => drop(merged.remove(name)),
            (Json::Object(patch), Some(Json::Object(old))) => {
                let new = merge_patch(old, patch);
                merged.set(name, new);
            }
            // Nulls in what is new take nothing away, and are no members.
            (Json::Object(patch), _) => merged.set(name, merge_patch(&Object::new(), patch)),
            (value, _) => merged.set(name, value.clone()),
        }
    }
    merged
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
