//! Money: whole fen inside, `Money` with two decimals in FHIR (interfaces §0.4). Integer arithmetic only.

use hub_fhir::{Json, Object, tree};

/// An amount in fen, or in cents of another currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money {
    /// Hundredths of the currency's unit.
    pub fen: i64,
    /// The currency (ISO 4217).
    pub currency: Currency,
}

/// The currencies of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are ISO 4217's")]
pub enum Currency {
    CNY,
    HKD,
}

impl Currency {
    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Self::CNY => "CNY",
            Self::HKD => "HKD",
        }
    }

    /// The currency of this code.
    pub fn of_code(code: &str) -> Option<Self> {
        [Self::CNY, Self::HKD].into_iter().find(|currency| currency.code() == code)
    }
}

impl Money {
    /// So many fen.
    pub fn fen(fen: i64) -> Self {
        Self { fen, currency: Currency::CNY }
    }

    /// An amount in yuan, written with at most two decimals that are not 0: `50`, `50.5`, `50.00`, `50.0000`.
    pub fn yuan(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !are_digits(whole) || !are_digits(part) || whole.len() > 13 {
            return None;
        }
        let (cents, rest) = part.split_at(part.len().min(2));
        if rest.bytes().any(|byte| byte != b'0') {
            return None;
        }
        let cents: i64 = format!("{cents:0<2}").parse().ok()?;
        let whole: i64 = whole.parse().ok()?;
        Some(Self::fen(sign * (whole * 100 + cents)))
    }

    /// The amount of a FHIR Money.
    pub fn of(element: Option<&Json>) -> Option<Self> {
        let element = element?;
        let Json::Number(value) = element.get("value")? else { return None };
        let currency = Currency::of_code(element.get("currency")?.as_str()?)?;
        Some(Self { currency, ..Self::yuan(value)? })
    }

    /// In units of the currency, with two decimals: `50.00`.
    pub fn text(self) -> String {
        let (sign, fen) = (if self.fen < 0 { "-" } else { "" }, self.fen.unsigned_abs());
        format!("{sign}{}.{:02}", fen / 100, fen % 100)
    }

    /// As FHIR has it.
    pub fn element(self) -> Object {
        tree! { "value" => Json::Number(self.text().into()), "currency" => self.currency.code() }
    }

    /// The same amount given back.
    #[must_use]
    pub fn negative(self) -> Self {
        Self { fen: -self.fen, ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn yuan_are_read_exactly_or_not_at_all() {
        for (text, fen) in [
            ("50", 5_000),
            ("50.5", 5_050),
            ("50.05", 5_005),
            ("0.01", 1),
            ("-1.10", -110),
            ("50.0000", 5_000),
        ] {
            assert_eq!(Money::yuan(text), Some(Money::fen(fen)), "{text}");
        }
        for text in ["", ".5", "1.005", "1e3", "1,000", "+1", "--1", "99999999999999", "1.x", "½"] {
            assert_eq!(Money::yuan(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(fen in -10_000_000_000_000_i64..10_000_000_000_000) {
            let money = Money::fen(fen);
            prop_assert_eq!(Money::yuan(&money.text()), Some(money));
            prop_assert_eq!(Money::of(Some(&Json::Object(money.element()))), Some(money));
        }
    }
}
