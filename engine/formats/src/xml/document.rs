//! XML as a document: names with and without namespaces, attributes, mixed text.

use std::borrow::Cow;
use std::collections::HashMap;

use compact_str::CompactString;

use super::names::{XML, XMLNS};
use crate::tree::{Kind, Naming, Tree, TreeDocument};

/// XML that was read.
pub type XmlDocument = TreeDocument<Xml>;

/// What XML knows of a node.
#[derive(Clone, Copy, Default)]
pub struct Mark {
    /// Its namespace, by number; 0 is none.
    pub(super) space: u16,
    /// How long its prefix is, `:` included, which stands in the buffer before its name.
    pub(super) prefix: u16,
    pub(super) is_attribute: bool,
    /// It is text among elements.
    pub(super) is_text: bool,
    /// Its text is a document.
    pub(super) holds_document: bool,
}

impl Mark {
    pub(super) fn text() -> Self {
        Self { is_text: true, ..Self::default() }
    }
}

/// What paths mean by the names of a document.
#[derive(Clone, Debug, Default)]
pub struct Xml {
    /// What a prefix of a path is in this document; `None`: a namespace that does not occur.
    prefixes: Vec<(CompactString, Option<u16>)>,
}

/// The namespaces of a document, and what prefixes stand for at the place that is being read.
pub(super) struct Spaces {
    numbers: HashMap<CompactString, u16>,
    bound: Vec<(CompactString, u16)>,
}

impl Default for Spaces {
    fn default() -> Self {
        let numbers = [("", 0), (XML, 1), (XMLNS, 2)].map(|(uri, number)| (uri.into(), number));
        Self { numbers: HashMap::from(numbers), bound: Vec::new() }
    }
}

impl Spaces {
    /// How many declarations are in force.
    pub(super) fn declared(&self) -> usize {
        self.bound.len()
    }

    /// Binds a prefix; `None` when a document has too many namespaces.
    pub(super) fn declare(&mut self, prefix: &str, uri: &str) -> Option<()> {
        let next = u16::try_from(self.numbers.len()).ok().filter(|next| *next < u16::MAX)?;
        let number = *self.numbers.entry(uri.into()).or_insert(next);
        self.bound.push((prefix.into(), number));
        Some(())
    }

    /// Whether a number is that of a namespace.
    pub(super) fn is(&self, number: u16, uri: &str) -> bool {
        number != 0 && self.numbers.get(uri) == Some(&number)
    }

    pub(super) fn forget(&mut self, declared: usize) {
        self.bound.truncate(declared);
    }

    /// The namespace of a prefix among the declarations from `floor` on.
    pub(super) fn find(&self, floor: usize, prefix: &str) -> Option<u16> {
        let bound = self.bound[floor..].iter().rev().find(|(known, _)| known == prefix);
        match (bound, prefix) {
            (Some((_, number)), "") => Some(*number),
            (Some((_, number)), _) => Some(*number).filter(|number| *number != 0),
            (None, "") => Some(0),
            (None, "xml") => Some(1),
            (None, _) => None,
        }
    }

    /// What the prefixes of a layout are in this document.
    pub(super) fn naming(&self, namespaces: &[(String, String)]) -> Xml {
        let known = |uri: &String| self.numbers.get(uri.as_str()).copied();
        Xml { prefixes: namespaces.iter().map(|(prefix, uri)| (prefix.into(), known(uri))).collect() }
    }
}

impl Xml {
    /// A name as the sender wrote it: `soap:Body`, `@xsi:type`.
    pub(super) fn written(tree: &Tree<Mark>, at: usize) -> Cow<'_, str> {
        let item = tree.item(at);
        let prefix = usize::from(item.mark.prefix) as u32;
        let mut whole = item.name;
        whole.start -= prefix;
        match (prefix, item.mark.is_attribute) {
            (0, _) | (_, false) => Cow::Borrowed(tree.slice(whole)),
            (_, true) => Cow::Owned(format!("@{}", tree.slice(whole).replacen(":@", ":", 1))),
        }
    }
}

/// A prefix and the rest of a name: of `@xsi:type`, `xsi` and `type`.
fn split(name: &str) -> Option<(bool, &str, &str)> {
    let plain = name.strip_prefix('@');
    let (prefix, local) = plain.unwrap_or(name).split_once(':')?;
    Some((plain.is_some(), prefix, local))
}

impl Naming for Xml {
    type Mark = Mark;

    fn is_named(&self, tree: &Tree<Mark>, child: usize, name: &str) -> bool {
        let Some((is_attribute, prefix, local)) = split(name) else { return tree.name(child) == name };
        let mark = tree.item(child).mark;
        let own = tree.name(child);
        let own = if mark.is_attribute { &own[1..] } else { own };
        if mark.is_attribute != is_attribute || own != local {
            return false;
        }
        match self.prefixes.iter().find(|(known, _)| known == prefix) {
            Some((_, space)) => *space == Some(mark.space),
            None => Self::written(tree, child) == name,
        }
    }

    fn named(&self, tree: &Tree<Mark>, at: usize, name: &str, found: &mut Vec<usize>) {
        let is_element = |child: &usize| {
            let mark = tree.item(*child).mark;
            !mark.is_attribute && !mark.is_text
        };
        if name == "*" {
            found.extend(tree.children(at).filter(is_element));
            return;
        }
        match split(name) {
            None => tree.each_named(at, name, |child| found.push(child)),
            Some((true, _, _)) => {
                found.extend(tree.children(at).filter(|child| self.is_named(tree, *child, name)));
            }
            Some((false, _, local)) => tree.each_named(at, local, |child| {
                if self.is_named(tree, child, name) {
                    found.push(child);
                }
            }),
        }
    }

    fn can_hold(&self, tree: &Tree<Mark>, at: usize, name: &str) -> bool {
        match split(name) {
            None if name == "*" => true,
            None => tree.has_child(at, name),
            Some(_) => {
                let mut found = Vec::new();
                self.named(tree, at, name, &mut found);
                !found.is_empty()
            }
        }
    }

    fn is_whole(&self, tree: &Tree<Mark>, at: usize) -> bool {
        let may_be = tree.item(at).kind == Kind::Group;
        may_be
            && tree
                .children(at)
                .any(|child| tree.item(child).mark.is_text && tree.item(child).kind == Kind::Text)
    }

    fn is_beside(&self, tree: &Tree<Mark>, at: usize) -> bool {
        tree.item(at).mark.is_attribute
    }

    /// All text in an element that has text and elements mixed.
    fn whole_text<'t>(&self, tree: &'t Tree<Mark>, at: usize) -> Option<Cow<'t, str>> {
        if !self.is_whole(tree, at) {
            return None;
        }
        let mut text = String::new();
        for inside in at + 1..tree.item(at).next as usize {
            let item = tree.item(inside);
            if !item.mark.is_attribute && matches!(item.kind, Kind::Text | Kind::Blank) {
                text.push_str(tree.text(inside));
            }
        }
        Some(Cow::Owned(text))
    }

    fn separator(&self, _is_first: bool) -> &'static str {
        "/"
    }
}
