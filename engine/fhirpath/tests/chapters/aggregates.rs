//! Chapter 7: aggregates.

use super::patient;

#[test]
fn aggregate_hands_the_total_on() {
    patient(&[
        ("(1 | 2 | 3).aggregate($this + $total, 0)", "6"),
        ("(1 | 2 | 3).aggregate(iif($total.empty(), $this, iif($this < $total, $this, $total)))", "1"),
        ("name.given.aggregate($total & $this.substring(0, 1), '')", "'PJJ'"),
        ("name.given.aggregate($total + $index, 0)", "3"),
        ("{}.aggregate($this, 5)", "5"),
    ]);
}

#[test]
fn sort_goes_by_keys_up_and_down() {
    patient(&[
        ("(3 | 1 | 2).sort()", "1, 2, 3"),
        ("(3 | 1 | 2).sort(-$this)", "3, 2, 1"),
        ("name.given.sort()", "'James', 'Jim', 'Peter'"),
        ("telecom.sort(rank).value", "'2', '1'"),
        ("telecom.sort(-rank, value).value", "'1', '2'"),
        ("name.sort(family).use", "'official', 'usual'"),
        ("name.sort(-family).use", "'usual', 'official'"),
        ("{}.sort()", "{}"),
        ("(@2026-02 | @2026 | @2026-01).sort()", "@2026-02, @2026, @2026-01"),
        ("name.sort(given)", "error at character 6: expected at most one value, found 2"),
        (
            "(1 | 'a').sort()",
            "error at character 11: `System.Integer` cannot be compared with `System.String`",
        ),
    ]);
}

#[test]
fn sum_min_max_and_avg() {
    patient(&[
        ("(1 | 2 | 3).sum()", "6"),
        ("(1 | 2.5).sum()", "3.5"),
        ("(1 'g' | 500 'mg').sum()", "1.5 'g'"),
        ("{}.sum()", "{}"),
        ("telecom.rank.min()", "1"),
        ("telecom.rank.max()", "2"),
        ("('b' | 'a').min()", "'a'"),
        ("(@2026 | @2025).max()", "@2026"),
        ("(1 | 2).avg()", "1.5"),
        ("{}.avg()", "{}"),
        ("('a' | 'b').sum()", "error at character 13: expected numbers or Quantities, not a `System.String`"),
        (
            "(1 | 'a').max()",
            "error at character 11: `System.String` cannot be compared with `System.Integer`",
        ),
    ]);
}
