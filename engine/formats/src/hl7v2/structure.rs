//! The group structures of messages, read from `tables/structures.txt`, and which names a group owns.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A segment's name: three bytes.
pub(crate) type Tag = [u8; 3];

/// Whole structures, one tree a message structure.
pub(crate) struct Structure {
    /// `ORU_R01`.
    name: &'static str,
    /// The message types that have it.
    types: Vec<&'static str>,
    /// The groups, the message itself first; a group stands before those inside it.
    pub(crate) groups: Vec<Group>,
}

/// One group of a structure.
pub(crate) struct Group {
    /// `ORDER_OBSERVATION`; the structure's name for the message itself.
    pub(crate) name: &'static str,
    /// The group it stands in.
    pub(crate) parent: Option<usize>,
    /// What may stand in it, in order.
    pub(crate) elements: Vec<Element>,
    /// It may stand more than once in its parent.
    pub(crate) repeats: bool,
    /// It alone opens what encloses it.
    leads: bool,
    /// The version it came with.
    since: Version,
}

/// What may stand in a group.
#[derive(Clone, Copy)]
pub(crate) enum Element {
    /// A segment.
    Segment {
        /// Its name.
        tag: Tag,
        /// It opens the group.
        opens: bool,
    },
    /// A group: its place in [`Structure::groups`].
    Group(usize),
}

/// Major and minor version: `2.5.1` is 2 and 5.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Version(pub(crate) u8, pub(crate) u8);

impl Version {
    /// A version that cannot be read counts as one that has everything.
    pub(crate) fn of(text: &str) -> Self {
        let mut numbers = text.split('.').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Self(major, minor),
            _ => Self(u8::MAX, 0),
        }
    }
}

static STRUCTURES: LazyLock<Structures> =
    LazyLock::new(|| read(include_str!("../../tables/structures.txt")).expect("the table is tested"));

/// All structures, found by the types that have them and by their names.
struct Structures {
    all: Vec<Structure>,
    by_type: HashMap<&'static str, usize>,
    by_name: HashMap<&'static str, usize>,
}

/// A message of one kind whose segments stand side by side.
static FLAT: LazyLock<Structure> = LazyLock::new(|| Structure {
    name: "MESSAGE",
    types: Vec::new(),
    groups: vec![Group {
        name: "MESSAGE",
        parent: None,
        elements: Vec::new(),
        repeats: false,
        leads: false,
        since: Version(0, 0),
    }],
});

/// The structure of a message: by its type, by what it calls its structure, by its code alone; else flat.
pub(crate) fn of(code: &str, trigger: &str, structure: &str) -> &'static Structure {
    let known = &*STRUCTURES;
    let whole = [code, "^", trigger].concat();
    let by_name = || known.by_name.get(structure).filter(|_| structure.starts_with(code));
    let found = known.by_type.get(whole.as_str()).or_else(by_name).or_else(|| known.by_type.get(code));
    found.map_or(&FLAT, |at| &known.all[*at])
}

impl Structure {
    /// Its name; `None` for messages whose structure is not known.
    pub(crate) fn name(&self) -> Option<&'static str> {
        (!self.types.is_empty()).then_some(self.name)
    }

    /// Whether the group itself may hold this segment.
    pub(crate) fn owns(&self, group: usize, wanted: Tag) -> bool {
        let mut elements = self.groups[group].elements.iter();
        elements.any(|element| matches!(element, Element::Segment { tag, .. } if *tag == wanted))
    }

    /// Whether `inner` stands in `outer` at any depth; a group stands in itself.
    pub(crate) fn encloses(&self, outer: usize, inner: usize) -> bool {
        let mut at = Some(inner);
        while let Some(group) = at {
            if group == outer {
                return true;
            }
            at = self.groups[group].parent;
        }
        false
    }

    /// The groups inside `outer`, nearest first in reading order, that a message of this version has.
    pub(crate) fn inside(&self, outer: usize, version: Version) -> impl Iterator<Item = usize> {
        (0..self.groups.len())
            .filter(move |group| *group != outer && self.encloses(outer, *group) && self.has(*group, version))
    }

    /// Whether a message of this version has the group.
    pub(crate) fn has(&self, group: usize, version: Version) -> bool {
        self.groups[group].since <= version
    }

    /// Whether this segment opens the group: itself, or as the opening of a group that may come first in it.
    pub(crate) fn opens(&self, group: usize, wanted: Tag, version: Version) -> bool {
        let elements = &self.groups[group].elements;
        let own = elements.iter().any(|element| match element {
            Element::Segment { opens, .. } => *opens,
            Element::Group(inner) => self.groups[*inner].leads,
        });
        elements.iter().any(|element| match element {
            Element::Segment { tag, opens } => *opens && *tag == wanted,
            Element::Group(inner) => {
                (!own || self.groups[*inner].leads)
                    && self.has(*inner, version)
                    && self.opens(*inner, wanted, version)
            }
        })
    }
}

fn read(table: &'static str) -> Result<Structures, String> {
    let mut structures: Vec<Structure> = Vec::new();
    let mut open = 0;
    for line in table.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        if let Some((name, types)) = line.split_once(" for ") {
            let message = Group {
                name,
                parent: None,
                elements: Vec::new(),
                repeats: false,
                leads: false,
                since: Version(0, 0),
            };
            structures.push(Structure { name, types: types.split(' ').collect(), groups: vec![message] });
            open = 0;
            continue;
        }
        let structure = structures.last_mut().ok_or("elements stand before the first structure")?;
        for word in line.split_whitespace() {
            if word == "}" {
                open =
                    structure.groups[open].parent.ok_or_else(|| format!("`}}` without `{{` in `{line}`"))?;
            } else if let Some(head) = word.strip_suffix('{') {
                let (head, repeats) = head.strip_suffix('?').map_or((head, true), |head| (head, false));
                let (head, leads) = head.strip_suffix('!').map_or((head, false), |head| (head, true));
                let (name, since) = head.split_once('@').unwrap_or((head, "0.0"));
                let inner = structure.groups.len();
                let since = Version::of(since);
                structure.groups.push(Group {
                    name,
                    parent: Some(open),
                    elements: Vec::new(),
                    repeats,
                    leads,
                    since,
                });
                structure.groups[open].elements.push(Element::Group(inner));
                open = inner;
            } else {
                let (name, opens) = word.strip_suffix('!').map_or((word, false), |name| (name, true));
                let tag = name.as_bytes().try_into().map_err(|_| format!("`{name}` is not a segment"))?;
                structure.groups[open].elements.push(Element::Segment { tag, opens });
            }
        }
    }
    let mut by_type = HashMap::new();
    for (at, structure) in structures.iter().enumerate() {
        for kind in &structure.types {
            if by_type.insert(*kind, at).is_some() {
                return Err(format!("`{kind}` has two structures"));
            }
        }
    }
    let by_name = structures.iter().enumerate().map(|(at, structure)| (structure.name, at)).collect();
    Ok(Structures { all: structures, by_type, by_name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_every_inner_group_can_be_opened() {
        assert!(STRUCTURES.all.len() > 80 && STRUCTURES.by_name.len() == STRUCTURES.all.len());
        for structure in &STRUCTURES.all {
            for (at, group) in structure.groups.iter().enumerate().skip(1) {
                let tags = structure.groups.iter().flat_map(|group| &group.elements);
                let mut tags = tags.filter_map(|element| match element {
                    Element::Segment { tag, .. } => Some(*tag),
                    Element::Group(_) => None,
                });
                assert!(tags.any(|tag| structure.opens(at, tag, Version(9, 9))), "{}", group.name);
            }
        }
    }

    #[test]
    fn a_structure_is_found_by_type_by_name_and_by_code() {
        assert_eq!(of("ADT", "A08", "").name, "ADT_A01");
        assert_eq!(of("ADT", "A40", "ADT_A39").name, "ADT_A39");
        assert_eq!(of("ADT", "A99", "").name, "ADT_A01");
        assert_eq!(of("ORU", "Z99", "ORU_R01").name, "ORU_R01");
        assert_eq!(of("ORU", "R01", "").name(), Some("ORU_R01"));
        assert_eq!(of("XYZ", "A01", "").name(), None);
        assert_eq!(of("XYZ", "A01", "").name, "MESSAGE");
        assert_eq!(of("ORM", "Z99", "ORU_R01").name, "ORM_O01");
        assert_eq!(of("", "", "").name, "MESSAGE");
    }
}
