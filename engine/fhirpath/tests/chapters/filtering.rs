//! Chapter 5.2: filtering and projection.

use super::{check, observation, patient};

#[test]
fn where_keeps_what_the_condition_is_true_of() {
    patient(&[
        ("telecom.where(system = 'email').value", "'2'"),
        ("telecom.where(period.start > @2020)", "{}"),
        ("name.where(true).count()", "2"),
        ("name.where({}).count()", "0"),
        ("name.where(given).use", "error at character 12: expected at most one value, found 2"),
        ("{}.where(true)", "{}"),
    ]);
}

#[test]
fn select_puts_all_results_into_one_collection() {
    patient(&[
        ("name.select(given)", "'Peter', 'James', 'Jim'"),
        ("name.select(given.first() & ' ' & family)", "'Peter Chalmers', 'Jim '"),
        ("name.select(family)", "'Chalmers'"),
        ("{}.select(1)", "{}"),
    ]);
}

#[test]
fn repeat_goes_on_until_nothing_new_comes() {
    let questionnaire = r#"{"resourceType":"Questionnaire","status":"draft","item":[
        {"linkId":"1","type":"group","item":[{"linkId":"1.1","type":"group","item":[{"linkId":"1.1.1","type":"string"}]}]},
        {"linkId":"2","type":"string"}]}"#;
    check(
        questionnaire,
        &[
            ("repeat(item).linkId", "'1', '2', '1.1', '1.1.1'"),
            ("Questionnaire.repeat(item).count()", "4"),
            ("repeat('a')", "'a'"),
            ("item.repeat($this)", "<Questionnaire.item>, <Questionnaire.item>"),
            ("(1).repeat(iif($this < 5, $this + 1, {}))", "2, 3, 4, 5"),
            ("repeat(item).linkId.isDistinct()", "true"),
        ],
    );
}

#[test]
fn of_type_keeps_a_type_and_what_derives_from_it() {
    observation(&[
        ("component.value.ofType(string)", "'x'"),
        ("component.value.ofType(FHIR.Quantity)", "3 days"),
        ("value.ofType(Period)", "{}"),
        ("(1 | 'a' | 2.5).ofType(Integer)", "1"),
        ("(1 | 'a' | 2.5).ofType(System.String)", "'a'"),
    ]);
    patient(&[
        ("contained.ofType(Organization).count()", "1"),
        ("contained.ofType(DomainResource).count()", "1"),
        ("extension.value.ofType(string)", "{}"),
        ("extension.value.ofType(code)", "'a'"),
    ]);
}
