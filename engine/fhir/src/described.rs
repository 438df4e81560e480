//! The search parameters of R4B as SearchParameter resources: what holds on this server, written of the tables it searches by.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use compact_str::{CompactString, format_compact};

use crate::json::{Json, Object};
use crate::params::{DEFINITIONS, Param, ParamKind, find, params_of, supported};
use crate::resource::{Id, Resource};
use crate::search_value::HAVE_TEXT;
use crate::types::ResourceType;

/// The prefixes that dates, numbers and quantities take.
const COMPARATORS: [&str; 9] = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

/// The parameters of each definition, by its id: one a type.
static BY_ID: LazyLock<BTreeMap<CompactString, Vec<&'static Param>>> = LazyLock::new(|| {
    let mut by_id: BTreeMap<CompactString, Vec<&'static Param>> = BTreeMap::new();
    for param in ResourceType::all().flat_map(params_of).filter(|param| supported(param)) {
        by_id.entry(param.definition_id()).or_default().push(param);
    }
    by_id
});

/// The two that every type has and that are no search rows: id, code, kind and expression.
const OF_ALL: [(&str, &str, ParamKind, &str); 2] = [
    ("Resource-id", "_id", ParamKind::Token, "Resource.id"),
    ("Resource-lastUpdated", "_lastUpdated", ParamKind::Date, "Resource.meta.lastUpdated"),
];

/// Whether a definition has this id.
pub fn is_known(id: &str) -> bool {
    BY_ID.contains_key(id) || OF_ALL.iter().any(|(known, ..)| *known == id)
}

/// Whether a URL is that of one of these definitions.
pub fn is_url(url: &str) -> bool {
    url.strip_prefix(DEFINITIONS).is_some_and(is_known)
}

/// All definitions: those of every type first, the others in the order of their ids.
pub fn all() -> impl Iterator<Item = Resource> {
    let of_all = OF_ALL.into_iter().map(|(id, code, kind, expression)| {
        let (bases, expression) = (vec!["Resource"], expression.to_owned());
        Facts {
            id,
            code,
            kind,
            bases,
            expression,
            targets: Vec::new(),
            components: Vec::new(),
            modifiers: Vec::new(),
        }
        .resource()
    });
    of_all.chain(BY_ID.iter().map(|(id, params)| Facts::of(id, params).resource()))
}

/// What a definition says.
struct Facts<'f> {
    id: &'f str,
    code: &'static str,
    kind: ParamKind,
    bases: Vec<&'static str>,
    expression: String,
    targets: Vec<ResourceType>,
    components: Vec<&'static Param>,
    /// Those that it takes in each of its types.
    modifiers: Vec<&'static str>,
}

impl<'f> Facts<'f> {
    fn of(id: &'f str, params: &[&'static Param]) -> Self {
        let first = params[0];
        let is_of_every_type = id.starts_with("Resource-") || id.starts_with("DomainResource-");
        let bases = match is_of_every_type {
            true => vec!["Resource"],
            false => params.iter().map(|param| param.base.name()).collect(),
        };
        let mut parts: Vec<&str> = params.iter().map(|param| param.expression).collect();
        parts.dedup();
        let mut targets: Vec<ResourceType> = Vec::new();
        if first.kind == ParamKind::Reference {
            // One that may point at anything in one of the types may do so in all it says.
            let is_any = params.iter().any(|param| param.targets.is_empty());
            let named = params.iter().flat_map(|param| param.targets.iter().copied());
            targets = if is_any { ResourceType::all().collect() } else { named.collect() };
            targets.sort_unstable();
            targets.dedup();
        }
        let component = |code: &&'static str| find(first.base, code);
        let components = first.components.iter().filter_map(component).collect();
        let (code, kind, expression) = (first.code, first.kind, parts.join(" | "));
        let mut shared = modifiers(first);
        shared.retain(|modifier| params.iter().all(|param| modifiers(param).contains(modifier)));
        Self { id, code, kind, bases, expression, targets, components, modifiers: shared }
    }

    fn resource(self) -> Resource {
        let mut tree = Object::with_capacity(18);
        tree.set("url", format_compact!("{DEFINITIONS}{}", self.id).as_str());
        tree.set("version", "4.3.0");
        tree.set("name", self.code);
        tree.set("status", "active");
        let described = format!("Finds {} by `{}`.", self.bases.join(", "), self.expression);
        tree.set("description", described.as_str());
        tree.set("code", self.code);
        tree.set("base", texts(self.bases.iter().copied()));
        tree.set("type", self.kind.name());
        tree.set("expression", self.expression.as_str());
        tree.set("target", texts(self.targets.iter().map(|kind| kind.name())));
        tree.set("multipleOr", true);
        tree.set("multipleAnd", true);
        if matches!(self.kind, ParamKind::Date | ParamKind::Number | ParamKind::Quantity) {
            tree.set("comparator", texts(COMPARATORS));
        }
        // Those of every type that are no search rows take none.
        tree.set("modifier", texts(self.modifiers.iter().copied()));
        tree.set("chain", texts(self.chain()));
        tree.set("component", self.components.iter().map(|param| component(param)).collect::<Vec<Json>>());
        let said =
            tree.into_iter().filter(|(_, value)| value.as_array().is_none_or(|values| !values.is_empty()));
        let kind = ResourceType::from_name("SearchParameter").expect("R4B has this type");
        let id = Id::new(self.id).expect("the ids of R4B's definitions are ids");
        Resource::new(kind, id, said.collect())
    }

    /// What can be looked for behind the reference; not told of one that may point at anything.
    fn chain(&self) -> Vec<&'static str> {
        if self.targets.len() == ResourceType::all().count() {
            return Vec::new();
        }
        let codes = self.targets.iter().flat_map(|kind| params_of(*kind)).filter(|param| supported(param));
        let mut codes: Vec<&str> = codes.map(|param| param.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

fn component(param: &Param) -> Json {
    let mut component = Object::with_capacity(2);
    component.set("definition", param.url().as_str());
    component.set("expression", param.expression);
    Json::Object(component)
}

fn texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Json {
    Json::Array(texts.into_iter().map(Json::string).collect())
}

/// The modifiers that a parameter takes; the reader of searches refuses every other.
fn modifiers(param: &Param) -> Vec<&'static str> {
    let mut modifiers = match param.kind {
        ParamKind::Token => vec!["missing", "not", "in", "not-in", "below", "above"],
        ParamKind::String => vec!["missing", "exact", "contains"],
        ParamKind::Reference => vec!["missing", "type", "identifier"],
        ParamKind::Uri => vec!["missing", "below", "above", "contains"],
        ParamKind::Date | ParamKind::Number | ParamKind::Quantity | ParamKind::Composite => vec!["missing"],
        ParamKind::Special => Vec::new(),
    };
    if param.kind == ParamKind::Token && param.may_be(&HAVE_TEXT) {
        modifiers.push("text");
    }
    if param.kind == ParamKind::Token && param.may_be(&["Identifier"]) {
        modifiers.push("ofType");
    }
    modifiers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::parse;
    use crate::validate;

    fn of(id: &str) -> Resource {
        all().find(|definition| definition.id().as_str() == id).unwrap()
    }

    fn list(tree: &Object, name: &str) -> Vec<String> {
        let values = tree.get(name).map(Json::items).unwrap_or_default();
        values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_definition_is_valid_and_there_once() {
        let mut ids = Vec::new();
        for definition in all() {
            assert_eq!(validate(definition.tree()), [], "{}", definition.id());
            assert!(is_known(definition.id().as_str()));
            ids.push(definition.id().clone());
        }
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert!(count > 1300 && ids.len() == count);
        assert!(!is_known("own-1") && !is_known("Patient-phonetic"));
    }

    #[test]
    fn a_definition_says_what_holds_here() {
        let birthdate = of("individual-birthdate");
        assert_eq!(list(birthdate.tree(), "base"), ["Patient", "Person", "RelatedPerson"]);
        let expression = birthdate.tree().get("expression").and_then(Json::as_str);
        assert_eq!(expression, Some("Patient.birthDate | Person.birthDate | RelatedPerson.birthDate"));
        assert_eq!(list(of("Resource-tag").tree(), "base"), ["Resource"]);
        let subject = of("Observation-subject");
        let targets = list(subject.tree(), "target");
        assert!(targets.contains(&"Patient".to_owned()) && !targets.contains(&"Observation".to_owned()));
        assert!(list(subject.tree(), "chain").contains(&"birthdate".to_owned()));
        let composite = of("Observation-code-value-quantity");
        assert_eq!(composite.tree().get("component").unwrap().items().len(), 2);
    }

    #[test]
    fn the_modifiers_it_tells_are_those_that_are_taken() {
        let samples = [
            ("Patient", "gender", "x"),
            ("Patient", "identifier", "x"),
            ("Observation", "code", "x"),
            ("Patient", "name", "x"),
            ("Patient", "birthdate", "2026"),
            ("Observation", "subject", "x"),
            ("ChargeItem", "factor-override", "1"),
            ("Observation", "value-quantity", "1"),
            ("Patient", "_source", "http://x"),
            ("Observation", "code-value-quantity", "x$1"),
        ];
        let all_of_r4b = [
            "missing",
            "exact",
            "contains",
            "not",
            "text",
            "in",
            "not-in",
            "below",
            "above",
            "type",
            "identifier",
            "ofType",
        ];
        for (base, code, value) in samples {
            let base = ResourceType::from_name(base).unwrap();
            let told = modifiers(find(base, code).unwrap());
            for modifier in all_of_r4b {
                let (modifier, written) = match modifier {
                    "type" => (modifier, "Patient"),
                    "ofType" => (modifier, "of-type"),
                    other => (other, other),
                };
                let value = match modifier {
                    "missing" => "true",
                    "above" | "below" if !code.starts_with('_') => "urn:system|x",
                    "ofType" => "urn:system|x|1",
                    _ => value,
                };
                let is_taken = parse(base, &[(format!("{code}:{written}"), value.to_owned())]).is_ok();
                assert_eq!(told.contains(&modifier), is_taken, "{code}:{modifier}");
            }
        }
    }
}
