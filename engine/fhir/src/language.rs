//! What finds the values of a search parameter: an expression of the small language of [`crate::fhirpath`], or one of the whole of
//! FHIRPath, which is a crate above this one and is handed in.

use std::fmt;
use std::sync::Arc;

use crate::fhirpath::{Expression, Item};
use crate::json::Object;
use crate::types::ResourceType;

/// Compiles expressions that the small language does not take.
pub trait Language: Send + Sync {
    /// Compiles an expression for resources of one type; the error says what is wrong, and where.
    fn compile(&self, expression: &str, kind: ResourceType) -> Result<Arc<dyn Finds>, String>;
}

/// Finds values in resources: always the same in the same one.
pub trait Finds: fmt::Debug + Send + Sync {
    /// Hands every value to `sink`. What cannot be evaluated on this resource has none.
    fn each(&self, resource: &Object, sink: &mut dyn FnMut(Item<'_>));

    /// The types its values may have; `None` when that is not known.
    fn types(&self) -> Option<Vec<&'static str>>;
}

/// What finds the values of a parameter.
#[derive(Debug)]
pub(crate) enum Finder {
    Small(Expression),
    Whole(Arc<dyn Finds>),
}

impl Finder {
    /// Compiles an expression of the server's own: by the small language where it takes it.
    pub(crate) fn compile(
        expression: &str,
        kind: ResourceType,
        language: Option<&dyn Language>,
    ) -> Result<Self, String> {
        match (Expression::compile(expression, kind), language) {
            (Ok(small), _) => Ok(Self::Small(small)),
            (Err(_), Some(language)) => language.compile(expression, kind).map(Self::Whole),
            (Err(error), None) => Err(error.to_string()),
        }
    }

    pub(crate) fn each(&self, resource: &Object, sink: &mut dyn FnMut(Item<'_>)) {
        match self {
            Self::Small(expression) => expression.each(resource, &mut |item| sink(item)),
            Self::Whole(finds) => finds.each(resource, sink),
        }
    }

    /// Whether its values may be of this type.
    pub(crate) fn may_yield(&self, name: &str) -> bool {
        match self {
            Self::Small(expression) => expression.may_yield(name),
            Self::Whole(finds) => finds.types().is_none_or(|types| types.contains(&name)),
        }
    }

    /// The types its values may have; `None` when that is not known.
    pub(crate) fn types(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::Small(expression) => Some(expression.types()),
            Self::Whole(finds) => finds.types(),
        }
    }
}
