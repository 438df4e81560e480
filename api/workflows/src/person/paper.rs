//! Papers that people are known by: their forms, check digits, and what they say of the person (ACC-2, ACC-3; interfaces §2.1).

use time::{Date, Month};

/// A kind of paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// 居民身份证, the mainland's identity card (GB 11643).
    Resident,
    /// 港澳台居民居住证, the residence permit for people of Hong Kong, Macau and Taiwan.
    ResidencePermit,
    /// 外国人永久居留身份证, a foreigner's permanent residence card.
    PermanentResidence,
    /// A passport of this country (ISO 3166-1 alpha-3).
    Passport([u8; 3]),
    /// 回乡证, the mainland travel permit for people of Hong Kong and Macau.
    HomeReturn,
    /// 台胞证, the mainland travel permit for people of Taiwan.
    Taiwan,
    /// 香港身份证, the Hong Kong identity card.
    HongKong,
}

impl Paper {
    /// The paper of an `Identifier.system`.
    pub fn of_system(system: &str) -> Option<Self> {
        Some(match system {
            "urn:oid:2.16.156.10011.1.3" => Self::Resident,
            "urn:impf:id:hmt-residence" => Self::ResidencePermit,
            "urn:impf:id:cn-prc-foreign" => Self::PermanentResidence,
            "urn:impf:id:hm-permit" => Self::HomeReturn,
            "urn:impf:id:tw-permit" => Self::Taiwan,
            "urn:impf:id:hkic" => Self::HongKong,
            _ => {
                let country = system.strip_prefix("http://hl7.org/fhir/sid/passport-")?;
                let country: [u8; 3] = country.as_bytes().try_into().ok()?;
                country.iter().all(u8::is_ascii_uppercase).then_some(Self::Passport(country))?
            }
        })
    }

    /// The HIS's code of it (IdType, H202).
    pub fn his_code(self) -> &'static str {
        match self {
            Self::Resident => "01",
            Self::Passport(_) => "03",
            Self::HomeReturn => "06",
            Self::Taiwan => "07",
            Self::ResidencePermit => "08",
            Self::HongKong => "09",
            Self::PermanentResidence => "10",
        }
    }

    /// The number as it is kept: without blanks and brackets, in capital letters. `None`: it is no number of this paper.
    pub fn number(self, text: &str) -> Option<String> {
        let is_filling = |letter: &char| letter.is_whitespace() || matches!(letter, '(' | ')' | '（' | '）');
        let number: String = text.trim().chars().filter(|letter| !is_filling(letter)).collect();
        let number = number.to_uppercase();
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = match self {
            Self::Resident => is_gb11643(&number) && !number.starts_with('9'),
            Self::ResidencePermit => {
                is_gb11643(&number)
                    && ["810000", "820000", "830000"].iter().any(|area| number.starts_with(area))
            }
            Self::PermanentResidence => {
                let is_old = number.len() == 15
                    && number.is_ascii()
                    && number[..3].bytes().all(|byte| byte.is_ascii_uppercase())
                    && digits(&number[3..]);
                (is_gb11643(&number) && number.starts_with('9')) || is_old
            }
            Self::Passport(_) => {
                (5..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }
            Self::HomeReturn => {
                let letters = ["HA", "MA"].iter().find_map(|begin| Some((7, number.strip_prefix(begin)?)));
                let letter = ["H", "M"].iter().find_map(|begin| Some((8, number.strip_prefix(begin)?)));
                letters.or(letter).is_some_and(|(long, rest)| {
                    digits(rest) && (rest.len() == long || rest.len() == long + 2)
                })
            }
            Self::Taiwan => number.len() == 8 && digits(&number),
            Self::HongKong => is_hkic(&number),
        };
        fits.then_some(number)
    }

    /// The day of birth and the sex that a number says, where it says them.
    pub fn says(self, number: &str) -> Option<(Date, &'static str)> {
        let has_both = matches!(self, Self::Resident | Self::ResidencePermit | Self::PermanentResidence);
        if !has_both || number.len() != 18 {
            return None;
        }
        let birth = birth(number)?;
        let is_male = number.as_bytes()[16] % 2 == 1;
        Some((birth, if is_male { "male" } else { "female" }))
    }
}

/// The day of birth in an 18-digit number.
fn birth(number: &str) -> Option<Date> {
    let part = |from: usize, to: usize| number.get(from..to)?.parse::<u16>().ok();
    let month = Month::try_from(u8::try_from(part(10, 12)?).ok()?).ok()?;
    Date::from_calendar_date(part(6, 10)?.into(), month, u8::try_from(part(12, 14)?).ok()?).ok()
}

/// GB 11643-1999: 17 digits and a check digit; the day of birth is one.
fn is_gb11643(number: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    let bytes = number.as_bytes();
    if bytes.len() != 18 || !bytes[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = bytes.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    bytes[17] == CHECKS[(sum % 11) as usize] && birth(number).is_some()
}

/// The Hong Kong identity card: one or two letters, six digits, a check digit.
fn is_hkic(number: &str) -> bool {
    let bytes = number.as_bytes();
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    if !(1..=2).contains(&letters) || bytes.len() != letters + 7 {
        return false;
    }
    let (body, check) = bytes.split_at(bytes.len() - 1);
    if !body[letters..].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let value =
        |byte: u8| if byte.is_ascii_digit() { u32::from(byte - b'0') } else { u32::from(byte - b'A') + 10 };
    // A missing first letter counts 36.
    let blank = if letters == 1 { vec![36] } else { Vec::new() };
    let values = blank.into_iter().chain(body.iter().map(|byte| value(*byte)));
    let sum: u32 = values.zip((2..=9).rev()).map(|(value, weight)| value * weight).sum();
    let expected = match (11 - sum % 11) % 11 {
        10 => b'A',
        digit => b'0' + u8::try_from(digit).unwrap_or_default(),
    };
    check[0] == expected
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn acc_2_a_residents_number_has_its_check_digit_and_says_birth_and_sex() {
        for number in ["440305198811120011", "110101199003077571"] {
            assert_eq!(Paper::Resident.number(number).as_deref(), Some(number), "{number}");
        }
        assert_eq!(Paper::Resident.says("440305198811120011"), Some((date!(1988 - 11 - 12), "male")));
        for wrong in
            ["440305198811120012", "44030519890230001X", "44030519881112001", "", "44030519881112001１"]
        {
            assert_eq!(Paper::Resident.number(wrong), None, "{wrong}");
        }
        assert_eq!(Paper::Resident.number("83000019810715006x"), Some("83000019810715006X".to_owned()));
    }

    #[test]
    fn acc_2_residence_permits_are_of_three_places() {
        for number in ["810000199408230021", "820000195512250026", "83000019810715006X"] {
            assert_eq!(Paper::ResidencePermit.number(number).as_deref(), Some(number));
        }
        assert_eq!(Paper::ResidencePermit.number("440305198811120011"), None);
        assert_eq!(
            Paper::ResidencePermit.says("810000199408230021"),
            Some((date!(1994 - 08 - 23), "female"))
        );
        assert_eq!(
            Paper::PermanentResidence.number("911124198108030024"),
            Some("911124198108030024".to_owned())
        );
        assert_eq!(Paper::PermanentResidence.number("USA123456789012"), Some("USA123456789012".to_owned()));
        assert_eq!(Paper::PermanentResidence.number("440305198811120011"), None);
    }

    #[test]
    fn acc_3_a_hong_kong_card_has_its_check_digit() {
        for number in ["A123456(3)", "AB123456(9)", "G123456(A)", "C668668(9)", "K123450(1)", "a123456（3）"]
        {
            assert!(Paper::HongKong.number(number).is_some(), "{number}");
        }
        assert_eq!(Paper::HongKong.number("A123456(3)"), Some("A1234563".to_owned()));
        for wrong in ["A123456(4)", "1234567(8)", "ABC123456(9)", "A12345(3)", ""] {
            assert_eq!(Paper::HongKong.number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn acc_3_permits_and_passports_have_their_forms() {
        for number in ["H12345678", "M1234567801", "HA1234567"] {
            assert!(Paper::HomeReturn.number(number).is_some(), "{number}");
        }
        for wrong in ["X12345678", "H1234567", "H123456780", "HA123456"] {
            assert_eq!(Paper::HomeReturn.number(wrong), None, "{wrong}");
        }
        assert!(Paper::Taiwan.number("12345678").is_some());
        assert_eq!(Paper::Taiwan.number("1234567"), None);
        assert_eq!(
            Paper::of_system("http://hl7.org/fhir/sid/passport-gb"),
            None,
            "a country is named by three letters"
        );
        let british = Paper::of_system("http://hl7.org/fhir/sid/passport-GBR").unwrap();
        assert!(british.number("925665416").is_some());
        assert_eq!(british.number("12-34"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_number_or_none(text in ".{0,40}") {
            for paper in [Paper::Resident, Paper::ResidencePermit, Paper::PermanentResidence, Paper::Passport(*b"GBR"), Paper::HomeReturn, Paper::Taiwan, Paper::HongKong] {
                if let Some(number) = paper.number(&text) {
                    proptest::prop_assert_eq!(paper.number(&number), Some(number));
                }
            }
        }
    }
}
