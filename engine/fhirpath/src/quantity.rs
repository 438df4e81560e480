//! Quantities of FHIRPath: a number with a unit of UCUM or of the calendar (FHIRPath N1, "Quantity").

use std::cmp::Ordering;
use std::fmt;

use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::temporal::CalendarUnit;
use hub_fhir::unit::canonical;

/// A number with its unit.
#[derive(Clone, Debug)]
pub struct Quantity {
    /// How many.
    pub value: Decimal,
    /// Of what.
    pub unit: Unit,
}

/// What a quantity counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `4 days`
    Calendar(CalendarUnit),
    /// `4 'mg'`; `1` for a bare number.
    Ucum(CompactString),
    /// A unit of another system, or a text: equal to itself only.
    Other(CompactString),
}

/// Calendar words, singular first, with the UCUM code R4B takes for them.
const CALENDAR: [(&str, &str, &str, CalendarUnit); 8] = [
    ("year", "years", "a", CalendarUnit::Year),
    ("month", "months", "mo", CalendarUnit::Month),
    ("week", "weeks", "wk", CalendarUnit::Week),
    ("day", "days", "d", CalendarUnit::Day),
    ("hour", "hours", "h", CalendarUnit::Hour),
    ("minute", "minutes", "min", CalendarUnit::Minute),
    ("second", "seconds", "s", CalendarUnit::Second),
    ("millisecond", "milliseconds", "ms", CalendarUnit::Millisecond),
];

impl CalendarUnit {
    /// The unit of a word of FHIRPath: `day` or `days`.
    pub fn from_word(word: &str) -> Option<Self> {
        let row = CALENDAR.iter().find(|(one, many, ..)| *one == word || *many == word)?;
        Some(row.3)
    }

    /// The unit of a UCUM code: `d` (R4B, FHIRPath, "Use of FHIR Quantity").
    pub(crate) fn from_ucum(code: &str) -> Option<Self> {
        CALENDAR.iter().find(|(_, _, ucum, _)| *ucum == code).map(|row| row.3)
    }

    fn row(self) -> &'static (&'static str, &'static str, &'static str, CalendarUnit) {
        CALENDAR.iter().find(|row| row.3 == self).unwrap_or(&CALENDAR[0])
    }

    /// Whether it is always as long: a year and a month are not.
    fn is_fixed(self) -> bool {
        self >= Self::Week
    }

    /// In seconds; a year has 365 days and a month 30 where one must be said (FHIRPath N1, `toQuantity`).
    fn seconds(self) -> Decimal {
        let millis: i64 = match self {
            Self::Year => 31_536_000_000,
            Self::Month => 2_592_000_000,
            Self::Week => 604_800_000,
            Self::Day => 86_400_000,
            Self::Hour => 3_600_000,
            Self::Minute => 60_000,
            Self::Second => 1000,
            Self::Millisecond => 1,
        };
        Decimal::new(millis, 3)
    }
}

impl Unit {
    /// No unit: a bare number.
    pub fn one() -> Self {
        Self::Ucum(CompactString::const_new("1"))
    }

    /// The unit of the calendar for arithmetic with dates; UCUM's year and month are none (FHIRPath N1, "Date/Time Arithmetic").
    pub(crate) fn as_calendar(&self) -> Option<CalendarUnit> {
        match self {
            Self::Calendar(unit) => Some(*unit),
            // A word of the calendar in quotes, as in `1 'month'`, means the same.
            Self::Ucum(code) => {
                let of_ucum = CalendarUnit::from_ucum(code).filter(|unit| unit.is_fixed());
                of_ucum.or_else(|| CalendarUnit::from_word(code))
            }
            Self::Other(_) => None,
        }
    }
}

impl Quantity {
    /// A number without a unit.
    pub fn of_number(value: Decimal) -> Self {
        Self { value, unit: Unit::one() }
    }

    /// Reads `4`, `4 days`, `4.5 'mg'` (FHIRPath N1, `toQuantity`).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let value = crate::number::decimal(&text[..end])?;
        let unit = text[end..].trim_start();
        let unit = match unit.strip_prefix('\'') {
            _ if unit.is_empty() => Unit::one(),
            Some(code) => Unit::Ucum(code.strip_suffix('\'').filter(|code| !code.is_empty())?.into()),
            None => Unit::Calendar(CalendarUnit::from_word(unit)?),
        };
        Some(Self { value, unit })
    }

    /// Both values in one unit; `None` where the units cannot be compared.
    /// `strictly`: a year of the calendar is no `'a'` of UCUM (FHIRPath N1, "Time-valued Quantities").
    fn in_one_unit(&self, other: &Self, strictly: bool) -> Option<(Decimal, Decimal)> {
        if self.unit == other.unit {
            return Some((self.value, other.value));
        }
        match (&self.unit, &other.unit) {
            (Unit::Calendar(one), Unit::Calendar(other_unit)) => {
                let (years, months) = (CalendarUnit::Year, CalendarUnit::Month);
                let twelve = Decimal::from(12);
                match (*one, *other_unit) {
                    (a, b) if a == years && b == months => {
                        Some((self.value.checked_mul(twelve)?, other.value))
                    }
                    (a, b) if a == months && b == years => {
                        Some((self.value, other.value.checked_mul(twelve)?))
                    }
                    (a, b) => {
                        Some((self.value.checked_mul(a.seconds())?, other.value.checked_mul(b.seconds())?))
                    }
                }
            }
            (Unit::Calendar(calendar), Unit::Ucum(code)) => {
                if CalendarUnit::from_ucum(code) == Some(*calendar) && (calendar.is_fixed() || !strictly) {
                    return Some((self.value, other.value));
                }
                let seconds =
                    canonical(code).filter(|unit| matches!(&unit.bases[..], [(base, 1)] if base == "s"))?;
                let fits = calendar.is_fixed() && !matches!(code.as_str(), "a" | "mo");
                let one = self.value.checked_mul(calendar.seconds())?;
                (fits || !strictly).then_some((one, other.value.checked_mul(seconds.factor)?))
            }
            (Unit::Ucum(_), Unit::Calendar(_)) => {
                other.in_one_unit(self, strictly).map(|(other, one)| (one, other))
            }
            (Unit::Ucum(one), Unit::Ucum(other_unit)) => {
                let (one, other_unit) = (canonical(one)?, canonical(other_unit)?);
                let same = one.bases == other_unit.bases;
                let values =
                    (self.value.checked_mul(one.factor)?, other.value.checked_mul(other_unit.factor)?);
                same.then_some(values)
            }
            (Unit::Other(_), _) | (_, Unit::Other(_)) => None,
        }
    }

    /// Which is more; `None` where the units cannot be compared.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        self.in_one_unit(other, true).map(|(one, other)| one.cmp(&other))
    }

    /// The same within the digits that are given, in the larger of the two units; false where they cannot be compared.
    pub(crate) fn equivalent(&self, other: &Self) -> bool {
        let one = Self { value: Decimal::ONE, unit: self.unit.clone() };
        let ordered = one.in_one_unit(&Self { value: Decimal::ONE, unit: other.unit.clone() }, false);
        let Some((of_self, of_other)) = ordered.filter(|(one, other)| !one.is_zero() && !other.is_zero())
        else {
            return false;
        };
        let (coarse, fine, factor) = if of_self >= of_other {
            (self.value, other.value, of_other.checked_div(of_self))
        } else {
            (other.value, self.value, of_self.checked_div(of_other))
        };
        let fine = factor.and_then(|factor| fine.checked_mul(factor));
        fine.is_some_and(|fine| crate::number::equivalent(coarse, fine))
    }

    /// Whether both can be compared.
    pub(crate) fn is_comparable(&self, other: &Self) -> bool {
        self.in_one_unit(other, true).is_some()
    }

    /// The sum, in the unit of the left one; `None` where they cannot be added.
    pub(crate) fn plus(&self, other: &Self) -> Option<Self> {
        let more = if self.unit == other.unit { other.value } else { other.in_unit(&self.unit)?.value };
        let value = self.value.checked_add(more)?;
        Some(Self { value, unit: self.unit.clone() })
    }

    /// The same in another unit.
    pub(crate) fn in_unit(&self, unit: &Unit) -> Option<Self> {
        let (value, of_one) = self.in_one_unit(&Self { value: Decimal::ONE, unit: unit.clone() }, true)?;
        Some(Self { value: value.checked_div(of_one)?.normalize(), unit: unit.clone() })
    }

    /// Product or quotient, where the unit of the result can be said: one side without a unit, or both in UCUM.
    pub(crate) fn times(&self, other: &Self, divided: bool) -> Option<Self> {
        let value = if divided {
            self.value.checked_div(other.value)?.normalize()
        } else {
            self.value.checked_mul(other.value)?
        };
        let unit = match (&self.unit, &other.unit) {
            (unit, one) if *one == Unit::one() => unit.clone(),
            (one, unit) if *one == Unit::one() && !divided => unit.clone(),
            (one, same) if divided && one == same => Unit::one(),
            (Unit::Ucum(one), Unit::Ucum(other)) => {
                let grouped = |unit: &CompactString| {
                    if unit.contains('/') { format!("({unit})") } else { unit.to_string() }
                };
                let one = if *one == "1" { String::new() } else { grouped(one) };
                let mark = if divided { "/" } else { "." };
                let made = format!("{one}{mark}{}", grouped(other));
                canonical(&made)?;
                Unit::Ucum(made.into())
            }
            _ => return None,
        };
        Some(Self { value, unit })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calendar(unit) => f.write_str(unit.row().0),
            Self::Ucum(code) | Self::Other(code) => write!(f, "'{code}'"),
        }
    }
}

impl fmt::Display for Quantity {
    /// `4 days`, `4.5 'mg'`: as a literal is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Unit::Calendar(unit) if self.value != Decimal::ONE => {
                write!(f, "{} {}", self.value, unit.row().1)
            }
            unit => write!(f, "{} {unit}", self.value),
        }
    }
}
