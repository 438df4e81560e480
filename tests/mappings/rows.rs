//! `docs/mapping-rows.md` names a test for every row of the design, and every test it names is there.

use std::fs;

use crate::house;

const ROWS: [&str; 18] = [
    "reads",
    "writes",
    "lines",
    "data types",
    "conditions",
    "nesting",
    "repetition",
    "identity",
    "finding",
    "merging",
    "codes",
    "parts",
    "types",
    "errors",
    "tests",
    "unread",
    "lineage",
    "speed",
];

#[test]
fn every_row_of_the_design_is_shown_by_tests_that_exist() {
    let page = fs::read_to_string(house::root().join("docs/mapping-rows.md")).expect("the page is there");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let names: Vec<&str> = rows.iter().filter_map(|row| row[2..].split(" | ").next()).collect();
    assert_eq!(names, ROWS);
    for row in rows {
        let tests: Vec<&str> = row.split('`').filter(|word| word.contains("::")).collect();
        assert!(!tests.is_empty() || row.contains("make bench"), "{row}");
        for test in tests {
            let (file, name) = test.split_once("::").expect("it was found by `::`");
            let file = file.replace("M/", "engine/mapping/tests/").replace("F/", "engine/formats/tests/");
            let text = fs::read_to_string(house::root().join(&file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(text.contains(&format!("fn {name}(")), "there is no test `{name}` in {file}");
        }
    }
}
