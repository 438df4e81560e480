//! Chapter 5.1: existence.

use super::patient;

#[test]
fn empty_and_exists() {
    patient(&[
        ("photo.empty()", "true"),
        ("name.empty()", "false"),
        ("{}.empty()", "true"),
        ("photo.exists()", "false"),
        ("name.exists()", "true"),
        ("name.exists(use = 'usual')", "true"),
        ("name.exists(use = 'old')", "false"),
        ("telecom.exists($index = 1 and system = 'email')", "true"),
    ]);
}

#[test]
fn all_and_its_like() {
    patient(&[
        ("name.all(given.exists())", "true"),
        ("name.all(family.exists())", "false"),
        ("photo.all(url.exists())", "true"),
        ("(true | true).allTrue()", "true"),
        ("(true | false).allTrue()", "false"),
        ("{}.allTrue()", "true"),
        ("(true | false).anyTrue()", "true"),
        ("{}.anyTrue()", "false"),
        ("(false | false).allFalse()", "true"),
        ("(true | false).allFalse()", "false"),
        ("{}.allFalse()", "true"),
        ("(true | false).anyFalse()", "true"),
        ("{}.anyFalse()", "false"),
        ("active.allTrue()", "true"),
        ("(1 | true).allTrue()", "error at character 12: expected Booleans, found a `System.Integer`"),
    ]);
}

#[test]
fn subset_of_and_superset_of() {
    patient(&[
        ("(1 | 2).subsetOf(1 | 2 | 3)", "true"),
        ("(1 | 4).subsetOf(1 | 2 | 3)", "false"),
        ("{}.subsetOf(1)", "true"),
        ("(1 | 2 | 3).supersetOf(1 | 2)", "true"),
        ("(1 | 2).supersetOf(1 | 4)", "false"),
        ("1.supersetOf({})", "true"),
        ("name.first().subsetOf($this.name)", "true"),
    ]);
}

#[test]
fn count_distinct_and_is_distinct() {
    patient(&[
        ("name.given.count()", "3"),
        ("{}.count()", "0"),
        ("(1 | 2).combine(2).distinct()", "1, 2"),
        ("{}.distinct()", "{}"),
        ("(1.0 | 2).combine(1).distinct()", "1.0, 2"),
        ("name.combine(name).distinct().count()", "2"),
        ("name.given.isDistinct()", "true"),
        ("name.given.combine('Jim').isDistinct()", "false"),
        ("{}.isDistinct()", "true"),
    ]);
}
