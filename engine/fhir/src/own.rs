//! The definitions of the server's own search parameters, each once for the life of the process.
//!
//! A definition is a value that never changes, and its id stands for it: so a search that is under way means what it meant when it was
//! read, whatever comes into force meanwhile, and several stores in one process may know the same one. Which are in force is not known
//! here: see [`crate::parameters`].

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock, PoisonError, RwLock};

use crate::composite::Composite;
use crate::index::ParamId;
use crate::language::Finder;
use crate::params::{self, Param, ParamKind};
use crate::types::ResourceType;

/// A process keeps what it has once known: more definitions than these, ever, are not taken.
const MOST: usize = 20_000;

/// What makes a parameter the one it is.
#[derive(Debug)]
pub(crate) struct Facts<'f> {
    pub base: ResourceType,
    pub code: &'f str,
    pub kind: ParamKind,
    pub url: &'f str,
    pub expression: &'f str,
    pub targets: &'f [ResourceType],
    pub components: &'f [&'static Param],
}

#[derive(Default)]
struct Known {
    params: Vec<&'static Param>,
    by_facts: HashMap<String, &'static Param>,
}

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

/// Whether the id is behind those of R4B.
pub(crate) fn is_own(id: ParamId) -> bool {
    usize::from(id.0) >= params::count()
}

/// The definition of this id.
pub(crate) fn by_id(id: ParamId) -> Option<&'static Param> {
    let at = usize::from(id.0).checked_sub(params::count())?;
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).params.get(at).copied()
}

/// The parameter of these facts; the error says why it can be none.
pub(crate) fn intern(facts: &Facts<'_>, finder: Option<Finder>) -> Result<&'static Param, String> {
    let is_whole = matches!(finder, Some(Finder::Whole(_)));
    let components: Vec<ParamId> = facts.components.iter().map(|component| component.id).collect();
    let Facts { base, code, kind, url, expression, targets, .. } = facts;
    let key = format!("{:?}", (base, code, kind, url, expression, targets, components, is_whole));
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(param) = known.by_facts.get(&key) {
        return Ok(param);
    }
    let id = u16::try_from(params::count() + known.params.len()).ok().map(ParamId);
    let id = id.filter(|_| known.params.len() < MOST);
    let id = id.ok_or("this process has known too many definitions; it must be started anew")?;
    let expression: &'static str = expression.to_string().leak();
    let composite = match kind {
        ParamKind::Composite => {
            let made = Composite::made(*base, expression, facts.components.to_vec());
            Some(made.ok_or_else(|| {
                format!("a composite's expression must be `{base}` or elements of it as in `{base}.component`, and it needs two components")
            })?)
        }
        _ => None,
    };
    let param: &'static Param = Box::leak(Box::new(Param {
        id,
        base: *base,
        code: code.to_string().leak(),
        kind: *kind,
        targets: targets.to_vec(),
        components: facts.components.iter().map(|component| component.code).collect(),
        expression,
        definition: url.to_string().leak(),
        finder: OnceLock::from(finder),
        composite,
    }));
    known.params.push(param);
    known.by_facts.insert(key, param);
    Ok(param)
}
