//! Composite parameters: values that must stand in the same element (R4B §3.1.1.4.12).
//!
//! Where a resource has one such element, the composite says no more than its components together. Where it has several, each becomes
//! a group: what the components find in the resource when only that element is left of them.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use crate::index::{IndexValue, ParamId};
use crate::index_rows::values;
use crate::json::{Json, Object};
use crate::params::{Param, ParamKind, by_id, find, params_of, supported};
use crate::types::ResourceType;

/// A composite that is understood.
#[derive(Debug)]
pub struct Composite {
    /// The parameters of the components, in their order.
    pub components: Vec<&'static Param>,
    /// Where the elements stand: a member of the resource, or `None` for the resource itself.
    places: Vec<Option<&'static str>>,
}

/// What a composite is made of; `None` when the parameter is none, or one that is not understood.
pub fn of(param: &Param) -> Option<&'static Composite> {
    if param.is_own() {
        return by_id(param.id)?.composite.as_ref();
    }
    static KNOWN: LazyLock<Vec<OnceLock<HashMap<ParamId, Composite>>>> =
        LazyLock::new(|| ResourceType::all().map(|_| OnceLock::new()).collect());
    let known = KNOWN[param.base.index()].get_or_init(|| {
        let composites = params_of(param.base).iter().filter(|param| param.kind == ParamKind::Composite);
        composites.filter_map(|param| Some((param.id, read(param)?))).collect()
    });
    known.get(&param.id)
}

fn read(param: &'static Param) -> Option<Composite> {
    let component = |code: &&'static str| {
        find(param.base, code).filter(|found| found.kind != ParamKind::Composite && supported(found))
    };
    let components: Vec<&Param> = param.components.iter().map(component).collect::<Option<_>>()?;
    Composite::made(param.base, param.expression, components)
}

impl Composite {
    /// Of an expression that names the resource or elements of it; `None` when it does not.
    pub(crate) fn made(
        base: ResourceType,
        expression: &'static str,
        components: Vec<&'static Param>,
    ) -> Option<Self> {
        let place = |path: &'static str| match path.trim().split_once('.') {
            None => (path.trim() == base.name()).then_some(None),
            Some((owner, member)) => {
                (owner == base.name() && !member.contains(['.', '('])).then_some(Some(member))
            }
        };
        let places: Vec<Option<&str>> = expression.split('|').map(place).collect::<Option<_>>()?;
        (components.len() > 1).then_some(Self { components, places })
    }

    /// The groups of a resource where it has several; a group has the values of each component.
    pub(crate) fn groups(&self, tree: &Object) -> Vec<Vec<Vec<IndexValue>>> {
        let parts = self.parts(tree);
        if parts.len() < 2 {
            return Vec::new();
        }
        let group = |part: &Object| self.components.iter().map(|component| values(component, part)).collect();
        parts.iter().map(group).collect()
    }

    /// The resource once for each element, with only that one left.
    fn parts(&self, tree: &Object) -> Vec<Object> {
        let mut parts = Vec::new();
        let count = |place: &str| tree.get(place).map_or(0, |value| value.items().len());
        let elements: usize = self.places.iter().map(|place| place.map_or(1, count)).sum();
        if elements < 2 {
            return parts;
        }
        for place in &self.places {
            let Some(place) = *place else {
                let others = |name: &str| self.places.contains(&Some(name));
                parts.push(tree.iter().filter(|(name, _)| !others(name)).map(owned).collect());
                continue;
            };
            for element in tree.get(place).map(Json::items).unwrap_or_default() {
                // Where the resource is an element as well, its own values are not those of this one.
                let is_alone = self.places.len() > 1;
                let rest = tree.iter().filter(|(name, _)| *name != place && !is_alone).map(owned);
                parts.push(rest.chain([(place.into(), element.clone())]).collect());
            }
        }
        parts
    }
}

fn owned((name, value): (&str, &Json)) -> (compact_str::CompactString, Json) {
    (name.into(), value.clone())
}
