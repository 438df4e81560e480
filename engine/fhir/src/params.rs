//! The search parameters of R4B.
//!
//! Read once, at first use, from `tables/params.tsv`. A [`ParamId`] is a place in one list of all parameters of all
//! types; those of `Resource` (`_tag`, ..) stand there once for each type. The server's own parameters have ids as well, behind
//! those of the table: see [`crate::own`]. Which of them are in force is what [`crate::parameters::Parameters`] says.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use compact_str::{CompactString, format_compact};

use crate::composite::{self, Composite};
use crate::elements;
use crate::fhirpath::Expression;
use crate::index::ParamId;
use crate::language::Finder;
use crate::own;
use crate::types::ResourceType;

/// One search parameter of one type.
#[derive(Debug)]
pub struct Param {
    /// Its place in the list.
    pub id: ParamId,
    /// The type it searches.
    pub base: ResourceType,
    /// Its name in a query: `birthdate`.
    pub code: &'static str,
    /// How its values compare.
    pub kind: ParamKind,
    /// What it may point at, for references; empty: anything.
    pub targets: Vec<ResourceType>,
    /// The codes of a composite's components, in their order.
    pub components: Vec<&'static str>,
    /// The part of its FHIRPath expression for this type; empty for some of `Resource`'s.
    pub expression: &'static str,
    /// The id of its definition where that is not `base-code`; of one of the server's own the whole URL.
    pub(crate) definition: &'static str,
    pub(crate) finder: OnceLock<Option<Finder>>,
    /// What one of the server's own composites is made of.
    pub(crate) composite: Option<Composite>,
}

/// How the values of a parameter compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum ParamKind {
    Token,
    String,
    Reference,
    Date,
    Number,
    Quantity,
    Uri,
    Composite,
    Special,
}

impl ParamKind {
    /// The code in the value set `search-param-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::String => "string",
            Self::Reference => "reference",
            Self::Date => "date",
            Self::Number => "number",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Composite => "composite",
            Self::Special => "special",
        }
    }

    /// The kind of this code; what is not known is special.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "token" => Self::Token,
            "string" => Self::String,
            "reference" => Self::Reference,
            "date" => Self::Date,
            "number" => Self::Number,
            "quantity" => Self::Quantity,
            "uri" => Self::Uri,
            "composite" => Self::Composite,
            _ => Self::Special,
        }
    }
}

/// Where the definitions of R4B's own parameters are.
pub const DEFINITIONS: &str = "http://hl7.org/fhir/SearchParameter/";

impl Param {
    /// What finds its values, compiled at first use. `None` when it has no expression or the evaluator does not know a word of it.
    pub(crate) fn finder(&self) -> Option<&Finder> {
        let compile = || Expression::compile(self.expression, self.base).ok().map(Finder::Small);
        self.finder.get_or_init(compile).as_ref()
    }

    /// Whether it is one of the server's own, and not of R4B.
    pub fn is_own(&self) -> bool {
        own::is_own(self.id)
    }

    /// The canonical URL of its definition.
    pub fn url(&self) -> CompactString {
        match self.is_own() {
            true => self.definition.into(),
            false => format_compact!("{DEFINITIONS}{}", self.definition_id()),
        }
    }

    /// The id of its definition among those of R4B: `individual-birthdate`.
    pub(crate) fn definition_id(&self) -> CompactString {
        match self.definition {
            "" => format_compact!("{}-{}", self.base.name(), self.code),
            id => id.into(),
        }
    }

    /// Whether a resource can have no more than one value: its expression names one element, which is no list and stands in none. It
    /// may name several types of it, of which the value has one.
    pub fn has_one_value(&self) -> bool {
        let mut paths = self.expression.split('|').map(path);
        let first = paths.next().flatten();
        first.is_some_and(|first| paths.all(|path| path == Some(first)) && is_one(self.base, first))
    }

    /// Whether its elements may be of one of these types.
    pub fn may_be(&self, types: &[&str]) -> bool {
        self.finder().is_some_and(|finder| types.iter().any(|name| finder.may_yield(name)))
    }
}

/// The path of `Observation.value.as(Quantity)` or `(Observation.value as Quantity)`; `None` of an expression that says more than a path
/// and a type.
fn path(part: &str) -> Option<&str> {
    let part = part.trim();
    let part = part.strip_prefix('(').and_then(|part| part.strip_suffix(')')).unwrap_or(part);
    let path = part.split_once(" as ").or_else(|| part.split_once(".as(")).map_or(part, |(path, _)| path);
    (!path.contains([' ', '(', '['])).then_some(path)
}

/// Whether a path names one element of the type, at most once in a resource.
fn is_one(base: ResourceType, path: &str) -> bool {
    let mut within = Some(elements::of_resource(base));
    let mut names = path.split('.');
    names.next() == Some(base.name())
        && names.all(|name| {
            let Some(found) = within.take() else { return false };
            let Some(element) = found.element(name).or_else(|| found.choice(name)) else { return false };
            within = element.sole_type().and_then(elements::TypeRef::def);
            !element.is_list()
        })
}

/// Whether resources can be searched by the parameter. Not: `phonetic`, which promises a likeness of sound, and what has no expression.
pub fn supported(param: &Param) -> bool {
    if param.kind == ParamKind::Composite {
        return composite::of(param).is_some();
    }
    param.kind != ParamKind::Special && !param.expression.is_empty() && param.code != "phonetic"
}

/// All parameters of a type, by code, those that are not supported included; without `_id` and `_lastUpdated`,
/// which every type has and which are no search rows.
pub fn params_of(kind: ResourceType) -> &'static [Param] {
    &TABLE.params[TABLE.by_type[kind.index()].clone()]
}

/// The parameter of this type and name.
pub fn find(kind: ResourceType, code: &str) -> Option<&'static Param> {
    let params = params_of(kind);
    params.binary_search_by(|param| param.code.cmp(code)).ok().map(|at| &params[at])
}

/// The parameter at this place; `None` when the id is not of this program.
pub fn by_id(id: ParamId) -> Option<&'static Param> {
    TABLE.params.get(usize::from(id.0)).or_else(|| own::by_id(id))
}

/// How many parameters R4B has, each counted once for each of its types.
pub(crate) fn count() -> usize {
    TABLE.params.len()
}

/// A parameter and what finds its values.
pub(crate) type Indexed = (&'static Param, &'static Finder);

/// The supported parameters of a type that are no composites, with their compiled expressions.
pub(crate) fn indexed(kind: ResourceType) -> &'static [Indexed] {
    static INDEXED: LazyLock<Vec<OnceLock<Vec<Indexed>>>> =
        LazyLock::new(|| ResourceType::all().map(|_| OnceLock::new()).collect());
    INDEXED[kind.index()].get_or_init(|| {
        let is_plain = |param: &&Param| supported(param) && param.kind != ParamKind::Composite;
        let params = params_of(kind).iter().filter(is_plain);
        params.filter_map(|param| Some((param, param.finder()?))).collect()
    })
}

struct Table {
    params: Vec<Param>,
    by_type: Vec<Range<usize>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| read(include_str!("../tables/params.tsv")));

fn read(table: &'static str) -> Table {
    let mut own: Vec<Vec<&'static str>> = ResourceType::all().map(|_| Vec::new()).collect();
    let mut of_all = Vec::new();
    let mut base = None;
    for line in table.lines() {
        match (line.strip_prefix('@'), base) {
            (Some(name), _) => base = ResourceType::from_name(name),
            (None, Some(kind)) => own[ResourceType::index(kind)].push(line),
            (None, None) => of_all.push(line),
        }
    }
    let mut params: Vec<Param> = Vec::with_capacity(4096);
    let mut by_type = Vec::with_capacity(own.len());
    for (kind, lines) in ResourceType::all().zip(own) {
        let start = params.len();
        let mut of_type: Vec<Param> =
            of_all.iter().copied().chain(lines).filter_map(|line| param(line, kind)).collect();
        of_type.sort_by_key(|param| param.code);
        for (at, mut param) in (start..).zip(of_type) {
            param.id = ParamId(u16::try_from(at).expect("R4B has fewer than 65536 parameters"));
            params.push(param);
        }
        by_type.push(start..params.len());
    }
    Table { params, by_type }
}

fn param(line: &'static str, base: ResourceType) -> Option<Param> {
    let mut cells = line.split('\t');
    let code = cells.next()?;
    if matches!(code, "_id" | "_lastUpdated") {
        return None;
    }
    let kind = ParamKind::from_name(cells.next().unwrap_or_default());
    let expression = cells.next().unwrap_or_default();
    let last = cells.next().unwrap_or_default().split(',').filter(|name| !name.is_empty());
    let definition = cells.next().unwrap_or_default();
    let (components, targets) = match kind {
        ParamKind::Composite => (last.collect(), Vec::new()),
        _ => (Vec::new(), last.filter_map(ResourceType::from_name).collect()),
    };
    Some(Param {
        id: ParamId(0),
        base,
        code,
        kind,
        targets,
        components,
        expression,
        definition,
        finder: OnceLock::new(),
        composite: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> ResourceType {
        ResourceType::from_name(name).unwrap()
    }

    #[test]
    fn a_parameter_is_found_by_name_and_by_id() {
        let birthdate = find(kind("Patient"), "birthdate").unwrap();
        assert_eq!((birthdate.kind, birthdate.expression), (ParamKind::Date, "Patient.birthDate"));
        assert_eq!(by_id(birthdate.id).unwrap().code, "birthdate");
        assert!(find(kind("Patient"), "birthDate").is_none());
        assert!(by_id(ParamId(u16::MAX)).is_none());
    }

    #[test]
    fn a_union_is_split_by_type() {
        let patient = find(kind("Observation"), "patient").unwrap();
        assert_eq!(patient.expression, "Observation.subject.where(resolve() is Patient)");
        assert!(find(kind("Condition"), "code").unwrap().expression.starts_with("Condition.code"));
    }

    #[test]
    fn what_a_resource_has_at_most_once_is_known() {
        let is_one = |of, code| find(kind(of), code).unwrap().has_one_value();
        for (of, code) in [
            ("Patient", "birthdate"),
            ("Patient", "death-date"),
            ("Observation", "date"),
            ("Observation", "value-quantity"),
            ("Condition", "onset-date"),
            ("Encounter", "date"),
            ("Appointment", "date"),
        ] {
            assert!(is_one(of, code), "{of} {code}");
        }
        for (of, code) in [
            ("Composition", "period"),
            ("Observation", "combo-value-quantity"),
            ("Observation", "component-value-quantity"),
            ("Patient", "family"),
            ("Observation", "patient"),
            ("CarePlan", "activity-date"),
        ] {
            assert!(!is_one(of, code), "{of} {code}");
        }
    }

    #[test]
    fn a_parameter_names_its_definition() {
        let url = |of, code| find(kind(of), code).unwrap().url();
        assert_eq!(url("Patient", "birthdate"), "http://hl7.org/fhir/SearchParameter/individual-birthdate");
        assert_eq!(
            url("Observation", "value-date"),
            "http://hl7.org/fhir/SearchParameter/Observation-value-date"
        );
        assert_eq!(url("Observation", "_tag"), "http://hl7.org/fhir/SearchParameter/Resource-tag");
    }

    #[test]
    fn what_is_not_indexed_is_known_and_not_supported() {
        for code in ["_content", "_text"] {
            assert!(!supported(find(kind("Observation"), code).unwrap()), "{code}");
        }
        assert!(supported(find(kind("Observation"), "_tag").unwrap()));
        assert!(!supported(find(kind("Patient"), "phonetic").unwrap()));
    }

    #[test]
    fn every_supported_expression_of_r4b_compiles() {
        let found: Vec<&Param> = TABLE.params.iter().filter(|param| supported(param)).collect();
        assert!(found.len() > 1000);
        for param in found.iter().filter(|param| param.kind != ParamKind::Composite) {
            let result = Expression::compile(param.expression, param.base);
            assert!(result.is_ok(), "{} {}: {:?}", param.base, param.code, result.err());
        }
    }

    #[test]
    fn every_composite_of_r4b_is_supported() {
        let composites: Vec<&Param> =
            TABLE.params.iter().filter(|param| param.kind == ParamKind::Composite).collect();
        assert!(composites.len() > 60);
        for param in composites {
            assert!(supported(param), "{} {}", param.base, param.code);
        }
    }

    #[test]
    fn every_other_expression_that_is_no_composite_compiles_too() {
        for param in &TABLE.params {
            if !param.expression.is_empty()
                && param.kind != ParamKind::Composite
                && param.kind != ParamKind::Special
            {
                let result = Expression::compile(param.expression, param.base);
                assert!(result.is_ok(), "{} {}: {:?}", param.base, param.code, result.err());
            }
        }
    }
}
