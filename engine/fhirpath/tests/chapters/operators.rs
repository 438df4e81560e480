//! Chapters 6.1, 6.2, 6.4, 6.5 and 6.6: equality, comparison, membership, logic and arithmetic.

use super::{observation, patient};

#[test]
fn equal_values_and_collections() {
    patient(&[
        ("1 = 1.0", "true"),
        ("'a' = 'A'", "false"),
        ("1 = '1'", "false"),
        ("{} = 1", "{}"),
        ("{} = {}", "{}"),
        ("(1 | 2) = (1 | 2)", "true"),
        ("(1 | 2) = (2 | 1)", "false"),
        ("(1 | 2) = 1", "false"),
        ("1 != 2", "true"),
        ("{} != 1", "{}"),
        ("name.first() = name.first()", "true"),
        ("name.first() = name.last()", "false"),
        ("name = name", "true"),
        ("name.first() = 'a'", "false"),
        ("gender = 'male'", "true"),
        ("active = true", "true"),
        ("contact.name.family = 'x'", "false"),
        ("0.1 + 0.2 = 0.3", "true"),
    ]);
}

#[test]
fn equivalent_values_and_collections() {
    patient(&[
        ("'a  B' ~ 'A b'", "true"),
        ("1.0 ~ 1.04", "true"),
        ("1.00 ~ 1.04", "true"),
        ("1.25 ~ 1.2", "false"),
        ("{} ~ {}", "true"),
        ("{} ~ 1", "false"),
        ("(1 | 2) ~ (2 | 1)", "true"),
        ("1.combine(1) ~ 1.combine(2)", "false"),
        ("'a' !~ 'b'", "true"),
        ("1 ~ 'a'", "false"),
        ("name.first() ~ name.first()", "true"),
        ("@2026-11 ~ @2026-11-26", "false"),
    ]);
}

#[test]
fn quantities_are_equal_across_units() {
    observation(&[
        ("1 'g' = 1000 'mg'", "true"),
        ("1 'g' = 1 'mg'", "false"),
        ("1 'g' = 1 'm'", "{}"),
        ("1 'g' ~ 1 'm'", "false"),
        ("4 'g' ~ 4040 'mg'", "true"),
        ("4040 'mg' ~ 4 'g'", "true"),
        ("4.0 'g' ~ 4400 'mg'", "true"),
        ("4.2 'g' ~ 4400 'mg'", "false"),
        ("5 'mmol/L' = 5000 'umol/L'", "true"),
        ("10 '10*9/L' = 10 '10*3/uL'", "true"),
        ("1 year = 12 months", "true"),
        ("7 days = 1 week", "true"),
        ("7 days = 1 'wk'", "true"),
        ("1 second = 1 's'", "true"),
        ("1 year = 1 'a'", "{}"),
        ("1 year ~ 1 'a'", "true"),
        ("1 month ~ 1 'mo'", "true"),
        ("3 = 3 '1'", "true"),
        ("value = 185.5 '[lb_av]'", "true"),
        ("value > 84 'kg'", "true"),
        ("value < 84 'kg'", "false"),
        ("value > 84 's'", "{}"),
        ("component.value.ofType(Quantity) = 3 days", "true"),
    ]);
}

#[test]
fn order_of_values() {
    patient(&[
        ("1 < 2.5", "true"),
        ("'a' < 'b'", "true"),
        ("'Z' < 'a'", "true"),
        ("2 >= 2", "true"),
        ("2 <= 1", "false"),
        ("2 > {}", "{}"),
        ("{} < {}", "{}"),
        ("1 < 'a'", "error at character 3: `System.Integer` cannot be compared with `System.String`"),
        ("true < false", "error at character 6: `System.Boolean` cannot be compared with `System.Boolean`"),
        ("(1 | 2) < 3", "error at character 9: expected at most one value, found 2"),
        ("telecom.first().rank > telecom.last().rank", "true"),
        (
            "name.first() < name.last()",
            "error at character 14: `FHIR.HumanName` cannot be compared with `FHIR.HumanName`",
        ),
        ("contact.name.family < 'x'", "{}"),
    ]);
}

#[test]
fn membership() {
    patient(&[
        ("'Jim' in name.given", "true"),
        ("'Joe' in name.given", "false"),
        ("{} in name.given", "{}"),
        ("'a' in {}", "false"),
        ("name.given contains 'Jim'", "true"),
        ("{} contains 'a'", "false"),
        ("name.given contains {}", "{}"),
        ("(1 | 2) in 1", "error at character 9: expected at most one value, found 2"),
    ]);
}

#[test]
fn logic_has_three_values() {
    let values = ["true", "false", "{}"];
    let tables = [
        ("and", ["true", "false", "{}", "false", "false", "false", "{}", "false", "{}"]),
        ("or", ["true", "true", "true", "true", "false", "{}", "true", "{}", "{}"]),
        ("xor", ["false", "true", "{}", "true", "false", "{}", "{}", "{}", "{}"]),
        ("implies", ["true", "false", "{}", "true", "true", "true", "true", "{}", "{}"]),
    ];
    for (operator, expected) in tables {
        let pairs = values.iter().flat_map(|left| values.iter().map(move |right| (left, right)));
        for ((left, right), expected) in pairs.zip(expected) {
            patient(&[(&format!("{left} {operator} {right}"), expected)]);
        }
    }
    patient(&[
        ("true.not()", "false"),
        ("{}.not()", "{}"),
        ("name.not()", "error at character 6: expected at most one value, found 2"),
    ]);
}

#[test]
fn a_single_value_is_true_where_a_condition_is_wanted() {
    patient(&[
        ("active and gender", "true"),
        ("'a' and true", "true"),
        ("0 and true", "true"),
        ("name and true", "error at character 1: expected at most one value, found 2"),
        ("1.not()", "false"),
        ("iif('a', 1, 2)", "1"),
        // The right side is not looked at when the left one decides.
        ("false and name", "false"),
        ("true or name", "true"),
        ("false implies name", "true"),
    ]);
}

#[test]
fn arithmetic() {
    patient(&[
        ("2 * 3", "6"),
        ("2 * 1.5", "3.0"),
        ("5 / 2", "2.5"),
        ("1 / 3 * 3 < 1", "true"),
        ("1 / 0", "{}"),
        ("5 div 2", "2"),
        ("-5 div 2", "-2"),
        ("5.5 div 0.7", "7"),
        ("1 div 0", "{}"),
        ("5 mod 2", "1"),
        ("5.5 mod 0.7", "0.6"),
        ("1 mod 0", "{}"),
        ("1 + {}", "{}"),
        ("2147483647 + 1", "{}"),
        ("2147483647 * 2147483647", "{}"),
        ("'a' + 'b'", "'ab'"),
        ("'a' + {}", "{}"),
        ("'a' & {}", "'a'"),
        ("{} & {}", "''"),
        ("'a' & 'b'", "'ab'"),
        ("1 & 'b'", "error at character 3: expected texts around `&`"),
        ("1 + 'a'", "error at character 3: `+` does not go with `System.Integer` and `System.String`"),
        ("-'a'", "error at character 1: expected a number or a Quantity behind the sign"),
        ("1 'g' + 500 'mg'", "1.5 'g'"),
        ("1 'g' + 1 'm'", "{}"),
        ("3 'mg' - 1 'mg'", "2 'mg'"),
        ("2 * 3 'mg'", "6 'mg'"),
        ("6 'mg' / 2", "3 'mg'"),
        ("6 'mg' / 2 'mg'", "3 '1'"),
        ("6 'mg' / 2 'mL'", "3 'mg/mL'"),
        ("2 'cm' * 2 'cm' = 4 'cm2'", "true"),
        ("0.1 + 0.2", "0.3"),
        ("1.10 + 1", "2.10"),
    ]);
}
