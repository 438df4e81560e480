//! The functions R4B adds (R4B, FHIRPath, "Additional functions"). What the resource does not say the resolver answers.

use std::borrow::Cow;

use hub_fhir::codes::value_set;
use hub_fhir::{Json, Object};

use super::{Call, Outcome, Run, is_resource};
use crate::environment::Coded;
use crate::error::EvaluationError;
use crate::functions::Function;
use crate::html;
use crate::item::{Content, Item, Items, Node};
use crate::kind::{Kind, TypeName};
use crate::navigate::members;

const DEFINITIONS: &str = "http://hl7.org/fhir/StructureDefinition/";
const VALUE_SETS: &str = "http://hl7.org/fhir/ValueSet/";

impl<'a> Call<'_, 'a> {
    pub(super) fn fhir(self) -> Outcome<'a> {
        match self.function {
            Function::Extension => self.extension(),
            Function::HasValue => Ok(self.primitive().is_some_and(|item| item.system().is_some()).into()),
            Function::GetValue => Ok(self.primitive().and_then(Item::system).into()),
            Function::Resolve => self.resolve(),
            Function::ElementDefinition => {
                let resolver = self.run.environment.resolver;
                let nodes = self.input.iter().filter_map(Item::node);
                let found = nodes.filter_map(|node| resolver?.element_definition(&node.element_path()));
                Ok(found.filter_map(definition).collect())
            }
            Function::Slice => self.slice(),
            Function::CheckModifiers => self.check_modifiers(),
            Function::ConformsTo => self.conforms_to(),
            Function::MemberOf => self.member_of(),
            Function::Subsumes | Function::SubsumedBy => self.subsumes(),
            _ => self.html_checks(),
        }
    }

    /// The only value, when it is a primitive.
    fn primitive(&self) -> Option<&Item<'a>> {
        match self.input.as_slice() {
            [item] if item.node().is_none_or(|node| node.object().is_none()) => Some(item),
            _ => None,
        }
    }

    fn extension(self) -> Outcome<'a> {
        let Some(url) = self.text_argument(0)? else { return Ok(Items::None) };
        let mut found = Items::None;
        for node in self.input.iter().filter_map(Item::node) {
            let mut pushed = Ok(());
            members(node, "extension", &mut |item| {
                let own = item.node().and_then(Node::object).and_then(|tree| tree.get("url")?.as_str());
                if own == Some(url.as_ref()) && pushed.is_ok() {
                    pushed = self.run.push(self.at, &mut found, item);
                }
            });
            pushed?;
        }
        Ok(found)
    }

    /// What cannot be resolved is left out.
    fn resolve(self) -> Outcome<'a> {
        let mut found = Items::None;
        for item in self.input.iter() {
            self.run.charge(self.at, 4)?;
            if let Some(node) = self.run.resolved(item) {
                self.run.push(self.at, &mut found, Item::Node(node))?;
            }
        }
        Ok(found)
    }

    fn slice(self) -> Outcome<'a> {
        let (Some(structure), Some(name)) = (self.text_argument(0)?, self.text_argument(1)?) else {
            return Ok(Items::None);
        };
        let Some(resolver) = self.run.environment.resolver else { return Ok(Items::None) };
        let is_in = |item: &Item<'a>| {
            item.node().and_then(|node| resolver.in_slice(&structure, &name, node)) == Some(true)
        };
        Ok(self.input.iter().filter(|item| is_in(item)).cloned().collect())
    }

    /// The input, unless one of its elements has a modifier extension that is not named.
    fn check_modifiers(self) -> Outcome<'a> {
        let mut known = Vec::new();
        for at in 0..self.arguments.len() {
            known.extend(self.text_argument(at)?);
        }
        for node in self.input.iter().filter_map(Item::node) {
            let mut is_known = true;
            members(node, "modifierExtension", &mut |item| {
                let url = item.node().and_then(Node::object).and_then(|tree| tree.get("url")?.as_str());
                is_known &= url.is_some_and(|url| known.iter().any(|known| known == url));
            });
            if !is_known {
                return self.fail("a modifier extension stands here that is not known");
            }
        }
        Ok(self.input)
    }

    fn conforms_to(self) -> Outcome<'a> {
        let Some(item) = self.run.single(self.at, &self.input)? else { return Ok(Items::None) };
        let Some(profile) = self.text_argument(0)? else { return Ok(Items::None) };
        let Some(node) = item.node().filter(|node| is_resource(node.kind)) else {
            return self.fail("expected a resource");
        };
        let Some(tree) = node.object() else { return Ok(Items::None) };
        let answered =
            self.run.environment.resolver.and_then(|resolver| resolver.conforms_to(&profile, tree));
        let own_type = profile.strip_prefix(DEFINITIONS).filter(|name| crate::kind::fhir_type(name));
        let of_type = own_type.map(|name| {
            let named = TypeName { space: None, name: name.into() };
            node.kind.is(&named) && hub_fhir::validate(tree).is_empty()
        });
        Ok(answered.or(of_type).map(Item::Boolean).into())
    }

    /// True where one of the codings is in the value set; empty where nobody knows it.
    fn member_of(self) -> Outcome<'a> {
        let Some(item) = self.run.single(self.at, &self.input)? else { return Ok(Items::None) };
        let Some(set) = self.text_argument(0)? else { return Ok(Items::None) };
        let mut known = None;
        for coded in self.codes_of(item)? {
            match self.is_member(&set, &coded) {
                Some(true) => return Ok(true.into()),
                Some(false) => known = Some(false),
                None => return Ok(Items::None),
            }
        }
        Ok(known.map(Item::Boolean).into())
    }

    fn is_member(&self, set: &str, coded: &Coded<'_>) -> Option<bool> {
        if let Some(answer) =
            self.run.environment.resolver.and_then(|resolver| resolver.member_of(set, coded))
        {
            return Some(answer);
        }
        let name = set.split('|').next().unwrap_or_default().strip_prefix(VALUE_SETS)?;
        let bound = value_set(name).filter(|bound| bound.is_closed())?;
        Some(match coded.system {
            Some(system) => bound.has(system, coded.code),
            None => bound.has_code(coded.code),
        })
    }

    fn subsumes(self) -> Outcome<'a> {
        let Some(item) = self.run.single(self.at, &self.input)? else { return Ok(Items::None) };
        let other = self.argument(0)?;
        let Some(other) = self.run.single(self.at, &other)? else { return Ok(Items::None) };
        let (general, special) =
            if self.function == Function::Subsumes { (item, other) } else { (other, item) };
        let (general, special) = (self.codes_of(general)?, self.codes_of(special)?);
        let mut known = None;
        for one in &general {
            for other in &special {
                self.run.charge(self.at, 1)?;
                let answered = || self.run.environment.resolver?.subsumes(one, other);
                match if one == other { Some(true) } else { answered() } {
                    Some(true) => return Ok(true.into()),
                    Some(false) => known = Some(false),
                    None => {}
                }
            }
        }
        Ok(known.map(Item::Boolean).into())
    }

    /// The codes of a `code`, Coding or CodeableConcept.
    fn codes_of<'i>(&self, item: &'i Item<'a>) -> Result<Vec<Coded<'i>>, EvaluationError> {
        if let Item::String(text) = item {
            return Ok(vec![Coded { system: None, code: text }]);
        }
        let Some(node) = item.node() else {
            return self.fail(format!("expected a code, Coding or CodeableConcept, not a `{}`", item.kind()));
        };
        let coding = |tree: &'a Object| {
            let text = |name| tree.get(name).and_then(Json::as_str);
            text("code").map(|code| Coded { system: text("system"), code })
        };
        match (node.content, node.kind.name().1) {
            (Content::Object(tree), "Coding") => Ok(coding(tree).into_iter().collect()),
            (Content::Object(tree), "CodeableConcept") => {
                let codings = tree.get("coding").map(Json::items).unwrap_or_default();
                Ok(codings.iter().filter_map(Json::as_object).filter_map(coding).collect())
            }
            (Content::Primitive { value, .. }, _) => {
                let code = value.and_then(Json::as_str);
                Ok(code.map(|code| Coded { system: None, code }).into_iter().collect())
            }
            _ => self.fail(format!("expected a code, Coding or CodeableConcept, not a `{}`", node.kind)),
        }
    }

    fn html_checks(self) -> Outcome<'a> {
        let Some(item) = self.run.single(self.at, &self.input)? else { return Ok(Items::None) };
        let is_xhtml = item.kind().name().1 == "xhtml";
        let Some(text) = item.as_text().filter(|_| is_xhtml) else { return Ok(Items::None) };
        self.run.charge(self.at, text.len() as u64 / 16)?;
        Ok(html::is_narrative(&text).into())
    }
}

impl<'a> Run<'_, 'a> {
    /// The resource a Reference, canonical or URI points at: contained, in the Bundle, or known to the resolver.
    pub(super) fn resolved(&self, item: &Item<'a>) -> Option<Node<'a>> {
        let text = reference_text(item)?;
        if let Some(id) = text.strip_prefix('#') {
            let root = self.environment.root_resource?;
            if id.is_empty() {
                return Some(Node::resource(root));
            }
            let contained = root.get("contained").map(Json::items).unwrap_or_default();
            let own_id = |tree: &Object| tree.get("id").and_then(Json::as_str) == Some(id);
            return contained
                .iter()
                .filter_map(Json::as_object)
                .find(|tree| own_id(tree))
                .map(Node::resource);
        }
        let in_bundle = self.environment.bundle.and_then(|bundle| entry(bundle, &text));
        let known = || self.environment.resolver?.resolve(&text);
        in_bundle.or_else(known).map(Node::resource)
    }
}

/// The text of a Reference, or of a primitive that points somewhere.
pub(super) fn reference_text<'a>(item: &Item<'a>) -> Option<Cow<'a, str>> {
    match item {
        Item::Node(Node { content: Content::Object(tree), .. }) => {
            tree.get("reference").and_then(Json::as_str).map(Cow::Borrowed)
        }
        other => other.as_text(),
    }
}

/// The entry of this URL; for `Type/id` the one whose URL ends so (R4B, Bundle, "Resolving references in Bundles").
fn entry<'a>(bundle: &'a Object, reference: &str) -> Option<&'a Object> {
    let entries = bundle.get("entry").map(Json::items).unwrap_or_default();
    let reference = reference.split("/_history/").next().unwrap_or_default();
    let is_relative = !reference.contains(':') && reference.contains('/');
    let fits = |entry: &Object| {
        let url = entry.get("fullUrl").and_then(Json::as_str).unwrap_or_default();
        let ends_so = || url.strip_suffix(reference).is_some_and(|front| is_relative && front.ends_with('/'));
        url == reference && !url.is_empty() || ends_so()
    };
    let found = entries.iter().filter_map(Json::as_object).find(|entry| fits(entry))?;
    found.get("resource")?.as_object()
}

/// An ElementDefinition the resolver has.
fn definition<'a>(tree: &'a Object) -> Option<Item<'a>> {
    let def = hub_fhir::elements::type_of("ElementDefinition")?;
    Some(Item::Node(Node { content: Content::Object(tree), kind: Kind::Complex(def), place: None }))
}
