//! Where one value is wanted and several stand, the message is set aside: two people never become one.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod files;

use files::Folder;
use hub_core::fault::Fault;
use hub_core::registry::Settings;
use hub_mapping::{Found, Mapping, compile};

fn mapping(from: &str, text: &str) -> Mapping {
    let text = format!("name = \"t/t\"\nversion = 1\nfrom = \"{from}\"\n{text}");
    compile("t/t", &Folder::default().with("t/t", &text)).unwrap_or_else(|findings| panic!("{}", findings[0]))
}

/// A Patient, and what it is known by.
fn patient(from: &str, keys: &str) -> Mapping {
    let resource = "[[resource]]\nas = \"patient\"\ntype = \"Patient\"\n";
    mapping(from, &format!("{resource}{keys}\nset = {{ active = {{ value = true }} }}\n"))
}

fn run(mapping: &Mapping, message: &str) -> Result<usize, Fault> {
    let parser = hub_formats::parser(mapping.from(), None, &Settings::new()).unwrap();
    let document = parser.parse(message.as_bytes()).unwrap();
    mapping.run(&*document).map(|run| run.changes.len())
}

/// The place and the reason, after the message was set aside.
fn told(mapping: &Mapping, message: &str) -> (String, String) {
    let fault = run(mapping, message).unwrap_err();
    assert!(!fault.reason.contains("P2") && fault.rule.is_some(), "{fault:?}");
    (fault.place.unwrap_or_default(), fault.reason)
}

fn reason(path: &str) -> String {
    format!(
        "the id needs one value, and `{path}` has several: split the file, say `each`, or pick one, such as `(1)`"
    )
}

#[test]
fn two_rows_of_a_file_are_not_one_person() {
    let whole = patient("csv", "id = [\"patient\", \"row.person\"]");
    let two = "person,item\nP1,K\nP2,K\n";
    assert_eq!(told(&whole, two), ("row[2].person".to_owned(), reason("row.person")));
    assert_eq!(run(&whole, "person,item\nP1,K\nP1,Na\n").unwrap(), 1); // the same is one
    assert_eq!(run(&whole, "person,item\n,K\nP1,Na\n").unwrap(), 1); // nothing is none
    let each = patient("csv", "each = \"row\"\nid = [\"patient\", \"row.person\"]");
    assert_eq!(run(&each, two).unwrap(), 2);
    let first = patient("csv", "id = [\"patient\", \"row(1).person\"]");
    assert_eq!(run(&first, two).unwrap(), 1);
}

#[test]
fn two_elements_of_a_document_are_not_one_person() {
    let whole = patient("xml", "id = [\"patient\", \"/list/person/@id\"]");
    let two = "<list><person id='P1'/><person id='P2'/></list>";
    assert_eq!(told(&whole, two), ("/list/person[2]/@id".to_owned(), reason("/list/person/@id")));
    assert_eq!(run(&whole, "<list><person id='P1'/><person id='P1'/></list>").unwrap(), 1);
    let each = patient("xml", "each = \"/list/person\"\nid = [\"patient\", \"@id\"]");
    assert_eq!(run(&each, two).unwrap(), 2);
    let known = patient("xml", "known_by = \"/list/person/@id\"\nid = [\"patient\", \"@\"]");
    assert_eq!(told(&known, two).1, reason("/list/person/@id"));
}

const HEAD: &str = "MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5.1\r";

#[test]
fn two_segments_are_not_one_person_and_repetitions_of_a_field_are() {
    let whole = patient("hl7v2", "id = [\"patient\", \"PID-3.1 | PID-2\"]");
    let pid = |numbers: &str| format!("PID|1|{numbers}\r");
    let run_of = |segments: &[&str]| {
        let message = segments.iter().map(|numbers| pid(numbers)).collect::<String>();
        run(&whole, &format!("{HEAD}{message}"))
    };
    let fault = run_of(&["|P1^^^HIS", "|P2^^^HIS"]).unwrap_err();
    assert_eq!(fault.place.as_deref(), Some("PID[2]-3.1"));
    assert_eq!(fault.reason, reason("PID-3.1 | PID-2").replace(" | PID-2", ""));
    assert_eq!(run_of(&["|P1^^^HIS~X9^^^LAB"]).unwrap(), 1); // PID-3 of one person
    assert_eq!(run_of(&["|P1^^^HIS~X9^^^LAB", "|P1^^^HIS~X8^^^LAB"]).unwrap(), 1);
    assert_eq!(run_of(&["|P1^^^HIS", "|"]).unwrap(), 1); // the second says nothing
    let other_field = run_of(&["|P1^^^HIS", "P2|"]).unwrap_err(); // PID-2 of the second
    assert_eq!(other_field.place.as_deref(), Some("PID[2]-2"));
    let first = patient("hl7v2", "id = [\"patient\", \"PID(1)-3.1\"]");
    let two = format!("{HEAD}{}{}", pid("|P1"), pid("|P2"));
    assert_eq!(run(&first, &two).unwrap(), 1);
}

#[test]
fn what_a_resource_is_known_by_is_one_number() {
    let known = patient(
        "hl7v2",
        "known_by = \"PID-3[5=PI] | PID-3\"\nid = [\"patient\", \"@.1\", \"@.4.1 | 'HIS'\"]",
    );
    let run_of = |first: &str, second: &str| run(&known, &format!("{HEAD}PID|1||{first}\rPID|2||{second}\r"));
    assert_eq!(run_of("P1^^^HIS^PI", "P1^^^HIS^PI~X9^^^LAB^MR").unwrap(), 1);
    assert_eq!(run_of("P1^^^^PI", "P1^^^HIS^PI").unwrap_err().place.as_deref(), Some("PID[2]-3"));
    assert_eq!(run_of("P1^^^HIS^PI", "P1^^^LAB^PI").unwrap_err().reason, reason("PID-3[5=PI]"));
    // The second has no number of that type: it is another person all the same.
    assert_eq!(run_of("P1^^^HIS^PI", "P2^^^HIS^MR").unwrap_err().reason, reason("PID-3[5=PI]"));
    assert_eq!(run_of("P1^^^HIS^MR", "P2^^^HIS^PI").unwrap_err().reason, reason("PID-3[5=PI]"));
}

/// The questions to the store, or why the message is set aside.
fn asked(mapping: &Mapping, message: &str) -> Result<Vec<String>, Fault> {
    let parser = hub_formats::parser(mapping.from(), None, &Settings::new()).unwrap();
    let document = parser.parse(message.as_bytes()).unwrap();
    let needs = mapping.needs(&*document);
    mapping.run_with(&*document, &Found::default())?;
    Ok(needs.into_iter().map(|need| need.criteria[0].1.to_string()).collect())
}

#[test]
fn two_people_are_not_looked_up_as_one() {
    let keys = "find = { identifier = { from = \"row.person\", system = \"urn:his\" } }\nmissing = \"skip\"";
    let whole = patient("csv", keys);
    let fault = asked(&whole, "person\nP1\nP2\n").unwrap_err();
    assert_eq!(fault.reason, reason("row.person").replace("the id", "looking up the Patient"));
    assert_eq!(asked(&whole, "person\nP1\nP1\n").unwrap(), ["urn:his|P1"]);
    let field = patient("hl7v2", "find = { identifier = \"PID-3\" }\nmissing = \"skip\"");
    let two = format!("{HEAD}PID|1||P1^^^HIS\rPID|2||P2^^^HIS\r");
    assert_eq!(asked(&field, &two).unwrap_err().place.as_deref(), Some("PID[2]-3"));
    let repeated = format!("{HEAD}PID|1||P1^^^HIS~X9^^^LAB\r");
    assert_eq!(asked(&field, &repeated).unwrap(), ["urn:id:HIS|P1"]);
}

#[test]
fn one_reference_does_not_choose_among_two_people() {
    let report = "[[resource]]\nas = \"report\"\ntype = \"Basic\"\nid = [\"report\", \"row(1).file\"]\n\
                  set = { code = { value = { text = \"x\" } }, subject = { ref = \"patient\" } }\n";
    let rows = "[[resource]]\nas = \"patient\"\ntype = \"Patient\"\neach = \"row\"\nid = [\"patient\", \"row.person\"]\nset = { active = { value = true } }\n";
    let whole = mapping("csv", &format!("{rows}{report}"));
    let (place, reason) = told(&whole, "file,person\nF,P1\nF,P2\n");
    assert_eq!(place, "row[2]");
    assert_eq!(reason, "subject needs one Patient, and several stand here: split the file, or say `each`");
    assert_eq!(run(&whole, "file,person\nF,P1\nF,P1\n").unwrap(), 2);
    let of_patient =
        report.replace("\"row(1).file\"", "\"ref.patient\"").replace(", subject = { ref = \"patient\" }", "");
    let fault =
        run(&mapping("csv", &format!("{rows}{of_patient}")), "file,person\nF,P1\nF,P2\n").unwrap_err();
    assert_eq!(
        fault.reason,
        "the id needs one Patient, and several stand here: split the file, or say `each`"
    );
    // The repetitions of a field: the first counts, as everywhere.
    let people = "[[resource]]\nas = \"person\"\ntype = \"Practitioner\"\neach = \"PV1-7\"\nid = [\"person\", \"@.1\"]\nset = { active = { value = true } }\n\
                  [[resource]]\nas = \"note\"\ntype = \"Basic\"\nid = [\"note\", \"MSH-10\"]\nset = { code = { value = { text = \"x\" } }, author = { ref = \"person\" } }\n";
    let doctors = mapping("hl7v2", people);
    assert_eq!(run(&doctors, &format!("{HEAD}PV1|1|I|||||D1~D2\r")).unwrap(), 3);
    let fault = run(&doctors, &format!("{HEAD}PV1|1|I|||||D1\rPV1|2|I|||||D2\r")).unwrap_err();
    assert!(fault.reason.starts_with("author needs one Practitioner"), "{}", fault.reason);
}

#[test]
fn a_number_is_looked_up_in_its_system_only() {
    let finding = |from: &str, find: &str| {
        let text = format!(
            "name = \"t/t\"\nversion = 1\nfrom = \"{from}\"\n[[resource]]\nas = \"p\"\ntype = \"Patient\"\nfind = {{ identifier = {find} }}\nset = {{ active = {{ value = true }} }}\n"
        );
        let findings = compile("t/t", &Folder::default().with("t/t", &text)).err().unwrap_or_default();
        findings.first().map(|finding| (finding.line, finding.message.clone()))
    };
    let expected = "an identifier without its system is looked up in every system, where the same number may be another's";
    for (from, find) in [
        ("csv", "\"row.person\""),
        ("json", "{ from = \"person\", as = \"string\" }"),
        ("xml", "\"/person/@id\""),
        ("hl7v2", "\"PID-3.1\""),
        ("hl7v2", "{ from = \"PID-20\", as = \"DLN[Identifier]\" }"),
        ("hl7v2", "{ value = \"1\" }"),
        ("fhir", "\"Patient.identifier.value\""),
    ] {
        assert_eq!(finding(from, find), Some((7, expected.to_owned())), "{from} {find}");
    }
    for (from, find) in [
        ("csv", "{ from = \"row.person\", system = \"urn:his\" }"),
        ("hl7v2", "\"PID-3[5=PI]\""),
        ("hl7v2", "{ from = \"ORC-2\", as = \"EI[Identifier]\" }"),
        ("hl7v2", "{ value = \"urn:his|1\" }"),
        ("xml", "{ from = \"/person/id\", as = \"II[Identifier]\" }"),
    ] {
        assert_eq!(finding(from, find), None, "{from} {find}");
    }
    // A field may name its authority, and does not.
    let field = patient("hl7v2", "find = { identifier = \"PID-3\" }\nmissing = \"skip\"");
    let fault = asked(&field, &format!("{HEAD}PID|1||P1\r")).unwrap_err();
    assert_eq!(fault.place.as_deref(), Some("PID-3"));
    assert_eq!(
        fault.reason,
        "the number has no system, so that it may be that of another Patient: `system` of the line names one"
    );
    // A text has the system of its line too.
    let keys = "find = { identifier = { from = \"row.person\", as = \"string\", system = \"urn:his\" } }\nmissing = \"skip\"";
    assert_eq!(asked(&patient("csv", keys), "person\nP1|2\n").unwrap(), ["urn:his|P1\\|2"]);
}

/// A name of a message may be a patient's, and a fault is in logs and on screens.
#[test]
fn a_fault_names_no_element_that_only_the_sender_does() {
    let any = "each = \"/list/*\"\nid = [\"patient\", \"@id\"]\nset = { birthDate = { from = \"@born\" } }\n";
    let resource = "[[resource]]\nas = \"patient\"\ntype = \"Patient\"\n";
    let fault =
        run(&mapping("xml", &format!("{resource}{any}")), "<list><陈思远 id='1' born='never'/></list>");
    assert_eq!(fault.unwrap_err().place.as_deref(), Some("/list/*/@born"));
}
