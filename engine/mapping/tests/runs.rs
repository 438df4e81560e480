//! What runs do: writes, references, ids, nulls, defaults, conditions, partner messages.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod files;

use files::Folder;
use hub_core::commit::Change;
use hub_core::document::{Document, Parser};
use hub_fhir::Json;
use hub_formats::hl7v2::Hl7Parser;
use hub_mapping::{Condition, Mapping, compile};
use proptest::prelude::*;

const HEAD: &str = "name = \"t/t\"\nversion = 1\nfrom = \"hl7v2\"\n";
const ORU: &str = "MSH|^~\\&|LIS|L|HT|H|20261120||ORU^R01^ORU_R01|1|P|2.5.1|||||||UNICODE UTF-8\r\
    PID|1||P1^^^HIS^PI||Zhang^San||1989|M|||||\"\"\rOBR|1||R1^LIS|PANEL^Panel^LIS\r\
    OBX|1|NM|K^Potassium^LIS||6.10|mmol/L^mmol/L^UCUM|3.5-5.5|HH|||F\rOBX|2|ST|CRP^CRP^LIS||<0.5|mg/L||N|||F\r\
    OBX|3|NM|ANA^ANA^LIS||1:320||||||F\rOBX|4|NM|HCG^HCG^LIS||阴性(-)||||||F\rOBX|5|SN|G^G^LIS||^3^-^5|g/L|||||F\r\
    OBX|6|XX|Q^Q^LIS||what|||||| F\r";

fn compiled(text: &str) -> Mapping {
    let codes = "name = \"sex\"\nsource = \"http://terminology.hl7.org/CodeSystem/v2-0001\"\ntarget = \"http://hl7.org/fhir/administrative-gender\"\n\
                 other = \"drop\"\n[codes]\nM = \"male\"\nF = { code = \"female\", display = \"Female\" }\n";
    let folder = Folder::default().with("t/t", text).with("codes/sex", codes);
    compile("t/t", &folder).unwrap_or_else(|findings| panic!("{}", findings[0]))
}

fn parsed(message: &str) -> Box<dyn Document> {
    Hl7Parser::default().parse(message.as_bytes()).unwrap()
}

fn trees(mapping: &Mapping, message: &str) -> Vec<Json> {
    let run = mapping.run(&*parsed(message)).unwrap();
    run.changes.iter().map(|change| Json::Object(change.resource().unwrap().tree().clone())).collect()
}

fn patient(lines: &str, write: &str) -> String {
    format!(
        "{HEAD}[[resource]]\nas = \"patient\"\ntype = \"Patient\"\nid = [\"patient\", \"PID-3.1\"]\nwrite = \"{write}\"\n[resource.set]\n{lines}\n"
    )
}

const OBSERVATION: &str = "[[resource]]\nas = \"observation\"\ntype = \"Observation\"\neach = \"PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION\"\n\
    id = [\"observation\", \"OBR-3.1\", \"OBX-3.1\"]\n[resource.set]\nstatus = { value = \"final\" }\ncode = { from = \"OBX-3\" }\n\
    subject = { ref = \"patient\" }\n\"value[x]\" = { from = \"OBX-5\", as = \"by OBX-2\", unit = \"OBX-6\", invalid = \"text\" }\n";

#[test]
fn the_sender_s_type_picks_the_type_of_the_value() {
    let mapping = compiled(&format!("{}{OBSERVATION}", patient("active = { value = true }", "replace")));
    let document = parsed(ORU);
    let run = mapping.run(&*document).unwrap();
    let all = trees(&mapping, ORU);
    let text = |place: usize, name: &str| all[place].get(name).map(Json::to_text).unwrap_or_default();
    let potassium = r#"{"value":6.10,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}"#;
    assert_eq!(text(1, "valueQuantity"), potassium); // NM
    assert_eq!(text(2, "valueQuantity"), r#"{"value":0.5,"comparator":"<","unit":"mg/L"}"#); // ST
    assert_eq!(text(3, "valueRatio"), r#"{"numerator":{"value":1},"denominator":{"value":320}}"#); // NM, a titre
    assert_eq!(text(4, "valueString"), "\"阴性(-)\""); // NM, words
    let range = r#"{"low":{"value":3,"unit":"g/L"},"high":{"value":5,"unit":"g/L"}}"#;
    assert_eq!(text(5, "valueRange"), range); // SN
    assert_eq!(text(6, "valueString"), "\"what\""); // an unknown type, kept as text
    assert_eq!(run.notes.len(), 1);
    assert!(run.notes[0].place.starts_with("OBX[6]-5"));
}

#[test]
fn references_point_at_what_is_written_in_the_same_run() {
    let mapping = compiled(&format!("{}{OBSERVATION}", patient("active = { value = true }", "replace")));
    let all = trees(&mapping, ORU);
    let id = all[0].get("id").and_then(Json::as_str).unwrap();
    for observation in &all[1..] {
        let reference = observation.at(&["subject", "reference"]).and_then(Json::as_str);
        assert_eq!(reference, Some(format!("Patient/{id}").as_str()));
    }
}

#[test]
fn an_empty_resource_is_not_written_and_nothing_points_at_it() {
    let mapping =
        compiled(&format!("{}{OBSERVATION}", patient("birthDate = { from = \"PID-29\" }", "replace")));
    let all = trees(&mapping, ORU);
    assert_eq!(all.len(), 6);
    assert!(all.iter().all(|tree| tree.get("subject").is_none()));
}

#[test]
fn what_counts_only_for_a_new_resource_is_named_and_gives_way_to_what_is_said_for_good() {
    let lines = "active = [{ value = false, when = 'PID-7 is not valued' }, { value = true, initial = true }]\nname = { from = \"PID-5\" }";
    let run = compiled(&patient(lines, "merge")).run(&*parsed(ORU)).unwrap();
    let [Change::Merge { resource, initial, .. }] = &run.changes[..] else { panic!("expected one merge") };
    assert_eq!(initial[..], ["active"], "the name is said for good");
    assert_eq!(resource.tree().get("active"), Some(&Json::Bool(true)), "and a new resource has both");
    let said = lines.replace("is not valued", "is valued");
    let run = compiled(&patient(&said, "merge")).run(&*parsed(ORU)).unwrap();
    assert!(matches!(&run.changes[..], [Change::Merge { initial, .. }] if initial.is_empty()));
}

#[test]
fn a_null_clears_in_a_merge_and_means_nothing_in_a_put() {
    let lines = "birthDate = { from = \"PID-7\" }\ntelecom = [{ from = \"PID-13\" }, { from = \"PID-14\" }]\nname = { from = \"PID-5\" }";
    let run = compiled(&patient(lines, "merge")).run(&*parsed(ORU)).unwrap();
    assert!(
        matches!(&run.changes[..], [Change::Merge { clear, .. }] if clear.len() == 1 && clear[0] == "telecom")
    );
    let run = compiled(&patient(lines, "replace")).run(&*parsed(ORU)).unwrap();
    assert!(matches!(&run.changes[..], [Change::Put(resource)] if resource.tree().get("telecom").is_none()));
    let kept = lines.replace("\"PID-13\" }", "\"PID-13\", clears = false }");
    let run = compiled(&patient(&kept, "merge")).run(&*parsed(ORU)).unwrap();
    assert!(matches!(&run.changes[..], [Change::Merge { clear, .. }] if clear.is_empty()));
}

#[test]
fn two_parts_of_one_resource_are_written_as_one() {
    let second = "[[resource]]\nas = \"again\"\ntype = \"Patient\"\nid = [\"patient\", \"PID-3.1\"]\nwrite = \"merge\"\n[resource.set]\n\
                  gender = { from = \"PID-8\", code = \"sex\" }\nname = [{ from = \"PID-5\" }, { set = { family = { from = \"PID-5.1\" } } }, { value = { text = \"Z\" } }]\n";
    let first = patient("name = { from = \"PID-5\" }\nbirthDate = { from = \"PID-7\" }", "ensure");
    let run = compiled(&format!("{first}{second}")).run(&*parsed(ORU)).unwrap();
    let [Change::Merge { resource, .. }] = &run.changes[..] else { panic!("expected one merge") };
    let tree = resource.tree();
    // The name of PID-5 was found twice, once with less in it.
    assert_eq!(tree.get("name").and_then(Json::as_array).map(<[Json]>::len), Some(2));
    assert!(tree.get("birthDate").is_some() && tree.get("gender").is_some());
}

/// A Patient known by the first number of a list, whose authority is HIS when the sender names none.
const KNOWN: &str =
    "known_by = \"PID-3[5=PI] | PID-3 | PID-2\"\nid = [\"patient\", \"@.1\", \"@.4.1 | @.4.2 | 'HIS'\"]\n";

fn known(numbers: &str, more: &str) -> Result<String, hub_core::fault::Fault> {
    let lines = "[resource.set]\ngender = { from = \"PID-8\", code = \"sex\" }\n";
    let mapping = compiled(&format!(
        "{HEAD}[[resource]]\nas = \"patient\"\ntype = \"Patient\"\nonce = [\"PID\"]\n{KNOWN}{lines}"
    ));
    let message = format!("MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5.1\rPID|1|{numbers}|||||M\r{more}");
    mapping.run(&*parsed(&message)).map(|run| run.changes[0].reference().to_string())
}

#[test]
fn an_authority_nobody_names_is_the_one_the_mapping_names() {
    let with = known("|H1^^^HIS^PI", "").unwrap();
    assert_eq!(with, known("|H1^^^^PI", "").unwrap());
    assert_eq!(with, known("H1|", "").unwrap()); // PID-2
    assert_eq!(
        with,
        known("|X9^^^LAB^XX~H1^^^^PI", "").unwrap(),
        "the authority is that of the number taken"
    );
    assert_ne!(with, known("|H1^^^LAB^PI", "").unwrap());
    assert_eq!(known("|^^^HIS^PI~H1^^^HIS", "").unwrap(), with, "a repetition without a number names nobody");
}

#[test]
fn what_a_resource_is_known_by_and_is_missing_is_told() {
    let fault = known("", "").unwrap_err();
    assert_eq!(fault.reason, "the id needs `PID-3[5=PI] | PID-3 | PID-2`, which has no value");
    assert_eq!(fault.place.as_deref(), Some("PID-3[5=PI]"));
}

#[test]
fn what_may_stand_once_and_stands_twice_sets_the_message_aside_at_the_second() {
    let fault = known("|H1^^^HIS^PI", "PID|2||H2^^^HIS^PI\r").unwrap_err();
    assert_eq!(fault.place.as_deref(), Some("PID[2]"));
    assert_eq!(fault.reason, "expected `PID` once, but it stands here 2 times");
    assert_eq!(fault.rule.as_deref(), Some("mappings/t/t.toml:7"));
}

#[test]
fn a_resource_that_must_differ_and_does_not_sets_the_message_aside() {
    let one = |name: &str, field: &str, more: &str| {
        format!(
            "[[resource]]\nas = \"{name}\"\ntype = \"Patient\"\neach = \"PATIENT\"\nid = [\"patient\", \"{field}.1\"]\n{more}\n\
             [resource.set]\nactive = {{ value = true }}\n"
        )
    };
    // The one that must differ stands first: ids are computed in the order they need.
    let mapping = compiled(&format!(
        "{HEAD}{}{}",
        one("given-up", "MRG-1", "known_by = \"MRG-1\"\ndiffers_from = \"survivor\"")
            .replace("\"MRG-1.1\"", "\"@.1\""),
        one("survivor", "PID-3", "")
    ));
    let head = "MSH|^~\\&|A|B|C|D|1||ADT^A40^ADT_A39|1|P|2.5.1\r";
    let pair = |kept: &str, lost: &str| format!("PID|1||{kept}^^^HIS\rMRG|{lost}^^^HIS\r");
    // Two groups: each is compared with its own.
    let crossed = format!("{head}{}{}", pair("A", "B"), pair("B", "C"));
    assert_eq!(mapping.run(&*parsed(&crossed)).unwrap().changes.len(), 3);
    let fault = mapping.run(&*parsed(&format!("{head}{}{}", pair("A", "B"), pair("C", "C")))).unwrap_err();
    assert_eq!(fault.place.as_deref(), Some("MRG[2]-1"));
    assert_eq!(fault.reason, "this is the same Patient as `survivor`, which must be another");
}

#[test]
fn a_file_says_what_is_done_with_misfits_of_a_part_that_does_not_say_it_itself() {
    let part = patient(
        "birthDate = { from = \"PID-7\" }\ndeceasedDateTime = { from = \"PID-29\", invalid = \"quarantine\" }\n\
         contact = { set = { period = { set = { start = { from = \"PID-33\" } } }, gender = { value = \"male\" } } }",
        "merge",
    )
    .replace("t/t", "t/part");
    let own = "[[resource]]\nas = \"visit\"\ntype = \"Encounter\"\nid = [\"visit\", \"PID-3.1\"]\nwrite = \"merge\"\n\
               set = { period = { set = { start = { from = \"PV1-44\" } } }, length = { value = { value = 1 } } }\n";
    let include = "include = [{ part = \"t/part\", invalid = \"drop\" }]\n";
    let folder = Folder::default().with("t/part", &part).with("t/t", &format!("{HEAD}{include}{own}"));
    let mapping = compile("t/t", &folder).unwrap_or_else(|findings| panic!("{}", findings[0]));
    let run = |pid7: &str, pid29: &str, pv1: &str| {
        let gap = "|".repeat(22);
        let message = format!(
            "MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5.1\rPID|1||P1||||{pid7}{gap}{pid29}||||bad\rPV1|1|I{}{pv1}\r",
            "|".repeat(42)
        );
        mapping.run(&*parsed(&message))
    };
    let notes = run("31.2.1990", "", "").unwrap().notes;
    assert_eq!(notes.len(), 2); // PID-7, PID-33
    assert_eq!(run("", "never", "").unwrap_err().place.as_deref(), Some("PID-29")); // the line says so itself
    assert_eq!(run("", "", "never").unwrap_err().place.as_deref(), Some("PV1-44")); // not of the part
}

#[test]
fn a_missing_part_of_an_id_sets_the_message_aside_and_names_the_rule() {
    let mapping = compiled(&patient("active = { value = true }", "replace"));
    let fault = mapping.run(&*parsed("MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5.1\rPID|1||\r")).unwrap_err();
    assert_eq!(fault.rule.as_deref(), Some("mappings/t/t.toml:7"));
    assert_eq!(fault.reason, "the id needs `PID-3.1`, which has no value");
}

#[test]
fn a_fault_names_the_place_and_never_the_value() {
    let mapping = compiled(&patient("birthDate = { from = \"PID-5.1\" }", "replace"));
    let fault = mapping.run(&*parsed(ORU)).unwrap_err();
    assert_eq!(fault.place.as_deref(), Some("PID-5.1"));
    assert!(!fault.to_string().contains("Zhang"));
}

#[test]
fn a_set_of_literals_around_nothing_is_left_out() {
    let lines = "active = { value = true }\ncontact = { set = { relationship = { value = { text = \"kin\" } }, name = { from = \"NK1-2\" } } }";
    assert!(trees(&compiled(&patient(lines, "replace")), ORU)[0].get("contact").is_none());
}

#[test]
fn joined_split_and_defaulted_values() {
    let lines = "name = { set = { text = { from = \"OBX-3.1\", join = \"+\" }, given = { from = \"OBX-7\", split = \"-\" } } }\n\
                 language = { from = \"PID-15\", default = \"zh\" }\nmaritalStatus = { from = \"PID-8\", code = \"sex\" }";
    let tree = &trees(&compiled(&patient(lines, "replace")), ORU)[0];
    assert_eq!(tree.at(&["name", "0", "text"]).and_then(Json::as_str), Some("K+CRP+ANA+HCG+G+Q"));
    assert_eq!(tree.at(&["name", "0", "given", "1"]).and_then(Json::as_str), Some("5.5"));
    assert_eq!(tree.get("language").and_then(Json::as_str), Some("zh"));
    let codings = tree.at(&["maritalStatus", "coding"]).unwrap().to_text();
    assert!(codings.contains("\"male\"") && codings.contains("v2-0001"), "{codings}");
}

#[test]
fn a_partner_s_message_is_rendered() {
    let text = "name = \"t/t\"\nversion = 1\nfrom = \"hl7v2\"\nto = \"json\"\n[message.set]\npatient = { set = { no = { from = \"PID-3.1\" } } }\n\
                results = { each = \"OBX\", when = 'OBX-8 is valued', set = { name = { from = \"OBX-3.2\" }, value = { from = \"OBX-5\", type = \"number\", invalid = \"drop\" } } }\n\
                urgent = { value = true }\ntags = { value = [\"a\", \"b\"] }\n";
    let document = parsed(ORU);
    let rendered = compiled(text).render(&*document, document.root()).unwrap();
    let expected = r#"{"patient":{"no":"P1"},"results":[{"name":"Potassium","value":6.10},{"name":"CRP"}],"urgent":true,"tags":["a","b"]}"#;
    assert_eq!(hub_fhir::Json::Object(rendered.tree).to_text(), expected);
    assert_eq!(rendered.notes.len(), 1);
}

#[test]
fn a_trace_tells_where_values_come_from_and_what_was_left() {
    let unread = "[unread]\non_purpose = { \"OBX\" = \"no results here\", \"MSH\" = \"the envelope\" }\n";
    let text = format!(
        "{}{unread}",
        patient("name = { from = \"PID-5\" }\nbirthDate = { from = \"PID-7\" }", "replace")
    );
    let mapping = compiled(&text);
    let document = parsed(ORU);
    let (_, trace) = mapping.run_traced(&*document, &hub_mapping::Found::default()).unwrap();
    let family = trace.lineage.iter().find(|line| line.target.ends_with("#name[0].family")).unwrap();
    assert_eq!((family.place.as_deref(), family.line), (Some("PID-5.1"), 10));
    let birth = trace.lineage.iter().find(|line| line.target.ends_with("#birthDate")).unwrap();
    assert_eq!((birth.place.as_deref(), birth.file.as_str()), (Some("PID-7"), "mappings/t/t.toml"));
    let unread = mapping.unread(&*document, &trace);
    let left: Vec<_> =
        unread.iter().filter(|left| left.on_purpose.is_none()).map(|left| left.place.as_str()).collect();
    assert!(left.contains(&"PID-8") && left.contains(&"OBR-3.1"), "{left:?}");
    assert!(!left.iter().any(|place| place.starts_with("OBX")
        || *place == "PID-7"
        || *place == "PID-5.1"
        || *place == "PID-3.1"));
}

#[test]
fn conditions_hold_as_the_documentation_says() {
    let document = parsed(ORU);
    for (text, holds) in [
        ("PID-8 = \"M\"", true),
        ("PID-8 != \"M\"", false),
        ("PID-99 != \"M\"", true),
        ("OBX-8 in [\"LL\", \"HH\"]", true),
        ("all OBX-11 = \"F\"", true),
        ("all OBX-8 = \"HH\"", false),
        ("all PID-99 = \"x\"", false),
        ("OBX-8 not in [\"HH\"]", false),
        ("PID-13 is null", true),
        ("PID-13 is valued", false),
        ("PID-13 is not valued", true),
        ("PID-5.1 matches \"Zh.*\"", true),
        ("PID-5.1 matches \"Zh\"", false),
        ("not (PID-8 = \"F\" or PID-8 = \"U\") and PID-3[5=PI].1 = \"P1\"", true),
    ] {
        let condition = Condition::compile(text).unwrap();
        assert_eq!(condition.holds(&*document, document.root()), holds, "{text}");
    }
}

proptest! {
    #[test]
    fn any_field_gives_the_same_result_twice_and_never_a_panic(field in "[ -~\u{4e00}-\u{4e10}]{0,40}", kind in "[A-Z]{2,3}") {
        let lines = "active = { value = true }\nname = { from = \"PID-5\", invalid = \"drop\" }\naddress = { from = \"PID-5\", invalid = \"drop\" }\n\
                     telecom = { from = \"PID-5\", invalid = \"drop\" }\nbirthDate = { from = \"PID-5\", invalid = \"drop\" }\n\
                     identifier = [{ from = \"PID-5\", invalid = \"drop\" }, { from = \"PID-5\", as = \"XON[Identifier]\", invalid = \"drop\" }]\n\
                     photo = { from = \"PID-5\", invalid = \"drop\" }\nmaritalStatus = { from = \"PID-5\", invalid = \"drop\" }\n\
                     extension = { set = { url = { value = \"urn:x\" }, \"value[x]\" = { from = \"PID-5\", as = \"by PID-8\", invalid = \"drop\" } } }";
        let mapping = compiled(&patient(lines, "replace"));
        let message = format!("MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5.1|||||||UNICODE UTF-8\rPID|1||P1||{field}|||{kind}\r");
        if let Ok(document) = Hl7Parser::default().parse(message.as_bytes()) {
            let first = mapping.run(&*document).map(|run| format!("{:?}", run.changes.first().and_then(Change::resource).map(|r| r.tree().clone())));
            let second = mapping.run(&*document).map(|run| format!("{:?}", run.changes.first().and_then(Change::resource).map(|r| r.tree().clone())));
            prop_assert_eq!(&first, &second);
            if let Ok(run) = mapping.run(&*document) {
                for resource in run.changes.iter().filter_map(Change::resource) {
                    let issues = hub_fhir::validate(resource.tree());
                    prop_assert!(issues.is_empty(), "{:?} of {}", issues, field);
                }
            }
        }
    }

    #[test]
    fn any_text_is_a_condition_or_an_error(text in ".{0,60}") {
        let _ = Condition::compile(&text);
    }
}
