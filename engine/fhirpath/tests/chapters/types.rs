//! Chapters 6.3 and 10: types and reflection; the namespaces `System` and `FHIR`.

use super::{observation, patient};

#[test]
fn is_knows_namespaces_and_descent() {
    patient(&[
        ("1 is Integer", "true"),
        ("1 is System.Integer", "true"),
        ("1 is Decimal", "false"),
        ("'a' is String", "true"),
        ("'a' is FHIR.string", "false"),
        ("@2026 is Date", "true"),
        ("@2026T is DateTime", "true"),
        ("@T08 is Time", "true"),
        ("4 days is Quantity", "true"),
        ("$this is Patient", "true"),
        ("$this is FHIR.Patient", "true"),
        ("$this is FHIR.`Patient`", "true"),
        ("$this is DomainResource", "true"),
        ("$this is Resource", "true"),
        ("$this is Observation", "false"),
        ("active is boolean", "true"),
        ("active is Boolean", "false"),
        ("active is System.Boolean", "false"),
        ("gender is code", "true"),
        ("gender is string", "true"),
        ("{} is Integer", "{}"),
        ("name is HumanName", "error at character 6: expected at most one value, found 2"),
        ("name.first().is(HumanName)", "true"),
        ("1.is('System.Integer')", "true"),
        ("name.first() is Element", "true"),
        ("contact.first() is BackboneElement", "true"),
        ("1 is System.Patient", "refused at character 6: there is no type `Patient`"),
    ]);
    observation(&[("value is Quantity", "true"), ("value is System.Quantity", "false")]);
}

#[test]
fn as_takes_each_of_several_values() {
    observation(&[
        ("value as Quantity", "185.50 '[lb_av]'"),
        ("value.as(Quantity).unit", "'lbs'"),
        ("(value as Period).start", "{}"),
        ("component.value as string", "'x'"),
        ("component.value.as(string)", "'x'"),
        ("{} as Integer", "{}"),
    ]);
}

#[test]
fn a_type_can_be_asked_for() {
    patient(&[
        ("1.type()", "System.Integer"),
        ("1.type().name", "'Integer'"),
        ("1.type().namespace", "'System'"),
        ("active.type().name", "'boolean'"),
        ("active.type().namespace", "'FHIR'"),
        ("$this.type().name", "'Patient'"),
        ("contact.type().name", "'Patient.contact'"),
        ("1.type() = 2.type()", "true"),
    ]);
}
