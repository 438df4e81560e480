//! Compares two trees and names the places where the second lost or changed something of the first.

use hub_fhir::{Json, Object, moment};

/// The list of problems stays bounded whatever is compared.
const MAX_PROBLEMS: usize = 100;

/// One line for each path of `given` that `written` lacks or has otherwise, and each that it has on top.
pub(crate) fn problems(given: &Json, written: &Json) -> Vec<String> {
    let mut found = Problems { lines: Vec::new(), path: Vec::new() };
    let root = given.get("resourceType").and_then(Json::as_str).filter(|name| is_name(name));
    found.path.push(root.unwrap_or("Resource").to_owned());
    found.compare(given, written);
    found.lines
}

struct Problems {
    lines: Vec<String>,
    path: Vec<String>,
}

impl Problems {
    fn add(&mut self, what: &str) {
        if self.lines.len() < MAX_PROBLEMS {
            self.lines.push(format!("{}: {what}", self.path.concat()));
        }
    }

    fn within(&mut self, step: String, compare: impl FnOnce(&mut Self)) {
        self.path.push(step);
        compare(self);
        self.path.pop();
    }

    fn compare(&mut self, given: &Json, written: &Json) {
        match (given, written) {
            (Json::Object(given), Json::Object(written)) => self.objects(given, written),
            (Json::Array(given), Json::Array(written)) => {
                for (at, item) in given.iter().enumerate() {
                    self.within(format!("[{at}]"), |here| match written.get(at) {
                        Some(written) => here.compare(item, written),
                        None => here.add("lost"),
                    });
                }
                if written.len() > given.len() {
                    self.add("grew");
                }
            }
            (Json::Number(given), Json::Number(written)) => {
                if value_of(given) != value_of(written) {
                    self.add("changed");
                }
            }
            (Json::String(given), Json::String(written)) => {
                if given != written && !is_same_moment(given, written) {
                    self.add("changed");
                }
            }
            (given, written) => {
                if given != written {
                    self.add("changed");
                }
            }
        }
    }

    fn objects(&mut self, given: &Object, written: &Object) {
        for (name, value) in given.iter() {
            self.within(step(name), |here| match written.get(name) {
                Some(written) => here.compare(value, written),
                None => here.add("lost"),
            });
        }
        for (name, _) in written.iter() {
            if given.get(name).is_none() {
                self.within(step(name), |here| here.add("appeared"));
            }
        }
    }
}

/// A member's name may be anything in bad input, also content: only what looks like an element is shown.
fn step(name: &str) -> String {
    if is_name(name) { format!(".{name}") } else { ".?".to_owned() }
}

fn is_name(name: &str) -> bool {
    name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `+00:00` and `Z` are the same offset, `.120` and `.12` the same fraction.
fn is_same_moment(given: &str, written: &str) -> bool {
    let point = |text| moment::read(text).filter(|moment| moment.zoned).map(|moment| moment.low);
    point(given).is_some() && point(given) == point(written)
}

/// Sign, digits without zeros at either end, and the power of ten of the last digit. `None` beyond any real exponent:
/// then nothing is equal.
fn value_of(number: &str) -> Option<(bool, String, i64)> {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - significant.len()).ok()?;
    let power = i64::from(exponent) - i64::try_from(fraction.len()).ok()? + dropped;
    let significant = significant.trim_start_matches('0').to_owned();
    if significant.is_empty() {
        return Some((false, significant, 0));
    }
    Some((negative, significant, power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_fhir::json::parse;

    fn found(given: &str, written: &str) -> Vec<String> {
        problems(&parse(given).unwrap(), &parse(written).unwrap())
    }

    #[test]
    fn numbers_are_compared_by_value() {
        assert!(found("[1.10, 0.120, 1e2, -0, 100]", "[1.1, 1.2E-1, 100.0, 0, 1e+2]").is_empty());
        assert_eq!(found("[1.1,-1]", "[1.11,1]"), ["Resource[0]: changed", "Resource[1]: changed"]);
        assert_eq!(found("1e99999999999", "1e99999999998").len(), 0); // beyond any exponent both are unknown
    }

    #[test]
    fn what_is_lost_changed_or_new_is_named_by_its_path_only() {
        assert_eq!(
            found(
                r#"{"resourceType":"Patient","name":[{"family":"a"},{"family":"b"}],"王":1}"#,
                r#"{"resourceType":"Patient","name":[{"family":"c"}],"x":1}"#
            ),
            [
                "Patient.name[0].family: changed",
                "Patient.name[1]: lost",
                "Patient.?: lost",
                "Patient.x: appeared"
            ]
        );
    }
}
