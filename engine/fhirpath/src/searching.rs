//! The whole language for search parameters of the server's own: what the smaller one of [`hub_fhir::fhirpath`] does not take.

use std::sync::Arc;

use hub_fhir::elements::{Element, TypeKind, TypeRef};
use hub_fhir::fhirpath::{Item as Found, Value};
use hub_fhir::language::{Finds, Language};
use hub_fhir::{Json, Object, ResourceType};
use time::OffsetDateTime;

use crate::environment::{Environment, Limits};
use crate::expression::{Expression, On};
use crate::item::{Content, Item, Node};
use crate::quantity::Unit;

/// What one parameter may use on one resource: a twentieth of a second or less, for every resource that is written pays it.
const LIMITS: Limits = Limits { steps: 50_000, items: 5_000, text: 64 * 1024 };
/// A resource is found by what stands in it, whenever it was indexed.
const OF_THE_MOMENT: [&str; 3] = ["now(", "today(", "timeOfDay("];

/// FHIRPath, for the search parameters of a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct SearchLanguage;

impl Language for SearchLanguage {
    fn compile(&self, expression: &str, kind: ResourceType) -> Result<Arc<dyn Finds>, String> {
        let bare: String = expression.chars().filter(|letter| !letter.is_whitespace()).collect();
        if let Some(word) = OF_THE_MOMENT.iter().find(|word| bare.contains(**word)) {
            return Err(format!("`{word})` is another thing each day; a resource is indexed once"));
        }
        let on = On::the(kind.name()).ok_or_else(|| format!("there is no type `{kind}`"))?;
        let compiled = Expression::compile(expression, &on).map_err(|error| error.to_string())?;
        Ok(Arc::new(compiled))
    }
}

impl Finds for Expression {
    fn each(&self, resource: &Object, sink: &mut dyn FnMut(Found<'_>)) {
        let mut environment = Environment::of(resource, OffsetDateTime::UNIX_EPOCH);
        environment.limits = LIMITS;
        // What goes wrong on this resource finds nothing in it; its writer is not to blame for the parameter.
        let Ok(items) = self.evaluate_resource(resource, &environment) else { return };
        for item in items {
            match item {
                Item::Node(node) => of_node(&node, sink),
                Item::Boolean(truth) => sink(Found { value: Value::Truth(truth), of: None }),
                Item::Type(_) => {}
                computed => {
                    if let Some(json) = of_computed(&computed) {
                        sink(Found { value: Value::Json(&json), of: None });
                    }
                }
            }
        }
    }

    fn types(&self) -> Option<Vec<&'static str>> {
        let name = |kind: &crate::kind::Kind| match kind {
            crate::kind::Kind::Complex(def) if def.class == hub_fhir::elements::Class::Resource => "Resource",
            kind => kind.name().1,
        };
        Some(self.leads_to()?.iter().map(name).collect())
    }
}

/// An element as the index has it: with its type, and the element it is of.
fn of_node(node: &Node<'_>, sink: &mut dyn FnMut(Found<'_>)) {
    let of = node.place.and_then(|(_, element)| Some((type_in(node, element)?, element)));
    match node.content {
        Content::Object(object) => {
            let json = Json::Object(object.clone());
            sink(Found { value: Value::Json(&json), of });
        }
        Content::Primitive { value: Some(value), .. } => sink(Found { value: Value::Json(value), of }),
        Content::Primitive { value: None, .. } => {}
    }
}

fn type_in(node: &Node<'_>, element: &'static Element) -> Option<&'static TypeRef> {
    let name = node.kind.name().1;
    let is_it = |of: &&TypeRef| of.name == name || (of.kind == TypeKind::AnyResource && node.is_resource());
    element.types.iter().find(is_it)
}

fn of_computed(item: &Item<'_>) -> Option<Json> {
    Some(match item {
        Item::Integer(number) => Json::Number(number.to_string().into()),
        Item::Decimal(number) => Json::Number(number.to_string().into()),
        Item::String(text) => Json::string(text.as_ref()),
        Item::Temporal(temporal) => Json::string(temporal.to_string()),
        Item::Quantity(quantity) => {
            let mut object = Object::with_capacity(3);
            object.set("value", Json::Number(quantity.value.to_string().into()));
            match &quantity.unit {
                Unit::Ucum(code) => {
                    object.set("system", "http://unitsofmeasure.org");
                    object.set("code", code.as_str());
                }
                Unit::Calendar(_) | Unit::Other(_) => object.set("unit", quantity.unit.to_string()),
            }
            Json::Object(object)
        }
        Item::Node(_) | Item::Boolean(_) | Item::Type(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_fhir::definition::Definition;
    use hub_fhir::index::IndexValue;
    use hub_fhir::parameters::Parameters;

    fn values(kind: &str, expression: &str, resource: &str) -> Vec<IndexValue> {
        let definition = format!(
            r#"{{"url":"urn:p","code":"mine","base":["Patient"],"type":"{kind}","expression":"{expression}"}}"#
        );
        let Json::Object(tree) = hub_fhir::json::parse(&definition).unwrap() else { unreachable!() };
        let definition = Definition::read(&tree).unwrap();
        let (parameters, refused) = Parameters::of_definitions([&definition], Some(&SearchLanguage));
        assert_eq!(refused, []);
        let patient = ResourceType::from_name("Patient").unwrap();
        let own = parameters.find(patient, "mine").unwrap().id;
        let Json::Object(tree) = hub_fhir::json::parse(resource).unwrap() else { unreachable!() };
        let rows = hub_fhir::index::rows_of(patient, &tree, &parameters);
        rows.into_iter().filter(|row| row.param == own).map(|row| row.value).collect()
    }

    fn string(normal: &str, exact: &str) -> IndexValue {
        IndexValue::String { normal: normal.into(), exact: exact.into() }
    }

    #[test]
    fn what_is_computed_and_what_stands_there_are_both_found() {
        let patient = r#"{"resourceType":"Patient","birthDate":"1970-02-03","gender":"male",
            "name":[{"family":"Wang","given":["Wei","An"]}],"contact":[{"gender":"female"}]}"#;
        let first = values("string", "name.given.first() + ' ' + name.family.first()", patient);
        assert_eq!(first, [string("wei wang", "Wei Wang")]);
        assert_eq!(values("string", "name.select(family | given.last())", patient).len(), 2);
        let count = values("number", "name.given.count()", patient);
        assert!(matches!(count[..], [IndexValue::Number { .. }]));
        let is_many = values("token", "name.given.count() > 1", patient);
        assert_eq!(is_many, [IndexValue::Token { system: "".into(), code: "true".into() }]);
        let gender = values("token", "contact.first().gender", patient);
        let system = "http://hl7.org/fhir/administrative-gender".into();
        assert_eq!(gender, [IndexValue::Token { system, code: "female".into() }]);
        assert!(matches!(values("date", "birthDate + 18 years", patient)[..], [IndexValue::Date { .. }]));
        let mass = values("quantity", "iif(gender = 'male', 5.4 'mg', 1 'mg')", patient);
        assert!(mass.iter().any(|value| matches!(value, IndexValue::Measure { .. })));
    }

    #[test]
    fn what_changes_from_day_to_day_is_refused() {
        let patient = ResourceType::from_name("Patient").unwrap();
        assert!(SearchLanguage.compile("birthDate < today()", patient).is_err());
        assert!(SearchLanguage.compile("birthDate < now ( )", patient).is_err());
        assert!(SearchLanguage.compile("nmae.first()", patient).unwrap_err().contains("nmae"));
    }
}
