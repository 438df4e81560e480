//! FHIRPath Patch (R4B, <https://hl7.org/fhir/R4B/fhirpatch.html>): operations on elements that expressions lead to.

use compact_str::CompactString;
use hub_fhir::elements::{Element, TypeDef, of_resource, type_of};
use hub_fhir::patch::{MAX_OPERATIONS, PatchError};
use hub_fhir::{Json, Object, ResourceType};
use time::OffsetDateTime;

use crate::environment::Environment;
use crate::expression::{Expression, On};
use crate::item::Item;
use crate::patch_place::{Place, Slot, find};
use crate::patch_value::{Parts, Value};

/// A patch: operations that are done in order, all or none.
#[derive(Clone, Debug)]
pub struct FhirPatch(Vec<Operation>);

#[derive(Clone, Debug)]
struct Operation {
    path: CompactString,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// A child of this name of what the path leads to.
    Add(CompactString, Value),
    /// At this place of the list that the path names.
    Insert(usize, Value),
    Delete,
    Replace(Value),
    /// From one place of the list that the path names to another.
    Move(usize, usize),
}

impl What {
    fn name(&self) -> &'static str {
        match self {
            What::Add(..) => "add",
            What::Insert(..) => "insert",
            What::Delete => "delete",
            What::Replace(_) => "replace",
            What::Move(..) => "move",
        }
    }
}

impl FhirPatch {
    /// Reads a Parameters resource.
    pub fn read(parameters: &Object) -> Result<Self, PatchError> {
        let is_parameters = parameters.get("resourceType").and_then(Json::as_str) == Some("Parameters");
        if !is_parameters {
            return Err(PatchError::whole("a FHIRPath Patch is a resource `Parameters`"));
        }
        let parameters = parameters.get("parameter").map(Json::items).unwrap_or_default();
        if parameters.len() > MAX_OPERATIONS {
            return Err(PatchError::whole(format!("more than {MAX_OPERATIONS} operations")));
        }
        let read = parameters.iter().enumerate().map(|(at, parameter)| Operation::read(at + 1, parameter));
        Ok(Self(read.collect::<Result<_, _>>()?))
    }

    /// The resource after all operations. `now` is what `now()` says in a path.
    pub fn apply(&self, resource: &Object, now: OffsetDateTime) -> Result<Object, PatchError> {
        let mut tree = resource.clone();
        for (at, operation) in self.0.iter().enumerate() {
            let wrong = |what: String| PatchError::at(at + 1, operation.what.name(), &operation.path, what);
            operation.apply(&mut tree, now).map_err(wrong)?;
        }
        Ok(tree)
    }
}

impl Operation {
    fn read(nth: usize, parameter: &Json) -> Result<Self, PatchError> {
        let wrong = |name, what: String| PatchError::at(nth, name, "", what);
        if parameter.get("name").and_then(Json::as_str) != Some("operation") {
            return Err(wrong("?", "expected a parameter named `operation`".to_owned()));
        }
        let parts = Parts(parameter.get("part").map(Json::items).unwrap_or_default());
        let text = |name, part: &'static str| {
            let what = || wrong(name, format!("expected a part `{part}` with a text"));
            parts.text(part).map(CompactString::new).ok_or_else(what)
        };
        let place = |name, part: &'static str| {
            let what = || wrong(name, format!("expected a part `{part}` with a whole number from 0"));
            parts.place(part).ok_or_else(what)
        };
        let value = |name| parts.value().map_err(|what| wrong(name, what));
        let what = match parts.text("type") {
            Some("add") => What::Add(text("add", "name")?, value("add")?),
            Some("insert") => What::Insert(place("insert", "index")?, value("insert")?),
            Some("delete") => What::Delete,
            Some("replace") => What::Replace(value("replace")?),
            Some("move") => What::Move(place("move", "source")?, place("move", "destination")?),
            _ => {
                let what = "expected a part `type`: add, insert, delete, replace or move";
                return Err(wrong("?", what.to_owned()));
            }
        };
        let path = text(what.name(), "path")?;
        Ok(Self { path, what })
    }

    fn apply(&self, tree: &mut Object, now: OffsetDateTime) -> Result<(), String> {
        match &self.what {
            What::Add(name, value) => {
                let owner = self.one(&self.path, tree, now)?.ok_or(NOTHING)?;
                let def = owner.def.ok_or("nothing can be added to a value without elements")?;
                let element = element_of(def, name)?;
                let json_name = value.json_name(element)?;
                let object = owner.object(tree)?;
                if element.is_choice() && element.concrete.iter().any(|name| object.get(name).is_some()) {
                    return Err(THERE.to_owned());
                }
                let mut slot = Slot::of(object, &json_name, element.is_list());
                if !element.is_list() && !slot.is_empty() {
                    return Err(THERE.to_owned());
                }
                slot.insert(slot.len(), value.made(element)?);
                slot.write(object);
                Ok(())
            }
            What::Insert(at, value) => self.in_list(tree, now, |slot, element| {
                if *at > slot.len() {
                    return Err(format!("the list has {} elements", slot.len()));
                }
                slot.insert(*at, value.made(element)?);
                Ok(())
            }),
            What::Move(from, to) => self.in_list(tree, now, |slot, _| {
                if (*from).max(*to) >= slot.len() {
                    return Err(format!("the list has {} elements", slot.len()));
                }
                let moved = slot.remove(*from);
                slot.insert(*to, moved);
                Ok(())
            }),
            What::Delete => {
                // R4B: what is not there need not be deleted.
                let Some(place) = self.one(&self.path, tree, now)? else { return Ok(()) };
                let (mut slot, at, object) = place.slot(tree)?;
                slot.remove(at);
                slot.write(object);
                Ok(())
            }
            What::Replace(value) => {
                let place = self.one(&self.path, tree, now)?.ok_or(NOTHING)?;
                let element = place.element.ok_or("the resource itself cannot be replaced")?;
                let json_name = value.json_name(element)?;
                let made = value.made(element)?;
                let (mut slot, at, object) = place.slot(tree)?;
                slot.remove(at);
                if slot.name != json_name {
                    // A choice of another type.
                    slot.write(object);
                    slot = Slot::of(object, &json_name, element.is_list());
                }
                slot.insert(at.min(slot.len()), made);
                slot.write(object);
                Ok(())
            }
        }
    }

    /// The one element that a path leads to; `None` where there is none.
    fn one(&self, path: &str, tree: &Object, now: OffsetDateTime) -> Result<Option<Place>, String> {
        let kind = tree.get("resourceType").and_then(Json::as_str).unwrap_or_default();
        let on = On::the(kind).ok_or("the resource has no type of R4B")?;
        let expression = Expression::compile(path, &on).map_err(|wrong| format!("the path: {wrong}"))?;
        let items = expression.evaluate_resource(tree, &Environment::of(tree, now));
        let items = items.map_err(|wrong| format!("the path: {wrong}"))?;
        match items.as_slice() {
            [] => Ok(None),
            [Item::Node(node)] => Ok(Some(find(tree, node).ok_or(NOT_IN_IT)?)),
            [_] => Err(NOT_IN_IT.to_owned()),
            several => Err(format!("the path leads to {} elements; expected one", several.len())),
        }
    }

    /// Works on the list that the path names, which may be empty: `Patient.name[0].given` is the list `given` of `Patient.name[0]`.
    fn in_list(
        &self,
        tree: &mut Object,
        now: OffsetDateTime,
        work: impl FnOnce(&mut Slot, &'static Element) -> Result<(), String>,
    ) -> Result<(), String> {
        let (before, name) = self.path.rsplit_once('.').unwrap_or(("$this", &self.path));
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_name {
            return Err("expected a path that ends with the name of a list".to_owned());
        }
        let owner = self.one(before, tree, now)?.ok_or(NOTHING)?;
        let element = element_of(owner.def.ok_or(NOTHING)?, name)?;
        if !element.is_list() {
            return Err(format!("`{}` is no list", element.name));
        }
        let object = owner.object(tree)?;
        let mut slot = Slot::of(object, element.name, true);
        work(&mut slot, element)?;
        slot.write(object);
        Ok(())
    }
}

const NOTHING: &str = "the path leads to nothing";
const NOT_IN_IT: &str = "the path leads to no element of the resource";
const THERE: &str = "the element is there already, and only one may be; replace it";

/// The element of this name, a choice by its stem or by a name of one of its types.
fn element_of(def: &'static TypeDef, name: &str) -> Result<&'static Element, String> {
    let choice = || def.elements.iter().find(|element| element.is_choice() && element.stem() == name);
    // The name is the client's own word.
    def.element(name).or_else(choice).ok_or_else(|| format!("`{}` has no element of this name", def.name))
}

/// The elements of a resource in the tree.
pub(crate) fn def_of(tree: &Object) -> Option<&'static TypeDef> {
    let kind = tree.get("resourceType").and_then(Json::as_str)?;
    match ResourceType::from_name(kind) {
        Some(kind) => Some(of_resource(kind)),
        None => type_of("Resource"),
    }
}
