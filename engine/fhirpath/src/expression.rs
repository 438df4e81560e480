//! An expression: compiled once for the types it is evaluated on, then evaluated as often as wanted.

use std::fmt;

use compact_str::CompactString;
use hub_fhir::Object;

use crate::check::{Kinds, Scope, kinds};
use crate::environment::Environment;
use crate::error::{EvaluationError, SyntaxError};
use crate::item::{Item, Items, Node};
use crate::kind::Kind;
use crate::read::read;
use crate::run::Run;
use crate::tree::Expr;

/// A compiled expression.
pub struct Expression {
    text: CompactString,
    root: Expr,
    leads_to: Kinds,
}

/// What an expression is evaluated on, so that its names can be checked.
#[derive(Clone, Debug)]
pub struct On {
    input: Kinds,
    resource: Kinds,
    variables: Vec<CompactString>,
}

impl On {
    /// A value of any type: only names that no type of R4B has are refused.
    pub fn anything() -> Self {
        Self { input: Kinds::Any, resource: Kinds::AnyResource, variables: Vec::new() }
    }

    /// A value of this type: `Patient`, `HumanName`, `Patient.contact`, `string`. `None`: R4B has no such type. A
    /// resource type is also the type of `%resource`, as is that of the resource a backbone element belongs to.
    pub fn the(name: &str) -> Option<Self> {
        let input = Kinds::named(name)?;
        let owner = name.split('.').next().unwrap_or_default();
        let is_resource = hub_fhir::ResourceType::from_name(owner).is_some();
        let resource = if is_resource { Kinds::named(owner)? } else { Kinds::AnyResource };
        Some(Self { input, resource, variables: Vec::new() })
    }

    /// With a variable of the caller, named without the `%`.
    #[must_use]
    pub fn with(mut self, variable: &str) -> Self {
        self.variables.push(variable.into());
        self
    }

    /// On a choice or any other element of several types.
    pub(crate) fn any_of(names: &[&str]) -> Option<Self> {
        let kinds = names.iter().map(|name| Kinds::named(name));
        let input = kinds.reduce(|one, other| Some(one?.and(other?)))??;
        Some(Self { input, resource: Kinds::AnyResource, variables: Vec::new() })
    }
}

impl Expression {
    /// Reads an expression and checks its names.
    pub fn compile(text: &str, on: &On) -> Result<Self, SyntaxError> {
        let root = read(text)?;
        let scope = Scope {
            this: on.input.clone(),
            context: &on.input,
            resource: &on.resource,
            variables: &on.variables,
            has_index: false,
            has_total: false,
        };
        let leads_to = kinds(&root, &scope)?;
        Ok(Self { text: text.into(), root, leads_to })
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The types its values may have; `None` where that is not known.
    pub(crate) fn leads_to(&self) -> Option<&[Kind]> {
        match &self.leads_to {
            Kinds::Of(kinds) => Some(kinds),
            Kinds::Any | Kinds::AnyResource => None,
        }
    }

    /// Evaluates it on an element or resource.
    pub fn evaluate<'a>(
        &'a self,
        on: Node<'a>,
        environment: &Environment<'a>,
    ) -> Result<Items<'a>, EvaluationError> {
        Run::new(environment, Item::Node(on).into()).evaluate(&self.root)
    }

    /// Evaluates it on a resource.
    pub fn evaluate_resource<'a>(
        &'a self,
        resource: &'a Object,
        environment: &Environment<'a>,
    ) -> Result<Items<'a>, EvaluationError> {
        self.evaluate(Node::resource(resource), environment)
    }

    /// Evaluates a condition. `None`: the answer is empty, so not known.
    pub fn truth<'a>(
        &'a self,
        on: Node<'a>,
        environment: &Environment<'a>,
    ) -> Result<Option<bool>, EvaluationError> {
        self.truth_and_steps(on, environment).0
    }

    /// The same, and how many steps it took.
    pub(crate) fn truth_and_steps<'a>(
        &'a self,
        on: Node<'a>,
        environment: &Environment<'a>,
    ) -> (Result<Option<bool>, EvaluationError>, u64) {
        let run = Run::new(environment, Item::Node(on).into());
        let truth = run.condition(&self.root);
        (truth, run.steps())
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}
