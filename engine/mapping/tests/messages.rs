//! Messages for partners: the trees that mappings make for HL7 v2, XML and CSV.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod files;

use files::Folder;
use hub_core::document::{Document, Parser};
use hub_fhir::Json;
use hub_formats::fhir::FhirParser;
use hub_formats::hl7v2::Hl7Parser;
use hub_mapping::{Mapping, compile};

const BUNDLE: &str = r#"{"resourceType":"Bundle","type":"collection","entry":[
  {"resource":{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:id:HIS","value":"H1"},{"value":"X2"}],"gender":"male","birthDate":"1988-11-12",
    "name":[{"family":"陈","given":["思远"]}]}},
  {"resource":{"resourceType":"DiagnosticReport","id":"r1","status":"final","code":{"text":"K"},"result":[{"reference":"Observation/o1"}]}},
  {"resource":{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"2823-3"}]},"valueQuantity":{"value":6.10,"unit":"mmol/L"}}},
  {"resource":{"resourceType":"Observation","id":"o2","status":"final","code":{"text":"CRP"},"valueString":"negative"}}]}"#;

fn resources() -> Box<dyn Document> {
    FhirParser::default().parse(BUNDLE.as_bytes()).unwrap()
}

fn compiled(text: &str) -> Mapping {
    compile("t/t", &Folder::default().with("t/t", text).with("codes/sex", SEX))
        .unwrap_or_else(|findings| panic!("{}", findings[0]))
}

const SEX: &str =
    "name = \"sex\"\nother = \"quarantine\"\n[codes]\nM = \"male\"\nF = \"female\"\nO = \"other\"\n";

fn rendered(text: &str) -> String {
    let document = resources();
    Json::Object(compiled(text).render(&*document, document.root()).unwrap().tree).to_text()
}

fn findings(text: &str) -> Vec<String> {
    let folder = Folder::default().with("t/t", text).with("codes/sex", SEX);
    compile("t/t", &folder).unwrap_err().into_iter().map(|finding| finding.message).collect()
}

const HL7: &str = r#"
name = "t/t"
version = 1
from = "fhir"
to = "hl7v2"

[[message.segment]]
name = "MSH"
set = { "MSH-3" = { value = "HUITONG" }, "MSH-9.1" = { value = "ORU" }, "MSH-9.2" = { value = "R01" }, "MSH-12" = { value = "2.5.1" } }

[[message.segment]]
name = "PID"
[message.segment.set]
"PID-3" = { each = "Patient.identifier", from = "@", as = "CX" }
"PID-5" = { from = "Patient.name", as = "XPN" }
"PID-7" = { from = "Patient.birthDate", as = "DT" }

[[message.segment]]
name = "OBX"
each = "Observation"
[message.segment.set]
"OBX-2" = [{ when = "Observation.valueQuantity is valued", value = "NM" }, { value = "ST" }]
"OBX-3" = { from = "Observation.code", as = "CWE" }
"OBX-5" = [{ from = "Observation.valueQuantity", as = "NM" }, { from = "Observation.valueString", as = "ST" }]
"OBX-6" = { from = "Observation.valueQuantity", as = "Quantity.unit" }
[[message.segment.then]]
name = "NTE"
when = "Observation.valueString is valued"
set = { "NTE-3" = { from = "Observation.status" } }

[[message.segment]]
name = "ZZZ"
set = { "ZZZ-1" = { from = "Patient.deceasedDateTime", as = "DTM" } }
"#;

#[test]
fn an_hl7_v2_message_is_made_of_segments_in_their_order() {
    let expected = r#"{"segments":[{"MSH":{"3":"HUITONG","9":{"1":"ORU","2":"R01"},"12":"2.5.1"}},{"PID":{"3":[{"1":"H1","4":{"1":"HIS"}},{"1":"X2"}],"5":{"1":"陈","2":"思远"},"7":"19881112"}},{"OBX":{"2":"NM","3":{"1":"2823-3","3":"LN"},"5":6.10,"6":{"1":"mmol/L"}}},{"OBX":{"2":"ST","3":{"9":"CRP"},"5":"negative"}},{"NTE":{"3":"final"}}]}"#;
    assert_eq!(rendered(HL7), expected);
}

#[test]
fn every_value_of_a_message_knows_where_it_comes_from() {
    let document = resources();
    let (_, trace) =
        compiled(HL7).render_traced(&*document, document.root(), &hub_mapping::Found::default()).unwrap();
    let of = |target: &str| trace.lineage.iter().find(|line| line.target == target).unwrap();
    assert_eq!(of("PID[1]-5.1").place.as_deref(), Some("Bundle.entry[1].resource.name.family"));
    assert_eq!(of("OBX[2]-5").place.as_deref(), Some("Bundle.entry[4].resource.valueString"));
    assert_eq!(of("MSH[1]-9.1").place, None);
    assert!(!trace.lineage.iter().any(|line| line.target.starts_with("ZZZ")));
}

#[test]
fn hl7_v2_is_copied_to_hl7_v2_with_its_parts() {
    let text = "name = \"t/t\"\nversion = 1\nfrom = \"hl7v2\"\nto = \"hl7v2\"\n[[message.segment]]\nname = \"MSH\"\nset = { \"MSH-9\" = { from = \"MSH-9\" } }\n\
                [[message.segment]]\nname = \"PID\"\nset = { \"PID-3\" = { each = \"PID-3\", from = \"@\" }, \"PID-5.1\" = { from = \"PID-5.1\" } }\n";
    let message = "MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5.1\rPID|||1^^^HIS&1.2&ISO^PI~2||Chen&van^X\r";
    let document = Hl7Parser::default().parse(message.as_bytes()).unwrap();
    let tree = compiled(text).render(&*document, document.root()).unwrap().tree;
    let expected = r#"{"segments":[{"MSH":{"9":{"1":"ADT","2":"A01"}}},{"PID":{"3":[{"1":"1","4":{"1":"HIS","2":"1.2","3":"ISO"},"5":"PI"},"2"],"5":{"1":{"1":"Chen","2":"van"}}}}]}"#;
    assert_eq!(Json::Object(tree).to_text(), expected);
}

#[test]
fn an_xml_message_has_one_root_with_attributes_and_repeating_elements() {
    let text = r##"
name = "t/t"
version = 1
from = "fhir"
to = "xml"
[message]
root = "Report"
[message.set]
"@version" = { value = "1.0" }
Patient = { set = { "@no" = { from = "Patient.identifier[system=urn:id:HIS].value" }, "#text" = { from = "Patient.name.family" } } }
Item = { each = "Observation", set = { Code = { from = "Observation.code.coding.code" }, Status = { from = "Observation.status" } } }
"##;
    let expected = r##"{"Report":{"@version":"1.0","Patient":{"@no":"H1","#text":"陈"},"Item":[{"Code":"2823-3","Status":"final"},{"Status":"final"}]}}"##;
    assert_eq!(rendered(text), expected);
}

#[test]
fn a_csv_message_has_header_rows_and_trailer() {
    let text = r#"
name = "t/t"
version = 1
from = "fhir"
to = "csv"
[message]
layout = { columns = ["code", "value"], header = ["kind"], trailer = ["kind", "count"], count = "count" }
[message.header.set]
kind = { value = "H" }
[message.rows]
each = "Observation"
set = { code = { from = "Observation.code.coding.code | Observation.code.text" }, value = { from = "Observation.valueQuantity.value | Observation.valueString" } }
[message.trailer.set]
kind = { value = "T" }
"#;
    let expected = r#"{"header":{"kind":"H"},"rows":[{"code":"2823-3","value":"6.10"},{"code":"CRP","value":"negative"}],"trailer":{"kind":"T"}}"#;
    assert_eq!(rendered(text), expected);
    let wrong = text.replace("value = { from", "valeu = { from");
    assert_eq!(findings(&wrong), ["the layout has no column `valeu`"]);
}

#[test]
fn a_mapping_to_fhir_renders_a_transaction() {
    let text = "name = \"t/t\"\nversion = 1\nfrom = \"fhir\"\n[[resource]]\nas = \"p\"\ntype = \"Patient\"\neach = \"Patient\"\nid = [\"p\", \"Patient.id\"]\nset = { gender = { from = \"Patient.gender\" } }\n";
    let json = rendered(text);
    assert!(json.starts_with(r#"{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","id":""#), "{json}");
    assert!(json.contains(r#""request":{"method":"PUT","url":"Patient/"#), "{json}");
}

#[test]
fn what_does_not_fit_an_hl7_v2_message_is_found_before_it_runs() {
    let with = |line: &str| {
        format!(
            "name = \"t/t\"\nversion = 1\nfrom = \"fhir\"\nto = \"hl7v2\"\n[[message.segment]]\nname = \"MSH\"\nset = {{ \"MSH-9\" = {{ value = \"X\" }} }}\n[[message.segment]]\nname = \"PID\"\nset = {{ {line} }}\n"
        )
    };
    for (line, expected) in [
        (
            "\"PID5\" = { from = \"Patient.name\" }",
            "`PID5` is no target here: expected a field of PID: `PID-3`, `PID-3.1`",
        ),
        (
            "\"PID-5\" = { from = \"Patient.name\", as = \"HumanName\" }",
            "`HumanName` writes HumanName, but an HL7 v2 message has fields, not elements of FHIR",
        ),
        (
            "\"PID-5.1.1\" = { from = \"Patient.name\", as = \"XPN\" }",
            "`XPN` writes XPN, but a subcomponent holds a single text",
        ),
        ("\"PID-5\" = { from = \"Patient.name\", as = \"XPNN\" }", "there is no function `XPNN`"),
        (
            "\"PID-5\" = { value = \"a\" }, \"PID-5.1\" = { value = \"b\" }",
            "`PID-5.1` is written whole and in parts, or twice",
        ),
        (
            "\"PID-1.1.1.1\" = { value = \"a\" }",
            "`PID-1.1.1.1` is no target here: expected a field of PID: `PID-3`, `PID-3.1`, and no part of a subcomponent",
        ),
    ] {
        assert_eq!(findings(&with(line)), [expected]);
    }
    let no_msh =
        with("\"PID-1\" = { value = \"1\" }").replacen("\"MSH\"", "\"EVN\"", 1).replacen("MSH-9", "EVN-1", 1);
    assert_eq!(findings(&no_msh), ["the first segment of a message is MSH"]);
}
