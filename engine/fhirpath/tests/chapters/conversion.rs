//! Chapter 5.5: conversion; `iif` with it.

use super::{observation, patient};

#[test]
fn iif_evaluates_only_the_branch_it_takes() {
    patient(&[
        ("iif(true, 'a', 'b')", "'a'"),
        ("iif(false, 'a', 'b')", "'b'"),
        ("iif({}, 'a', 'b')", "'b'"),
        ("iif(false, 'a')", "{}"),
        ("iif(true, 1, name.single())", "1"),
        ("name.iif(true, 1, 2)", "error at character 6: expected at most one value, found 2"),
        ("name.first().iif(use = 'official', family, 'none')", "'Chalmers'"),
        ("name.where(use = 'old').iif(empty(), 'none', family)", "'none'"),
    ]);
}

#[test]
fn to_boolean_and_to_integer() {
    patient(&[
        ("'T'.toBoolean()", "true"),
        ("'yes'.toBoolean()", "true"),
        ("'0.0'.toBoolean()", "false"),
        ("1.0.toBoolean()", "true"),
        ("2.toBoolean()", "{}"),
        ("'x'.convertsToBoolean()", "false"),
        ("'n'.convertsToBoolean()", "true"),
        ("{}.convertsToBoolean()", "{}"),
        ("'-7'.toInteger()", "-7"),
        ("'+7'.toInteger()", "7"),
        ("true.toInteger()", "1"),
        ("1.5.toInteger()", "{}"),
        ("'1.0'.toInteger()", "{}"),
        ("'99999999999'.toInteger()", "{}"),
        ("'1'.convertsToInteger()", "true"),
        ("'a'.convertsToInteger()", "false"),
        ("(1 | 2).toInteger()", "error at character 9: expected at most one value, found 2"),
    ]);
}

#[test]
fn to_decimal_and_to_string() {
    patient(&[
        ("'1.10'.toDecimal()", "1.10"),
        ("1.toDecimal()", "1"),
        ("1.toDecimal() is Decimal", "true"),
        ("true.toDecimal()", "1"),
        ("'1e3'.toDecimal()", "{}"),
        ("'.5'.toDecimal()", "{}"),
        ("'1.1'.convertsToDecimal()", "true"),
        ("'1.'.convertsToDecimal()", "false"),
        ("1.50.toString()", "'1.50'"),
        ("true.toString()", "'true'"),
        ("@2026-11.toString()", "'2026-11'"),
        ("@T08:30.toString()", "'08:30'"),
        ("4 days.toString()", "'4 days'"),
        ("1 'mg'.toString()", "'1 'mg''"),
        ("birthDate.toString()", "'1974-12-25'"),
        ("name.first().toString()", "error at character 14: expected a single value, not a `FHIR.HumanName`"),
        ("1.convertsToString()", "true"),
    ]);
}

#[test]
fn to_date_to_date_time_and_to_time() {
    patient(&[
        ("'2026-11'.toDate()", "@2026-11"),
        ("@2026-11-26T08:30:00Z.toDate()", "@2026-11-26"),
        ("'2026-11-26T08:30:00Z'.toDate()", "@2026-11-26"),
        ("'2026-13'.toDate()", "{}"),
        ("'2026'.convertsToDate()", "true"),
        ("'x'.convertsToDate()", "false"),
        ("@2026.toDateTime() is DateTime", "true"),
        ("'2026-11-26T08:30:00+08:00'.toDateTime()", "@2026-11-26T08:30:00+08:00"),
        ("'26.11.2026'.toDateTime()", "{}"),
        ("'2026-11-26T08'.convertsToDateTime()", "true"),
        ("1.convertsToDateTime()", "false"),
        ("'08:30'.toTime()", "@08:30"),
        ("'25:00'.toTime()", "{}"),
        ("'08:30:15.123'.convertsToTime()", "true"),
        ("@2026.convertsToTime()", "false"),
    ]);
}

#[test]
fn to_quantity_with_units_of_ucum_and_of_the_calendar() {
    patient(&[
        ("1.toQuantity()", "1 '1'"),
        ("1.5.toQuantity()", "1.5 '1'"),
        ("true.toQuantity()", "1 '1'"),
        ("'4 days'.toQuantity()", "4 days"),
        ("'4 \\'mg\\''.toQuantity()", "4 'mg'"),
        ("'4 mg'.toQuantity()", "{}"),
        ("'4.5'.toQuantity()", "4.5 '1'"),
        ("1 'g'.toQuantity('mg')", "1000 'mg'"),
        ("1 week.toQuantity('day')", "7 days"),
        ("1 'g'.toQuantity('m')", "{}"),
        ("'4 days'.convertsToQuantity()", "true"),
        ("'four days'.convertsToQuantity()", "false"),
        ("'1 \\'g\\''.convertsToQuantity('L')", "false"),
    ]);
    observation(&[
        ("value.toQuantity()", "185.50 '[lb_av]'"),
        ("value.toQuantity('kg')", "84.141384635 'kg'"),
    ]);
}
