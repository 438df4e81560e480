//! How rare what a filter asks for is, and whether an index gives its resources at all.

use hub_fhir::index::Aspect;
use hub_fhir::params::by_id;
use hub_fhir::search::{Counted, Filter, FilterOn, StringTest, Test};

/// A filter with more look-ups is only probed: SQLite takes so many parts of a union.
const MOST_LOOK_UPS: usize = 500;

/// How many resources a filter's value is likely to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rarity {
    /// Few, whatever is stored.
    Sure,
    /// It must be counted.
    Unknown,
}

impl Rarity {
    pub fn is_sure(self) -> bool {
        self == Rarity::Sure
    }
}

/// How rare what a filter asks for is; `None` when an index does not give its resources.
pub(super) fn rarity(filter: &Filter) -> Option<Rarity> {
    looked_up(filter).map(|(rarity, _)| rarity)
}

/// The same, and in how many parts of a union the resources are looked up.
fn looked_up(filter: &Filter) -> Option<(Rarity, usize)> {
    if filter.not || filter.on == FilterOn::LastUpdated {
        return None;
    }
    let (mut all, mut parts) = (Rarity::Sure, 0);
    for test in &filter.any {
        let (rarity, more) = test_looked_up(filter, test)?;
        parts += more;
        if !rarity.is_sure() {
            all = Rarity::Unknown;
        }
    }
    (parts <= MOST_LOOK_UPS).then_some((all, parts))
}

/// Of filters that must all hold the one whose resources are looked up, and how.
pub(super) fn driver(filters: &[Filter]) -> Option<(&Filter, Rarity, usize)> {
    let drivers = filters.iter().filter_map(|filter| {
        let (rarity, parts) = looked_up(filter)?;
        Some((filter, rarity, parts))
    });
    drivers.min_by_key(|(_, rarity, _)| !rarity.is_sure())
}

fn test_looked_up(filter: &Filter, test: &Test) -> Option<(Rarity, usize)> {
    let (rarity, parts) = match test {
        Test::Id(_) => (Rarity::Sure, 1),
        Test::Token { code: Some(_), .. } => {
            // Identifiers are there to tell apart.
            let is_identifier =
                matches!(filter.on, FilterOn::Param(id) if by_id(id).is_some_and(|p| p.code == "identifier"));
            (if is_identifier { Rarity::Sure } else { Rarity::Unknown }, 1)
        }
        Test::Reference { .. } | Test::OneOf(_) | Test::Sought(_) | Test::Contains(..) => {
            (Rarity::Unknown, 1)
        }
        Test::Date { .. } | Test::Number { .. } | Test::Below(_) => (Rarity::Unknown, 2),
        Test::String(how, _) if is_looked_up(*how) => (Rarity::Unknown, 1),
        Test::Of(_, inner) => return test_looked_up(filter, inner),
        // What is looked through leads to as many as point there or are pointed at.
        Test::Through(_, inner) | Test::From(_, _, inner) => {
            rarity(inner)?;
            (Rarity::Unknown, 1)
        }
        Test::Together(tests) => {
            tests.iter().find(|(_, test)| is_driven(test))?;
            (Rarity::Unknown, 2)
        }
        Test::All(filters) => {
            let (_, rarity, parts) = driver(filters)?;
            (rarity, parts)
        }
        Test::Token { code: None, .. }
        | Test::String(..)
        | Test::Holds(_)
        | Test::Missing(_)
        | Test::Told(_)
        | Test::Unlike(_) => return None,
    };
    Some((rarity, parts))
}

/// Whether the index has strings in an order that helps.
fn is_looked_up(how: StringTest) -> bool {
    matches!(how, StringTest::Starts | StringTest::Exact | StringTest::Is)
}

/// Whether an index gives the resources of a component.
pub(super) fn is_driven(test: &Test) -> bool {
    match test {
        Test::Token { code, .. } => code.is_some(),
        Test::String(how, _) => is_looked_up(*how),
        Test::Reference { .. } | Test::Date { .. } | Test::Number { .. } | Test::Below(_) => true,
        _ => false,
    }
}

/// Whether the resources an index gives for a filter are those that match, and not some more.
pub(super) fn is_exact(filter: &Filter) -> bool {
    filter.any.iter().all(|test| match test {
        Test::Together(_) | Test::Of(Aspect::Text, _) | Test::Number { of: Counted::Named(_), .. } => false,
        Test::All(filters) => matches!(filters.as_slice(), [only] if is_exact(only)),
        _ => true,
    })
}
