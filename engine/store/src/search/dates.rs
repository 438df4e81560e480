//! Dates and numbers compare as spans: R4B §3.1.1.4.4 and §3.1.1.4.6.

use hub_fhir::search::Prefix;

use crate::database::Sql;
/// A span asked for, low inclusive, high exclusive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub prefix: Prefix,
    pub low: i64,
    pub high: i64,
}

impl Asked {
    /// The span asked for; `ap` is widened by a tenth of its distance from now.
    pub fn new(prefix: Prefix, low: i64, high: i64, now: i64) -> Self {
        if prefix != Prefix::Ap {
            return Self { prefix, low, high };
        }
        let gap = i64::try_from(now.abs_diff(low) / 10).unwrap_or(i64::MAX);
        Self { prefix, low: low.saturating_sub(gap), high: high.saturating_add(gap) }
    }

    /// A span of numbers.
    pub fn number(prefix: Prefix, low: i64, high: i64) -> Self {
        Self { prefix, low, high }
    }

    /// Pushes the condition on a target span of the columns or expressions `low` and `high`.
    pub fn condition(self, sql: &mut Sql, low: &str, high: &str) {
        let (first, last) = (self.low, self.high);
        let mut two = |a: &str, first: i64, b: &str, second: i64| {
            sql.push("(").push(a).push_bind(first).push(b).push_bind(second).push(")");
        };
        match self.prefix {
            Prefix::Eq => two(&format!("{low} >= "), first, &format!(" AND {high} <= "), last),
            Prefix::Ne => two(&format!("{low} < "), first, &format!(" OR {high} > "), last),
            // Above, or contained: what begins in the span and does not end in it ends above it.
            Prefix::Ge => two(&format!("{high} > "), last, &format!(" OR {low} >= "), first),
            Prefix::Le => two(&format!("{low} < "), first, &format!(" OR {high} <= "), last),
            Prefix::Ap | Prefix::Overlaps => {
                two(&format!("{low} < "), last, &format!(" AND {high} > "), first)
            }
            Prefix::Gt => drop(sql.push(format_args!("{high} > ")).push_bind(last)),
            Prefix::Lt => drop(sql.push(format_args!("{low} < ")).push_bind(first)),
            Prefix::Sa => drop(sql.push(format_args!("{low} >= ")).push_bind(last)),
            Prefix::Eb => drop(sql.push(format_args!("{high} <= ")).push_bind(first)),
        }
    }

    /// Where the low end of a short target span, of this width at most, can lie, both ends inclusive. Only what lies there need
    /// be looked at.
    pub fn reach(self, widest: i64) -> (i64, i64) {
        let before = |moment: i64| moment.saturating_sub(widest);
        let everywhere = (i64::MIN, i64::MAX);
        match self.prefix {
            Prefix::Eq => (self.low, self.high),
            Prefix::Ne => everywhere,
            Prefix::Gt => (before(self.high), i64::MAX),
            Prefix::Ge => (self.low.min(before(self.high)), i64::MAX),
            Prefix::Lt | Prefix::Eb => (i64::MIN, self.low),
            Prefix::Le => (i64::MIN, self.high),
            Prefix::Sa => (self.high, i64::MAX),
            Prefix::Ap | Prefix::Overlaps => (before(self.low), self.high),
        }
    }
}
