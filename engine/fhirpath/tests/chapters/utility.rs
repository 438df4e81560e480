//! Chapter 5.9: utility functions, and those of FHIRPath 3 on precision.

use std::cell::RefCell;

use hub_fhirpath::{Environment, Expression, Items, On};
use time::macros::datetime;

use super::{PATIENT, patient, shown, tree};

#[test]
fn the_moment_is_what_the_caller_says() {
    patient(&[
        ("now()", "@2026-11-26T08:30:15.250+08:00"),
        ("today()", "@2026-11-26"),
        ("timeOfDay()", "@08:30:15.250"),
        ("now() = now()", "true"),
        ("birthDate < today()", "true"),
        ("today() - 18 years > birthDate", "true"),
    ]);
}

#[test]
fn trace_tells_and_passes_on() {
    let resource = tree(PATIENT);
    let told = RefCell::new(Vec::new());
    let tell = |name: &str, items: &Items<'_>| told.borrow_mut().push(format!("{name}: {}", shown(items)));
    let mut environment = Environment::of(&resource, datetime!(2026-11-26 08:30 +08:00));
    environment.trace = Some(&tell);
    let source = "name.trace('uses', use).given.trace('given').count()";
    let expression = Expression::compile(source, &On::the("Patient").unwrap()).unwrap();
    let items = expression.evaluate_resource(&resource, &environment).unwrap();
    assert_eq!(shown(&items), "3");
    assert_eq!(*told.borrow(), ["uses: 'official', 'usual'", "given: 'Peter', 'James', 'Jim'"]);
    patient(&[("name.trace('x').count()", "2")]);
}

#[test]
fn precision_and_boundaries() {
    patient(&[
        ("1.587.lowBoundary()", "1.58650000"),
        ("1.587.highBoundary(2)", "1.59"),
        ("1.587.lowBoundary(2)", "1.58"),
        ("(-1.587).lowBoundary()", "-1.58750000"),
        ("1.lowBoundary()", "0.50000000"),
        ("1.5 'mg'.highBoundary()", "1.55000000 'mg'"),
        ("1.lowBoundary(-1)", "{}"),
        ("@2026.lowBoundary()", "@2026-01-01"),
        ("@2026-02.highBoundary()", "@2026-02-28"),
        ("@2026-11.lowBoundary(6)", "@2026-11"),
        ("@2026T.lowBoundary(17)", "@2026-01-01T00:00:00.000+14:00"),
        ("@2026-11-26T08.highBoundary(17)", "@2026-11-26T08:59:59.999-12:00"),
        ("@T08:30.lowBoundary()", "@08:30:00.000"),
        ("@T08.highBoundary(4)", "@08:59"),
        ("@2026.lowBoundary(5)", "{}"),
        ("1.58700.precision()", "5"),
        ("7.precision()", "0"),
        ("@2026.precision()", "4"),
        ("@2026-11-26T08:30:15.250.precision()", "17"),
        ("@T08:30.precision()", "4"),
        ("1 'cm'.comparable(1 'm')", "true"),
        ("1 'cm'.comparable(1 's')", "false"),
        ("1 'cm'.comparable('a')", "error at character 8: expected Quantities to compare"),
    ]);
}

#[test]
fn parts_of_dates_and_coalesce() {
    patient(&[
        ("birthDate.yearOf()", "1974"),
        ("birthDate.monthOf()", "12"),
        ("birthDate.dayOf()", "25"),
        ("@2026.monthOf()", "{}"),
        ("now().hourOf()", "8"),
        ("now().minuteOf()", "30"),
        ("now().secondOf()", "15"),
        ("now().millisecondOf()", "250"),
        ("now().timezoneOffsetOf()", "8"),
        ("now().dateOf()", "@2026-11-26"),
        ("now().timeOf()", "@08:30:15.250"),
        ("@2026T.timeOf()", "{}"),
        ("'a'.yearOf()", "error at character 5: expected a date or time, not a `System.String`"),
        ("coalesce(photo, name.given, 'x')", "'Peter', 'James', 'Jim'"),
        ("coalesce({}, {})", "{}"),
    ]);
}
