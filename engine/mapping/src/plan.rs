//! A compiled mapping: every path, function, code table and name resolved, ready to run.

use std::collections::HashMap;
use std::sync::Arc;

use compact_str::CompactString;
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_fhir::elements::Element;
use hub_fhir::{Json, ResourceType};

use crate::codes::CodeTable;
use crate::condition::Condition;
use crate::functions::Function;
use crate::mapping::Target;
use crate::told::Told;

/// A whole mapping, its parts included.
pub(crate) struct Plan {
    pub(crate) name: CompactString,
    pub(crate) version: u32,
    pub(crate) from: CompactString,
    pub(crate) to: Target,
    /// The zone of times that name none: `+08:00`.
    pub(crate) zone: CompactString,
    /// The sender's names of coding systems and assigning authorities, and their URIs.
    pub(crate) systems: HashMap<CompactString, CompactString>,
    /// The files it was read from, as rules name them; [`At::file`] is a place in this list.
    pub(crate) files: Vec<String>,
    /// For `to = "fhir"`, in the order of the files.
    pub(crate) resources: Vec<ResourcePlan>,
    /// The order in which ids can be computed, as places in `resources`.
    pub(crate) order: Vec<usize>,
    /// For the other targets.
    pub(crate) message: MessagePlan,
    /// The format of the request it answers, for a reply.
    pub(crate) request: Option<CompactString>,
    /// The names that its paths say.
    pub(crate) told: Told,
    /// Some path leads to a fact.
    pub(crate) reads_facts: bool,
    /// Some line or resource looks something up.
    pub(crate) may_need: bool,
    /// How the format read is laid out, and the one written.
    pub(crate) source_layout: Settings,
    pub(crate) message_layout: Settings,
    /// Path prefixes that are left unread on purpose, with the reasons.
    pub(crate) on_purpose: Vec<(CompactString, String)>,
}

/// How a partner's message is made.
#[derive(Clone)]
pub(crate) enum MessagePlan {
    /// It is not: the mapping writes resources.
    Resources,
    /// The members of one object: JSON, XML, and CSV with its header, rows and trailer. `root`: the one member around them.
    Members { root: Option<CompactString>, set: Vec<ElementPlan> },
    /// The segments of an HL7 v2 message, in their order.
    Segments(Vec<SegmentPlan>),
}

/// One `[[message.segment]]`, and those that follow each of it.
#[derive(Clone)]
pub(crate) struct SegmentPlan {
    /// `OBX`
    pub(crate) name: CompactString,
    /// One segment for each node found; none: one.
    pub(crate) each: Option<Path>,
    pub(crate) when: Option<Condition>,
    /// Its fields by number.
    pub(crate) set: Vec<ElementPlan>,
    /// It is there although nothing was read: all its lines are literals.
    pub(crate) constant: bool,
    /// What follows each one of it, seen from its node.
    pub(crate) then: Vec<SegmentPlan>,
}

/// The file and line a rule stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) file: u16,
    pub(crate) line: u32,
}

impl Plan {
    /// `mappings/his/adt.toml:31`
    pub(crate) fn rule(&self, at: At) -> String {
        format!("{}:{}", self.files[usize::from(at.file)], at.line)
    }
}

/// One `[[resource]]`.
#[derive(Clone)]
pub(crate) struct ResourcePlan {
    pub(crate) kind: ResourceType,
    /// The nodes of all of these; none: the whole document.
    pub(crate) each: Vec<Path>,
    pub(crate) when: Option<Condition>,
    /// Paths that may name one node at most, seen from the resource's own.
    pub(crate) once: Vec<Once>,
    pub(crate) id: IdPlan,
    /// It is looked up; only what is not there gets a computed id.
    pub(crate) find: Option<FindPlan>,
    pub(crate) differs_from: Option<Differs>,
    pub(crate) write: Write,
    pub(crate) set: Vec<ElementPlan>,
    /// The file that extends this one has taken it out.
    pub(crate) removed: bool,
}

/// How a resource is looked up in the store.
#[derive(Clone)]
pub(crate) struct FindPlan {
    pub(crate) at: At,
    pub(crate) kind: ResourceType,
    /// The first of these by which one is found.
    pub(crate) ways: Vec<Vec<Criterion>>,
    pub(crate) missing: Missing,
}

/// The search parameter that is asked for with a system, always: a number alone may be anybody's.
pub(crate) const IDENTIFIER: &str = "identifier";

/// One search parameter and where its value comes from.
#[derive(Clone)]
pub(crate) struct Criterion {
    pub(crate) param: CompactString,
    pub(crate) from: Vec<Sought>,
    pub(crate) value: Option<CompactString>,
    pub(crate) how: &'static Function,
    pub(crate) system: Option<CompactString>,
}

/// What is done when nothing is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    Quarantine,
    Skip,
}

/// A path that may name one node at most; a second one sets the message aside.
#[derive(Clone)]
pub(crate) struct Once {
    pub(crate) at: At,
    pub(crate) path: Path,
}

/// Another resource, which must not turn out to be the same.
#[derive(Clone)]
pub(crate) struct Differs {
    pub(crate) at: At,
    /// Its name, for the reason.
    pub(crate) name: CompactString,
    /// Its place in [`Plan::resources`].
    pub(crate) from: usize,
}

/// How a resource is written. Later ones are stronger: two parts of one resource are written as the strongest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Write {
    Ensure,
    Merge,
    Replace,
}

/// How an id is computed.
#[derive(Clone)]
pub(crate) struct IdPlan {
    pub(crate) at: At,
    pub(crate) namespace: CompactString,
    /// The first of these that has a value is what `@` stands for in the parts; none: the node of `each`.
    pub(crate) known_by: Vec<Sought>,
    pub(crate) parts: Vec<IdPart>,
}

/// A path of which one value is wanted.
#[derive(Clone)]
pub(crate) struct Sought {
    pub(crate) path: Path,
    /// In HL7 v2 the path of the segment that it leads into.
    pub(crate) segment: Option<Path>,
}

impl Sought {
    /// Of a path into a document of a format.
    pub(crate) fn new(path: Path, from: &str) -> Self {
        let segment = if from == "hl7v2" { segment_of(&path) } else { None };
        Self { path, segment }
    }
}

/// `PATIENT.PID[3=X-1]` of `PATIENT.PID[3=X-1]-3.1`.
fn segment_of(path: &Path) -> Option<Path> {
    let text = path.as_str();
    let mut is_picking = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' | '(' => is_picking = true,
            ']' | ')' => is_picking = false,
            '-' if !is_picking => return Path::parse(&text[..at]).ok(),
            _ => {}
        }
    }
    None
}

/// One part of an id: the first of these that has a value.
#[derive(Clone)]
pub(crate) struct IdPart {
    pub(crate) text: CompactString,
    pub(crate) any: Vec<IdSource>,
    pub(crate) optional: bool,
}

/// Where a part of an id comes from.
#[derive(Clone)]
pub(crate) enum IdSource {
    Path(Sought),
    /// The id of another resource, as a place in [`Plan::resources`].
    Ref(usize),
    Literal(CompactString),
    /// Which of several with otherwise the same parts: empty for the first, `2` for the second.
    Nth,
}

/// One target element and its lines.
#[derive(Clone)]
pub(crate) struct ElementPlan {
    /// The JSON name; for a choice the stem with `[x]`.
    pub(crate) name: CompactString,
    /// For `value[x]`: the choice, whose JSON name follows from the value's type.
    pub(crate) choice: Option<&'static Element>,
    /// Other targets of the set are names of the same choice: only the first that yields a value is written.
    pub(crate) rivals: Option<&'static Element>,
    /// Whether it is written as an array.
    pub(crate) many: bool,
    pub(crate) lines: Vec<LinePlan>,
}

/// One line.
#[derive(Clone)]
pub(crate) struct LinePlan {
    pub(crate) at: At,
    pub(crate) when: Option<Condition>,
    pub(crate) each: Option<Path>,
    pub(crate) make: Make,
    pub(crate) default: Option<Json>,
    /// The JSON name this line writes, where a choice leaves it to the line and the type is known.
    pub(crate) member: Option<CompactString>,
    /// A null in the source removes the element (merge only).
    pub(crate) clears: bool,
    /// The value counts only when the resource is new (merge only).
    pub(crate) initial: bool,
    /// `None`: nobody has said; the message is set aside.
    pub(crate) invalid: Option<Invalid>,
}

/// What is done with a value that does not fit its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    Quarantine,
    Drop,
    /// Written as a string instead (`by` only), and noted.
    Text,
}

/// What a line makes its value of.
#[derive(Clone)]
pub(crate) enum Make {
    /// Literals; a list element takes all.
    Value(Vec<Json>),
    /// A reference to the resources of this place in [`Plan::resources`].
    Ref(usize),
    /// A reference to a resource of the store.
    Find(Box<FindPlan>),
    /// An object. `constant`: it is made of literals only, so that it is there although nothing was read.
    Set {
        set: Vec<ElementPlan>,
        constant: bool,
    },
    From(Box<FromPlan>),
}

/// A value taken from the source.
#[derive(Clone)]
pub(crate) struct FromPlan {
    /// The first path that finds something.
    pub(crate) paths: Vec<Path>,
    pub(crate) how: How,
    pub(crate) join: Option<CompactString>,
    pub(crate) split: Option<CompactString>,
    pub(crate) system: Option<CompactString>,
    pub(crate) unit: Option<Path>,
    pub(crate) units: Option<Arc<CodeTable>>,
}

/// How a value is made of what was found.
#[derive(Clone)]
pub(crate) enum How {
    Function(&'static Function),
    /// `by PATH`; the types the element may have.
    By {
        path: Path,
        allowed: Vec<&'static str>,
    },
    Code {
        table: Arc<CodeTable>,
        into: CodeInto,
    },
}

/// What a mapped code becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeInto {
    /// A `code`, `string` or `uri`.
    Plain,
    Boolean,
    Coding,
    CodeableConcept,
    /// `Quantity` and others that take no code are refused when the mapping is compiled.
    Number,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_into_a_segment() {
        let of = |path: &str| Sought::new(Path::parse(path).unwrap(), "hl7v2").segment;
        let text = |path: &str| of(path).map(|segment| segment.to_string());
        assert_eq!(text("PID-3[5=PI].1").as_deref(), Some("PID"));
        assert_eq!(text("PATIENT.PID[3=X-1]-3.1").as_deref(), Some("PATIENT.PID[3=X-1]"));
        assert_eq!((text("@.4.1"), text("hub.time"), text("PID")), (None, None, None));
        assert!(Sought::new(Path::parse("PID-3").unwrap(), "csv").segment.is_none());
    }
}
