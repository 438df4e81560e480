//! FHIR resources as a document: what a destination's mapping and a channel's conditions read.

use std::borrow::Cow;

use compact_str::CompactString;
use hub_core::document::{Document, Node, ParseError, Parser, Text};
use hub_core::path::{Path, Pick, Step, To};
use hub_fhir::elements::{Element, TypeDef, TypeKind, of_resource, type_of};
use hub_fhir::{Json, Object, ResourceType};

/// Resources side by side: `Observation.code.coding.display` from the root is that of every Observation; from within one
/// it is its own. The entries of a Bundle count as standing beside it.
///
/// An array is seen as a repeating child. A choice is read by its name (`value`) or by the concrete one
/// (`valueQuantity`). Only a primitive has a text. Values are copied, so the document owns what it needs.
pub struct FhirDocument {
    items: Vec<Item>,
    /// The root is one object of somebody's own making, not a row of resources.
    plain: bool,
}

struct Item {
    name: CompactString,
    leaf: Leaf,
    /// The elements it may have.
    def: Option<&'static TypeDef>,
    /// It is a resource of this type.
    resource: Option<CompactString>,
    /// Which of several of its name, and whether there are several.
    nth: u32,
    many: bool,
    next: u32,
    parent: u32,
}

enum Leaf {
    No,
    Text(CompactString),
    Null,
}

impl std::fmt::Debug for FhirDocument {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FhirDocument({} nodes)", self.items.len())
    }
}

impl FhirDocument {
    /// A document of these resources, in their order.
    pub fn new<'a>(resources: impl IntoIterator<Item = &'a Object>) -> Self {
        let mut document = Self { items: Vec::with_capacity(64), plain: false };
        document.push("", 0, Leaf::No, None);
        let mut nth: Vec<(CompactString, u32)> = Vec::new();
        for resource in resources {
            let kind = resource.get("resourceType").and_then(Json::as_str).unwrap_or("Resource");
            let at = document.items.len();
            document.object(kind, 0, resource, None);
            let count = match nth.iter_mut().find(|(known, _)| known == kind) {
                Some((_, count)) => count,
                None => {
                    nth.push((kind.into(), 0));
                    &mut nth.last_mut().expect("it was pushed just now").1
                }
            };
            *count += 1;
            document.items[at].nth = *count;
        }
        let tops: Vec<usize> = document.children(0).collect();
        for top in tops {
            let of_kind = nth.iter().find(|(kind, _)| *kind == document.items[top].name);
            document.items[top].many = of_kind.is_some_and(|(_, count)| *count > 1);
        }
        document.close(0);
        document
    }

    /// A document of one JSON object that is no resource: paths begin with its members.
    pub(crate) fn of_members(object: &Object) -> Self {
        let mut document = Self { items: Vec::with_capacity(64), plain: true };
        document.push("", 0, Leaf::No, None);
        document.members(0, object);
        document.close(0);
        document
    }

    fn push(&mut self, name: &str, parent: usize, leaf: Leaf, def: Option<&'static TypeDef>) -> usize {
        let at = self.items.len();
        self.items.push(Item {
            name: name.into(),
            leaf,
            def,
            resource: None,
            nth: 1,
            many: false,
            next: at as u32 + 1,
            parent: parent as u32,
        });
        self.items[0].next = at as u32 + 1;
        at
    }

    fn close(&mut self, at: usize) {
        self.items[at].next = self.items.len() as u32;
    }

    fn object(&mut self, name: &str, parent: usize, object: &Object, def: Option<&'static TypeDef>) {
        let resource = object.get("resourceType").and_then(Json::as_str);
        let of_kind = resource.and_then(ResourceType::from_name).map(of_resource);
        let at = self.push(name, parent, Leaf::No, of_kind.or(def));
        self.items[at].resource = resource.map(CompactString::new);
        self.members(at, object);
        self.close(at);
    }

    /// The members of an object as children of a node.
    fn members(&mut self, at: usize, object: &Object) {
        for (member, value) in object.iter() {
            let of = self.items[at].def.and_then(|def| def.member(member)).and_then(|member| member.of);
            let inner = match (of, member.starts_with('_')) {
                (Some(of), _) => of.def().filter(|_| !matches!(of.kind, TypeKind::AnyResource)),
                (None, true) => type_of("Element"),
                (None, false) => None,
            };
            let several = value.as_array().is_some_and(|items| items.len() > 1);
            for (index, value) in value.items().iter().enumerate() {
                let child = self.items.len();
                match value {
                    Json::Object(object) => self.object(member, at, object, inner),
                    // An array within an array is not FHIR; a null in one only keeps places aligned.
                    Json::Array(_) => continue,
                    Json::Null if several => continue,
                    Json::Null => _ = self.push(member, at, Leaf::Null, None),
                    Json::Bool(yes) => {
                        let text = if *yes { "true" } else { "false" };
                        self.push(member, at, Leaf::Text(text.into()), None);
                    }
                    Json::Number(text) | Json::String(text) if !text.is_empty() => {
                        self.push(member, at, Leaf::Text(text.clone()), None);
                    }
                    Json::Number(_) | Json::String(_) => continue,
                }
                self.items[child].nth = index as u32 + 1;
                self.items[child].many = several;
            }
        }
    }

    fn index(&self, node: Node) -> usize {
        usize::try_from(node.0).ok().filter(|at| *at < self.items.len()).unwrap_or(0)
    }

    fn children(&self, at: usize) -> impl Iterator<Item = usize> {
        let end = self.items[at].next as usize;
        let mut next = at + 1;
        std::iter::from_fn(move || {
            let child = next;
            (child < end).then(|| {
                next = self.items[child].next as usize;
                child
            })
        })
    }

    fn is_inside(&self, outer: usize, inner: usize) -> bool {
        outer <= inner && inner < self.items[outer].next as usize
    }

    /// The children of a node by a step's name: members, a choice's members, and from the root the resources.
    fn named<'a>(&'a self, at: usize, name: &'a str) -> Vec<usize> {
        if at == 0 && !self.plain {
            let mut found = Vec::new();
            for top in self.children(0) {
                if self.is_resource(top, name) {
                    found.push(top);
                }
                if self.is_resource(top, "Bundle") {
                    let entries = self.children(top).filter(|entry| self.items[*entry].name == "entry");
                    let resources = entries.flat_map(|entry| self.children(entry));
                    found.extend(resources.filter(|resource| self.is_resource(*resource, name)));
                }
            }
            return found;
        }
        let choice = self.element(at, name).filter(|element| element.is_choice() && element.stem() == name);
        let is_named = |child: &usize| {
            let child = &self.items[*child].name;
            child == name || choice.is_some_and(|choice| choice.concrete.contains(child))
        };
        self.children(at).filter(is_named).collect()
    }

    fn is_resource(&self, at: usize, kind: &str) -> bool {
        self.items[at].resource.as_deref() == Some(kind)
    }

    fn element(&self, at: usize, name: &str) -> Option<&'static Element> {
        let def = self.items[at].def?;
        def.element(name).or_else(|| def.elements.iter().find(|element| element.stem() == name))
    }

    fn can_hold(&self, at: usize, name: &str) -> bool {
        at == 0
            || self.element(at, name).is_some()
            || self.children(at).any(|child| self.items[child].name == name)
    }

    fn follow(&self, at: usize, scope: usize, steps: &[Step], found: &mut Vec<Node>) {
        let Some((step, rest)) = steps.split_first() else {
            let valued = !matches!(self.items[at].leaf, Leaf::No) || self.items[at].next as usize > at + 1;
            if valued {
                found.push(Node(at as u64));
            }
            return;
        };
        let To::Name(name) = &step.to else { return };
        let named = self.named(at, name);
        let own = named.iter().copied().find(|child| scope > at && self.is_inside(*child, scope));
        for (place, child) in named.into_iter().enumerate() {
            let wanted = match &step.pick {
                Some(Pick::Nth(nth)) => place + 1 == usize::from(*nth),
                pick => own.is_none_or(|own| own == child) && self.picked(child, pick),
            };
            if wanted {
                self.follow(child, scope, rest, found);
            }
        }
    }

    /// Whether a node has the value that `[system=urn:x]` asks for; the part may have dots.
    fn picked(&self, at: usize, pick: &Option<Pick>) -> bool {
        let Some(Pick::Where { part, equals }) = pick else { return true };
        let mut nodes = vec![at];
        for name in part.split('.') {
            nodes = nodes.into_iter().flat_map(|node| self.named(node, name)).collect();
        }
        nodes.into_iter().any(|node| matches!(&self.items[node].leaf, Leaf::Text(text) if text == equals))
    }

    fn write_place(&self, at: usize, place: &mut String) {
        if at == 0 {
            return;
        }
        let item = &self.items[at];
        self.write_place(item.parent as usize, place);
        if !place.is_empty() {
            place.push('.');
        }
        place.push_str(&item.name);
        if item.many {
            place.push_str(&format!("[{}]", item.nth));
        }
    }
}

impl Document for FhirDocument {
    fn root(&self) -> Node {
        Node(0)
    }

    fn select(&self, scope: Node, path: &Path, found: &mut Vec<Node>) {
        let scope = self.index(scope);
        let Some((first, rest)) = path.steps().split_first() else { return };
        let To::Name(name) = &first.to else { return };
        let numbered = matches!(first.pick, Some(Pick::Nth(_)));
        let mut at = scope;
        while at != 0 {
            if self.is_resource(at, name) && !numbered {
                if self.picked(at, &first.pick) {
                    self.follow(at, scope, rest, found);
                }
                return;
            }
            if self.can_hold(at, name) {
                break;
            }
            at = self.items[at].parent as usize;
        }
        self.follow(at, scope, path.steps(), found);
    }

    fn text(&self, node: Node) -> Option<Text<'_>> {
        match &self.items[self.index(node)].leaf {
            Leaf::No => None,
            Leaf::Text(text) => Some(Text::Value(Cow::Borrowed(text))),
            Leaf::Null => Some(Text::Null),
        }
    }

    fn part(&self, node: Node, index: u16) -> Option<Node> {
        let is_leaf = !matches!(self.items[self.index(node)].leaf, Leaf::No);
        (is_leaf && index == 1).then_some(node)
    }

    fn child(&self, node: Node, name: &str) -> Option<Node> {
        self.named(self.index(node), name).first().map(|at| Node(*at as u64))
    }

    fn contains(&self, outer: Node, inner: Node) -> bool {
        self.is_inside(self.index(outer), self.index(inner))
    }

    fn leaves(&self) -> Vec<Node> {
        let leaves = self.items.iter().enumerate().filter(|(_, item)| !matches!(item.leaf, Leaf::No));
        leaves.map(|(at, _)| Node(at as u64)).collect()
    }

    fn place(&self, node: Node) -> String {
        let mut place = String::new();
        self.write_place(self.index(node), &mut place);
        place
    }
}

/// Reads one resource, or a Bundle of them, as JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct FhirParser;

impl Parser for FhirParser {
    fn parse(&self, bytes: &[u8]) -> Result<Box<dyn Document>, ParseError> {
        let tree = read_tree(bytes)?;
        match tree.as_object() {
            Some(object) if object.get("resourceType").is_some() => Ok(Box::new(FhirDocument::new([object]))),
            _ => {
                let what = "expected a resource: a JSON object with `resourceType`".to_owned();
                Err(ParseError { at: 0, place: None, what })
            }
        }
    }
}

/// Reads UTF-8 JSON strictly: a replacement character that stands in it already is refused too.
pub(crate) fn read_tree(bytes: &[u8]) -> Result<Json, ParseError> {
    let error =
        |at: usize, place: Option<String>, what: &str| ParseError { at, place, what: what.to_owned() };
    let marked = bytes.strip_prefix(b"\xEF\xBB\xBF");
    let begin = if marked.is_some() { 3 } else { 0 };
    let text = std::str::from_utf8(&bytes[begin..])
        .map_err(|bad| error(begin + bad.valid_up_to(), None, "not UTF-8, which JSON must be"))?;
    if let Some(at) = text.find('\u{FFFD}') {
        return Err(error(begin + at, None, "a replacement character (U+FFFD) stands in the message"));
    }
    hub_fhir::json::parse(text).map_err(|bad| {
        let line: usize = text.split('\n').take(bad.line.saturating_sub(1)).map(|line| line.len() + 1).sum();
        let place = format!("line {} column {}", bad.line, bad.column);
        error((begin + line).min(bytes.len()), Some(place), bad.what)
    })
}
