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
