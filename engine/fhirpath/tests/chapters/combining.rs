//! Chapter 5.4: combining, and the operator `|`.

use super::patient;

#[test]
fn a_union_has_no_doubles_and_combine_has() {
    patient(&[
        ("1 | 2 | 1", "1, 2"),
        ("(1 | 2).union(2 | 3)", "1, 2, 3"),
        ("1.combine(1 | 2)", "1, 1, 2"),
        ("1.union({})", "1"),
        ("{} | {}", "{}"),
        ("name.select(use.union(given))", "'official', 'Peter', 'James', 'usual', 'Jim'"),
        ("name.select(use | given).count()", "5"),
        ("1.combine(1) | {}", "1"),
        ("name.given.combine(name.family)", "'Peter', 'James', 'Jim', 'Chalmers'"),
    ]);
}
