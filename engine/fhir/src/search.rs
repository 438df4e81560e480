//! A FHIR search as data: what was asked, understood and typed; and what a page of answers is.
//!
//! The grammar is R4B §3.1.1 (search). Parsing a query string is [`crate::search_parse`]'s work, running it the store's.

use std::fmt;

use bytes::Bytes;
use compact_str::CompactString;
use time::OffsetDateTime;

use crate::contained::Among;
use crate::expand::Coded;
use crate::index::{Aspect, ParamId};
use crate::resource::Reference;
use crate::types::ResourceType;
use crate::veil::Veil;

pub use crate::search_parse::{
    DEFAULT_COUNT, MAX_COUNT, SearchError, parse, parse_across, parse_at, parse_by,
};
pub use crate::sought::Sought;

/// One search on one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The type searched.
    pub kind: ResourceType,
    /// All must hold.
    pub filters: Vec<Filter>,
    /// `_include`: what the matches point at comes along.
    pub includes: Vec<Include>,
    /// `_revinclude`: what points at the matches comes along.
    pub revincludes: Vec<Include>,
    /// `_sort`, most important first. Empty: by `_lastUpdated`, newest first.
    pub sort: Vec<Sort>,
    /// `_count`, already limited: how many matches a page holds. 0: only the total is wanted.
    pub count: u32,
    /// `_total=accurate`, or `_count=0` / `_summary=count`: the number of all matches is wanted.
    pub total: bool,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// `_contained`: whether resources within others are looked for. Such a search is run as what [`spread`](crate::contained::spread)
    /// makes of it.
    pub among: Among,
    /// `_containedType=contained`: what is contained is given, not what contains it.
    pub gives_contained: bool,
}

/// One parameter of a search: the value matches when any of its alternatives does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What is compared.
    pub on: FilterOn,
    /// The comma-separated alternatives; at least one.
    pub any: Vec<Test>,
    /// `:not`: no value may match any of the alternatives.
    pub not: bool,
}

/// What a filter compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterOn {
    /// `_id`
    Id,
    /// `_lastUpdated`
    LastUpdated,
    /// A search parameter whose values stand in the search rows.
    Param(ParamId),
    /// The words of the narrative: `_text`.
    Narrative,
    /// The words of the whole resource: `_content`.
    Content,
    /// What points at the resource: `_has`.
    Pointed,
    /// Each alternative names what it compares: `_filter`, compartments.
    Each,
    /// What the resource contains: `_contained`.
    Contains,
}

/// One alternative.
#[derive(Clone, PartialEq, Eq)]
pub enum Test {
    /// The logical id is this one.
    Id(CompactString),
    /// `system|code`, `|code`, `code`, `system|`. A system of `""` means: without a system.
    Token {
        /// The system asked for; `None`: any.
        system: Option<CompactString>,
        /// The code asked for; `None`: any.
        code: Option<CompactString>,
    },
    /// A string, already normalised as the search rows are (unless `Exact`).
    String(StringTest, CompactString),
    /// `Type/id`, or an id with the types it may have.
    Reference {
        /// The type pointed at; `None`: any.
        kind: Option<ResourceType>,
        /// The id pointed at.
        id: CompactString,
    },
    /// A date or period, in microseconds since 1970 UTC, low inclusive, high exclusive.
    Date {
        /// The comparison.
        prefix: Prefix,
        /// First moment of the span given.
        low: i64,
        /// First moment after the span given.
        high: i64,
    },
    /// A number, or a quantity by its number and what it counts: places in the order of all numbers, low inclusive, high exclusive.
    Number {
        /// The comparison.
        prefix: Prefix,
        /// First place of the span given.
        low: i64,
        /// First place after it.
        high: i64,
        /// What is counted.
        of: Counted,
    },
    /// `:below` on a URI: this one, or one that goes on after it with a slash.
    Below(CompactString),
    /// `:contains` on a URI: the text stands in it.
    Holds(CompactString),
    /// A composite: all hold, in one element where the resource has several.
    Together(Vec<(ParamId, Test)>),
    /// A chain: the reference points at a resource of this type for which the filter holds.
    Through(ResourceType, Box<Filter>),
    /// `_has`: a resource of this type, for which the filter holds, points at it by the parameter.
    From(ResourceType, ParamId, Box<Filter>),
    /// One of these codes with their systems.
    OneOf(Vec<Coded>),
    /// A code that value sets or code systems tell of: to be replaced by [`Test::OneOf`] before the search is run.
    Told(Told),
    /// These words stand in the text.
    Sought(Sought),
    /// The test is made on another aspect of the elements than their value.
    Of(Aspect, Box<Test>),
    /// `:missing=true` (the resource has no value) or `:missing=false`.
    Missing(bool),
    /// A value that does not pass: `ne` of `_filter`.
    Unlike(Box<Test>),
    /// All of these hold; an alternative of [`FilterOn::Each`].
    All(Vec<Filter>),
    /// It contains a resource of this type for which all of these hold.
    Contains(ResourceType, Vec<Filter>),
}

/// Which codes are meant, by what tells of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Those of a value set, by its URL or reference: `:in` and `:not-in`.
    In(CompactString),
    /// A code and what it is a kind of.
    Above(CompactString, CompactString),
    /// A code and its kinds.
    Below(CompactString, CompactString),
}

impl Search {
    /// The tests that are to be replaced before it is run.
    pub fn told(&mut self) -> Vec<&mut Test> {
        fn each<'t>(filter: &'t mut Filter, told: &mut Vec<&'t mut Test>) {
            for test in &mut filter.any {
                match test {
                    Test::Told(_) => told.push(test),
                    Test::Through(_, inner) | Test::From(_, _, inner) => each(inner, told),
                    Test::All(filters) | Test::Contains(_, filters) => {
                        filters.iter_mut().for_each(|filter| each(filter, told));
                    }
                    _ => {}
                }
            }
        }
        let mut told = Vec::new();
        for filter in &mut self.filters {
            each(filter, &mut told);
        }
        told
    }
}

/// What the number of a quantity counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Whatever it is: `5.4`, and every number that is no quantity.
    Anything,
    /// A unit as the search rows have it: `5.4|http://unitsofmeasure.org|mg`, also found in grams.
    Unit(CompactString),
    /// A code or unit as it is written: `5.4||mg`.
    Named(CompactString),
}

/// How strings compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringTest {
    /// The value starts with the text, accents and case aside.
    Starts,
    /// `:contains`
    Contains,
    /// `:exact`
    Exact,
    /// The value is the text, accents and case aside: `eq` of `_filter`.
    Is,
    /// The value ends with the text, accents and case aside: `ew` of `_filter`.
    Ends,
}

/// R4B §3.1.1.4.4. The meaning is over spans: see the table there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
    /// The spans have something in common: `po` of `_filter`.
    Overlaps,
}

/// `_include=Observation:patient[:Patient]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// The type that holds the reference; `None`: any.
    pub source: Option<ResourceType>,
    /// Its reference parameter; `None` for `*`.
    pub param: Option<ParamId>,
    /// Only targets of this type.
    pub target: Option<ResourceType>,
    /// `:iterate`: also applied to what was included.
    pub iterate: bool,
}

impl Include {
    /// Whether it is about references that resources of this type hold.
    pub fn applies(&self, kind: ResourceType) -> bool {
        self.source.is_none_or(|source| source == kind)
    }
}

/// One sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// What is sorted by.
    pub on: SortOn,
    /// `-`: largest first.
    pub descending: bool,
}

/// What a sort key compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortOn {
    /// `_id`
    Id,
    /// `_lastUpdated`
    LastUpdated,
    /// A search parameter.
    Param(ParamId),
    /// `patient.name`: what the resources have that the reference points at, for each type it may point at.
    Through(ParamId, Vec<(ResourceType, SortOn)>),
}

/// Where a page ended: the sort values and the row of its last match. Opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// One value a sort key; `None` where the match had none.
    pub values: Vec<Option<CursorValue>>,
    /// The row number that breaks ties.
    pub row: i64,
}

/// A value that was sorted by.
#[derive(Clone, PartialEq, Eq)]
pub enum CursorValue {
    /// A date (microseconds) or row number.
    Integer(i64),
    /// A normalised string, a code or an id.
    Text(CompactString),
}

/// One stored version of a resource.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// What it is.
    pub reference: Reference,
    /// Its version, from 1.
    pub version: u64,
    /// When this version was written.
    pub updated: OffsetDateTime,
    /// Whether this version says that the resource was deleted; then the body is empty.
    pub deleted: bool,
    /// The canonical JSON text, `meta.versionId` and `meta.lastUpdated` included.
    pub body: Bytes,
}

/// One page of a search's answer.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The matches, in the order asked for.
    pub matches: Vec<Stored>,
    /// What came along by `_include` and `_revinclude`.
    pub included: Vec<Stored>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<Cursor>,
    /// The number of all matches, where it was asked for.
    pub total: Option<u64>,
    /// More was to come along than comes with one page.
    pub is_cut: bool,
    /// Of each match, where contained resources were asked for, the places of those that match among what it contains.
    pub contained: Vec<Vec<usize>>,
}

impl fmt::Debug for Test {
    /// What is searched for may name a patient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "Id({:?})", Veil(id)),
            Self::Token { system, code } => write!(f, "Token({system:?}, {:?})", code.as_deref().map(Veil)),
            Self::String(test, text) => write!(f, "String({test:?}, {:?})", Veil(text)),
            Self::Reference { kind, id } => write!(f, "Reference({kind:?}, {:?})", Veil(id)),
            Self::Date { prefix, low, high } => {
                write!(f, "Date({prefix:?}, {:?})", Veil(&format!("{low}..{high}")))
            }
            Self::Number { prefix, low, high, of } => {
                write!(f, "Number({prefix:?}, {:?}, {of:?})", Veil(&format!("{low}..{high}")))
            }
            Self::Below(uri) => write!(f, "Below({:?})", Veil(uri)),
            Self::Holds(text) => write!(f, "Holds({:?})", Veil(text)),
            Self::Together(tests) => write!(f, "Together({tests:?})"),
            Self::Through(kind, filter) => write!(f, "Through({kind}, {filter:?})"),
            Self::From(kind, param, filter) => write!(f, "From({kind}, {param:?}, {filter:?})"),
            Self::OneOf(codes) => write!(f, "OneOf({} codes)", codes.len()),
            Self::Told(told) => write!(f, "Told({told:?})"),
            Self::Sought(sought) => write!(f, "Sought({} words)", sought.weight()),
            Self::Of(aspect, test) => write!(f, "Of({aspect:?}, {test:?})"),
            Self::Missing(missing) => write!(f, "Missing({missing})"),
            Self::Unlike(test) => write!(f, "Unlike({test:?})"),
            Self::All(filters) => write!(f, "All({filters:?})"),
            Self::Contains(kind, filters) => write!(f, "Contains({kind}, {filters:?})"),
        }
    }
}

impl fmt::Debug for CursorValue {
    /// What was sorted by may name a patient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => Veil(&number.to_string()).fmt(f),
            Self::Text(text) => Veil(text).fmt(f),
        }
    }
}

impl fmt::Debug for Stored {
    /// Never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({}, version {}, {} bytes)", self.reference, self.version, self.body.len())
    }
}
