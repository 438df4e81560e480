//! Places the segments of a message in the groups of its structure. Every segment gets a place; none is lost.
//!
//! Senders do not keep to the order of the standard: segments come early, late, twice or not at all. A segment is first
//! placed as the standard says, going forward from where the last one stood, a group opened only by its own opening
//! segments. What cannot go there is placed in the nearest open group that may hold it, or that has one inside which
//! may; what no group knows (Z-segments) stays where it came.

use std::collections::HashMap;

use super::structure::{Element, Structure, Tag, Version};

/// The tree of a message in reading order of its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A group begins.
    Open {
        /// Its place in the structure's groups.
        group: usize,
    },
    /// A segment, by its place in the message.
    Segment(usize),
    /// The group that began last ends.
    Close,
}

struct Branch {
    what: What,
    parent: usize,
    first_child: Option<usize>,
    last_child: Option<usize>,
    next: Option<usize>,
    /// How far the elements of a group have been gone through.
    cursor: usize,
    /// A group has had one of its opening segments.
    opened: bool,
    /// A group has another one inside it.
    nested: bool,
}

enum What {
    Group(usize),
    Segment(usize),
}

/// Arranges segments by name. The message itself is the first step and the last.
pub(crate) fn arrange(tags: impl Iterator<Item = Tag>, structure: &Structure, version: Version) -> Vec<Step> {
    let mut tree =
        Tree { branches: Vec::with_capacity(64), structure, version, current: 0, lasts: HashMap::new() };
    tree.push(What::Group(0), None);
    for (at, tag) in tags.enumerate() {
        let group = tree.place(tag);
        tree.push(What::Segment(at), Some(group));
        tree.current = group;
    }
    tree.steps()
}

struct Tree<'a> {
    branches: Vec<Branch>,
    structure: &'a Structure,
    version: Version,
    /// The group the last segment was placed in.
    current: usize,
    /// The last instance of each group in each branch.
    lasts: HashMap<(usize, usize), usize>,
}

impl Tree<'_> {
    fn push(&mut self, what: What, parent: Option<usize>) -> usize {
        let at = self.branches.len();
        let above = parent.unwrap_or(0);
        self.branches.push(Branch {
            what,
            parent: above,
            first_child: None,
            last_child: None,
            next: None,
            cursor: 0,
            opened: false,
            nested: false,
        });
        if parent.is_some() {
            if let What::Group(group) = self.branches[at].what {
                self.lasts.insert((above, group), at);
                self.branches[above].nested = true;
            }
            match self.branches[above].last_child {
                Some(before) => self.branches[before].next = Some(at),
                None => self.branches[above].first_child = Some(at),
            }
            self.branches[above].last_child = Some(at);
        }
        at
    }

    /// The group of the structure that a branch is one of; segments are never asked.
    fn group(&self, branch: usize) -> usize {
        match self.branches[branch].what {
            What::Group(group) => group,
            What::Segment(_) => 0,
        }
    }

    /// Finds or opens the group for a segment.
    fn place(&mut self, tag: Tag) -> usize {
        let mut at = self.current;
        loop {
            if let Some(group) = self.forward(at, tag) {
                return group;
            }
            if at == 0 {
                break;
            }
            at = self.branches[at].parent;
        }
        let mut at = self.current;
        loop {
            if let Some(group) = self.anywhere(at, tag) {
                return group;
            }
            if at == 0 {
                return self.current;
            }
            at = self.branches[at].parent;
        }
    }

    /// As the standard says: the next element that takes the segment.
    fn forward(&mut self, branch: usize, tag: Tag) -> Option<usize> {
        let structure = self.structure;
        let cursor = self.branches[branch].cursor;
        let elements = &structure.groups[self.group(branch)].elements;
        let Branch { first_child, opened, nested, .. } = self.branches[branch];
        // What opens a group may come late, unless what is inside may already belong to something else.
        let awaited = !opened && (!nested || !structure.groups[self.group(branch)].repeats);
        for (place, element) in elements.iter().enumerate() {
            let passed = place < cursor;
            match *element {
                Element::Segment { tag: own, opens } if own == tag => {
                    let again = passed || (place == cursor && first_child.is_some());
                    if if opens { awaited || !again } else { !passed } {
                        self.branches[branch].cursor = place.max(cursor);
                        self.branches[branch].opened |= opens;
                        return Some(branch);
                    }
                }
                Element::Segment { .. } => {}
                Element::Group(_) if passed => {}
                Element::Group(inner) => {
                    let again = place == cursor && self.last_of(branch, inner).is_some();
                    let may =
                        structure.has(inner, self.version) && (!again || structure.groups[inner].repeats);
                    if may && structure.opens(inner, tag, self.version) {
                        self.branches[branch].cursor = place;
                        let opened = self.push(What::Group(inner), Some(branch));
                        return self.forward(opened, tag);
                    }
                }
            }
        }
        None
    }

    /// Out of order: the group itself, or one inside it.
    fn anywhere(&mut self, branch: usize, tag: Tag) -> Option<usize> {
        let structure = self.structure;
        let group = self.group(branch);
        if structure.owns(group, tag) {
            self.advance_to_segment(branch, tag);
            return Some(branch);
        }
        let owner = structure.inside(group, self.version).find(|inner| structure.owns(*inner, tag))?;
        let mut way = vec![owner];
        while let Some(above) = structure.groups[way[way.len() - 1]].parent
            && above != group
        {
            way.push(above);
        }
        let mut at = branch;
        for inner in way.into_iter().rev() {
            let opens_again = inner == owner
                && structure.groups[inner].repeats
                && structure.opens(inner, tag, self.version);
            at = match self.last_of(at, inner) {
                Some(last) if !opens_again => last,
                _ => {
                    self.advance_to(at, inner);
                    self.push(What::Group(inner), Some(at))
                }
            };
        }
        self.advance_to_segment(at, tag);
        Some(at)
    }

    fn advance_to(&mut self, branch: usize, inner: usize) {
        let elements = &self.structure.groups[self.group(branch)].elements;
        let place =
            elements.iter().position(|element| matches!(element, Element::Group(group) if *group == inner));
        let cursor = &mut self.branches[branch].cursor;
        *cursor = (*cursor).max(place.unwrap_or(0));
    }

    fn advance_to_segment(&mut self, branch: usize, wanted: Tag) {
        let elements = &self.structure.groups[self.group(branch)].elements;
        for (place, element) in elements.iter().enumerate() {
            if let Element::Segment { tag, opens } = *element
                && tag == wanted
            {
                let branch = &mut self.branches[branch];
                branch.cursor = branch.cursor.max(place);
                branch.opened |= opens;
                return;
            }
        }
    }

    /// The last instance of a group directly in a branch.
    fn last_of(&self, branch: usize, inner: usize) -> Option<usize> {
        self.lasts.get(&(branch, inner)).copied()
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::with_capacity(self.branches.len() * 2);
        let mut at = 0;
        loop {
            match self.branches[at].what {
                What::Group(group) => steps.push(Step::Open { group }),
                What::Segment(segment) => steps.push(Step::Segment(segment)),
            }
            if let Some(child) = self.branches[at].first_child {
                at = child;
                continue;
            }
            loop {
                if matches!(self.branches[at].what, What::Group(_)) {
                    steps.push(Step::Close);
                }
                if at == 0 {
                    return steps;
                }
                match self.branches[at].next {
                    Some(next) => {
                        at = next;
                        break;
                    }
                    None => at = self.branches[at].parent,
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "arrange_tests.rs"]
mod tests;
