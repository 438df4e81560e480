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
mod tests {
    use super::super::structure;
    use super::*;

    /// `ORU^R01` and `MSH PID OBR OBX` become `MSH PATIENT_RESULT(PATIENT(PID) ...)`.
    fn arranged(kind: &str, version: &str, segments: &str) -> String {
        let (code, trigger) = kind.split_once('^').unwrap();
        let structure = structure::of(code, trigger, "");
        let names: Vec<&str> = segments.split(' ').collect();
        let tags = names.iter().map(|name| name.as_bytes().try_into().unwrap());
        let steps = arrange(tags, structure, Version::of(version));
        let mut text = String::new();
        for step in &steps[1..steps.len() - 1] {
            let space = if text.is_empty() || text.ends_with('(') { "" } else { " " };
            match step {
                Step::Open { group } => text += &format!("{space}{}(", structure.groups[*group].name),
                Step::Segment(at) => text += &format!("{space}{}", names[*at]),
                Step::Close => text.push(')'),
            }
        }
        text
    }

    #[test]
    fn a_regular_result_is_grouped() {
        assert_eq!(
            arranged("ORU^R01", "2.5.1", "MSH PID NTE PV1 ORC OBR NTE TQ1 OBX NTE OBX SPM OBX ORC OBR OBX"),
            "MSH PATIENT_RESULT(PATIENT(PID NTE VISIT(PV1)) \
             ORDER_OBSERVATION(ORC OBR NTE TIMING_QTY(TQ1) OBSERVATION(OBX NTE) OBSERVATION(OBX) SPECIMEN(SPM OBX)) \
             ORDER_OBSERVATION(ORC OBR OBSERVATION(OBX)))"
        );
    }

    #[test]
    fn missing_parts_leave_the_rest_in_its_groups() {
        assert_eq!(
            arranged("ORU^R01", "2.3", "MSH OBR OBX OBX OBR OBX"),
            "MSH PATIENT_RESULT(ORDER_OBSERVATION(OBR OBSERVATION(OBX) OBSERVATION(OBX)) \
             ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"
        );
        assert_eq!(
            arranged("ORU^R01", "2.5", "MSH PID OBX NTE OBX"),
            "MSH PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBSERVATION(OBX NTE) OBSERVATION(OBX)))"
        );
        assert_eq!(
            arranged("ORU^R01", "2.8", "MSH PID OBX OBR OBX"),
            "MSH PATIENT_RESULT(PATIENT(PID PATIENT_OBSERVATION(OBX)) ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"
        );
    }

    #[test]
    fn two_patients_are_two_results() {
        assert_eq!(
            arranged("ORU^R01", "2.5", "MSH PID OBR OBX PID OBR"),
            "MSH PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX))) \
             PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR))"
        );
    }

    #[test]
    fn segments_out_of_order_go_to_the_nearest_group_that_knows_them() {
        assert_eq!(
            arranged("ORU^R01", "2.5", "MSH PID PV1 PD1 OBR OBX PV1 ZDS OBX"),
            "MSH PATIENT_RESULT(PATIENT(PID VISIT(PV1 PV1 ZDS) PD1) \
             ORDER_OBSERVATION(OBR OBSERVATION(OBX) OBSERVATION(OBX)))"
        );
        assert_eq!(
            arranged("ADT^A01", "2.5", "MSH PV1 PID IN1 GT1 IN2 IN1 OBX"),
            "MSH PV1 PID INSURANCE(IN1 IN2) GT1 INSURANCE(IN1) OBX"
        );
    }

    #[test]
    fn a_late_opening_segment_joins_its_group() {
        assert_eq!(
            arranged("ORU^R01", "2.5", "MSH NTE PID OBR"),
            "MSH PATIENT_RESULT(PATIENT(NTE PID) ORDER_OBSERVATION(OBR))"
        );
        assert_eq!(
            arranged("ORU^R01", "2.5", "MSH PV1 PID OBR"),
            "MSH PATIENT_RESULT(PATIENT(VISIT(PV1) PID) ORDER_OBSERVATION(OBR))"
        );
        assert_eq!(
            arranged("ORU^R01", "2.5", "MSH OBX OBR OBX"), // whose the first OBX is, nobody knows
            "MSH PATIENT_RESULT(ORDER_OBSERVATION(OBSERVATION(OBX)) ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"
        );
    }

    #[test]
    fn segments_that_nobody_knows_stay_where_they_came() {
        assert_eq!(
            arranged("ORU^R01", "2.5", "MSH PID ZPI OBR OBX ZBX OBX"),
            "MSH PATIENT_RESULT(PATIENT(PID ZPI) ORDER_OBSERVATION(OBR OBSERVATION(OBX ZBX) OBSERVATION(OBX)))"
        );
    }

    #[test]
    fn admissions_and_merges_have_their_groups() {
        assert_eq!(
            arranged("ADT^A01", "2.5", "MSH EVN PID NK1 NK1 PV1 AL1 DG1 PR1 ROL PR1 GT1 IN1 IN2 IN1 ACC"),
            "MSH EVN PID NK1 NK1 PV1 AL1 DG1 PROCEDURE(PR1 ROL) PROCEDURE(PR1) GT1 INSURANCE(IN1 IN2) INSURANCE(IN1) ACC"
        );
        assert_eq!(
            arranged("ADT^A40", "2.5", "MSH EVN PID MRG PID PD1 MRG PV1"),
            "MSH EVN PATIENT(PID MRG) PATIENT(PID PD1 MRG PV1)"
        );
    }
}
