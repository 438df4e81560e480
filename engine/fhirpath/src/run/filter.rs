//! Existence, filtering and projection, subsetting, combining, navigation, types and utility (FHIRPath N1, 5.1 to 5.4,
//! 5.8, 5.9, 6.3, 7).

use std::cmp::Ordering;

use super::{Call, Focus, Outcome};
use crate::equal::{Distinct, compare};
use crate::error::EvaluationError;
use crate::functions::Function;
use crate::item::{Item, Items};
use crate::navigate::children;
use crate::tree::ExprKind;

/// What a value is sorted by, and whether in descending order.
type SortKey<'a> = (Option<Item<'a>>, bool);

impl<'a> Call<'_, 'a> {
    pub(super) fn filter(self) -> Outcome<'a> {
        match self.function {
            Function::Empty => Ok(self.input.is_empty().into()),
            Function::Exists => self.exists(),
            Function::All => self.all(),
            Function::AllTrue | Function::AnyTrue | Function::AllFalse | Function::AnyFalse => {
                self.all_or_any()
            }
            Function::SubsetOf | Function::SupersetOf => self.subset(),
            Function::Count => Ok(i32::try_from(self.input.len()).ok().map(Item::Integer).into()),
            Function::Distinct => self.run.distinct(self.at, &self.input),
            Function::IsDistinct => {
                let distinct = self.run.set(self.at, &self.input)?;
                Ok((distinct.len() == self.input.len()).into())
            }
            Function::Where => self.filtered(),
            Function::Select => self.select(),
            Function::Repeat => self.repeat(),
            Function::OfType | Function::As => self.of_type(),
            Function::Is => self.is(),
            Function::Single => Ok(self.run.single(self.at, &self.input)?.cloned().into()),
            Function::First => Ok(self.input.as_slice().first().cloned().into()),
            Function::Last => Ok(self.input.as_slice().last().cloned().into()),
            Function::Tail => Ok(self.input.into_iter().skip(1).collect()),
            Function::Skip | Function::Take => self.skip_or_take(),
            Function::Intersect | Function::Exclude => self.intersect(),
            Function::Union | Function::Combine => self.union(),
            Function::Iif => self.iif(),
            Function::Coalesce => self.coalesce(),
            Function::Sort => self.sort(),
            Function::Children => self.children(),
            Function::Descendants => self.descendants(),
            Function::Trace => self.trace(),
            Function::Not => {
                Ok(self.run.truth_of(self.at, &self.input)?.map(|truth| Item::Boolean(!truth)).into())
            }
            Function::Type => Ok(self.input.iter().map(|item| Item::Type(item.kind())).collect()),
            Function::Aggregate => self.aggregate(),
            _ => self.fail("this function is not one of collections"),
        }
    }

    /// The argument as a condition on one value.
    fn holds(&self, item: &Items<'a>, index: usize) -> Result<bool, EvaluationError> {
        let Some(condition) = self.arguments.first() else { return Ok(true) };
        let focus = Focus { input: item, index, ..self.focus };
        Ok(self.run.truth(condition, focus)? == Some(true))
    }

    fn exists(self) -> Outcome<'a> {
        for (index, item) in self.input.iter().enumerate() {
            if self.arguments.is_empty() || self.holds(&item.clone().into(), index)? {
                return Ok(true.into());
            }
        }
        Ok(false.into())
    }

    fn all(self) -> Outcome<'a> {
        for (index, item) in self.input.iter().enumerate() {
            if !self.holds(&item.clone().into(), index)? {
                return Ok(false.into());
            }
        }
        Ok(true.into())
    }

    fn all_or_any(self) -> Outcome<'a> {
        let wanted = matches!(self.function, Function::AllTrue | Function::AnyTrue);
        let mut agree = 0;
        for item in self.input.iter() {
            match item.system() {
                Some(Item::Boolean(value)) => agree += usize::from(value == wanted),
                None if item.node().is_some_and(|node| node.object().is_none()) => {}
                _ => return self.fail(format!("expected Booleans, found a `{}`", item.kind())),
            }
        }
        let is_all = matches!(self.function, Function::AllTrue | Function::AllFalse);
        Ok(if is_all { agree == self.input.len() } else { agree > 0 }.into())
    }

    fn subset(self) -> Outcome<'a> {
        let other = self.argument(0)?;
        let (part, whole) =
            if self.function == Function::SubsetOf { (&self.input, &other) } else { (&other, &self.input) };
        let whole = self.run.set(self.at, whole)?;
        for item in part.iter() {
            self.run.charge(self.at, 1)?;
            if !whole.has(item) {
                return Ok(false.into());
            }
        }
        Ok(true.into())
    }

    fn filtered(self) -> Outcome<'a> {
        let mut found = Items::None;
        for (index, item) in self.input.iter().enumerate() {
            if self.holds(&item.clone().into(), index)? {
                self.run.push(self.at, &mut found, item.clone())?;
            }
        }
        Ok(found)
    }

    fn select(self) -> Outcome<'a> {
        let mut found = Items::None;
        for (index, item) in self.input.iter().enumerate() {
            for value in self.argument_on(0, &item.clone().into(), index)? {
                self.run.push(self.at, &mut found, value)?;
            }
        }
        Ok(found)
    }

    /// Again on what came out, until nothing new does: a value that equals an earlier one is not new.
    fn repeat(self) -> Outcome<'a> {
        let mut known = Distinct::new(&self.run.steps);
        let mut found = Items::None;
        let mut ahead: std::collections::VecDeque<Item<'a>> = self.input.iter().cloned().collect();
        let mut index = 0;
        while let Some(item) = ahead.pop_front() {
            for value in self.argument_on(0, &item.into(), index)? {
                let is_new = known.add(value.clone());
                self.run.charge(self.at, 1)?;
                if is_new {
                    self.run.push(self.at, &mut found, value.clone())?;
                    ahead.push_back(value);
                }
            }
            index += 1;
        }
        Ok(found)
    }

    /// `as(..)` is taken for each of several values, as R4B's own expressions need it.
    fn of_type(self) -> Outcome<'a> {
        let Some(named) = self.named else { return Ok(Items::None) };
        Ok(self.input.into_iter().filter(|item| item.kind().is_as(named)).collect())
    }

    fn is(self) -> Outcome<'a> {
        let Some(named) = self.named else { return Ok(Items::None) };
        let item = self.run.single(self.at, &self.input)?;
        Ok(item.map(|item| Item::Boolean(item.kind().is(named))).into())
    }

    fn skip_or_take(self) -> Outcome<'a> {
        let Some(count) = self.integer_argument(0)? else { return Ok(Items::None) };
        let count = usize::try_from(count).unwrap_or(0);
        let items = self.input.into_iter();
        Ok(match self.function {
            Function::Skip => items.skip(count).collect(),
            _ => items.take(count).collect(),
        })
    }

    /// `intersect` leaves doubles out; `exclude` keeps them and their order.
    fn intersect(self) -> Outcome<'a> {
        let other = self.argument(0)?;
        let other = self.run.set(self.at, &other)?;
        let wanted = self.function == Function::Intersect;
        let mut left = Items::None;
        for item in self.input.iter() {
            self.run.charge(self.at, 1)?;
            if other.has(item) == wanted {
                left.push(item.clone());
            }
        }
        if wanted { self.run.distinct(self.at, &left) } else { Ok(left) }
    }

    fn union(self) -> Outcome<'a> {
        let more = self.argument(0)?;
        let mut all = self.input.clone();
        for item in more {
            self.run.push(self.at, &mut all, item)?;
        }
        if self.function == Function::Union { self.run.distinct(self.at, &all) } else { Ok(all) }
    }

    /// Only the branch that is chosen is evaluated; all of it on the input.
    fn iif(self) -> Outcome<'a> {
        self.run.single(self.at, &self.input)?;
        let condition = self.argument_on(0, &self.input, self.focus.index)?;
        let chosen = if self.run.truth_of(self.at, &condition)? == Some(true) { 1 } else { 2 };
        self.argument_on(chosen, &self.input, self.focus.index)
    }

    fn coalesce(self) -> Outcome<'a> {
        for at in 0..self.arguments.len() {
            let items = self.argument(at)?;
            if !items.is_empty() {
                return Ok(items);
            }
        }
        Ok(Items::None)
    }

    /// By each key in turn, `-` before it for descending; a value without a key comes last (FHIRPath 3, `sort`).
    fn sort(self) -> Outcome<'a> {
        let mut keyed = Vec::with_capacity(self.input.len());
        for (index, item) in self.input.iter().enumerate() {
            keyed.push((self.sort_keys(item, index)?, item.clone()));
        }
        self.run.charge(self.at, keyed.len() as u64 * 16)?;
        let sorted = merged(keyed, &|(one, _), (other, _)| {
            for ((one, descending), (other, _)) in one.iter().zip(other) {
                let order = order(one.as_ref(), other.as_ref())?;
                if order != Ordering::Equal {
                    return Ok(if *descending { order.reverse() } else { order });
                }
            }
            Ok(Ordering::Equal)
        });
        match sorted {
            Ok(sorted) => Ok(sorted.into_iter().map(|(_, item)| item).collect()),
            Err(what) => self.fail(what),
        }
    }

    /// What a value is sorted by, and whether in descending order.
    fn sort_keys(&self, item: &Item<'a>, index: usize) -> Result<Vec<SortKey<'a>>, EvaluationError> {
        if self.arguments.is_empty() {
            return Ok(vec![(Some(item.clone()), false)]);
        }
        let this = Items::One(item.clone());
        let mut keys = Vec::with_capacity(self.arguments.len());
        for argument in self.arguments {
            let (key, descending) = match &argument.kind {
                ExprKind::Sign { negated: true, of } => (&**of, true),
                _ => (argument, false),
            };
            let value = self.run.eval(key, Focus { input: &this, index, ..self.focus })?;
            keys.push((self.run.single(self.at, &value)?.cloned(), descending));
        }
        Ok(keys)
    }

    fn children_of(&self, item: &Item<'a>, found: &mut Items<'a>) -> Result<(), EvaluationError> {
        let Item::Node(node) = item else { return Ok(()) };
        let mut pushed = Ok(());
        children(node, &mut |child| {
            if pushed.is_ok() {
                pushed = self.run.push(self.at, found, child);
            }
        });
        pushed
    }

    fn children(self) -> Outcome<'a> {
        let mut found = Items::None;
        for item in self.input.iter() {
            self.children_of(item, &mut found)?;
        }
        Ok(found)
    }

    /// Every element below, those of one element after each other; equal ones are all there.
    fn descendants(self) -> Outcome<'a> {
        let mut found = Items::None;
        for item in self.input.iter() {
            self.children_of(item, &mut found)?;
        }
        let mut at = 0;
        while let Some(item) = found.as_slice().get(at).cloned() {
            self.children_of(&item, &mut found)?;
            at += 1;
        }
        Ok(found)
    }

    fn trace(self) -> Outcome<'a> {
        let Some(tell) = self.run.environment.trace else { return Ok(self.input) };
        let name = self.text_argument(0)?.unwrap_or_default();
        if self.arguments.len() < 2 {
            tell(&name, &self.input);
            return Ok(self.input);
        }
        let mut told = Items::None;
        for (index, item) in self.input.iter().enumerate() {
            for value in self.argument_on(1, &item.clone().into(), index)? {
                self.run.push(self.at, &mut told, value)?;
            }
        }
        tell(&name, &told);
        Ok(self.input)
    }

    fn aggregate(self) -> Outcome<'a> {
        let mut total = self.argument(1)?;
        for (index, item) in self.input.iter().enumerate() {
            let Some(aggregator) = self.arguments.first() else { break };
            let this = Items::One(item.clone());
            total = self.run.eval(aggregator, Focus { input: &this, index, total: Some(&total) })?;
        }
        Ok(total)
    }
}

/// A value without a key comes last; keys of which it is not known which is less stay as they are.
fn order(one: Option<&Item<'_>>, other: Option<&Item<'_>>) -> Result<Ordering, String> {
    match (one, other) {
        (Some(one), Some(other)) => Ok(compare(one, other)?.unwrap_or(Ordering::Equal)),
        (Some(_), None) => Ok(Ordering::Less),
        (None, Some(_)) => Ok(Ordering::Greater),
        (None, None) => Ok(Ordering::Equal),
    }
}

/// Sorts by merging. Not the library's sort, which may panic where an order contradicts itself, as that of partial dates
/// does: 2026-01 is neither before nor after 2026, and so is 2026-02.
fn merged<T>(
    mut items: Vec<T>,
    order: &dyn Fn(&T, &T) -> Result<Ordering, String>,
) -> Result<Vec<T>, String> {
    if items.len() < 2 {
        return Ok(items);
    }
    let second = items.split_off(items.len() / 2);
    let mut made = Vec::with_capacity(items.len() + second.len());
    let mut left = merged(items, order)?.into_iter().peekable();
    let mut right = merged(second, order)?.into_iter().peekable();
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        let is_after = order(one, other)? == Ordering::Greater;
        made.extend(if is_after { right.next() } else { left.next() });
    }
    made.extend(left);
    made.extend(right);
    Ok(made)
}
