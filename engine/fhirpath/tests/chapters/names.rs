//! Chapters 3, 9 and the static checks: paths, `$this`, variables, and names that mean nothing.

use super::{observation, patient};

#[test]
fn a_path_goes_through_lists_and_begins_with_a_type_or_not() {
    patient(&[
        ("name.given", "'Peter', 'James', 'Jim'"),
        ("Patient.name.given", "'Peter', 'James', 'Jim'"),
        ("Resource.id", "'p1'"),
        ("DomainResource.id", "'p1'"),
        ("Observation.status", "{}"),
        ("name.where(use = 'official').family", "'Chalmers'"),
        ("name[0].given[1]", "'James'"),
        ("name[7].given", "{}"),
        ("name[{}]", "{}"),
        ("name[name.count() - 1].given", "'Jim'"),
    ]);
}

#[test]
fn a_choice_is_its_stem() {
    observation(&[
        ("value", "185.50 '[lb_av]'"),
        ("value.unit", "'lbs'"),
        ("value.ofType(Quantity).value", "185.50"),
        (
            "valueQuantity",
            "refused at character 1: expected `value.ofType(Quantity)`, not the name in JSON `valueQuantity`",
        ),
        ("component.value", "'x', 3 days"),
    ]);
    patient(&[("deceased", "false"), ("multipleBirth", "2"), ("extension.value", "'a', 3")]);
}

#[test]
fn a_primitive_has_id_extensions_and_a_value() {
    patient(&[
        ("birthDate.id", "'b'"),
        ("birthDate.extension.url", "'urn:time'"),
        ("birthDate.extension('urn:time').value", "@1974-12-25T14:35:45-05:00"),
        ("birthDate.value is System.Date", "true"),
        ("gender.extension.value", "'said'"),
        ("contact.name.family", "<string>"),
        ("contact.name.family.extension.value", "'du'"),
        ("contact.name.family.value", "{}"),
    ]);
}

#[test]
fn this_and_index_are_of_the_innermost_function() {
    patient(&[
        ("name.given.where($this = 'Jim')", "'Jim'"),
        ("name.given.where($index = 1)", "'James'"),
        ("name.select(given.select($index))", "0, 1, 0"),
        ("name.given.select($this & $index.toString())", "'Peter0', 'James1', 'Jim2'"),
        ("$this.id", "'p1'"),
        (
            "$index",
            "refused at character 1: `$index` means something within `where`, `select` and the like only",
        ),
        ("$total", "refused at character 1: `$total` means something within `aggregate` only"),
    ]);
}

#[test]
fn variables_of_the_standard_and_of_the_caller_are_known() {
    patient(&[
        ("%context.id", "'p1'"),
        ("%resource.id", "'p1'"),
        ("%rootResource.id", "'p1'"),
        ("name.where(%resource.active).count()", "2"),
        ("%ucum", "'http://unitsofmeasure.org'"),
        ("%sct", "'http://snomed.info/sct'"),
        ("%loinc", "'http://loinc.org'"),
        ("%`vs-administrative-gender`", "'http://hl7.org/fhir/ValueSet/administrative-gender'"),
        ("%'ext-patient-birthTime'", "'http://hl7.org/fhir/StructureDefinition/patient-birthTime'"),
        ("%given + 1", "8"),
        ("%absent", "error at character 1: the variable `%absent` was not given"),
        ("%resuorce", "refused at character 1: there is no variable `%resuorce`; did you mean `resource`?"),
    ]);
}

#[test]
fn names_that_mean_nothing_are_refused_with_their_place() {
    patient(&[
        (
            "Patient.nmae",
            "refused at character 9: there is no element `nmae` in `Patient`; did you mean `name`?",
        ),
        ("nmae", "refused at character 1: there is no element `nmae` in `Patient`; did you mean `name`?"),
        (
            "name.where(usee = 'x')",
            "refused at character 12: there is no element `usee` in `HumanName`; did you mean `use`?",
        ),
        (
            "name.first().familly",
            "refused at character 14: there is no element `familly` in `HumanName`; did you mean `family`?",
        ),
        (
            "contact.select(name | telecom).sistem",
            "refused at character 32: there is no element `sistem` in `HumanName` or `ContactPoint`; did you mean `system`?",
        ),
        (
            "deceased.ofType(boolean).system",
            "refused at character 26: there is no element `system` in `boolean`",
        ),
        (
            "descendants().notAnElement",
            "refused at character 15: there is no element `notAnElement` in any type of R4B",
        ),
        (
            "contained.nonsenseName",
            "refused at character 11: there is no element `nonsenseName` in any resource of R4B",
        ),
        ("'a'.family", "refused at character 5: there is no element `family` in `String`"),
        ("name.repeat(given).use", "refused at character 20: there is no element `use` in `string`"),
        ("contained.name", "'Ward 7'"),
        ("contained.ofType(Organization).name", "'Ward 7'"),
    ]);
    observation(&[(
        "subject.reference.refrence",
        "refused at character 19: there is no element `refrence` in `string`",
    )]);
}
