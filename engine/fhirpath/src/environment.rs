//! What an expression is evaluated with: the resource around it, variables, the moment, who resolves references, limits.

use std::fmt;

use compact_str::CompactString;
use hub_fhir::Object;
use time::OffsetDateTime;

use crate::item::{Item, Items, Node};

/// What is known outside of a resource. Every method may answer that it does not know; none may block for long, and
/// asking twice gives the same answer within one evaluation.
pub trait Resolver {
    /// The resource a literal reference or canonical URL points at, other than those contained in the resource itself or
    /// in its Bundle, which are found without asking. `None`: not found.
    fn resolve(&self, reference: &str) -> Option<&Object> {
        let _ = reference;
        None
    }

    /// Whether a code is in the value set of this URL (`|version` may follow it). `None`: the value set is not known. The
    /// value sets R4B binds as required are known without asking.
    fn member_of(&self, value_set: &str, coded: &Coded<'_>) -> Option<bool> {
        let _ = (value_set, coded);
        None
    }

    /// Whether one code is the other or above it in their system. `None`: the system is not known.
    fn subsumes(&self, general: &Coded<'_>, special: &Coded<'_>) -> Option<bool> {
        let _ = (general, special);
        None
    }

    /// Whether the resource conforms to the profile of this URL. `None`: the profile is not known. The types of R4B are
    /// known without asking.
    fn conforms_to(&self, profile: &str, resource: &Object) -> Option<bool> {
        let _ = (profile, resource);
        None
    }

    /// The ElementDefinition of an element, by its path in the definitions: `Patient.birthDate`.
    fn element_definition(&self, path: &str) -> Option<&Object> {
        let _ = path;
        None
    }

    /// Whether an element is of the slice `slice` of the structure of this URL. `None`: not known.
    fn in_slice(&self, structure: &str, slice: &str, element: &Node<'_>) -> Option<bool> {
        let _ = (structure, slice, element);
        None
    }
}

/// A code with its system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Coded<'a> {
    /// `None`: a `code` alone, whose system the binding says.
    pub system: Option<&'a str>,
    /// The code.
    pub code: &'a str,
}

/// How much one evaluation may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Parts of the expression evaluated, and values and parts of trees looked at.
    pub steps: u64,
    /// Values in one collection.
    pub items: usize,
    /// Bytes of one computed text.
    pub text: usize,
}

impl Default for Limits {
    /// 2 million steps (a second or less), 100,000 values, 1 MiB: more than any resource of the hub needs.
    fn default() -> Self {
        Self { steps: 2_000_000, items: 100_000, text: 1024 * 1024 }
    }
}

/// Told what `trace()` is given. Values may name a patient: they must not be logged.
pub type Trace<'a> = &'a dyn Fn(&str, &Items<'_>);

/// What an expression is evaluated with.
#[derive(Clone)]
pub struct Environment<'a> {
    /// `%resource`: the resource that what is evaluated stands in.
    pub resource: Option<&'a Object>,
    /// `%rootResource`: the resource that contains it, or itself.
    pub root_resource: Option<&'a Object>,
    /// The Bundle in which `resolve()` looks for entries.
    pub bundle: Option<&'a Object>,
    /// Who answers what the resource itself does not.
    pub resolver: Option<&'a dyn Resolver>,
    /// What `now()` is, with the offset of the place.
    pub now: OffsetDateTime,
    /// Further variables, without the `%`.
    pub variables: Vec<(CompactString, Items<'a>)>,
    /// Who is told what `trace()` is given.
    pub trace: Option<Trace<'a>>,
    /// How much it may use.
    pub limits: Limits,
}

impl<'a> Environment<'a> {
    /// For expressions on `resource`, which is also the root and, when it is one, the Bundle.
    pub fn of(resource: &'a Object, now: OffsetDateTime) -> Self {
        let is_bundle = resource.get("resourceType").and_then(hub_fhir::Json::as_str) == Some("Bundle");
        Self {
            resource: Some(resource),
            root_resource: Some(resource),
            bundle: is_bundle.then_some(resource),
            resolver: None,
            now,
            variables: Vec::new(),
            trace: None,
            limits: Limits::default(),
        }
    }

    /// The value of a variable; `None`: there is none of this name. `context` is what the expression is evaluated on.
    pub(crate) fn variable(&self, name: &str, context: &Items<'a>) -> Option<Items<'a>> {
        let resource = |tree: Option<&'a Object>| tree.map(|tree| Item::Node(Node::resource(tree))).into();
        Some(match name {
            "context" => context.clone(),
            "resource" => resource(self.resource),
            "rootResource" => resource(self.root_resource),
            _ => match fixed(name) {
                Some(url) => Item::text(url).into(),
                None => self.variables.iter().find(|(known, _)| known == name)?.1.clone(),
            },
        })
    }
}

/// The variables whose value never changes (FHIRPath N1, "Environment variables"; R4B, FHIRPath).
pub(crate) fn fixed(name: &str) -> Option<String> {
    Some(match name {
        "ucum" => "http://unitsofmeasure.org".to_owned(),
        "sct" => "http://snomed.info/sct".to_owned(),
        "loinc" => "http://loinc.org".to_owned(),
        _ => {
            if let Some(set) = name.strip_prefix("vs-") {
                format!("http://hl7.org/fhir/ValueSet/{set}")
            } else {
                format!("http://hl7.org/fhir/StructureDefinition/{}", name.strip_prefix("ext-")?)
            }
        }
    })
}

impl fmt::Debug for Environment<'_> {
    /// Limits only: the rest may name a patient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl fmt::Debug for Coded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Coded")
    }
}
