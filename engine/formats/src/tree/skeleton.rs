//! A JSON document with holes: what is written once for all pieces of a split, each of which is the whole with one of several nodes.

use std::borrow::Cow;
use std::ops::Range;

use hub_fhir::Json;
use hub_fhir::json::write;

use super::{Kind, Tree};

/// The text of a document, cut at the nodes of which each piece has one.
pub(crate) struct Skeleton {
    text: String,
    parts: Vec<Part>,
    count: usize,
}

enum Part {
    /// It stands in every piece.
    Fixed(Range<usize>),
    /// One of them stands in its piece: the first is that of piece `first`.
    Run { first: usize, each: Vec<Range<usize>> },
}

impl Skeleton {
    /// The skeleton of a tree, from `top` on. `nodes` are in document order; `is_nested` tells whose text was JSON in a string.
    pub(crate) fn new<M: Copy>(
        tree: &Tree<M>,
        top: usize,
        nodes: &[usize],
        is_nested: &impl Fn(&M) -> bool,
    ) -> Self {
        let skeleton = Self { text: String::new(), parts: Vec::new(), count: 0 };
        let mut builder = Builder { tree, nodes, is_nested, skeleton, level: 0, fixed: 0, within: false };
        builder.value(top);
        builder.end_fixed();
        builder.skeleton
    }

    /// How long all pieces are together.
    pub(crate) fn total(&self) -> usize {
        let (mut fixed, mut single) = (0usize, 0usize);
        for part in &self.parts {
            match part {
                Part::Fixed(range) => fixed += range.len(),
                Part::Run { each, .. } => single += each.iter().map(Range::len).sum::<usize>(),
            }
        }
        fixed.saturating_mul(self.count).saturating_add(single)
    }

    /// The pieces, in order.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = String> {
        (0..self.count).map(|wanted| {
            let mut piece = String::new();
            for part in &self.parts {
                match part {
                    Part::Fixed(range) => piece.push_str(&self.text[range.clone()]),
                    Part::Run { first, each } => {
                        let own = wanted.checked_sub(*first).and_then(|place| each.get(place));
                        piece.push_str(own.map_or("", |range| &self.text[range.clone()]));
                    }
                }
            }
            piece
        })
    }
}

struct Builder<'t, M, F> {
    tree: &'t Tree<M>,
    nodes: &'t [usize],
    is_nested: &'t F,
    skeleton: Skeleton,
    /// So many strings of JSON text stand around what is written.
    level: usize,
    /// Where the fixed part began that is being written.
    fixed: usize,
    /// What is written stands in one of the nodes.
    within: bool,
}

/// What stands between commas.
enum Element<'t> {
    Value(usize),
    Member(&'t str, &'t [usize]),
}

impl<M: Copy, F: Fn(&M) -> bool> Builder<'_, M, F> {
    fn emit(&mut self, text: &str) {
        let mut text = Cow::Borrowed(text);
        for _ in 0..self.level {
            let mut escaped = String::new();
            write(&Json::string(&text), &mut escaped);
            text = Cow::Owned(escaped[1..escaped.len() - 1].to_owned());
        }
        self.skeleton.text.push_str(&text);
    }

    fn end_fixed(&mut self) {
        let end = self.skeleton.text.len();
        if end > self.fixed {
            self.skeleton.parts.push(Part::Fixed(self.fixed..end));
        }
        self.fixed = end;
    }

    fn value(&mut self, at: usize) {
        let item = self.tree.item(at);
        let nested = matches!(item.kind, Kind::Group | Kind::Array) && (self.is_nested)(&item.mark);
        if nested {
            self.emit("\"");
            self.level += 1;
        }
        let children: Vec<usize> = self.tree.children(at).collect();
        match item.kind {
            Kind::Array => {
                let elements = children.iter().map(|child| Element::Value(*child)).collect();
                self.sequence("[", elements, "]");
            }
            // An array in JSON text is the member `*` of an object.
            Kind::Group
                if nested && children.iter().all(|child| self.is_unnamed(*child)) && !children.is_empty() =>
            {
                let elements = children.iter().map(|child| Element::Value(*child)).collect();
                self.sequence("[", elements, "]");
            }
            Kind::Group => {
                let members = self.tree.members_of(&children);
                self.sequence("{", members.map(|(name, run)| Element::Member(name, run)).collect(), "}");
            }
            _ => self.emit(&self.tree.to_json(at).to_text()),
        }
        if nested {
            self.level -= 1;
            self.emit("\"");
        }
    }

    fn is_unnamed(&self, at: usize) -> bool {
        self.tree.item(at).listed && self.tree.name(at) == "*"
    }

    /// Elements with commas between them, whichever of the selected are left out.
    fn sequence(&mut self, open: &str, elements: Vec<Element<'_>>, close: &str) {
        self.emit(open);
        let is_selected = |element: &Element<'_>| match element {
            _ if self.within => false,
            Element::Value(at) => self.nodes.binary_search(at).is_ok(),
            Element::Member(_, run) => {
                !self.tree.item(run[0]).listed && self.nodes.binary_search(&run[0]).is_ok()
            }
        };
        let selected: Vec<bool> = elements.iter().map(is_selected).collect();
        let last_fixed = selected.iter().rposition(|selected| !selected);
        let (mut after_fixed, mut at) = (false, 0);
        while at < elements.len() {
            if !selected[at] {
                if after_fixed {
                    self.emit(",");
                }
                self.element(&elements[at]);
                after_fixed = true;
                at += 1;
                continue;
            }
            self.end_fixed();
            let (first, mut each) = (self.skeleton.count, Vec::new());
            while at < elements.len() && selected[at] {
                let start = self.skeleton.text.len();
                if after_fixed {
                    self.emit(",");
                }
                self.within = true;
                self.element(&elements[at]);
                self.within = false;
                if !after_fixed && last_fixed.is_some_and(|last| last > at) {
                    self.emit(",");
                }
                each.push(start..self.skeleton.text.len());
                at += 1;
            }
            self.fixed = self.skeleton.text.len();
            self.skeleton.count += each.len();
            self.skeleton.parts.push(Part::Run { first, each });
        }
        self.emit(close);
    }

    fn element(&mut self, element: &Element<'_>) {
        match element {
            Element::Value(at) => self.value(*at),
            Element::Member(name, run) => {
                let mut text = String::new();
                write(&Json::string(name), &mut text);
                text.push(':');
                self.emit(&text);
                if self.tree.item(run[0]).listed {
                    self.sequence("[", run.iter().map(|at| Element::Value(*at)).collect(), "]");
                } else {
                    self.value(run[0]);
                }
            }
        }
    }
}
