//! Chapter 5.3: subsetting.

use super::patient;

#[test]
fn an_indexer_and_single_give_one() {
    patient(&[
        ("name.given[0]", "'Peter'"),
        ("name.given[-1]", "{}"),
        ("name.given['a']", "error at character 12: expected an Integer between `[` and `]`"),
        ("name.first().single().use", "'official'"),
        ("photo.single()", "{}"),
        ("name.single()", "error at character 6: expected at most one value, found 2"),
    ]);
}

#[test]
fn first_last_tail_skip_and_take() {
    patient(&[
        ("name.given.first()", "'Peter'"),
        ("name.given.last()", "'Jim'"),
        ("{}.first()", "{}"),
        ("{}.last()", "{}"),
        ("name.given.tail()", "'James', 'Jim'"),
        ("'a'.tail()", "{}"),
        ("name.given.skip(2)", "'Jim'"),
        ("name.given.skip(-1).count()", "3"),
        ("name.given.skip(9)", "{}"),
        ("name.given.take(2)", "'Peter', 'James'"),
        ("name.given.take(0)", "{}"),
        ("name.given.take(-1)", "{}"),
        ("name.given.take('a')", "error at character 12: expected an Integer as the argument"),
    ]);
}

#[test]
fn intersect_and_exclude() {
    patient(&[
        ("(1 | 2 | 3).intersect(2 | 3 | 4)", "2, 3"),
        ("(1 | 2).combine(2).intersect(2)", "2"),
        ("(1 | 2).intersect({})", "{}"),
        ("(1 | 2 | 3).exclude(2)", "1, 3"),
        ("1.combine(1).exclude(2)", "1, 1"),
        ("name.given.exclude('Jim')", "'Peter', 'James'"),
    ]);
}
