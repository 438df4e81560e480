//! Resources as a document: what a destination's mapping and a channel's conditions read.

use std::collections::HashMap;

use compact_str::CompactString;
use hub_fhir::elements::{Element, TypeDef, TypeKind, of_resource, type_of};
use hub_fhir::{Json, Object, ResourceType};

use crate::tree::{Kind, Naming, Span, Tree, TreeDocument, Weight};

/// Resources side by side: `Observation.code.coding.display` from the root is that of every Observation; from within one
/// it is its own. The entries of a Bundle count as standing beside it.
///
/// An array is seen as a repeating child. A choice is read by its name (`value`) or by the concrete one
/// (`valueQuantity`). Only a primitive has a text. Values are copied, so the document owns what it needs.
pub type FhirDocument = TreeDocument<Fhir>;

/// What FHIR knows of a tree: elements, choices, resources.
#[derive(Clone, Debug, Default)]
pub struct Fhir {
    /// The resources by type, where there are many.
    many: Option<HashMap<CompactString, Vec<u32>>>,
}

/// So many nodes may be looked at for a resource before they get an index.
const FEW: usize = 64;

/// What FHIR knows of a node.
#[derive(Clone, Copy)]
pub struct Mark {
    /// The elements it may have.
    def: Option<&'static TypeDef>,
    is_resource: bool,
}

/// No name of a type of resource is longer, in bytes.
const LONGEST_TYPE: usize = 34;
const UNKNOWN: Mark = Mark { def: None, is_resource: false };

/// What is known of a member's value.
fn mark(parent: Mark, member: &str, value: &Json) -> Mark {
    let Json::Object(object) = value else { return UNKNOWN };
    let resource = object.get("resourceType").and_then(Json::as_str);
    let of_kind = resource.and_then(ResourceType::from_name).map(of_resource);
    let of_member = || {
        let of = parent.def.and_then(|def| def.member(member)).and_then(|member| member.of);
        match (of, member.starts_with('_')) {
            (Some(of), _) => of.def().filter(|_| !matches!(of.kind, TypeKind::AnyResource)),
            (None, true) => type_of("Element"),
            (None, false) => None,
        }
    };
    Mark { def: of_kind.or_else(of_member), is_resource: resource.is_some() }
}

impl FhirDocument {
    /// A document of these resources, in their order.
    pub fn new<'a>(resources: impl IntoIterator<Item = &'a Object, IntoIter: Clone>) -> Self {
        let resources = resources.into_iter();
        let mut weight = Weight::default();
        for resource in resources.clone() {
            (weight.nodes, weight.bytes) = (weight.nodes + 1, weight.bytes + LONGEST_TYPE);
            weight.add_object(resource);
        }
        let mut tree = Tree::new(Kind::Group, UNKNOWN, weight.nodes, weight.bytes);
        let mut nth: Vec<(Span, u32, usize)> = Vec::new();
        for resource in resources {
            let kind = resource.get("resourceType").and_then(Json::as_str).unwrap_or("Resource");
            let name = tree.keep(kind);
            let of_kind = ResourceType::from_name(kind).map(of_resource);
            let top =
                tree.push(0, name, Kind::Group, Span::default(), Mark { def: of_kind, is_resource: true });
            tree.members(top, resource, &mark);
            tree.close(top);
            let known = nth.iter().position(|(known, _, _)| tree.slice(*known) == kind);
            let place = known.unwrap_or_else(|| {
                nth.push((name, 0, top));
                nth.len() - 1
            });
            let (_, count, first) = &mut nth[place];
            *count += 1;
            let (count, first) = (*count, *first);
            tree.item_mut(top).nth = count;
            tree.item_mut(top).many = count > 1;
            tree.item_mut(first).many = count > 1;
        }
        tree.close(0);
        let mut naming = Fhir::default();
        naming.index(&tree);
        TreeDocument { tree, naming }
    }

    /// The resources, as they were read.
    pub fn resources(&self) -> Vec<Object> {
        self.tree.children(0).map(|top| self.tree.to_object(top)).collect()
    }
}

impl Fhir {
    fn index(&mut self, tree: &Tree<Mark>) {
        if tree.len() <= FEW {
            return;
        }
        let mut resources = Vec::new();
        each_resource(tree, |resource| resources.push(resource));
        if resources.len() <= FEW {
            return;
        }
        let many = self.many.get_or_insert_default();
        for resource in resources {
            if let Some(kind) = resource_type(tree, resource) {
                many.entry(kind.into()).or_default().push(resource as u32);
            }
        }
    }

    /// Whether a node is a resource of this type.
    pub(super) fn is_resource(&self, tree: &Tree<Mark>, at: usize, kind: &str) -> bool {
        tree.item(at).mark.is_resource && resource_type(tree, at) == Some(kind)
    }

    fn element(&self, tree: &Tree<Mark>, at: usize, name: &str) -> Option<&'static Element> {
        let def = tree.item(at).mark.def?;
        def.element(name).or_else(|| def.elements.iter().find(|element| element.stem() == name))
    }
}

fn resource_type(tree: &Tree<Mark>, at: usize) -> Option<&str> {
    let named = tree.children(at).find(|child| tree.name(*child) == "resourceType");
    named.and_then(|child| tree.value(child))
}

/// Hands over the resources of the root, and those in the entries of a Bundle right behind it.
fn each_resource(tree: &Tree<Mark>, mut take: impl FnMut(usize)) {
    for top in tree.children(0) {
        take(top);
        if resource_type(tree, top) == Some("Bundle") {
            for entry in tree.children(top).filter(|entry| tree.name(*entry) == "entry") {
                tree.children(entry).filter(|child| tree.item(*child).mark.is_resource).for_each(&mut take);
            }
        }
    }
}

impl Naming for Fhir {
    type Mark = Mark;

    fn is_named(&self, tree: &Tree<Mark>, child: usize, name: &str) -> bool {
        tree.parent(child) != 0 && tree.name(child) == name
    }

    /// Members, a choice's members, and from the root the resources.
    fn named(&self, tree: &Tree<Mark>, at: usize, name: &str, found: &mut Vec<usize>) {
        if at == 0 {
            if let Some(many) = &self.many {
                found.extend(many.get(name).into_iter().flatten().map(|resource| *resource as usize));
                return;
            }
            each_resource(tree, |resource| {
                if self.is_resource(tree, resource, name) {
                    found.push(resource);
                }
            });
            return;
        }
        let choice =
            self.element(tree, at, name).filter(|element| element.is_choice() && element.stem() == name);
        let is_named = |child: &usize| {
            let child = tree.name(*child);
            child == name
                || choice.is_some_and(|choice| choice.concrete.iter().any(|concrete| concrete == child))
        };
        found.extend(tree.children(at).filter(is_named));
    }

    fn can_hold(&self, tree: &Tree<Mark>, at: usize, name: &str) -> bool {
        self.element(tree, at, name).is_some() || tree.has_child(at, name)
    }

    fn is_itself(&self, tree: &Tree<Mark>, at: usize, name: &str) -> bool {
        self.is_resource(tree, at, name)
    }
}
