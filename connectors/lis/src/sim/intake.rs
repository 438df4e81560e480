//! The LIS's own strict rules for the ADT feed that it takes.

use sim_kit::listener::Violation;
use sim_kit::reader::{Reading, first_component};

/// HL7 table 0001, and what HL7 v2.5.1 table 0004 knows of patient classes.
const SEXES: [&str; 6] = ["F", "M", "O", "U", "A", "N"];
const CLASSES: [&str; 9] = ["E", "I", "O", "P", "R", "B", "C", "N", "U"];

/// Holds a message against the rules; the first that is broken is told, without content.
pub(super) fn rules(message: &Reading<'_>) -> Result<(), Violation> {
    let check =
        |holds: bool, place, expected| if holds { Ok(()) } else { Err(Violation { place, expected }) };
    let mut names = message.names();
    check(names.next() == Some("MSH"), "MSH", "the header first")?;
    check(names.next() == Some("EVN"), "EVN", "the event after the header")?;
    check(message.field("MSH", 2) == "^~\\&", "MSH-2", "the usual separators")?;
    check(is_time(message.field("MSH", 7)), "MSH-7", "a time")?;
    let kind = message.field("MSH", 9);
    check(kind.starts_with("ADT^A"), "MSH-9", "an ADT message and its event")?;
    let control_id = message.field("MSH", 10);
    check(!control_id.is_empty() && control_id.len() <= 50, "MSH-10", "1 to 50 characters")?;
    check(matches!(message.field("MSH", 11), "P" | "T" | "D"), "MSH-11", "P, T or D")?;
    check(message.field("MSH", 12).starts_with("2."), "MSH-12", "a version 2")?;
    check(is_time(message.field("EVN", 2)), "EVN-2", "a time")?;
    check(!first_component(message.field("PID", 3)).is_empty(), "PID-3", "a patient number")?;
    check(!message.field("PID", 5).is_empty(), "PID-5", "a name")?;
    let sex = message.field("PID", 8);
    check(sex.is_empty() || SEXES.contains(&sex), "PID-8", "a code of table 0001")?;
    if kind.starts_with("ADT^A40") {
        return check(!first_component(message.field("MRG", 1)).is_empty(), "MRG-1", "the number given up");
    }
    check(CLASSES.contains(&message.field("PV1", 2)), "PV1-2", "a code of table 0004")
}

fn is_time(field: &str) -> bool {
    let digits = field.split(['+', '-', '.', '^']).next().unwrap_or_default();
    (8..=14).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "MSH|^~\\&|HIS|F|LIS|F|20260302080000||ADT^A01^ADT_A01|1|P|2.5.1\r\
                         EVN|A01|20260302080000\rPID|1||1000001^^^HIS^PI||王芳||19800101|F\rPV1|1|I\r";

    fn broken(text: &str) -> &'static str {
        rules(&Reading::of(text).unwrap()).unwrap_err().place
    }

    #[test]
    fn a_whole_message_is_taken() {
        assert_eq!(rules(&Reading::of(WHOLE).unwrap()), Ok(()));
    }

    #[test]
    fn the_place_of_what_is_missing_is_told() {
        assert_eq!(broken(&WHOLE.replace("1000001", "")), "PID-3");
        assert_eq!(broken(&WHOLE.replace("|1|P|", "||P|")), "MSH-10");
        assert_eq!(broken(&WHOLE.replace("PV1|1|I", "PV1|1|?")), "PV1-2");
        assert_eq!(broken(&WHOLE.replace("EVN|", "ZEV|")), "EVN");
        assert_eq!(broken(&WHOLE.replace("ADT^A01", "ADT^A40")), "MRG-1");
    }
}
