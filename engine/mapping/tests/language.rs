//! Looking up, extending, facts, code tables backwards, and paths that are checked.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod files;

use files::Folder;
use hub_core::commit::Change;
use hub_core::document::{Document, Parser};
use hub_core::fault::Fault;
use hub_fhir::{Id, Json};
use hub_formats::fhir::FhirParser;
use hub_formats::hl7v2::Hl7Parser;
use hub_mapping::{Found, Mapping, Need, compile};

const ADT: &str = "MSH|^~\\&|HIS|H|HUB|H|20261120083000||ADT^A01|7|P|2.5.1\rPID|1||P1^^^HIS||Chen^Siyuan||19881112|M\rPV1|1|I|5E\r";
const HEAD: &str = "name = \"t/t\"\nversion = 1\nfrom = \"hl7v2\"\n";

fn parsed(message: &str) -> Box<dyn Document> {
    Hl7Parser::default().parse(message.as_bytes()).unwrap()
}

fn compiled(folder: &Folder) -> Mapping {
    compile("t/t", folder).unwrap_or_else(|findings| panic!("{}", findings[0]))
}

fn one(text: &str) -> Mapping {
    compiled(&Folder::default().with("t/t", text))
}

fn findings(folder: &Folder) -> Vec<String> {
    compile("t/t", folder).unwrap_err().into_iter().map(|finding| finding.message).collect()
}

/// Runs a mapping against a store that holds these ids of patients with the number P1 of the HIS.
fn run_with(mapping: &Mapping, ids: &[&str]) -> Result<Vec<Change>, Fault> {
    let document = parsed(ADT);
    let needs = mapping.needs(&*document);
    assert_eq!(needs.len(), 1, "{needs:?}");
    assert_eq!(needs[0].criteria, [("identifier".into(), "urn:id:HIS|P1".into())]);
    let mut found = Found::default();
    found.put(needs[0].clone(), ids.iter().map(|id| Id::new(id).unwrap()).collect());
    mapping.run_with(&*document, &found).map(|run| run.changes)
}

fn found_patient(missing: &str) -> Mapping {
    let id = if missing == "create" { "id = [\"p\", \"PID-3.1\"]\n" } else { "" };
    one(&format!(
        "{HEAD}[[resource]]\nas = \"patient\"\ntype = \"Patient\"\n{id}find = {{ identifier = \"PID-3\" }}\nmissing = \"{missing}\"\nwrite = \"merge\"\nset = {{ gender = {{ value = \"male\" }} }}\n\
         [[resource]]\nas = \"visit\"\ntype = \"Encounter\"\nid = [\"e\", \"PID-3.1\"]\nset = {{ status = {{ value = \"finished\" }}, class = {{ value = {{ code = \"IMP\" }} }}, subject = {{ ref = \"patient\" }} }}\n"
    ))
}

#[test]
fn a_resource_that_is_found_keeps_its_stored_id() {
    let changes = run_with(&found_patient("quarantine"), &["stored-1"]).unwrap();
    assert_eq!(changes[0].reference().to_string(), "Patient/stored-1");
    let subject = changes[1].resource().unwrap().tree().get("subject").unwrap().to_text();
    assert_eq!(subject, r#"{"reference":"Patient/stored-1"}"#);
}

#[test]
fn what_is_not_found_is_set_aside_created_or_left_out_as_the_mapping_says() {
    let fault = run_with(&found_patient("quarantine"), &[]).unwrap_err();
    assert_eq!(fault.reason, "no Patient with this identifier is stored");
    assert_eq!(fault.place.as_deref(), Some("PID-3"));
    let created = run_with(&found_patient("create"), &[]).unwrap();
    assert_eq!(created.len(), 2);
    assert_ne!(created[0].reference().to_string(), "Patient/stored-1");
    let skipped = run_with(&found_patient("skip"), &[]).unwrap();
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].resource().unwrap().tree().get("subject").is_none());
}

#[test]
fn several_that_fit_are_never_guessed_among() {
    for missing in ["quarantine", "create", "skip"] {
        let fault = run_with(&found_patient(missing), &["a", "b"]).unwrap_err();
        assert_eq!(
            fault.reason,
            "2 Patient are stored with this identifier; which one is meant cannot be told"
        );
    }
}

#[test]
fn a_line_points_at_what_it_finds() {
    let text = format!(
        "{HEAD}[[resource]]\nas = \"visit\"\ntype = \"Encounter\"\nid = [\"e\", \"PID-3.1\"]\n[resource.set]\nstatus = {{ value = \"finished\" }}\nclass = {{ value = {{ code = \"IMP\" }} }}\n\
         subject = {{ find = {{ type = \"Patient\", identifier = \"PID-3\" }}, missing = \"skip\" }}\n"
    );
    let mapping = one(&text);
    let subject = |ids: &[&str]| {
        let changes = run_with(&mapping, ids).unwrap();
        changes[0].resource().unwrap().tree().get("subject").map(Json::to_text)
    };
    assert_eq!(subject(&["s1"]).as_deref(), Some(r#"{"reference":"Patient/s1"}"#));
    assert_eq!(subject(&[]), None);
    let wrong = text.replace("\"skip\"", "\"create\"");
    assert_eq!(
        findings(&Folder::default().with("t/t", &wrong)),
        ["a line cannot create what it does not find"]
    );
}

#[test]
fn what_is_looked_up_within_something_looked_up_is_asked_for_too() {
    let mapping = one(&format!(
        "{HEAD}[[resource]]\nas = \"patient\"\ntype = \"Patient\"\nfind = [{{ identifier = \"PID-3\" }}, {{ family = \"PID-5.1\", birthdate = \"PID-7\" }}]\nwrite = \"merge\"\n\
         set = {{ generalPractitioner = {{ find = {{ type = \"Practitioner\", identifier = {{ from = \"PID-1\", system = \"urn:x\" }} }}, missing = \"skip\" }}, active = {{ value = true }} }}\n"
    ));
    let document = parsed(ADT);
    let needs = mapping.needs(&*document);
    let asked: Vec<String> = needs
        .iter()
        .map(|need| {
            let criteria = need.criteria.iter().map(|(name, value)| format!("{name}={value}"));
            format!("{}?{}", need.kind, criteria.collect::<Vec<_>>().join("&"))
        })
        .collect();
    let expected = [
        "Patient?identifier=urn:id:HIS|P1",
        "Patient?family:exact=Chen&birthdate=1988-11-12",
        "Practitioner?identifier=urn:x|1",
    ];
    assert_eq!(asked, expected);
    let mut found = Found::default();
    found.put(needs[1].clone(), vec![Id::new("p9").unwrap()]);
    found.put(needs[2].clone(), vec![Id::new("d1").unwrap()]);
    let changes = mapping.run_with(&*document, &found).unwrap().changes;
    assert_eq!(changes[0].reference().to_string(), "Patient/p9");
    let doctor = changes[0].resource().unwrap().tree().get("generalPractitioner").unwrap().to_text();
    assert_eq!(doctor, r#"[{"reference":"Practitioner/d1"}]"#);
}

#[test]
fn a_mapping_without_find_needs_nothing() {
    let mapping = one(&format!(
        "{HEAD}[[resource]]\nas = \"p\"\ntype = \"Patient\"\nid = [\"p\", \"PID-3.1\"]\nset = {{ gender = {{ value = \"male\" }} }}\n"
    ));
    assert!(!mapping.may_need());
    assert_eq!(mapping.needs(&*parsed(ADT)), Vec::<Need>::new());
}

#[test]
fn what_is_looked_up_is_a_search_parameter_of_the_type() {
    let text = format!(
        "{HEAD}[[resource]]\nas = \"p\"\ntype = \"Patient\"\nfind = {{ identifer = \"PID-3\" }}\nset = {{ gender = {{ value = \"male\" }} }}\n"
    );
    assert_eq!(
        findings(&Folder::default().with("t/t", &text)),
        ["Patient cannot be looked up by `identifer`"]
    );
}

const BASE: &str = "name = \"t/base\"\nversion = 1\nfrom = \"hl7v2\"\nsystems = { HIS = \"urn:oid:1.2\" }\n\
    [[resource]]\nas = \"patient\"\ntype = \"Patient\"\nid = [\"p\", \"PID-3.1\"]\n[resource.set]\nidentifier = { from = \"PID-3\" }\ngender = { value = \"unknown\" }\nbirthDate = { from = \"PID-7\" }\n\
    [[resource]]\nas = \"visit\"\ntype = \"Encounter\"\nid = [\"e\", \"PID-3.1\"]\n[resource.set]\nstatus = { value = \"finished\" }\nclass = { value = { code = \"IMP\" } }\nsubject = { ref = \"patient\" }\n";

fn extended(text: &str) -> Folder {
    let text = format!("name = \"t/t\"\nversion = 1\nextends = \"t/base\"\n{text}");
    Folder::default().with("t/base", BASE).with("t/t", &text)
}

fn written(folder: &Folder) -> Vec<String> {
    let run = compiled(folder).run(&*parsed(ADT)).unwrap();
    run.changes
        .iter()
        .map(|change| Json::Object(change.resource().unwrap().tree().clone()).to_text())
        .collect()
}

#[test]
fn an_extending_mapping_is_the_other_one_with_its_changes() {
    let same = written(&extended(""));
    assert_eq!(same.len(), 2);
    assert!(same[0].contains(r#""system":"urn:oid:1.2""#) && same[0].contains(r#""gender":"unknown""#));
    let changed = written(&extended(
        "systems = { HIS = \"urn:oid:9.9.9\" }\n[[resource]]\nas = \"patient\"\nwithout = [\"birthDate\"]\nset = { gender = { value = \"male\" }, active = { value = true } }\n\
         [[resource]]\nas = \"place\"\ntype = \"Location\"\nid = [\"l\", \"PV1-3\"]\nset = { name = { from = \"PV1-3\", as = \"PL[string]\" } }\n",
    ));
    assert_eq!(changed.len(), 3);
    assert!(changed[0].contains(r#""system":"urn:oid:9.9.9""#) && changed[0].contains(r#""gender":"male""#));
    assert!(changed[0].contains(r#""active":true"#) && !changed[0].contains("birthDate"));
    assert!(changed[2].contains(r#""name":"5E""#));
}

#[test]
fn a_resource_that_is_taken_out_leaves_nothing_that_points_at_it() {
    let written = written(&extended("without = [\"patient\"]\n"));
    assert_eq!(written.len(), 1);
    assert!(!written[0].contains("subject"), "{}", written[0]);
}

#[test]
fn what_cannot_be_extended_or_taken_out_is_found() {
    for (text, expected) in [
        ("without = [\"patiant\"]\n", "no resource of this mapping is named `patiant`"),
        (
            "[[resource]]\nas = \"patient\"\nwithout = [\"birthdate\"]\n",
            "the mapping that is extended does not set `birthdate` here",
        ),
        (
            "[[resource]]\nas = \"visit\"\nwithout = [\"status\"]\n",
            "`Encounter` needs `status`: without it the result is not valid",
        ),
        ("from = \"json\"\n", "`from` is `json`, but the mapping that is extended has `hl7v2`"),
        (
            "[[resource]]\nas = \"patient\"\ntype = \"Person\"\n",
            "`patient` is Patient in the mapping that is extended, not Person",
        ),
    ] {
        assert_eq!(findings(&extended(text)), [expected], "{text}");
    }
    let own = Folder::default().with("t/t", "name = \"t/t\"\nversion = 1\nextends = \"t/t\"\n");
    assert!(findings(&own).contains(&"a mapping cannot extend itself".to_owned()));
    let twice =
        extended("").with("t/base", &BASE.replacen("version = 1\n", "version = 1\nextends = \"t/t\"\n", 1));
    let expected = "`t/base` is extended by `t/t`, so it cannot extend another mapping itself";
    assert_eq!(findings(&twice), [expected]);
}

#[test]
fn an_extending_mapping_changes_single_members_and_fields_of_a_message() {
    let base = "name = \"t/base\"\nversion = 1\nfrom = \"hl7v2\"\nto = \"hl7v2\"\n[[message.segment]]\nname = \"MSH\"\nset = { \"MSH-3\" = { value = \"A\" }, \"MSH-9\" = { from = \"MSH-9\" } }\n";
    let text = "name = \"t/t\"\nversion = 1\nextends = \"t/base\"\n[[message.segment]]\nname = \"MSH\"\nset = { \"MSH-5\" = { value = \"B\" }, \"MSH-3\" = { value = \"C\" } }\n[[message.segment]]\nname = \"PID\"\nset = { \"PID-8\" = { from = \"PID-8\" } }\n";
    let document = parsed(ADT);
    let mapping = compiled(&Folder::default().with("t/base", base).with("t/t", text));
    let tree = mapping.render(&*document, document.root()).unwrap().tree;
    let expected = r#"{"segments":[{"MSH":{"3":"C","5":"B","9":{"1":"ADT","2":"A01"}}},{"PID":{"8":"M"}}]}"#;
    assert_eq!(Json::Object(tree).to_text(), expected);
}

const PATIENT: &str =
    r#"{"resourceType":"Patient","id":"p","gender":"male","maritalStatus":{"coding":[{"code":"M"}]}}"#;

fn rendered(codes: &str, line: &str) -> Result<String, Vec<String>> {
    let text = format!(
        "name = \"t/t\"\nversion = 1\nfrom = \"fhir\"\nto = \"json\"\n[message.set]\nsex = {{ {line} }}\n"
    );
    let folder = Folder::default().with("t/t", &text).with("codes/sex", codes);
    let mapping = compile("t/t", &folder)
        .map_err(|findings| findings.into_iter().map(|finding| finding.message).collect::<Vec<_>>())?;
    let document = FhirParser::default().parse(PATIENT.as_bytes()).unwrap();
    let rendered = mapping.render(&*document, document.root()).map_err(|fault| vec![fault.reason])?;
    Ok(Json::Object(rendered.tree).to_text())
}

#[test]
fn a_code_table_is_read_backwards_where_that_is_clear() {
    let codes = "name = \"sex\"\nother = \"drop\"\n[codes]\nM = \"male\"\nF = \"female\"\nMale = \"male\"\n";
    let line = "from = \"Patient.gender\", code_back = \"sex\"";
    let expected = "the code table `sex` cannot be read backwards: `male` may be `M`, `Male`";
    assert_eq!(rendered(codes, line), Err(vec![expected.to_owned()]));
    let with_back = format!("{codes}[back]\nmale = \"M\"\n");
    assert_eq!(rendered(&with_back, line).as_deref(), Ok(r#"{"sex":"M"}"#));
    let unlisted = "name = \"sex\"\nother = \"drop\"\n[codes]\nF = \"female\"\n";
    assert_eq!(rendered(unlisted, line), Err(vec!["the code table `sex` has no code `male`".to_owned()]));
    let kept = unlisted.replace("other", "back_other = \"keep\"\nother");
    assert_eq!(rendered(&kept, line).as_deref(), Ok(r#"{"sex":"male"}"#));
}

#[test]
fn the_code_of_a_concept_goes_through_a_code_table() {
    let codes = "name = \"sex\"\nother = \"quarantine\"\n[codes]\nM = \"married\"\n";
    let line = "from = \"Patient.maritalStatus\", code = \"sex\"";
    assert_eq!(rendered(codes, line).as_deref(), Ok(r#"{"sex":"married"}"#));
}

#[test]
fn a_mapping_reads_the_facts_that_it_is_told() {
    let text = "name = \"t/t\"\nversion = 1\nfrom = \"hl7v2\"\nto = \"json\"\n[message.set]\nnumber = { from = \"hub.control_id\" }\nat = { from = \"hub.time\", as = \"yyyyMMddHHmmss\" }\nsex = { from = \"PID-8\", when = \"hub.time is valued\" }\n";
    let document = parsed(ADT);
    let mut found = Found::default();
    found.tell("control_id", "C1");
    found.tell("time", "2026-11-20T00:15:00Z");
    let (rendered, trace) = one(text).render_traced(&*document, document.root(), &found).unwrap();
    let expected = r#"{"number":"C1","at":"20261120081500","sex":"M"}"#;
    assert_eq!(Json::Object(rendered.tree).to_text(), expected);
    assert_eq!(trace.lineage[0].place.as_deref(), Some("hub.control_id"));
    let wrong = text.replace("hub.time\", as", "hub.tiem\", as");
    assert_eq!(
        findings(&Folder::default().with("t/t", &wrong)),
        ["the path `hub.tiem`: there is no such fact"]
    );
}

#[test]
fn a_path_into_resources_or_columns_is_checked_before_it_is_read() {
    let with = |from: &str, path: &str| {
        format!(
            "name = \"t/t\"\nversion = 1\nfrom = \"{from}\"\nto = \"json\"\nsource = {{ columns = [\"code\", \"amount\"] }}\n[message.set]\nx = {{ from = \"{path}\" }}\n"
        )
    };
    for (from, path, expected) in [
        (
            "fhir",
            "Patient.nmae.family",
            "the path `Patient.nmae.family`: `Patient` has no element `nmae` in R4B",
        ),
        (
            "fhir",
            "Patient.name.famly",
            "the path `Patient.name.famly`: `HumanName` has no element `famly` in R4B",
        ),
        ("fhir", "Patiant.name", "the path `Patiant.name`: `Patiant` is not a resource of FHIR R4B"),
        ("csv", "row.amuont", "the path `row.amuont`: `columns` of `[source]` does not name `amuont`"),
        (
            "csv",
            "rows.amount",
            "the path `rows.amount`: a record is `header`, `row` or `trailer`, not `rows`",
        ),
        ("fhir", "request.MSH-10", "the path `request.MSH-10`: this mapping answers no request"),
    ] {
        assert_eq!(findings(&Folder::default().with("t/t", &with(from, path))), [expected]);
    }
    for (from, path) in [
        ("fhir", "Observation.value.value"),
        ("fhir", "Observation.valueQuantity.value"),
        ("fhir", "Bundle.entry.resource.id"),
        ("fhir", "Patient.name(2).given"),
        ("csv", "row.amount"),
    ] {
        one(&with(from, path));
    }
}

const CONCEPT_MAP: &str = r#"{"resourceType":"ConceptMap","status":"active","group":[{"source":"urn:his","target":"http://hl7.org/fhir/administrative-gender",
  "element":[{"code":"1","target":[{"code":"other","equivalence":"unmatched"},{"code":"male","equivalence":"equivalent"}]},{"code":"2","target":[{"code":"female","equivalence":"equal"}]}],
  "unmapped":{"mode":"fixed","code":"unknown"}}]}"#;

#[test]
fn a_code_table_is_loaded_from_a_concept_map_and_shown_as_one() {
    let text = format!(
        "{HEAD}[[resource]]\nas = \"p\"\ntype = \"Patient\"\nid = [\"p\", \"PID-3.1\"]\nset = {{ gender = {{ from = \"PID-8\", code = \"gender\" }} }}\n"
    );
    let folder = Folder::default().with("t/t", &text).with("codes/gender.json", CONCEPT_MAP);
    let gender = |sex: &str| {
        let message = ADT.replace("|M\r", &format!("|{sex}\r"));
        let run = compiled(&folder).run(&*parsed(&message)).unwrap();
        run.changes[0].resource().unwrap().tree().get("gender").unwrap().to_text()
    };
    assert_eq!(
        (gender("1").as_str(), gender("2").as_str(), gender("9").as_str()),
        ("\"male\"", "\"female\"", "\"unknown\"")
    );
    let shown = hub_mapping::concept_map("gender", &folder).unwrap();
    assert_eq!(hub_fhir::validate::validate(shown.as_object().unwrap()), []);
    let again = Folder::default().with("codes/gender.json", &shown.to_text());
    assert_eq!(hub_mapping::concept_map("gender", &again).unwrap().to_text(), shown.to_text());
    let wrong = folder.with("codes/gender.json", &CONCEPT_MAP.replace("equivalent", "like"));
    let findings = hub_mapping::check_code_table("gender", &wrong);
    assert!(findings[0].message.starts_with("ConceptMap.group"), "{}", findings[0].message);
}

/// Two groups that a code table reads differently than the ConceptMap means it.
#[test]
fn what_a_code_table_cannot_say_as_a_concept_map_does_is_told_with_its_line() {
    let told = |groups: &str| -> Vec<(usize, String)> {
        let text =
            format!("{{\"resourceType\":\"ConceptMap\",\"status\":\"active\",\"group\":[\n{groups}]}}");
        let folder = Folder::default().with("codes/sex.json", &text);
        let findings = hub_mapping::check_code_table("sex", &folder);
        findings.into_iter().map(|finding| (finding.line, finding.message)).collect()
    };
    let group = |source: &str, target: &str, code: &str, more: &str| {
        format!(
            "{{\"source\":\"urn:{source}\",\n\"target\":\"urn:{target}\",\n\"element\":[{{\"code\":\"{code}\",\"target\":[{{\"code\":\"x\",\"equivalence\":\"equal\"}}]}}]{more}}}"
        )
    };
    let fixed = |code: &str| format!(",\n\"unmapped\":{{\"mode\":\"fixed\",\"code\":\"{code}\"}}");
    let two = |first: String, second: String| format!("{first},\n{second}");
    let twice = told(&two(group("his", "a", "1", ""), group("his", "b", "1", "")));
    let expected = "`1` stands twice, first on line 4: a code table writes one code for it";
    assert_eq!(twice, [(7, expected.to_owned())]);
    let sources = told(&two(group("his", "a", "1", ""), group("lis", "a", "2", "")));
    assert_eq!(sources.len(), 1);
    assert_eq!(sources[0].0, 5);
    assert!(sources[0].1.starts_with("this group reads codes of another system than the one on line 2"));
    let unmapped = told(&two(group("his", "a", "1", &fixed("u")), group("his", "a", "2", &fixed("v"))));
    assert_eq!(unmapped.len(), 1);
    assert_eq!(unmapped[0].0, 9);
    assert!(unmapped[0].1.ends_with("than the group on line 2: a code table has one `other`"));
    assert_eq!(told(&two(group("his", "a", "1", &fixed("u")), group("his", "a", "2", &fixed("u")))), []);
    let elsewhere = told(&two(group("his", "a", "1", &fixed("u")), group("his", "b", "2", &fixed("u"))));
    assert_eq!(elsewhere.len(), 1); // one code of two systems
    let followed =
        told(&group("his", "a", "1", ",\n\"unmapped\":{\"mode\":\"other-map\",\"url\":\"urn:m\"}"));
    assert_eq!(followed, [(5, "another map is not followed: list its codes here".to_owned())]);
    let none = group("his", "a", "1", &fixed("u")).replace("equal", "unmatched");
    let expected = "`1` has no target, and `unmapped` would give it one in a code table";
    assert_eq!(told(&none), [(4, expected.to_owned())]);
}

#[test]
fn the_code_for_others_stands_in_the_group_of_its_system() {
    let table = "name = \"sex\"\ntarget = \"urn:a\"\nother = { value = \"u\", system = \"urn:b\" }\n[codes]\n1 = \"x\"\n";
    let folder =
        Folder::default().with("codes/sex", &format!("{table}2 = {{ code = \"y\", system = \"urn:b\" }}\n"));
    let shown = hub_mapping::concept_map("sex", &folder).unwrap().to_text();
    assert_eq!(shown.matches("unmapped").count(), 1);
    let again = Folder::default().with("codes/sex.json", &shown);
    assert_eq!(hub_mapping::concept_map("sex", &again).unwrap().to_text(), shown);
    let alone = Folder::default().with("codes/sex", table);
    assert!(
        hub_mapping::concept_map("sex", &alone).unwrap_err()[0]
            .message
            .starts_with("a ConceptMap cannot say")
    );
}
