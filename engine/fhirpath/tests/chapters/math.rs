//! Chapter 5.7: math.

use super::patient;

#[test]
fn rounding() {
    patient(&[
        ("(-5).abs()", "5"),
        ("(-5.5).abs()", "5.5"),
        ("(-5 'mg').abs()", "5 'mg'"),
        ("1.1.ceiling()", "2"),
        ("(-1.1).ceiling()", "-1"),
        ("2.1.floor()", "2"),
        ("(-2.1).floor()", "-3"),
        ("101.9.truncate()", "101"),
        ("(-1.9).truncate()", "-1"),
        ("1.5.round()", "2"),
        ("3.14159.round(3)", "3.142"),
        ("(-2.5).round()", "-3"),
        ("1.round(-1)", "error at character 3: expected 0 to 28 digits to round to"),
        ("{}.ceiling()", "{}"),
        ("'a'.abs()", "error at character 5: expected a number, not a `System.String`"),
    ]);
}

#[test]
fn powers_and_logarithms() {
    patient(&[
        ("0.exp()", "1"),
        ("1.ln()", "0"),
        ("0.ln()", "{}"),
        ("(-1).ln()", "{}"),
        ("16.log(2)", "4"),
        ("100.0.log(10.0)", "2"),
        ("16.log(1)", "{}"),
        ("2.power(3)", "8"),
        ("2.5.power(2)", "6.25"),
        ("(-1).power(0.5)", "{}"),
        ("2.power(-1)", "0.5"),
        ("0.power(-1)", "{}"),
        ("10.power(100)", "{}"),
        ("81.sqrt()", "9"),
        ("(-1).sqrt()", "{}"),
        ("2.sqrt().round(6)", "1.414214"),
    ]);
}
