//! Follows a path through a message, from the nearest enclosing node that can hold its first step.

use hub_core::path::{Path, Pick, Step, To};

use super::document::{Hl7Document, Kind, plain};
use super::structure::Tag;

/// Calls `found` with each node that the steps name, seen from `scope`.
pub(super) fn select(document: &Hl7Document, scope: usize, steps: &[Step], found: &mut dyn FnMut(usize)) {
    let Some((first, rest)) = steps.split_first() else { return };
    let To::Name(name) = &first.to else { return };
    let walk = Walk { document, scope };
    let numbered = matches!(first.pick, Some(Pick::Nth(_)));
    let mut at = scope;
    loop {
        if !numbered && walk.is_named(at, name) {
            if walk.picked(at, &first.pick) {
                walk.follow(at, rest, found);
            }
            return;
        }
        if document.item(at).kind == Kind::Group && walk.can_hold(at, name) {
            return walk.named(at, name, first, rest, found);
        }
        if at == 0 {
            return;
        }
        at = document.item(at).parent as usize;
    }
}

struct Walk<'a> {
    document: &'a Hl7Document,
    scope: usize,
}

fn tag(name: &str) -> Option<Tag> {
    name.as_bytes().try_into().ok()
}

impl Walk<'_> {
    fn is_named(&self, at: usize, name: &str) -> bool {
        let item = self.document.item(at);
        match item.kind {
            Kind::Group => self.document.structure.groups[usize::from(item.number)].name == name,
            Kind::Segment => tag(name) == Some(self.document.tag(item)),
            _ => false,
        }
    }

    /// Whether a segment or group of this name may stand in the group, at any depth: by its structure, or because such a
    /// segment stands in a group of this kind somewhere in the message.
    fn can_hold(&self, at: usize, name: &str) -> bool {
        let structure = self.document.structure;
        let group = usize::from(self.document.item(at).number);
        let inside = |inner: usize| structure.encloses(group, inner);
        if let Some(tag) = tag(name) {
            let strays = &self.document.strays;
            return (0..structure.groups.len()).any(|inner| inside(inner) && structure.owns(inner, tag))
                || (0..structure.groups.len()).any(|inner| inside(inner) && strays.contains(&(inner, tag)));
        }
        let mut groups = structure.groups.iter().enumerate();
        groups.any(|(inner, known)| inner != group && known.name == name && inside(inner))
    }

    /// Goes on from every segment or group of this name in a group. What the group itself owns hides what the groups
    /// inside it own: `NTE` of an ORDER_OBSERVATION are not those of its OBSERVATIONs.
    fn named(&self, at: usize, name: &str, step: &Step, rest: &[Step], found: &mut dyn FnMut(usize)) {
        let group = usize::from(self.document.item(at).number);
        let own = tag(name).is_some_and(|tag| self.document.structure.owns(group, tag));
        let numbered = matches!(step.pick, Some(Pick::Nth(_)));
        let mut count = 0;
        self.descend(at, name, !own, &mut |child| {
            let of_scope = self.document.is_inside(child, self.scope);
            count += 1;
            let wanted = match step.pick {
                Some(Pick::Nth(nth)) => count == usize::from(nth),
                _ => (of_scope || !self.scope_has(at, name)) && self.picked(child, &step.pick),
            };
            if wanted {
                self.follow(child, rest, found);
            }
            !(numbered && wanted)
        });
    }

    /// Whether the scope itself stands in a node of this name inside `at`: then that one is meant.
    fn scope_has(&self, at: usize, name: &str) -> bool {
        if self.scope <= at || !self.document.is_inside(at, self.scope) {
            return false;
        }
        let mut inner = self.scope;
        while inner != at {
            if self.is_named(inner, name) {
                return true;
            }
            inner = self.document.item(inner).parent as usize;
        }
        false
    }

    /// Calls `take` with nodes of this name below a group, until it says that it has enough.
    fn descend(&self, at: usize, name: &str, deep: bool, take: &mut dyn FnMut(usize) -> bool) -> bool {
        for child in self.document.children(at) {
            let go_on = if self.is_named(child, name) {
                take(child)
            } else if deep && self.document.item(child).kind == Kind::Group {
                self.descend(child, name, deep, take)
            } else {
                true
            };
            if !go_on {
                return false;
            }
        }
        true
    }

    fn follow(&self, at: usize, steps: &[Step], found: &mut dyn FnMut(usize)) {
        let Some((step, rest)) = steps.split_first() else {
            let item = self.document.item(at);
            let valued = self.document.is_leaf(at) || item.next as usize > at + 1;
            if valued {
                found(at);
            }
            return;
        };
        match (&step.to, self.document.item(at).kind) {
            (To::Name(name), Kind::Group) => self.named(at, name, step, rest, found),
            (To::Part(number), Kind::Segment) => self.repetitions(at, *number, step, rest, found),
            (To::Part(number), Kind::Repetition | Kind::Component | Kind::Subcomponent) => {
                let first_only = matches!(step.pick, None | Some(Pick::Nth(1) | Pick::Where { .. }));
                if first_only
                    && let Some(part) = self.document.numbered(at, *number)
                    && self.picked(part, &step.pick)
                {
                    self.follow(part, rest, found);
                }
            }
            _ => {}
        }
    }

    fn repetitions(&self, at: usize, number: u16, step: &Step, rest: &[Step], found: &mut dyn FnMut(usize)) {
        let is_one = |child: &usize| self.document.item(*child).number == number;
        let of_scope = |child: &usize| self.document.is_inside(*child, self.scope);
        let own = match step.pick {
            Some(Pick::Nth(_)) => None,
            _ if self.scope <= at => None,
            _ => self.document.children(at).find(|child| is_one(child) && of_scope(child)),
        };
        for child in self.document.children(at).filter(is_one) {
            let wanted = match step.pick {
                Some(Pick::Nth(nth)) => self.document.item(child).nth == u32::from(nth),
                _ => own.is_none_or(|own| own == child) && self.picked(child, &step.pick),
            };
            if wanted {
                self.follow(child, rest, found);
            }
        }
    }

    /// Whether a node has the value that `[part=value]` asks for. `part` is a number, several with dots, or for groups a
    /// path.
    fn picked(&self, at: usize, pick: &Option<Pick>) -> bool {
        let Some(Pick::Where { part, equals }) = pick else { return true };
        let document = self.document;
        let mut any = false;
        let mut compare =
            |node: usize| any |= plain(&document.value(node)).is_some_and(|value| value == equals);
        if document.item(at).kind == Kind::Group {
            if let Ok(path) = Path::parse(part) {
                select(document, at, path.steps(), &mut compare);
            }
            return any;
        }
        let mut numbers = part.split('.').map(str::parse::<u16>);
        let mut nodes = vec![at];
        if document.item(at).kind == Kind::Segment {
            let Some(Ok(field)) = numbers.next() else { return false };
            nodes = document.children(at).filter(|child| document.item(*child).number == field).collect();
        }
        for number in numbers {
            let Ok(number) = number else { return false };
            nodes = nodes.into_iter().filter_map(|node| document.numbered(node, number)).collect();
        }
        nodes.into_iter().for_each(compare);
        any
    }
}
