//! Numbers as searches compare them: spans of whole numbers that stand in the order of what they mean.
//!
//! A number becomes the place of its `f64` among all of them ([`place`]), so that numbers and quantities are compared, sorted and stored
//! as dates are: low inclusive, high exclusive. How exactly a number was asked for is R4B §3.1.1.4.6: `5.4` means 5.35 to 5.45.

use compact_str::{CompactString, format_compact};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::unit::{Canonical, canonical};

/// The code system of UCUM.
pub const UCUM: &str = "http://unitsofmeasure.org";
/// More digits are read, but stand for nothing a `f64` could tell apart.
const MOST_DIGITS: usize = 36;

/// A decimal number as it was written: `digits * 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    digits: i128,
    exponent: i32,
    /// The exponent of the last digit that was meant exactly.
    last: i32,
}

/// A place among all numbers: of two numbers the larger one has the larger place.
pub(crate) fn place(number: f64) -> i64 {
    // Minus zero is zero.
    let bits = (number + 0.0).to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// The span of one number.
pub(crate) fn point(number: f64) -> (i64, i64) {
    (place(number), place(number) + 1)
}

/// `a * 10^exponent`, rounded once.
fn float(digits: i128, exponent: i32) -> Option<f64> {
    // The standard library rounds a decimal text exactly, which a product does not.
    format!("{digits}e{exponent}").parse().ok().filter(|number: &f64| number.is_finite())
}

impl Written {
    /// Reads a decimal number: `-5.40`, `1e2`. `None`: it is none, or none that a `f64` comes near.
    pub fn read(text: &str) -> Option<Self> {
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok().filter(|p| p.abs() <= 400)?),
            None => (text, 0),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let unsigned = whole.strip_prefix(['-', '+']).unwrap_or(whole);
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let ends_in_point = mantissa.ends_with('.');
        if unsigned.is_empty() || ends_in_point || !is_number(unsigned) || !is_number(part) {
            return None;
        }
        if unsigned.trim_start_matches('0').len() + part.len() > MOST_DIGITS {
            return None;
        }
        let digits: i128 = format!("{unsigned}{part}").parse().ok()?;
        let digits = if whole.starts_with('-') { -digits } else { digits };
        let exponent = power - i32::try_from(part.len()).ok()?;
        float(digits, exponent)?;
        // By the example of the standard `1e2` means 95 to 105, as `1.0e2` does.
        let last = if text.len() > mantissa.len() && part.is_empty() { exponent - 1 } else { exponent };
        Some(Self { digits, exponent, last })
    }

    /// The number itself.
    pub fn value(self) -> f64 {
        float(self.digits, self.exponent).unwrap_or_default()
    }

    /// What the digits given leave open: half a unit of the last one down, and up.
    pub fn around(self) -> (f64, f64) {
        let tens = 10_i128.checked_pow(self.exponent.abs_diff(self.last) + 1);
        let end = |half: i128| {
            let whole = self.digits.checked_mul(tens?)?.checked_add(half)?;
            float(whole, self.last - 1)
        };
        (end(-5).unwrap_or_else(|| self.value()), end(5).unwrap_or_else(|| self.value()))
    }

    /// The number in base units.
    fn times(self, factor: Decimal) -> Option<f64> {
        scaled(self.digits, self.exponent, factor)
    }

    /// As [`Written::around`], in base units.
    pub fn around_times(self, factor: Decimal) -> Option<(f64, f64)> {
        let tens = 10_i128.checked_pow(self.exponent.abs_diff(self.last) + 1)?;
        let whole = self.digits.checked_mul(tens)?;
        let end = |half: i128| scaled(whole.checked_add(half)?, self.last - 1, factor);
        Some((end(-5)?, end(5)?))
    }
}

/// A decimal number times a factor, rounded once where the digits allow it.
fn scaled(digits: i128, exponent: i32, factor: Decimal) -> Option<f64> {
    let product = digits.checked_mul(factor.mantissa());
    let scale = i32::try_from(factor.scale()).ok()?;
    let number = match product {
        Some(product) => float(product, exponent - scale)?,
        None => float(digits, exponent)? * factor.to_f64()?,
    };
    number.is_finite().then_some(number)
}

/// What a number is counted in, so far as it can be compared: a UCUM unit in its base units, or `system|code` as it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unit {
    /// Equal for units whose numbers can be compared.
    pub name: CompactString,
    factor: Option<Decimal>,
}

impl Unit {
    /// The unit of a system and code.
    pub fn of(system: &str, code: &str) -> Self {
        let known = if system == UCUM { canonical(code) } else { None };
        match known {
            Some(Canonical { factor, bases }) => {
                let mut name = CompactString::const_new("=");
                for (base, exponent) in bases {
                    name.push_str(&format_compact!(".{base}{exponent}"));
                }
                Self { name, factor: Some(factor) }
            }
            None => Self { name: format_compact!("{system}|{code}"), factor: None },
        }
    }

    /// A number of this unit, in base units where they are known.
    pub fn value(&self, written: Written) -> Option<f64> {
        match self.factor {
            Some(factor) => written.times(factor),
            None => Some(written.value()),
        }
    }

    /// What the digits of a number of this unit leave open.
    pub fn around(&self, written: Written) -> Option<(f64, f64)> {
        match self.factor {
            Some(factor) => written.around_times(factor),
            None => Some(written.around()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(text: &str) -> (f64, f64) {
        Written::read(text).unwrap().around()
    }

    #[test]
    fn a_number_means_what_its_digits_leave_open() {
        assert_eq!(around("100"), (99.5, 100.5));
        assert_eq!(around("100.00"), (99.995, 100.005));
        assert_eq!(around("1e2"), (95.0, 105.0));
        assert_eq!(around("1.0e2"), (95.0, 105.0));
        assert_eq!(around("5.4"), (5.35, 5.45));
        assert_eq!(around("-5.4"), (-5.45, -5.35));
        assert_eq!(around("0"), (-0.5, 0.5));
    }

    #[test]
    fn what_is_no_number_is_not_read() {
        for bad in ["", "-", "1.", ".5", "1e", "1e999", "0x1", "NaN", "inf", "1 2", "１", &"9".repeat(40)] {
            assert_eq!(Written::read(bad), None, "{bad}");
        }
        assert_eq!(Written::read("+5").unwrap().value(), 5.0);
    }

    #[test]
    fn places_stand_in_the_order_of_the_numbers() {
        let numbers = [f64::MIN, -2.0, -1.5, -1e-300, 0.0, 1e-300, 1.5, 2.0, f64::MAX];
        assert!(numbers.windows(2).all(|pair| place(pair[0]) < place(pair[1])));
        assert_eq!(place(-0.0), place(0.0));
    }

    #[test]
    fn units_that_can_be_compared_have_one_name_and_one_value() {
        let (mg, g) = (Unit::of(UCUM, "mg/dL"), Unit::of(UCUM, "g/L"));
        assert_eq!(mg.name, g.name);
        let number = |unit: &Unit, text: &str| unit.value(Written::read(text).unwrap()).unwrap();
        assert_eq!(number(&mg, "540"), number(&g, "5.40"));
        assert_ne!(Unit::of("urn:units", "mg").name, Unit::of(UCUM, "mg").name);
        assert_eq!(Unit::of(UCUM, "mg dL").name, "http://unitsofmeasure.org|mg dL");
    }
}
