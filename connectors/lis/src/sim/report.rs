//! One report of the laboratory: the same for the same seed and number, so that it can be corrected and withdrawn later.

use sim_kit::dice::Dice;

use super::laboratory::{Item, LABORATORY, Panel};

/// What kind of report it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A panel, numbers.
    Chemistry,
    /// A panel whose first item is so high that the ward must be told at once.
    Critical,
    Haematology,
    /// A culture, its germ, and what the germ resists.
    Microbiology,
    /// Everything that is not a number: `<0.5`, `1:320`, `阴性(-)`, structured numerics, coded entries.
    Serology,
    /// A text with a PDF beside it.
    Document,
    /// The first number is not there yet.
    Preliminary,
}

impl Kind {
    /// The first reports of a seed are one of each kind, so that a short run shows all.
    pub(super) const OPENING: [Self; 7] = [
        Self::Chemistry,
        Self::Critical,
        Self::Haematology,
        Self::Microbiology,
        Self::Serology,
        Self::Document,
        Self::Preliminary,
    ];

    pub(super) fn of(seed: u64, number: u64) -> Self {
        let opening = usize::try_from(number).ok().and_then(|at| Self::OPENING.get(at));
        match opening {
            Some(kind) => *kind,
            None => match Dice::new(seed, "report-kind", number).below(100) {
                0..=34 => Self::Chemistry,
                35..=39 => Self::Critical,
                40..=69 => Self::Haematology,
                70..=77 => Self::Microbiology,
                78..=89 => Self::Serology,
                90..=94 => Self::Document,
                _ => Self::Preliminary,
            },
        }
    }

    /// Section (OBR-24), panel code and name (OBR-4), specimen code and name.
    pub(super) fn panel(self) -> [&'static str; 5] {
        match self {
            Self::Chemistry | Self::Critical | Self::Preliminary => of_panel(&LABORATORY.panel[0]),
            Self::Haematology => of_panel(&LABORATORY.panel[1]),
            Self::Microbiology => ["MB", "MB01", "血培养及鉴定", "BLD", "全血"],
            Self::Serology => ["IMM", "IM01", "免疫及病毒学检查", "SER", "血清"],
            Self::Document => ["SP", "PA01", "骨髓细胞学报告", "BMR", "骨髓"],
        }
    }

    /// What is measured, where these are numbers.
    pub(super) fn items(self) -> &'static [Item] {
        match self {
            Self::Chemistry | Self::Critical | Self::Preliminary => &LABORATORY.panel[0].item,
            Self::Haematology => &LABORATORY.panel[1].item,
            Self::Microbiology | Self::Serology | Self::Document => &[],
        }
    }
}

fn of_panel(panel: &'static Panel) -> [&'static str; 5] {
    [&panel.section, &panel.code, &panel.name, &panel.specimen[0], &panel.specimen[1]]
}

/// How far a report has come (OBR-25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Preliminary,
    Final,
    Corrected,
    Withdrawn,
}

impl Stage {
    /// HL7 tables 0123 and 0085 use the same letters here.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Preliminary => "P",
            Self::Final => "F",
            Self::Corrected => "C",
            Self::Withdrawn => "X",
        }
    }
}

/// A number as it is printed, and what is said of it.
pub(super) struct Measured {
    pub(super) value: String,
    /// OBX-8: empty, L, H, LL or HH.
    pub(super) flag: &'static str,
}

/// Measures an item; `critical` makes it so high that a doctor is called.
pub(super) fn measure(item: &Item, dice: &mut Dice, critical: bool) -> Measured {
    let [low, high] = item.usual;
    let [too_low, too_high] = item.critical;
    let value = match dice.below(10) {
        _ if critical => dice.between(too_high + 1, too_high + too_high / 10 + 1),
        0 => dice.between(too_low, low - 1),
        1 => dice.between(high + 1, too_high),
        _ => dice.between(low, high),
    };
    let flag = match value {
        value if value < too_low => "LL",
        value if value < low => "L",
        value if value > too_high => "HH",
        value if value > high => "H",
        _ => "N",
    };
    Measured { value: printed(value, item.decimals), flag }
}

/// `695` with two decimals is `6.95`.
fn printed(value: u64, decimals: usize) -> String {
    if decimals == 0 {
        return value.to_string();
    }
    let digits = format!("{value:0width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    format!("{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_with_their_decimals() {
        assert_eq!(printed(695, 2), "6.95");
        assert_eq!(printed(7, 2), "0.07");
        assert_eq!(printed(137, 0), "137");
    }

    #[test]
    fn a_critical_potassium_is_above_its_limit() {
        let potassium = &Kind::Critical.items()[0];
        for number in 0..100 {
            let measured = measure(potassium, &mut Dice::new(1, "m", number), true);
            assert_eq!(measured.flag, "HH"); // OBX-8
            assert!(measured.value.parse::<f64>().unwrap() > 6.2); // OBX-5
        }
    }
}
