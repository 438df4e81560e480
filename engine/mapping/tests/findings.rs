//! Wrong mapping files, and what the author is told.

mod files;

use files::Folder;
use hub_mapping::{check_code_table, compile};

const STATUS: &str = r#"
name   = "status"
target = "http://hl7.org/fhir/observation-status"
other  = "quarantine"
[codes]
F = "final"
C = "corected"
"#;

fn told(text: &str) -> String {
    let folder = Folder::default()
        .with("lis/wrong", text)
        .with(
            "hl7v2/part",
            "name = \"hl7v2/part\"\nversion = 1\nfrom = \"hl7v2\"\ninclude = [\"lis/wrong\"]\n",
        )
        .with("codes/status", STATUS);
    let findings = compile("lis/wrong", &folder).expect_err("the file is wrong");
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

/// A mapping with one Observation, whose lines are given.
fn observation(lines: &str) -> String {
    format!(
        "name = \"lis/wrong\"\nversion = 1\nfrom = \"hl7v2\"\n\n[[resource]]\nas = \"observation\"\ntype = \"Observation\"\n\
         each = \"OBX\"\nid = [\"observation\", \"OBX-3.1\"]\n\n[resource.set]\n{lines}\n"
    )
}

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(told(" \n"));
}

#[test]
fn not_toml() {
    insta::assert_snapshot!(told("name = \"lis/wrong\nversion = 1\n"));
}

#[test]
fn the_head_is_wrong() {
    insta::assert_snapshot!(told(
        "name = \"lis/other\"\nversion = \"one\"\nform = \"hl7v2\"\nzone = \"CST\"\ninclude = [\"hl7v2/part\", \"hl7v2/prat\", \"lis/wrong\"]\n"
    ));
}

#[test]
fn elements_are_misspelt_or_missing() {
    insta::assert_snapshot!(told(&observation(
        "staus = { value = \"final\" }\nvalue = { from = \"OBX-5\" }\ncomponent = { set = { vallue = { from = \"OBX-5\" } } }"
    )));
}

#[test]
fn a_list_stands_where_one_value_belongs() {
    insta::assert_snapshot!(told(&observation(
        "status = { value = [\"final\", \"amended\"] }\ncode = { value = { coding = { code = \"x\" } } }\nissued = { from = \"OBX-14\", split = \",\" }"
    )));
}

#[test]
fn functions_do_not_fit() {
    insta::assert_snapshot!(told(&observation(
        "status = { from = \"OBX-11\", as = \"dateTime\" }\ncode = { from = \"OBX-3\", as = \"CodableConcept\" }\n\
         component = { from = \"OBX-5\" }\n\"value[x]\" = { from = \"OBX-5\" }"
    )));
}

#[test]
fn paths_and_conditions_cannot_be_read() {
    insta::assert_snapshot!(told(&observation(
        "status = { value = \"final\", when = 'OBX-11 == \"F\"' }\ncode = { from = \"OBX-0\" }\nissued = { from = \"OBX-14 | obx-14\" }\n\
         subject = { from = \"PID-3[5=PI\", as = \"Reference\" }\nmethod = { from = \"OBX-17\", when = 'OBX-17 matches \"(\"' }"
    )));
}

#[test]
fn codes_are_wrong() {
    insta::assert_snapshot!(told(&observation(
        "status = { from = \"OBX-11\", code = \"status\" }\ncode = { from = \"OBX-3\", code = \"statsu\" }\nissued = { from = \"OBX-14\", code = \"status\" }"
    )));
}

#[test]
fn literals_are_of_the_wrong_type() {
    insta::assert_snapshot!(told(&observation(
        "status = { value = \"done\" }\ncode = { value = \"glucose\" }\nissued = { value = 2026-11-20 }\n\
         effectiveDateTime = { value = \"20261120\" }\nnote = { value = { text = \"a\", txt = \"b\" } }"
    )));
}

#[test]
fn references_lead_nowhere() {
    let second = "[[resource]]\nas = \"observation\"\ntype = \"Pateint\"\nid = [\"patient\"]\nset = { active = { value = true } }\n";
    insta::assert_snapshot!(told(&format!(
        "{}{second}",
        observation(
            "status = { value = \"final\" }\ncode = { from = \"OBX-3\" }\nsubject = { ref = \"patient\" }\nencounter = { ref = \"observation\" }\n\
             issued = { ref = \"observation\" }"
        )
    )));
}

#[test]
fn the_keys_of_identity_are_wrong() {
    let first = observation("status = { value = \"final\" }\ncode = { from = \"OBX-3\" }").replace(
        "each = \"OBX\"",
        "once = [\"OBR\", \"obx\"]\nknown_by = \"OBX-3 | obx-4\"\ndiffers_from = \"observation\"",
    );
    let second = "[[resource]]\nas = \"patient\"\ntype = \"Patient\"\nknown_by = \"PID-3\"\nid = [\"patient\", \"PID-3.1\"]\n\
                  differs_from = \"observation\"\nset = { active = { value = true } }\n\
                  [[resource]]\nas = \"other\"\ntype = \"Patient\"\nid = [\"patient\", \"PID-3.1\"]\ndiffers_from = \"patent\"\n\
                  set = { active = { value = true } }\n";
    insta::assert_snapshot!(told(&format!("{first}{second}")));
}

#[test]
fn lines_have_the_wrong_keys() {
    insta::assert_snapshot!(told(&observation(
        "status = \"final\"\ncode = { form = \"OBX-3\" }\nissued = { from = \"OBX-14\", value = \"x\" }\n\
         note = { set = { text = { from = \"NTE-3\", join = 1 } }, join = \",\" }\nmethod = { from = \"OBX-17\", invalid = \"ignore\", clears = true }"
    )));
}

#[test]
fn a_code_table_is_wrong() {
    let folder = Folder::default().with(
        "codes/sex",
        "name = \"gender\"\nother = \"keeep\"\n[codes]\nM = \"male\"\nF = { kode = \"female\" }\nU = 3\nX = \" x\"\n",
    );
    let findings = check_code_table("sex", &folder);
    insta::assert_snapshot!(findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"));
}
