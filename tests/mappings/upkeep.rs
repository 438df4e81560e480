//! What is generated is up to date: the code tables. The coverage of the official maps is held by `tests/commands`.

use std::process::Command;

use crate::house;

/// Runs a script of `mappings/` with `--check`.
fn check(script: &str) {
    let Some(sheets) = house::corpus("v2-to-fhir-maps") else { return };
    let corpus = sheets.parent().expect("a folder of the corpus is in the corpus");
    let script = house::root().join("mappings").join(script);
    match Command::new("python3").arg(&script).arg("--check").env("HUITONG_CORPUS", corpus).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {said}", script.display());
        }
        Err(error) => println!("NOT RUN: {}: {error}", script.display()),
    }
}

#[test]
fn the_code_tables_are_as_the_official_sheets_and_our_additions_make_them() {
    check("codes/generate.py");
}
