//! Finds the one value that is wanted where a path may lead to several: those that differ set the message aside, so that two people
//! never become one.

use compact_str::CompactString;
use hub_core::document::Node;
use hub_core::fault::Fault;
use hub_core::path::Path;

use super::Runner;
use crate::plan::{At, Sought};

impl Runner<'_> {
    /// The first node of a path that says something. Another that says something else is a fault: in HL7 v2 one in another segment,
    /// as the repetitions of a field speak of one thing and the first of them counts; in other formats any.
    ///
    /// `paths` are the alternatives of which this is one: what a segment says, it may say in another of its fields.
    pub(super) fn single<'s, T: PartialEq>(
        &self,
        scope: Node,
        sought: &Sought,
        paths: impl Iterator<Item = &'s Sought>,
        wanted: (&str, At),
        says: impl Fn(Node) -> Result<Option<T>, Fault>,
    ) -> Result<Option<(Node, T)>, Fault> {
        let mut nodes = self.reader.buffer();
        self.reader.select(scope, &sought.path, &mut nodes);
        let first = first_of(nodes.iter().copied(), &says)?;
        let other = match (&first, &sought.segment) {
            (None, _) => None,
            (Some((first, value)), None) => {
                let after = nodes.iter().copied().skip_while(|node| node != first).skip(1);
                first_of(after, |node| Ok(says(node)?.filter(|other| other != value)))?
            }
            (Some(first), Some(segment)) => self.in_another_segment(scope, segment, paths, first, &says)?,
        };
        self.reader.give_back(nodes);
        match other {
            Some((node, _)) => Err(self.several(node, sought, wanted)),
            None => Ok(first),
        }
    }

    /// What another segment says than the first one does.
    fn in_another_segment<'s, T: PartialEq>(
        &self,
        scope: Node,
        segment: &Path,
        paths: impl Iterator<Item = &'s Sought>,
        (first, value): &(Node, T),
        says: &impl Fn(Node) -> Result<Option<T>, Fault>,
    ) -> Result<Option<(Node, T)>, Fault> {
        let mut segments = self.reader.buffer();
        self.reader.select(scope, segment, &mut segments);
        let mut other = None;
        if segments.len() > 1 {
            let document = self.reader.document();
            let mut said = Vec::new();
            for beside in paths.filter(|beside| beside.segment.as_ref() == Some(segment)) {
                self.reader.select(scope, &beside.path, &mut said);
            }
            for segment in segments.iter().copied().filter(|segment| !document.contains(*segment, *first)) {
                let within = said.iter().copied().filter(|node| document.contains(segment, *node));
                other = first_of(within, says)?.filter(|(_, other)| other != value);
                if other.is_some() {
                    break;
                }
            }
        }
        self.reader.give_back(segments);
        Ok(other)
    }

    /// The id of the one resource in nodes that enclose one another; several of which one would have to be chosen are a fault. Of those
    /// that are made of the repetitions of a field the first counts.
    pub(super) fn one_related(
        &self,
        resource: usize,
        node: Node,
        (wanted, at): (&str, At),
    ) -> Result<Option<CompactString>, Fault> {
        let mut related = self.related(resource, node);
        let Some(first) = related.next() else { return Ok(None) };
        // While only questions are asked every resource that is found has an id of its own.
        let other = related.find(|other| {
            self.asked.is_none() && other.id != first.id && !self.is_of_one_field(first.node, other.node)
        });
        if let Some(other) = other {
            let kind = self.plan.resources[resource].kind;
            let reason =
                format!("{wanted} needs one {kind}, and several stand here: split the file, or say `each`");
            return Err(self.fault(other.node, at, reason));
        }
        Ok(Some(first.id.as_str().into()))
    }

    /// Whether two nodes of HL7 v2 stand in one field: `DG1[2]-16(1)` and `DG1[2]-16(2)`.
    fn is_of_one_field(&self, one: Node, other: Node) -> bool {
        let field = |node| {
            let place = self.reader.place(node);
            let ends =
                place.rfind('-').map(|at| at + place[at..].find(['(', '.']).unwrap_or(place.len() - at));
            ends.map(|end| place[..end].to_owned())
        };
        self.plan.from == "hl7v2" && field(one).is_some_and(|one| field(other) == Some(one))
    }

    fn several(&self, node: Node, sought: &Sought, (wanted, at): (&str, At)) -> Fault {
        let reason = format!(
            "{wanted} needs one value, and `{}` has several: split the file, say `each`, or pick one, such as `(1)`",
            sought.path
        );
        self.fault(node, at, reason)
    }
}

fn first_of<T>(
    mut nodes: impl Iterator<Item = Node>,
    says: impl Fn(Node) -> Result<Option<T>, Fault>,
) -> Result<Option<(Node, T)>, Fault> {
    nodes.find_map(|node| says(node).map(|said| said.map(|said| (node, said))).transpose()).transpose()
}
