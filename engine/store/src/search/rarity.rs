//! How rare what a filter asks for is, and whether an index gives its resources at all.

use hub_fhir::index::Aspect;
use hub_fhir::params::by_id;
use hub_fhir::search::{Counted, Filter, FilterOn, StringTest, Test};

/// Of a filter with more alternatives the resources are not looked up: it is only probed, unless each alternative is one look-up.
const MOST_LOOKED_UP: usize = 240;

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
    if filter.not || filter.on == FilterOn::LastUpdated {
        return None;
    }
    // SQLite takes 500 parts of a union; a span is looked up in two.
    let looks_twice = |test: &Test| {
        !matches!(test, Test::Id(_) | Test::Token { .. } | Test::Reference { .. } | Test::String(..))
    };
    if filter.any.len() > MOST_LOOKED_UP && filter.any.iter().any(looks_twice) {
        return None;
    }
    let mut all = Rarity::Sure;
    for test in &filter.any {
        all = match (test_rarity(filter, test)?, all) {
            (Rarity::Sure, all) => all,
            (Rarity::Unknown, _) => Rarity::Unknown,
        };
    }
    Some(all)
}

fn test_rarity(filter: &Filter, test: &Test) -> Option<Rarity> {
    match test {
        Test::Id(_) => Some(Rarity::Sure),
        Test::Token { code: Some(_), .. } => {
            // Identifiers are there to tell apart.
            let is_identifier =
                matches!(filter.on, FilterOn::Param(id) if by_id(id).is_some_and(|p| p.code == "identifier"));
            Some(if is_identifier { Rarity::Sure } else { Rarity::Unknown })
        }
        Test::Reference { .. }
        | Test::Date { .. }
        | Test::Number { .. }
        | Test::Below(_)
        | Test::OneOf(_)
        | Test::Sought(_) => Some(Rarity::Unknown),
        Test::String(StringTest::Starts | StringTest::Exact, _) => Some(Rarity::Unknown),
        Test::String(StringTest::Contains, _) | Test::Token { code: None, .. } => None,
        Test::Of(_, inner) => test_rarity(filter, inner),
        // What is looked through leads to as many as point there or are pointed at.
        Test::Through(_, inner) | Test::From(_, _, inner) => rarity(inner).map(|_| Rarity::Unknown),
        Test::Together(tests) => tests.iter().any(|(_, test)| is_driven(test)).then_some(Rarity::Unknown),
        Test::Holds(_) | Test::Missing(_) | Test::Told(_) => None,
    }
}

/// Whether an index gives the resources of a component.
pub(super) fn is_driven(test: &Test) -> bool {
    match test {
        Test::Token { code, .. } => code.is_some(),
        Test::String(how, _) => *how != StringTest::Contains,
        Test::Reference { .. } | Test::Date { .. } | Test::Number { .. } | Test::Below(_) => true,
        _ => false,
    }
}

/// Whether the resources an index gives for a filter are those that match, and not some more.
pub(super) fn is_exact(filter: &Filter) -> bool {
    !filter.any.iter().any(|test| {
        matches!(
            test,
            Test::Together(_) | Test::Of(Aspect::Text, _) | Test::Number { of: Counted::Named(_), .. }
        )
    })
}
