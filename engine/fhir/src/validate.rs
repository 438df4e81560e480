//! Checks a resource tree against the structure of R4B: names, cardinality, forms, codes.
//!
//! Runs on every resource that is mapped or received, so it looks nothing up twice and builds text only
//! for what is wrong. Issues name places and expectations, never content.

use std::fmt;

use compact_str::CompactString;

use crate::codes::ValueSet;
use crate::elements::{Element, TypeDef, TypeKind, TypeRef, of_resource, type_of};
use crate::json::{Json, Object};
use crate::outcome::Severity;
use crate::types::ResourceType;

/// More issues than these are not listed: the resource is wrong, and the list must stay bounded.
pub const MAX_ISSUES: usize = 100;
/// Trees may be built by hand, so the reader's limit is kept here too.
const MAX_DEPTH: usize = 64;

/// One thing that is wrong with a resource. Holds no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where: `Patient.name[0].given[1]`.
    pub path: String,
    /// What is wrong and what was expected.
    pub what: String,
    /// The sort of issue.
    pub code: IssueCode,
    /// How bad it is. What is wrong with the structure is an error.
    pub severity: Severity,
}

/// Sorts of issues, from the FHIR value set `issue-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IssueCode {
    /// An element that is not defined, stands twice, or is not the array or object it should be.
    Structure,
    /// An element that must be there is not.
    Required,
    /// A value of the wrong form.
    Value,
    /// A code that is not in the value set its element is bound to.
    CodeInvalid,
    /// A rule over several elements does not hold.
    Invariant,
    /// Too large or too deep.
    TooLong,
    /// A rule could not be looked at.
    Processing,
}

impl IssueCode {
    /// The code in the value set `issue-type`: `code-invalid`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::CodeInvalid => "code-invalid",
            Self::Invariant => "invariant",
            Self::TooLong => "too-long",
            Self::Processing => "processing",
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// Checks a resource tree. Empty: it conforms. At most 100 issues are listed.
pub fn validate(tree: &Object) -> Vec<Issue> {
    let mut issues = Vec::new();
    let kind = tree.get("resourceType").and_then(Json::as_str).and_then(ResourceType::from_name);
    let name = kind.map_or("Resource", ResourceType::name);
    let mut walk = Walk { issues: &mut issues };
    walk.resource(tree, Place { parent: None, name, index: None, depth: 0 }, false);
    issues
}

/// A place in the tree, as a chain up to the resource; becomes text only when something is wrong there.
#[derive(Clone, Copy)]
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    name: &'a str,
    index: Option<usize>,
    depth: usize,
}

impl<'a> Place<'a> {
    fn child(&'a self, name: &'a str) -> Place<'a> {
        Place { parent: Some(self), name, index: None, depth: self.depth + 1 }
    }

    fn item(&self, index: usize) -> Place<'a> {
        Place { index: Some(index), ..*self }
    }

    fn text(&self) -> String {
        let mut text = match self.parent {
            Some(parent) => parent.text() + ".",
            None => String::new(),
        };
        let is_name = self.name.len() <= 64
            && self.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        // A name that is no element name may be anything, also content.
        text.push_str(if is_name { self.name } else { "?" });
        if let Some(index) = self.index {
            text.push_str(&format!("[{index}]"));
        }
        text
    }
}

struct Walk<'i> {
    issues: &'i mut Vec<Issue>,
}

impl Walk<'_> {
    fn issue(&mut self, place: &Place<'_>, code: IssueCode, what: impl Into<String>) {
        if self.issues.len() < MAX_ISSUES {
            let severity = Severity::Error;
            self.issues.push(Issue { path: place.text(), what: what.into(), code, severity });
        }
    }

    fn resource(&mut self, tree: &Object, place: Place<'_>, contained: bool) {
        let Some(kind) = tree.get("resourceType") else {
            return self.issue(
                &place.child("resourceType"),
                IssueCode::Required,
                "`resourceType` is missing",
            );
        };
        let Some(kind) = kind.as_str().and_then(ResourceType::from_name) else {
            return self.issue(
                &place.child("resourceType"),
                IssueCode::Value,
                "expected a resource type of R4B",
            );
        };
        self.elements(of_resource(kind), tree, &place, true);
        if contained {
            self.contained_rules(tree, &place);
        }
    }

    /// R4B dom-2 and dom-4, and the id without which nothing can point at it.
    fn contained_rules(&mut self, tree: &Object, place: &Place<'_>) {
        if tree.get("contained").is_some() {
            self.issue(
                &place.child("contained"),
                IssueCode::Invariant,
                "a contained resource contains no others",
            );
        }
        if tree.get("id").is_none() {
            self.issue(&place.child("id"), IssueCode::Required, "a contained resource needs an id");
        }
        let meta = tree.get("meta");
        if ["versionId", "lastUpdated"].iter().any(|name| meta.and_then(|meta| meta.get(name)).is_some()) {
            self.issue(
                &place.child("meta"),
                IssueCode::Invariant,
                "a contained resource has no version of its own",
            );
        }
    }

    fn elements(&mut self, def: &'static TypeDef, object: &Object, place: &Place<'_>, is_resource: bool) {
        if place.depth > MAX_DEPTH {
            return self.issue(place, IssueCode::TooLong, "nested deeper than 64 levels");
        }
        if object.is_empty() {
            return self.issue(place, IssueCode::Structure, "an object must not be empty");
        }
        let mut seen = 0u128;
        for (name, value) in object.iter() {
            if is_resource && name == "resourceType" {
                continue;
            }
            let (bare, is_sibling) = match name.strip_prefix('_') {
                Some(bare) => (bare, true),
                None => (name, false),
            };
            let here = place.child(name);
            let member = def.member(bare).and_then(|member| Some((member.element, member.at, member.of?)));
            let Some((element, at, of)) = member else {
                self.issue(&here, IssueCode::Structure, format!("`{}` has no such element", def.name));
                continue;
            };
            let bit = 1u128 << at;
            if element.is_choice() && seen & bit != 0 && chosen_names(element, object) > 1 {
                self.issue(
                    &here,
                    IssueCode::Structure,
                    format!("`{}` stands there as another type already", element.name),
                );
            }
            seen |= bit;
            if is_sibling {
                self.sibling(element, of, value, object.get(bare), &here);
            } else {
                self.member(element, of, value, object, &here);
            }
        }
        for at in &def.required {
            if seen & (1u128 << at) == 0 {
                let element = &def.elements[usize::from(*at)];
                self.issue(&place.child(element.stem()), IssueCode::Required, "a value is required");
            }
        }
        if def.name == "Extension" {
            self.extension(object, place);
        }
    }

    /// R4B ext-1: a value or extensions, not both.
    fn extension(&mut self, object: &Object, place: &Place<'_>) {
        let has_value = object.iter().any(|(name, _)| name.trim_start_matches('_').starts_with("value"));
        if has_value == object.get("extension").is_some() {
            self.issue(place, IssueCode::Invariant, "an extension has either a value or extensions");
        }
    }

    fn member(
        &mut self,
        element: &'static Element,
        of: &'static TypeRef,
        value: &Json,
        owner: &Object,
        here: &Place<'_>,
    ) {
        if !element.is_list() {
            match value {
                Json::Array(_) => {
                    self.issue(here, IssueCode::Structure, "expected a single value, not an array")
                }
                value => self.value(element, of, value, here),
            }
            return;
        }
        let Json::Array(items) = value else {
            return self.issue(here, IssueCode::Structure, "expected an array");
        };
        if items.is_empty() {
            return self.issue(here, IssueCode::Structure, "an array must not be empty");
        }
        let beside = if of.primitive().is_some() { sibling_of(owner, here.name) } else { &[] };
        for (index, item) in items.iter().enumerate() {
            let is_hole = *item == Json::Null && matches!(beside.get(index), Some(Json::Object(_)));
            if !is_hole {
                self.value(element, of, item, &here.item(index));
            }
        }
    }

    fn value(&mut self, element: &'static Element, of: &'static TypeRef, value: &Json, here: &Place<'_>) {
        if *value == Json::Null {
            return self.issue(here, IssueCode::Structure, "`null` is not a value");
        }
        match of.kind {
            TypeKind::Primitive(primitive) => {
                if let Err(expected) = primitive.check(value) {
                    return self.issue(here, IssueCode::Value, expected);
                }
                if let (Some(set), Some(code)) = (element.binding, value.as_str())
                    && !set.has_code(code)
                {
                    self.wrong_code(set, here);
                }
            }
            TypeKind::AnyResource => match value.as_object() {
                Some(object) => self.resource(object, *here, element.name == "contained"),
                None => self.issue(here, IssueCode::Structure, "expected a resource"),
            },
            TypeKind::Complex(id) => {
                let Some(object) = value.as_object() else {
                    return self.issue(here, IssueCode::Structure, "expected an object");
                };
                self.elements(id.def(), object, here, false);
                if let Some(set) = element.binding {
                    self.coded(set, of.name, object, here);
                }
                if of.name == "Reference" && !of.targets.is_empty() {
                    self.target(of, object, here);
                }
            }
        }
    }

    fn wrong_code(&mut self, set: &ValueSet, here: &Place<'_>) {
        self.issue(here, IssueCode::CodeInvalid, format!("expected a code of the value set `{}`", set.name));
    }

    /// A required binding of a Coding or CodeableConcept: one of the codings is of the set.
    fn coded(&mut self, set: &ValueSet, of: &str, object: &Object, here: &Place<'_>) {
        let fits = |coding: &Json| {
            let part = |name| coding.get(name).and_then(Json::as_str);
            part("code").is_some_and(|code| set.has(part("system").unwrap_or_default(), code))
        };
        let held = match of {
            "Coding" => {
                let code = object.get("code").and_then(Json::as_str);
                let system = object.get("system").and_then(Json::as_str).unwrap_or_default();
                code.is_none_or(|code| set.has(system, code))
            }
            "CodeableConcept" => {
                let codings = object.get("coding").map(Json::items).unwrap_or_default();
                codings.iter().any(fits) || (codings.is_empty() && object.get("extension").is_some())
            }
            _ => true,
        };
        if !held {
            self.wrong_code(set, here);
        }
    }

    fn target(&mut self, of: &TypeRef, object: &Object, here: &Place<'_>) {
        let literal = object.get("reference").and_then(Json::as_str);
        let Some((kind, _)) = literal.and_then(|literal| literal.split_once('/')) else { return };
        if let Some(kind) = ResourceType::from_name(kind)
            && !of.targets.contains(&kind)
        {
            self.issue(here, IssueCode::Value, format!("must not point at a resource of type `{kind}`"));
        }
    }

    /// The `_name` beside a primitive: id and extensions of its value, or of each of its values.
    fn sibling(
        &mut self,
        element: &Element,
        of: &TypeRef,
        value: &Json,
        beside: Option<&Json>,
        here: &Place<'_>,
    ) {
        if of.primitive().is_none() {
            return self.issue(
                here,
                IssueCode::Structure,
                "only a primitive element has extensions beside it",
            );
        }
        match (element.is_list(), value) {
            (false, Json::Object(object)) => self.elements(plain_element(), object, here, false),
            (false, _) => self.issue(here, IssueCode::Structure, "expected an object"),
            (true, Json::Array(items)) => {
                let values = beside.and_then(Json::as_array);
                if items.is_empty() || values.is_some_and(|values| values.len() != items.len()) {
                    return self.issue(
                        here,
                        IssueCode::Structure,
                        "expected one entry for each value beside it",
                    );
                }
                for (index, item) in items.iter().enumerate() {
                    match item {
                        Json::Object(object) => {
                            self.elements(plain_element(), object, &here.item(index), false)
                        }
                        Json::Null if values.is_some_and(|values| values[index] != Json::Null) => {}
                        _ => self.issue(&here.item(index), IssueCode::Structure, "expected an object"),
                    }
                }
            }
            (true, _) => self.issue(here, IssueCode::Structure, "expected an array"),
        }
    }
}

fn plain_element() -> &'static TypeDef {
    type_of("Element").expect("`Element` is in the table of types")
}

/// How many of a choice's names are there, a name and its sibling counting once.
fn chosen_names(element: &Element, object: &Object) -> usize {
    let is_there = |name: &CompactString| {
        object.iter().any(|(member, _)| member.strip_prefix('_').unwrap_or(member) == name.as_str())
    };
    element.concrete.iter().filter(|name| is_there(name)).count()
}

/// The entries of the `_name` beside a list of primitives.
fn sibling_of<'o>(owner: &'o Object, name: &str) -> &'o [Json] {
    let sibling = owner.iter().find(|(member, _)| member.strip_prefix('_') == Some(name));
    sibling.and_then(|(_, items)| items.as_array()).unwrap_or_default()
}
