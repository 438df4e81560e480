//! Cuts JSON at several nodes, so that each piece of a split is the whole with one of them.

use std::borrow::Cow;

use hub_fhir::Json;
use hub_fhir::json::write;

use super::{Kind, Tree};
use crate::skeleton::Skeleton;

/// The skeleton of a tree as JSON, from `top` on. `nodes` are in document order; `is_nested` tells whose text was JSON in a string.
pub(crate) fn cut_json<M: Copy>(
    tree: &Tree<M>,
    top: usize,
    nodes: &[usize],
    is_nested: &impl Fn(&M) -> bool,
) -> Skeleton {
    let skeleton = Skeleton::default();
    let mut builder = Builder { tree, nodes, is_nested, skeleton, level: 0, within: false };
    builder.value(top);
    builder.skeleton
}

struct Builder<'t, M, F> {
    tree: &'t Tree<M>,
    nodes: &'t [usize],
    is_nested: &'t F,
    skeleton: Skeleton,
    /// So many strings of JSON text stand around what is written.
    level: usize,
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
        self.skeleton.push(&text);
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
            self.skeleton.begin_run();
            while at < elements.len() && selected[at] {
                if after_fixed {
                    self.emit(",");
                }
                self.within = true;
                self.element(&elements[at]);
                self.within = false;
                if !after_fixed && last_fixed.is_some_and(|last| last > at) {
                    self.emit(",");
                }
                self.skeleton.end_one();
                at += 1;
            }
            self.skeleton.end_run();
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
