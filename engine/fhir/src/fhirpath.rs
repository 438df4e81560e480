//! The part of FHIRPath that the search parameters of R4B are written in.
//!
//! An expression is compiled for one resource type: names are checked against the table of elements and a choice
//! (`Observation.value`) becomes the JSON names it may have, so that evaluating only looks members up. Values are
//! handed out by reference, with the type each of them has.
//!
//! The whole language is `engine/fhirpath`. This part stays by itself, and apart from it, for three reasons: every
//! resource that is written is read by some dozens of expressions, so each must only look members up, without counting
//! steps, copying values or keeping collections; an index row needs the element a value is of, not the value FHIRPath
//! makes of it; and nothing may be read for `resolve() is Patient`. A test there holds that both find the same values of
//! every search parameter on every official example, and names what differs.

use compact_str::CompactString;
use thiserror::Error;

use crate::elements::{Element, TypeRef};
use crate::fhirpath_read::compile;
use crate::json::{Json, Object};
use crate::types::ResourceType;

/// A compiled expression.
#[derive(Debug)]
pub struct Expression(pub(crate) Step);

/// Why an expression does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("character {at}: {what}")]
pub struct ExpressionError {
    /// Where, in characters from 1.
    pub at: usize,
    /// What was wrong or expected.
    pub what: String,
}

/// One value an expression yields.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The value.
    pub value: Value<'a>,
    /// Its type and the element it is of; `None` for the resource itself and for computed values.
    pub of: Option<(&'static TypeRef, &'static Element)>,
}

/// A value in the tree or one that was computed.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// The resource.
    Resource(&'a Object),
    /// A value within it.
    Json(&'a Json),
    /// The answer to a condition.
    Truth(bool),
}

#[derive(Debug)]
pub(crate) enum Step {
    /// What the expression is evaluated on.
    Input,
    /// Members of each item by any of these names.
    Member {
        of: Box<Step>,
        names: Vec<Named>,
    },
    /// Items of a type, for what a name does not tell.
    OfType {
        of: Box<Step>,
        name: CompactString,
    },
    /// Items for which the condition holds.
    Where {
        of: Box<Step>,
        condition: Box<Step>,
    },
    /// The nth item, from 0.
    Index {
        of: Box<Step>,
        at: usize,
    },
    /// Items of each.
    Union(Vec<Step>),
    /// Whether there is an item.
    Exists(Box<Step>),
    /// Whether the reference, the input, points at a resource of this type.
    ResolvesTo(ResourceType),
    /// Equal, or not equal, to a literal.
    Equals {
        of: Box<Step>,
        literal: Json,
        negated: bool,
    },
    And(Box<Step>, Box<Step>),
}

/// A JSON name and what stands under it.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: CompactString,
    pub(crate) of: &'static TypeRef,
    pub(crate) element: &'static Element,
}

impl Expression {
    /// Compiles an expression for resources of one type.
    pub fn compile(text: &str, kind: ResourceType) -> Result<Self, ExpressionError> {
        compile(text, kind).map(Self)
    }

    /// The names of the types its values may have.
    pub(crate) fn types(&self) -> Vec<&'static str> {
        self.0.types()
    }

    /// Hands every value of the expression on `resource` to `sink`, in the order of the tree.
    pub fn each<'a>(&self, resource: &'a Object, sink: &mut dyn FnMut(Item<'a>)) {
        self.0.each(Item { value: Value::Resource(resource), of: None }, sink);
    }

    /// Whether its values may be of this type.
    pub fn may_yield(&self, name: &str) -> bool {
        self.0.may_yield(name)
    }
}

impl<'a> Value<'a> {
    /// The members of the resource or object.
    pub fn object(self) -> Option<&'a Object> {
        match self {
            Value::Resource(object) => Some(object),
            Value::Json(json) => json.as_object(),
            Value::Truth(_) => None,
        }
    }

    /// The text of a string.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Value::Json(json) => json.as_str(),
            Value::Resource(_) | Value::Truth(_) => None,
        }
    }
}

impl Step {
    fn types(&self) -> Vec<&'static str> {
        match self {
            Step::Input => vec!["Resource"],
            Step::Member { names, .. } => names.iter().map(|named| named.of.name).collect(),
            Step::OfType { of, name } => match ResourceType::from_name(name) {
                Some(_) => vec!["Resource"],
                None => of.types().into_iter().filter(|of| of == name).collect(),
            },
            Step::Where { of, .. } | Step::Index { of, .. } => of.types(),
            Step::Union(parts) => parts.iter().flat_map(Step::types).collect(),
            Step::Exists(_) | Step::ResolvesTo(_) | Step::Equals { .. } | Step::And(..) => vec!["boolean"],
        }
    }

    fn each<'a>(&self, input: Item<'a>, sink: &mut dyn FnMut(Item<'a>)) {
        match self {
            Step::Input => sink(input),
            Step::Member { of, names } => of.each(input, &mut |item| {
                let Some(object) = item.value.object() else { return };
                for named in names {
                    let Some(value) = object.get(&named.name) else { continue };
                    for value in value.items() {
                        if *value != Json::Null {
                            sink(Item { value: Value::Json(value), of: Some((named.of, named.element)) });
                        }
                    }
                }
            }),
            Step::OfType { of, name } => of.each(input, &mut |item| {
                let is_of = match item.of {
                    Some((of, _)) if of.name == "Resource" => {
                        item.value.object().and_then(|tree| tree.get("resourceType")?.as_str())
                            == Some(name.as_str())
                    }
                    Some((of, _)) => of.name == *name,
                    None => false,
                };
                if is_of {
                    sink(item);
                }
            }),
            Step::Where { of, condition } => of.each(input, &mut |item| {
                if condition.truth(item) == Some(true) {
                    sink(item);
                }
            }),
            Step::Index { of, at } => {
                let mut seen = 0;
                of.each(input, &mut |item| {
                    if seen == *at {
                        sink(item);
                    }
                    seen += 1;
                });
            }
            Step::Union(parts) => {
                for part in parts {
                    part.each(input, sink);
                }
            }
            Step::Exists(_) | Step::ResolvesTo(_) | Step::Equals { .. } | Step::And(..) => {
                if let Some(truth) = self.truth(input) {
                    sink(Item { value: Value::Truth(truth), of: None });
                }
            }
        }
    }

    fn may_yield(&self, name: &str) -> bool {
        match self {
            Step::Member { names, .. } => names.iter().any(|named| named.of.name == name),
            Step::OfType { name: of, .. } => of == name,
            Step::Where { of, .. } | Step::Index { of, .. } => of.may_yield(name),
            Step::Union(parts) => parts.iter().any(|part| part.may_yield(name)),
            Step::Input | Step::Exists(_) | Step::ResolvesTo(_) | Step::Equals { .. } | Step::And(..) => {
                false
            }
        }
    }

    /// The step as a condition; `None` where FHIRPath says "empty".
    fn truth(&self, input: Item<'_>) -> Option<bool> {
        match self {
            Step::Exists(of) => {
                let mut found = false;
                of.each(input, &mut |_| found = true);
                Some(found)
            }
            Step::ResolvesTo(kind) => Some(input.value.object().and_then(points_at) == Some(*kind)),
            Step::Equals { of, literal, negated } => {
                let mut equal = None;
                of.each(input, &mut |item| {
                    let is_equal = match (item.value, literal) {
                        (Value::Json(value), literal) => value == literal,
                        (Value::Truth(truth), Json::Bool(literal)) => truth == *literal,
                        _ => false,
                    };
                    equal = Some(equal.unwrap_or(false) || is_equal);
                });
                equal.map(|equal| equal != *negated)
            }
            Step::And(left, right) => match (left.truth(input), right.truth(input)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            _ => {
                let mut truth = None;
                self.each(input, &mut |item| {
                    truth = Some(match item.value {
                        Value::Truth(is) => is,
                        Value::Json(Json::Bool(is)) => *is,
                        _ => true,
                    });
                });
                truth
            }
        }
    }
}

/// The type a Reference points at, as far as it says so itself: nothing is read for it.
pub(crate) fn points_at(reference: &Object) -> Option<ResourceType> {
    let literal = reference.get("reference").and_then(Json::as_str);
    let of_literal = literal.and_then(|literal| split_literal(literal)).map(|(kind, _)| kind);
    of_literal.or_else(|| ResourceType::from_name(reference.get("type")?.as_str()?))
}

/// The type and id that a literal reference, relative or absolute, ends with; `_history` is left out.
pub(crate) fn split_literal(literal: &str) -> Option<(ResourceType, &str)> {
    let literal = literal.split_once("/_history/").map_or(literal, |(current, _)| current);
    let (front, id) = literal.rsplit_once('/')?;
    let kind = ResourceType::from_name(front.rsplit('/').next()?)?;
    Some((kind, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(expression: &str, kind: &str, resource: &str) -> Vec<String> {
        let expression = Expression::compile(expression, ResourceType::from_name(kind).unwrap()).unwrap();
        let tree = crate::json::parse(resource).unwrap();
        let mut found = Vec::new();
        expression.each(tree.as_object().unwrap(), &mut |item| {
            let of = item.of.map_or("", |(of, _)| of.name);
            found.push(match item.value {
                Value::Json(json) => format!("{of} {}", json.to_text()),
                Value::Truth(truth) => truth.to_string(),
                Value::Resource(_) => "resource".to_owned(),
            });
        });
        found
    }

    #[test]
    fn a_path_goes_through_lists() {
        let patient = r#"{"name":[{"given":["A","B"]},{"given":["C"]},{"family":"D"}]}"#;
        assert_eq!(
            values("Patient.name.given", "Patient", patient),
            ["string \"A\"", "string \"B\"", "string \"C\""]
        );
        assert_eq!(values("Patient.name[1].given", "Patient", patient), ["string \"C\""]);
        assert_eq!(values("name.family", "Patient", patient), ["string \"D\""]);
    }

    #[test]
    fn a_choice_is_found_under_its_concrete_name_with_its_type() {
        let observation = r#"{"valueQuantity":{"value":1.10}}"#;
        assert_eq!(values("Observation.value", "Observation", observation), ["Quantity {\"value\":1.10}"]);
        for same in [
            "(Observation.value as Quantity)",
            "Observation.value.ofType(Quantity)",
            "Observation.value.as(Quantity)",
        ] {
            assert_eq!(values(same, "Observation", observation).len(), 1, "{same}");
        }
        assert!(values("(Observation.value as string)", "Observation", observation).is_empty());
        assert_eq!(
            values("(Observation.value as Quantity).value", "Observation", observation),
            ["decimal 1.10"]
        );
    }

    #[test]
    fn a_filter_looks_at_each_item() {
        let patient = r#"{"telecom":[{"system":"phone","value":"1"},{"system":"email","value":"2"}]}"#;
        assert_eq!(
            values("Patient.telecom.where(system='email').value", "Patient", patient),
            ["string \"2\""]
        );
        let observation = r#"{"subject":{"reference":"Group/1"},"performer":[{"reference":"http://x/Patient/1/_history/2"}]}"#;
        assert!(
            values("Observation.subject.where(resolve() is Patient)", "Observation", observation).is_empty()
        );
        assert_eq!(
            values("Observation.performer.where(resolve() is Patient)", "Observation", observation).len(),
            1
        );
        let extended = r#"{"extension":[{"url":"a","valueCode":"x"},{"url":"b","valueCode":"y"}]}"#;
        assert_eq!(values("Patient.extension('b').value", "Patient", extended), ["code \"y\""]);
    }

    #[test]
    fn the_dead_are_told_from_the_living() {
        let deceased = "Patient.deceased.exists() and Patient.deceased != false";
        assert_eq!(values(deceased, "Patient", "{}"), ["false"]);
        assert_eq!(values(deceased, "Patient", r#"{"deceasedBoolean":false}"#), ["false"]);
        assert_eq!(values(deceased, "Patient", r#"{"deceasedBoolean":true}"#), ["true"]);
        assert_eq!(values(deceased, "Patient", r#"{"deceasedDateTime":"2026"}"#), ["true"]);
    }

    #[test]
    fn a_union_yields_all_its_parts() {
        let observation = r#"{"code":{"text":"a"},"component":[{"code":{"text":"b"}}]}"#;
        assert_eq!(
            values("Observation.code.text | Observation.component.code.text", "Observation", observation)
                .len(),
            2
        );
    }

    #[test]
    fn a_wrong_name_is_refused_with_its_place() {
        let patient = ResourceType::from_name("Patient").unwrap();
        let error = Expression::compile("Patient.nmae", patient).unwrap_err();
        assert_eq!((error.at, error.what.as_str()), (9, "there is no element `nmae` here"));
        for bad in [
            "",
            "Patient.",
            "Patient.name[",
            "Patient.name.where(",
            "Patient.name.foo()",
            "(Patient",
            "Patient)",
            "'a",
        ] {
            assert!(Expression::compile(bad, patient).is_err(), "{bad}");
        }
        assert!(Expression::compile(&"(".repeat(100_000), patient).is_err());
    }
}
