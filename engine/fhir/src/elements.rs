//! What elements R4B types have: names, types, cardinality, bindings and reference targets.
//!
//! Read once, at first use, from `tables/elements.tsv`, which is made from the official definitions.

use std::collections::HashMap;
use std::sync::LazyLock;

use compact_str::{CompactString, format_compact};

use crate::codes::{ValueSet, value_set};
use crate::primitive::Primitive;
use crate::types::ResourceType;

/// A resource, a data type or a backbone element, and the elements it is made of.
#[derive(Debug)]
pub struct TypeDef {
    /// `Patient`, `HumanName`, or for a backbone element its path: `Patient.contact`.
    pub name: &'static str,
    /// What it is.
    pub class: Class,
    /// The type it derives from: `DomainResource`, `BackboneElement`, `Element`; empty for the two roots. What is
    /// derived from Quantity says `Element`.
    pub base: &'static str,
    /// Its elements in the order of the standard, the inherited ones first.
    pub elements: Vec<Element>,
    /// Every JSON name by which an element may be written, sorted.
    members: Vec<(CompactString, u16, Option<u16>)>,
    /// The elements that must be there, as places in `elements`.
    pub(crate) required: Vec<u16>,
}

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `Patient`
    Resource,
    /// `HumanName`
    DataType,
    /// `Patient.contact`
    Backbone,
}

/// One element of a type.
#[derive(Debug)]
pub struct Element {
    /// `birthDate`; a choice element carries its mark: `value[x]`.
    pub name: &'static str,
    /// The types its value may have; more than one only for a choice.
    pub types: Vec<TypeRef>,
    /// How many there must be at least.
    pub min: u32,
    /// How many there may be.
    pub max: Max,
    /// Whether it changes the meaning of what it stands in.
    pub modifier: bool,
    /// Whether it belongs to the summary of what it stands in (R4B §3.1.1.5.9).
    pub summary: bool,
    /// The value set it is bound to as required.
    pub binding: Option<&'static ValueSet>,
    /// The JSON names of a choice, one a type: `valueQuantity`, ..; empty for the others.
    pub concrete: Vec<CompactString>,
}

/// How many values an element may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Max {
    /// At most one; in JSON a value of its own.
    One,
    /// Any number; in JSON an array.
    Many,
}

/// The type of an element's value.
#[derive(Debug)]
pub struct TypeRef {
    /// `string`, `HumanName`, `Patient.contact`, `Reference`, `Resource`.
    pub name: &'static str,
    /// What it is.
    pub kind: TypeKind,
    /// What a Reference or canonical may point at; empty: anything.
    pub targets: Vec<ResourceType>,
}

/// Sorts of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// A single JSON value.
    Primitive(Primitive),
    /// An object with elements of its own; a place in the list of types.
    Complex(TypeId),
    /// Any resource: contained, or in a Bundle entry or Parameters.
    AnyResource,
}

/// A type, as its place in the list of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeId(u16);

/// What a JSON name means in a type.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The element.
    pub element: &'static Element,
    /// Its place in [`TypeDef::elements`].
    pub at: u16,
    /// The type of the value; `None` for the bare choice name `value[x]`.
    pub of: Option<&'static TypeRef>,
}

impl TypeDef {
    /// The element of this name: `birthDate`, `value[x]` or `valueQuantity`.
    pub fn element(&'static self, name: &str) -> Option<&'static Element> {
        self.member(name).map(|member| member.element)
    }

    /// The element of this name, with the type the name chooses.
    pub fn member(&'static self, name: &str) -> Option<Member> {
        let found = self.members.binary_search_by(|(known, ..)| known.as_str().cmp(name)).ok()?;
        let (_, at, chosen) = &self.members[found];
        let element = &self.elements[usize::from(*at)];
        Some(Member { element, at: *at, of: chosen.map(|of| &element.types[usize::from(of)]) })
    }

    /// Every name [`TypeDef::element`] knows, for nearest-word help.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, ..)| name.as_str())
    }

    /// The choice element written `value` in a FHIRPath and `value[x]` in the standard.
    pub(crate) fn choice(&'static self, stem: &str) -> Option<&'static Element> {
        self.elements.iter().find(|element| element.stem() == stem && element.is_choice())
    }
}

impl Element {
    /// Whether the value's type picks the JSON name.
    pub fn is_choice(&self) -> bool {
        self.name.ends_with("[x]")
    }

    /// The name without the mark of a choice.
    pub fn stem(&self) -> &'static str {
        self.name.strip_suffix("[x]").unwrap_or(self.name)
    }

    /// Whether it is written as an array.
    pub fn is_list(&self) -> bool {
        self.max == Max::Many
    }

    /// Its only type; `None` for a choice.
    pub fn sole_type(&self) -> Option<&TypeRef> {
        if self.is_choice() { None } else { self.types.first() }
    }

    /// The JSON name for a value of this type: `valueQuantity` for `Quantity`, the plain name for no choice.
    pub fn json_name(&self, of: &str) -> Option<&str> {
        let at = self.types.iter().position(|known| known.name == of)?;
        Some(self.concrete.get(at).map_or(self.name, CompactString::as_str))
    }
}

impl TypeRef {
    /// The elements of the type; `None` for a primitive and for any resource.
    pub fn def(&self) -> Option<&'static TypeDef> {
        match self.kind {
            TypeKind::Complex(id) => Some(id.def()),
            TypeKind::Primitive(_) | TypeKind::AnyResource => None,
        }
    }

    /// The primitive; `None` for the others.
    pub fn primitive(&self) -> Option<Primitive> {
        match self.kind {
            TypeKind::Primitive(primitive) => Some(primitive),
            TypeKind::Complex(_) | TypeKind::AnyResource => None,
        }
    }
}

impl TypeId {
    /// The type at this place.
    pub fn def(self) -> &'static TypeDef {
        &TABLE.types[usize::from(self.0)]
    }
}

/// The resource, data type or backbone element of this name: `Patient`, `HumanName`, `Patient.contact`.
pub fn type_of(name: &str) -> Option<&'static TypeDef> {
    TABLE.by_name.get(name).map(|id| id.def())
}

/// The elements of a resource type.
pub fn of_resource(kind: ResourceType) -> &'static TypeDef {
    TABLE.resources[kind.index()].def()
}

/// The names of all types, for nearest-word help.
pub fn type_names() -> impl Iterator<Item = &'static str> {
    TABLE.types.iter().map(|known| known.name)
}

struct Table {
    types: Vec<TypeDef>,
    by_name: HashMap<&'static str, TypeId>,
    /// One for each resource type, in the order of [`ResourceType::all`].
    resources: Vec<TypeId>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| read(include_str!("../tables/elements.tsv")));

fn read(table: &'static str) -> Table {
    let mut by_name = HashMap::new();
    for name in table.lines().filter_map(|line| line.strip_prefix('@')) {
        let name = name.split('\t').next().unwrap_or_default();
        let id = TypeId(u16::try_from(by_name.len()).expect("R4B has fewer than 65536 types"));
        by_name.insert(name, id);
    }
    let mut blocks: HashMap<&str, (&'static str, Vec<&'static str>)> = HashMap::new();
    let mut order = Vec::with_capacity(by_name.len());
    for line in table.lines() {
        if let Some(head) = line.strip_prefix('@') {
            let mut cells = head.split('\t');
            let name = cells.next().unwrap_or_default();
            let class = cells.next().unwrap_or_default();
            order.push((name, class));
            blocks.insert(name, (cells.next().unwrap_or_default(), Vec::new()));
        } else if let Some((name, _)) = order.last() {
            blocks.get_mut(name).expect("just inserted").1.push(line);
        }
    }
    let types = order.iter().map(|(name, class)| {
        let mut elements = Vec::new();
        add_elements(name, &blocks, &by_name, &mut elements);
        type_def(name, class, blocks[name].0, elements)
    });
    let types: Vec<TypeDef> = types.collect();
    let resources = ResourceType::all().map(|kind| by_name[kind.name()]).collect();
    Table { types, by_name, resources }
}

fn add_elements(
    name: &str,
    blocks: &HashMap<&str, (&'static str, Vec<&'static str>)>,
    ids: &HashMap<&'static str, TypeId>,
    elements: &mut Vec<Element>,
) {
    let Some((base, lines)) = blocks.get(name) else { return };
    add_elements(base, blocks, ids, elements);
    elements.extend(lines.iter().map(|line| element(line, ids)));
}

fn element(line: &'static str, ids: &HashMap<&'static str, TypeId>) -> Element {
    let mut cells = line.split('\t');
    let name = cells.next().unwrap_or_default();
    let types: Vec<TypeRef> =
        cells.next().unwrap_or_default().split('|').map(|text| type_ref(text, ids)).collect();
    let min = cells.next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let max = if cells.next() == Some("*") { Max::Many } else { Max::One };
    let marks = cells.next().unwrap_or_default();
    let (modifier, summary) = (marks.contains('m'), marks.contains('s'));
    let binding = cells.next().and_then(value_set);
    let concrete = match name.strip_suffix("[x]") {
        Some(stem) => types.iter().map(|of| concrete_name(stem, of.name)).collect(),
        None => Vec::new(),
    };
    Element { name, types, min, max, modifier, summary, binding, concrete }
}

fn concrete_name(stem: &str, of: &str) -> CompactString {
    let (first, rest) = of.split_at(1);
    format_compact!("{stem}{}{rest}", first.to_ascii_uppercase())
}

fn type_ref(text: &'static str, ids: &HashMap<&'static str, TypeId>) -> TypeRef {
    let (name, targets) = match text.split_once('(') {
        Some((name, targets)) => (name, targets.trim_end_matches(')')),
        None => (text, ""),
    };
    let name = name.trim_start_matches('#');
    let kind = match (Primitive::from_name(name), name) {
        (Some(primitive), _) => TypeKind::Primitive(primitive),
        (None, "Resource") => TypeKind::AnyResource,
        (None, _) => TypeKind::Complex(ids[name]),
    };
    TypeRef { name, kind, targets: targets.split(',').filter_map(ResourceType::from_name).collect() }
}

fn type_def(name: &'static str, class: &str, base: &'static str, elements: Vec<Element>) -> TypeDef {
    let class = match class {
        "resource" => Class::Resource,
        "backbone" => Class::Backbone,
        _ => Class::DataType,
    };
    let mut members = Vec::with_capacity(elements.len());
    let mut required = Vec::new();
    for (at, element) in (0u16..).zip(&elements) {
        let chosen = if element.is_choice() { None } else { Some(0) };
        members.push((CompactString::const_new(element.name), at, chosen));
        members.extend(element.concrete.iter().zip(0u16..).map(|(name, of)| (name.clone(), at, Some(of))));
        if element.min > 0 {
            required.push(at);
        }
    }
    members.sort_unstable();
    TypeDef { name, class, base, elements, members, required }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_knows_its_own_and_its_inherited_elements() {
        let patient = type_of("Patient").unwrap();
        let birth_date = patient.element("birthDate").unwrap();
        assert_eq!(birth_date.types[0].primitive(), Some(Primitive::Date));
        assert_eq!((birth_date.min, birth_date.max), (0, Max::One));
        assert!(patient.element("meta").is_some() && patient.element("contained").is_some());
        assert!(patient.element("birthdate").is_none());
        assert!(patient.element("resourceType").is_none());
    }

    #[test]
    fn a_choice_is_found_by_its_mark_and_by_each_concrete_name() {
        let observation = type_of("Observation").unwrap();
        let value = observation.member("value[x]").unwrap();
        assert!(value.of.is_none());
        let quantity = observation.member("valueQuantity").unwrap();
        assert_eq!(quantity.of.unwrap().name, "Quantity");
        assert_eq!(quantity.at, value.at);
        assert_eq!(value.element.json_name("dateTime"), Some("valueDateTime"));
        assert!(observation.element("value").is_none());
        assert!(observation.element("valueMoney").is_none());
    }

    #[test]
    fn a_content_reference_leads_to_the_elements_it_names() {
        let component = type_of("Observation.component").unwrap();
        let range = component.element("referenceRange").unwrap();
        assert_eq!(range.types[0].def().unwrap().name, "Observation.referenceRange");
    }

    #[test]
    fn targets_and_bindings_are_known() {
        let patient = type_of("Patient").unwrap();
        let organization = patient.element("managingOrganization").unwrap();
        assert_eq!(organization.types[0].targets, [ResourceType::from_name("Organization").unwrap()]);
        assert_eq!(patient.element("gender").unwrap().binding.unwrap().name, "administrative-gender");
        assert!(patient.element("active").unwrap().modifier);
        assert!(patient.element("active").unwrap().summary && !patient.element("photo").unwrap().summary);
    }

    #[test]
    fn every_type_has_members_within_the_bounds_of_the_validator() {
        for known in TABLE.types.iter() {
            assert!(known.elements.len() <= 128, "{} has too many elements for a bit set", known.name);
            assert!(!known.elements.is_empty(), "{} has no elements", known.name);
        }
    }
}
