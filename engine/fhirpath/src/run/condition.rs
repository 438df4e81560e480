//! Conditions: three-valued logic and the rule that a single value means true (FHIRPath N1, "Boolean logic", "Singleton
//! Evaluation of Collections").

use hub_fhir::ResourceType;

use super::{Focus, Run};
use crate::error::EvaluationError;
use crate::functions::Function;
use crate::item::{Item, Items};
use crate::kind::TypeName;
use crate::tree::{Expr, ExprKind, Operator};

type Truth = Result<Option<bool>, EvaluationError>;

impl<'a> Run<'_, 'a> {
    /// A part of an expression as a condition; `None` is empty. What is a condition by itself is not made into values.
    pub(super) fn truth(&self, expr: &'a Expr, focus: Focus<'_, 'a>) -> Truth {
        if let ExprKind::Binary { operator, left, right } = &expr.kind
            && matches!(operator, Operator::And | Operator::Or | Operator::Xor | Operator::Implies)
        {
            self.charge(expr.at, 1)?;
            return self.logic(*operator, left, right, focus);
        }
        let items = self.eval(expr, focus)?;
        self.truth_of(expr.at, &items)
    }

    /// Values as a condition.
    pub(super) fn truth_of(&self, at: usize, items: &Items<'a>) -> Truth {
        let Some(item) = self.single(at, items)? else { return Ok(None) };
        Ok(match item.system() {
            Some(Item::Boolean(value)) => Some(value),
            None if item.node().is_some_and(|node| node.object().is_none() && node.json().is_none()) => None,
            _ => Some(true),
        })
    }

    /// The right side is not evaluated where the left one decides.
    pub(super) fn logic(
        &self,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        focus: Focus<'_, 'a>,
    ) -> Truth {
        let one = self.truth(left, focus)?;
        match (operator, one) {
            (Operator::And, Some(false)) => return Ok(Some(false)),
            (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => return Ok(Some(true)),
            (Operator::Xor, None) => return Ok(None),
            _ => {}
        }
        let other = self.truth(right, focus)?;
        Ok(match (operator, one, other) {
            (Operator::And, _, Some(false)) => Some(false),
            (Operator::And, Some(true), Some(true)) => Some(true),
            (Operator::Or | Operator::Implies, _, Some(true)) => Some(true),
            (Operator::Or, Some(false), Some(false)) => Some(false),
            (Operator::Implies, Some(true), other) => other,
            (Operator::Xor, Some(one), Some(other)) => Some(one != other),
            _ => None,
        })
    }

    /// `x.resolve() is Patient`: where the reference cannot be resolved, the type its text names decides (R4B, Search,
    /// "Reference": servers go by it). `None`: the expression is another one.
    pub(super) fn resolves_to(
        &self,
        of: &'a Expr,
        named: &TypeName,
        focus: Focus<'_, 'a>,
    ) -> Result<Option<bool>, EvaluationError> {
        let ExprKind::Call { of: before, function: Function::Resolve, .. } = &of.kind else {
            return Ok(None);
        };
        let references = match before {
            Some(before) => self.eval(before, focus)?,
            None => focus.input.clone(),
        };
        let Some(reference) = self.single(of.at, &references)? else { return Ok(None) };
        if self.resolved(reference).is_some() {
            return Ok(None);
        }
        let stated = stated_type(reference);
        Ok(stated.map(|kind| kind.name() == named.name || matches!(named.name.as_str(), "Resource")))
    }
}

/// The type a reference says itself that it points at.
fn stated_type(item: &Item<'_>) -> Option<ResourceType> {
    let text = super::fhir::reference_text(item);
    let current = text.as_deref().map(|text| text.split("/_history/").next().unwrap_or_default());
    let of_text = current.and_then(|text| {
        let (front, _) = text.rsplit_once('/')?;
        ResourceType::from_name(front.rsplit('/').next()?)
    });
    of_text.or_else(|| {
        let stated = item.node()?.object()?.get("type")?.as_str()?;
        ResourceType::from_name(stated)
    })
}
