//! What searches must find, told without an index: a walk over the search rows of every resource.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use hub_fhir::index::{Aspect, IndexRow, IndexValue, ParamId};
use hub_fhir::params::by_id;
use hub_fhir::search::{Counted, Filter, FilterOn, Prefix, Search, SortOn, StringTest, Test};
use hub_fhir::{ResourceType, composite};

/// A resource as the brute force sees it. Its place in the store is the order in which it was first written.
pub(super) struct Known {
    pub(super) name: String,
    pub(super) kind: ResourceType,
    pub(super) id: String,
    pub(super) place: i64,
    pub(super) rows: Vec<IndexRow>,
}

impl Known {
    fn values(&self, param: ParamId) -> impl Iterator<Item = &IndexValue> {
        self.aspect(param, Aspect::Value)
    }

    fn aspect(&self, param: ParamId, aspect: Aspect) -> impl Iterator<Item = &IndexValue> {
        let rows = self.rows.iter().filter(move |row| row.param == param && row.aspect == aspect);
        rows.map(|row| &row.value)
    }
}

fn spans(prefix: Prefix, (low, high): (i64, i64), target: (i64, i64)) -> bool {
    let contained = target.0 >= low && target.1 <= high;
    match prefix {
        Prefix::Eq => contained,
        Prefix::Ne => !contained,
        Prefix::Gt => target.1 > high,
        Prefix::Lt => target.0 < low,
        Prefix::Ge => contained || target.1 > high,
        Prefix::Le => contained || target.0 < low,
        Prefix::Sa => target.0 >= high,
        Prefix::Eb => target.1 <= low,
        // Widened by years here: everything asked for below is long past.
        Prefix::Ap | Prefix::Overlaps => target.0 < high && target.1 > low,
    }
}

fn value_passes(test: &Test, value: &IndexValue) -> bool {
    match (test, value) {
        (Test::Unlike(test), value) => {
            let is_comparable = match **test {
                Test::Token { .. } => matches!(value, IndexValue::Token { .. }),
                Test::String(..) => matches!(value, IndexValue::String { .. }),
                _ => matches!(value, IndexValue::Reference { .. }),
            };
            is_comparable && !value_passes(test, value)
        }
        (Test::Token { system, code }, IndexValue::Token { system: s, code: c }) => {
            system.as_ref().is_none_or(|system| system == s) && code.as_ref().is_none_or(|code| code == c)
        }
        (Test::String(how, text), IndexValue::String { normal, exact }) => match how {
            StringTest::Starts => normal.starts_with(text.as_str()),
            StringTest::Contains => normal.contains(text.as_str()),
            StringTest::Exact => exact == text,
            StringTest::Is => normal == text,
            StringTest::Ends => normal.ends_with(text.as_str()),
        },
        (Test::Reference { kind, id }, IndexValue::Reference { kind: k, id: i }) => {
            id == i && (kind.is_none() || kind == k)
        }
        (Test::Date { prefix, low, high }, IndexValue::Date { low: l, high: h }) => {
            spans(*prefix, (*low, *high), (*l, *h))
        }
        (Test::Number { prefix, low, high, of }, value) => {
            let target = match (of, value) {
                (Counted::Anything, IndexValue::Number { low, high }) => (*low, *high),
                (Counted::Unit(asked), IndexValue::Measure { unit: name, low, high })
                | (Counted::Named(asked), IndexValue::Named { name, low, high })
                    if asked == name =>
                {
                    (*low, *high)
                }
                _ => return false,
            };
            spans(*prefix, (*low, *high), target)
        }
        (Test::Below(uri), IndexValue::Token { code, .. }) => {
            code.strip_prefix(uri.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        (Test::Holds(text), IndexValue::Token { code, .. }) => code.contains(text.as_str()),
        _ => false,
    }
}

/// All that is known, by name.
pub(super) type All = BTreeMap<String, Known>;

/// Whether all components of a composite pass in one element: among the groups where there are some, else anywhere.
fn together(known: &Known, param: ParamId, tests: &[(ParamId, Test)]) -> bool {
    let mut groups = known.values(param).peekable();
    if groups.peek().is_none() {
        return tests.iter().all(|(of, test)| known.values(*of).any(|value| value_passes(test, value)));
    }
    groups.any(|group| {
        let IndexValue::Group(group) = group else { return false };
        let mut each = tests.iter().zip(group);
        each.all(|((_, test), values)| values.iter().any(|value| value_passes(test, value)))
    })
}

/// Whether it has a value; of a composite, one of each component in one element.
fn is_present(known: &Known, param: ParamId) -> bool {
    let Some(composite) = by_id(param).and_then(composite::of) else {
        return known.values(param).next().is_some();
    };
    let mut groups = known.values(param).peekable();
    if groups.peek().is_none() {
        return composite.components.iter().all(|part| known.values(part.id).next().is_some());
    }
    groups.any(|group| matches!(group, IndexValue::Group(group) if group.iter().all(|part| !part.is_empty())))
}

fn points_at(from: &Known, by: ParamId, to: &Known) -> bool {
    from.values(by).any(|value| {
        matches!(value, IndexValue::Reference { kind, id } if *kind == Some(to.kind) && id.as_str() == to.id)
    })
}

fn passes(all: &All, known: &Known, filter: &Filter) -> bool {
    let any = filter.any.iter().any(|test| match (&filter.on, test) {
        (FilterOn::Param(param), Test::Together(tests)) => together(known, *param, tests),
        (FilterOn::Param(param), Test::Through(kind, inner)) => {
            all.values().any(|to| to.kind == *kind && points_at(known, *param, to) && passes(all, to, inner))
        }
        (FilterOn::Pointed, Test::From(kind, by, inner)) => all
            .values()
            .any(|from| from.kind == *kind && points_at(from, *by, known) && passes(all, from, inner)),
        (FilterOn::Id, Test::Id(id)) => known.id == id.as_str(),
        (FilterOn::Id, Test::Unlike(test)) => !matches!(&**test, Test::Id(id) if known.id == id.as_str()),
        (FilterOn::Each, Test::All(filters)) => filters.iter().all(|filter| passes(all, known, filter)),
        (FilterOn::Param(param), Test::Missing(missing)) => is_present(known, *param) != *missing,
        (FilterOn::Param(param), Test::Of(aspect, test)) => {
            known.aspect(*param, *aspect).any(|value| value_passes(test, value))
        }
        (FilterOn::Param(param), test) => known.values(*param).any(|value| value_passes(test, value)),
        _ => false,
    });
    any != filter.not
}

fn sort_value(all: &All, known: &Known, on: &SortOn, descending: bool) -> Option<(i64, String)> {
    let param = match on {
        SortOn::Id => return Some((0, known.id.clone())),
        SortOn::LastUpdated => return Some((known.place, String::new())),
        SortOn::Param(param) => param,
        SortOn::Through(param, ways) => {
            let values = ways.iter().flat_map(|(to, on)| {
                let targets =
                    all.values().filter(|target| target.kind == *to && points_at(known, *param, target));
                targets.filter_map(|target| sort_value(all, target, on, descending))
            });
            return if descending { values.max() } else { values.min() };
        }
    };
    let mut values: Vec<(i64, String)> = known
        .values(*param)
        .map(|value| match value {
            IndexValue::Token { code, .. } => (0, code.to_string()),
            IndexValue::String { normal, .. } => (0, normal.to_string()),
            IndexValue::Reference { id, .. } => (0, id.to_string()),
            IndexValue::Date { low, .. } | IndexValue::Number { low, .. } => (*low, String::new()),
            IndexValue::Measure { .. } | IndexValue::Named { .. } | IndexValue::Group(_) => {
                (i64::MIN, "unsorted".to_owned())
            }
        })
        .filter(|(_, text)| text != "unsorted")
        .collect();
    values.sort();
    if descending { values.pop() } else { values.into_iter().next() }
}

pub(super) fn expected(all: &All, searches: &[Search]) -> Vec<String> {
    let sort_of =
        |known: &Known| searches.iter().find(|search| search.kind == known.kind).map(|search| &search.sort);
    let mut found: Vec<&Known> = all
        .values()
        .filter(|known| {
            searches.iter().any(|search| {
                known.kind == search.kind && search.filters.iter().all(|filter| passes(all, known, filter))
            })
        })
        .collect();
    let first_descends = searches[0].sort.first().is_none_or(|sort| sort.descending);
    found.sort_by(|a, b| {
        for (sort, other) in sort_of(a).into_iter().flatten().zip(sort_of(b).into_iter().flatten()) {
            let order = match (
                sort_value(all, a, &sort.on, sort.descending),
                sort_value(all, b, &other.on, sort.descending),
            ) {
                (Some(a), Some(b)) if sort.descending => b.cmp(&a),
                (Some(a), Some(b)) => a.cmp(&b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        if first_descends { b.place.cmp(&a.place) } else { a.place.cmp(&b.place) }
    });
    found.into_iter().map(|known| known.name.clone()).collect()
}
