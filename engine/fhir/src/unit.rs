//! Units of measure: the part of UCUM that laboratories and wards use, brought to base units.
//!
//! Converted: every product and quotient of the atoms of [`ATOMS`] with metric prefixes, exponents, `10*` and numbers.
//! An atom that is not in the table (`[pH]`, `Cel`, `[drp]`) is a dimension of its own: equal to itself, also within
//! quotients, and to nothing else. Not converted: temperatures and logarithmic units, amounts of substance to masses.

use compact_str::CompactString;
use rust_decimal::Decimal;

/// A unit in base units: how many of them one is, and the exponent of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Canonical {
    /// How many of the base units one is.
    pub factor: Decimal,
    /// The base units and their exponents: sorted by name; no exponent is 0.
    pub bases: Vec<(CompactString, i32)>,
}

/// Prefixes and their powers of ten (UCUM §27).
const PREFIXES: [(&str, i32); 18] = [
    ("da", 1),
    ("h", 2),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
];

/// An atom, whether it takes prefixes, and what it is in other units (UCUM §28 to §45).
const ATOMS: [(&str, bool, &str, &str); 46] = [
    ("m", true, "1", "m"),
    ("g", true, "1", "g"),
    ("s", true, "1", "s"),
    ("A", true, "1", "A"),
    ("K", true, "1", "K"),
    ("cd", true, "1", "cd"),
    ("rad", true, "1", "rad"),
    ("mol", true, "1", "mol"),
    ("eq", true, "1", "eq"),
    ("osm", true, "1", "osm"),
    ("[IU]", true, "1", "[iU]"),
    ("[iU]", true, "1", "[iU]"),
    ("[arb'U]", true, "1", "[arb'U]"),
    ("U", true, "1", "U"),
    ("kat", true, "1", "mol.s-1"),
    ("L", true, "0.001", "m3"),
    ("l", true, "0.001", "m3"),
    ("Hz", true, "1", "s-1"),
    ("N", true, "1000", "g.m.s-2"),
    ("Pa", true, "1000", "g.m-1.s-2"),
    ("J", true, "1000", "g.m2.s-2"),
    ("W", true, "1000", "g.m2.s-3"),
    ("C", true, "1", "A.s"),
    ("V", true, "1000", "g.m2.s-3.A-1"),
    ("Ohm", true, "1000", "g.m2.s-3.A-2"),
    ("bar", true, "100000000", "g.m-1.s-2"),
    ("m[Hg]", true, "133322000", "g.m-1.s-2"),
    ("m[H2O]", true, "9806650", "g.m-1.s-2"),
    ("cal", true, "4184", "g.m2.s-2"),
    ("t", true, "1000000", "g"),
    ("Gy", true, "1", "m2.s-2"),
    ("Sv", true, "1", "m2.s-2"),
    ("Bq", true, "1", "s-1"),
    ("ar", true, "100", "m2"),
    ("min", false, "60", "s"),
    ("h", false, "3600", "s"),
    ("d", false, "86400", "s"),
    ("wk", false, "604800", "s"),
    ("mo", false, "2629800", "s"),
    ("a", false, "31557600", "s"),
    ("[in_i]", false, "0.0254", "m"),
    ("[ft_i]", false, "0.3048", "m"),
    ("[lb_av]", false, "453.59237", "g"),
    ("[oz_av]", false, "28.349523125", "g"),
    ("%", false, "0.01", ""),
    ("[ppm]", false, "0.000001", ""),
];

/// Longer units are not read.
const MOST_BYTES: usize = 128;
const MAX_DEPTH: usize = 8;

/// Reads a unit. `None`: it is not one, or its factor cannot be said exactly.
pub fn canonical(unit: &str) -> Option<Canonical> {
    if unit.is_empty() || unit.len() > MOST_BYTES || !unit.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut reader = Reader { rest: unit, depth: 0 };
    let read = reader.term()?;
    reader.rest.is_empty().then_some(read)
}

impl Canonical {
    fn one() -> Self {
        Self { factor: Decimal::ONE, bases: Vec::new() }
    }

    /// Itself times `other` to the power `exponent`.
    fn times(mut self, other: &Self, exponent: i32) -> Option<Self> {
        for _ in 0..exponent.unsigned_abs() {
            let factor = if exponent > 0 {
                self.factor.checked_mul(other.factor)
            } else {
                self.factor.checked_div(other.factor)
            };
            self.factor = factor.filter(|factor| !factor.is_zero())?;
        }
        for (name, own) in &other.bases {
            let more = own.checked_mul(exponent)?;
            match self.bases.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum = sum.checked_add(more)?,
                None => self.bases.push((name.clone(), more)),
            }
        }
        self.bases.retain(|(_, exponent)| *exponent != 0);
        self.bases.sort_unstable();
        Some(self)
    }
}

struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl Reader<'_> {
    /// Components joined by `.` and `/`.
    fn term(&mut self) -> Option<Canonical> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut made = Canonical::one();
        let mut sign = if self.take('/') { -1 } else { 1 };
        loop {
            let (component, exponent) = self.component()?;
            made = made.times(&component, sign * exponent)?;
            if self.take('.') {
                sign = 1;
            } else if self.take('/') {
                sign = -1;
            } else {
                self.depth -= 1;
                return Some(made);
            }
        }
    }

    fn take(&mut self, mark: char) -> bool {
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// An annotation means 1: `{cells}`.
    fn annotation(&mut self) -> Option<bool> {
        let Some(inner) = self.rest.strip_prefix('{') else { return Some(false) };
        let end = inner.find('}')?;
        self.rest = &inner[end + 1..];
        Some(true)
    }

    fn component(&mut self) -> Option<(Canonical, i32)> {
        if self.annotation()? {
            return Some((Canonical::one(), 1));
        }
        if self.take('(') {
            let inner = self.term()?;
            return self.take(')').then_some((inner, 1));
        }
        let read = if let Some(rest) = self.rest.strip_prefix("10*").or_else(|| self.rest.strip_prefix("10^"))
        {
            self.rest = rest;
            let ten = Canonical { factor: Decimal::TEN, bases: Vec::new() };
            (ten, self.exponent()?.unwrap_or(1))
        } else if self.rest.starts_with(|letter: char| letter.is_ascii_digit()) {
            let number = self.digits()?;
            if number == 0 {
                return None;
            }
            (Canonical { factor: Decimal::from(number), bases: Vec::new() }, 1)
        } else {
            let name = self.name()?;
            (atom(name)?, self.exponent()?.unwrap_or(1))
        };
        self.annotation()?;
        Some(read)
    }

    fn digits(&mut self) -> Option<u32> {
        let end = self.rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(self.rest.len());
        let value = self.rest[..end].parse().ok()?;
        self.rest = &self.rest[end..];
        Some(value)
    }

    fn exponent(&mut self) -> Option<Option<i32>> {
        let sign = if self.take('-') {
            -1
        } else if self.take('+') || self.rest.starts_with(|letter: char| letter.is_ascii_digit()) {
            1
        } else {
            return Some(None);
        };
        let digits = i32::try_from(self.digits()?).ok().filter(|digits| (1..=24).contains(digits))?;
        Some(Some(sign * digits))
    }

    /// Up to a digit, an operator or an annotation; brackets belong to it with all they hold.
    fn name(&mut self) -> Option<&str> {
        let mut in_brackets = false;
        let end = self.rest.find(|letter: char| {
            match letter {
                '[' => in_brackets = true,
                ']' => in_brackets = false,
                _ => {}
            }
            !in_brackets && (letter.is_ascii_digit() || "./(){}+-".contains(letter))
        });
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }
}

fn atom(name: &str) -> Option<Canonical> {
    if let Some(known) = ATOMS.iter().find(|(atom, ..)| *atom == name) {
        return in_bases(known.2, known.3);
    }
    for (prefix, power) in PREFIXES {
        let Some(bare) = name.strip_prefix(prefix) else { continue };
        if let Some((_, _, factor, bases)) = ATOMS.iter().find(|(atom, metric, ..)| *metric && *atom == bare)
        {
            let ten = Canonical { factor: Decimal::TEN, bases: Vec::new() };
            return in_bases(factor, bases)?.times(&ten, power);
        }
    }
    Some(Canonical { factor: Decimal::ONE, bases: vec![(name.into(), 1)] })
}

fn in_bases(factor: &str, bases: &str) -> Option<Canonical> {
    let mut made = Canonical { factor: factor.parse().ok()?, bases: Vec::new() };
    for base in bases.split('.').filter(|base| !base.is_empty()) {
        let end =
            base.find(['-', '2', '3']).filter(|at| *at > 0 && !base.starts_with('[')).unwrap_or(base.len());
        let exponent = if end == base.len() { 1 } else { base[end..].parse().ok()? };
        made.bases.push((base[..end].into(), exponent));
    }
    made.bases.sort_unstable();
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str, factor: &str) {
        let (one, other) = (canonical(one).unwrap(), canonical(other).unwrap());
        assert_eq!(one.bases, other.bases);
        assert_eq!(one.factor, other.factor * factor.parse::<Decimal>().unwrap());
    }

    #[test]
    fn units_are_brought_to_base_units() {
        same("kg", "mg", "1000000");
        same("mg/dL", "g/L", "0.01");
        same("mmol/L", "umol/mL", "1");
        same("10*9/L", "10*3/uL", "1");
        same("mm[Hg]", "kPa", "0.133322");
        same("[lb_av]", "kg", "0.45359237");
        same("{cells}/uL", "/mm3", "1");
        same("m/s2", "m.s-2", "1");
        same("[iU]/L", "m[IU]/mL", "1");
        same("[pH]", "[pH]", "1");
        same("wk", "d", "7");
        same("kg/(m.s2)", "Pa", "1");
    }

    #[test]
    fn what_is_no_unit_or_has_another_dimension_is_told_apart() {
        for bad in ["", "mg/", "mg dL", "(mg", "10*99999999999", "m0", "/", "微克", "{", "mg//dL"] {
            assert_eq!(canonical(bad), None, "{bad}");
        }
        assert_ne!(canonical("mg").unwrap().bases, canonical("mmol").unwrap().bases);
        assert_ne!(canonical("Cel").unwrap().bases, canonical("K").unwrap().bases);
        assert!(canonical(&"(".repeat(100)).is_none());
    }
}
