//! `docs/mapping.md` lists exactly the functions there are.

use std::fs;
use std::path::Path;

#[test]
fn the_documentation_lists_every_function_with_what_it_reads_and_writes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mapping.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("## Functions").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    for function in hub_mapping::functions() {
        let start = format!(
            "| `{}` | {} | {} | {} |",
            function.name, function.reads, function.writes, function.about
        );
        assert!(rows.iter().any(|row| row.starts_with(&start)), "missing: {start}");
    }
    assert_eq!(rows.len(), hub_mapping::functions().count());
}
