//! What somebody has asked for.

use hub_core::language::Language;
use hub_core::who::Who;
use hub_fhir::{Json, Object, Reference, Resource};

use crate::refused::Refused;

/// One call of an operation.
#[derive(Clone, Debug)]
pub struct Command {
    /// The type of resource that the operation is called on: operations of one name may be of several types.
    pub kind: &'static str,
    /// The operation's name, without the `$`.
    pub act: &'static str,
    /// The resource it was called on; none where it was called on a type.
    pub on: Option<Reference>,
    /// The `parameter`s that came along.
    pub input: Vec<Object>,
    /// Who asks.
    pub who: Who,
    /// The language of who asks.
    pub language: Language,
    /// Its number: the same when the same caller sends it again under the same idempotency key. What is made because of it has ids
    /// that are made of it.
    pub number: String,
    /// The network address of who asks, as far as it is known.
    pub from: Option<String>,
}

impl Command {
    /// The `value[x]` or `resource` of the first parameter of this name.
    fn first(&self, name: &str) -> Option<&Json> {
        self.all(name).next()
    }

    fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a Json> + use<'a, 'n> {
        let named = self
            .input
            .iter()
            .filter(move |parameter| parameter.get("name").and_then(Json::as_str) == Some(name));
        named.filter_map(|parameter| {
            let value = parameter.iter().find(|(key, _)| key.starts_with("value") || *key == "resource");
            value.map(|(_, value)| value)
        })
    }

    /// A text, a code, a date: whatever is written as a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.first(name).and_then(Json::as_str)
    }

    /// All texts of this name.
    pub fn texts<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.all(name).filter_map(Json::as_str)
    }

    /// A text that must be there.
    pub fn need_text(&self, name: &'static str) -> Result<&str, Refused> {
        let text = self.text(name).filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| Refused::field("REQUIRED", name))
    }

    /// A whole number.
    pub fn number_of(&self, name: &str) -> Option<i64> {
        match self.first(name)? {
            Json::Number(number) => number.as_str().parse().ok(),
            _ => None,
        }
    }

    /// Whether a boolean is there and true.
    pub fn is(&self, name: &str) -> bool {
        self.first(name) == Some(&Json::Bool(true))
    }

    /// A structure: a Period, an Attachment, an Address.
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.first(name).and_then(Json::as_object)
    }

    /// All structures of this name.
    pub fn objects<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a Object> + use<'a, 'n> {
        self.all(name).filter_map(Json::as_object)
    }

    /// What a Reference points at, of one of these types.
    pub fn reference(&self, name: &'static str, kind: &str) -> Result<Option<Reference>, Refused> {
        let Some(given) = self.first(name) else { return Ok(None) };
        let text = given.get("reference").and_then(Json::as_str).or_else(|| given.as_str());
        let found = text.and_then(|text| Reference::parse(text).ok());
        match found.filter(|found| found.kind.name() == kind) {
            Some(found) => Ok(Some(found)),
            None => Err(Refused::field("REFERENCE", name)),
        }
    }

    /// The same of one that must be there.
    pub fn need_reference(&self, name: &'static str, kind: &str) -> Result<Reference, Refused> {
        self.reference(name, kind)?.ok_or_else(|| Refused::field("REQUIRED", name))
    }

    /// A resource that must be there, of this type.
    pub fn need_resource(&self, name: &'static str, kind: &str) -> Result<&Object, Refused> {
        let given = self.object(name).ok_or_else(|| Refused::field("REQUIRED", name))?;
        let is_meant = given.get("resourceType").and_then(Json::as_str) == Some(kind);
        if is_meant { Ok(given) } else { Err(Refused::field("TYPE", name)) }
    }

    /// Its Task, by which it is remembered and followed.
    pub fn task(&self) -> Reference {
        let kind = hub_fhir::ResourceType::from_name("Task").expect("R4B has tasks");
        Reference { kind, id: hub_core::errands::task_id(&self.number) }
    }

    /// The resource it was called on.
    pub fn subject(&self) -> Result<&Reference, Refused> {
        self.on.as_ref().ok_or_else(|| Refused::of("REQUIRED"))
    }

    /// Who asks, as the resources know it: a Person or a Practitioner.
    pub fn agent(&self) -> Option<&Reference> {
        self.who.is.as_ref()
    }

    /// A new resource's id: made of the command's number, so that the same command makes the same.
    pub fn id(&self, what: &str) -> hub_fhir::Id {
        hub_fhir::Id::of_parts([what, &self.number])
    }

    /// A resource that came along, as it is to be stored under this id.
    pub fn resource(&self, tree: &Object, id: hub_fhir::Id) -> Option<Resource> {
        let kind = tree.get("resourceType").and_then(Json::as_str)?;
        Some(Resource::new(hub_fhir::ResourceType::from_name(kind)?, id, tree.clone()))
    }
}
