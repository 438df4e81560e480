//! What a message says when it is read as a document: paths, scopes, picks, places, nulls, escapes, charsets.
#![expect(clippy::unwrap_used, reason = "tests")]

use hub_core::document::{Document, Node, Text};
use hub_core::path::Path;
use hub_formats::hl7v2::{Charset, Hl7Document, Hl7Parser};

fn read(text: &str) -> Hl7Document {
    Hl7Parser::default().read(text.as_bytes()).unwrap()
}

fn nodes(document: &Hl7Document, scope: Node, path: &str) -> Vec<Node> {
    let mut found = Vec::new();
    document.select(scope, &Path::parse(path).unwrap(), &mut found);
    found
}

fn texts_in(document: &Hl7Document, scope: Node, path: &str) -> Vec<String> {
    let text = |node: &Node| match document.text(*node) {
        Some(Text::Value(value)) => value.into_owned(),
        Some(Text::Null) => "null".to_owned(),
        None => "none".to_owned(),
    };
    nodes(document, scope, path).iter().map(text).collect()
}

fn texts(document: &Hl7Document, path: &str) -> Vec<String> {
    texts_in(document, document.root(), path)
}

const ORU: &str = "MSH|^~\\&|LIS|LAB|HUB|H|20260101||ORU^R01^ORU_R01|7|P|2.5.1\r\
    PID|1||P1^^^HIS^PI~N1^^^PRC&1.2&ISO^NI||Li^San^^^~Li^Three|||F\r\
    NTE|1||about the patient\r\
    ORC|RE|A1\r\
    OBR|1|A1|F1|CBC^Count\r\
    NTE|1||about the report\r\
    OBX|1|NM|K^Kalium||6.1\r\
    NTE|1||about potassium\r\
    OBX|2|NM|NA^Natrium||140\r\
    ORC|RE|A2\r\
    OBR|2|A2|F2|GLU^Glucose\r\
    OBX|1|NM|G^Glucose||5.5~5.6\r";

#[test]
fn fields_components_and_repetitions_are_selected() {
    let document = read(ORU);
    assert_eq!(texts(&document, "PID-3"), ["P1", "N1"]);
    assert_eq!(texts(&document, "PID-3(2).1"), ["N1"]);
    assert_eq!(texts(&document, "PID-3.4.2"), ["1.2"]);
    assert_eq!(texts(&document, "PID-3.4.1"), ["HIS", "PRC"]);
    assert_eq!(texts(&document, "PID-3[5=NI].1"), ["N1"]);
    assert_eq!(texts(&document, "PID-8.1.1"), ["F"]); // a leaf is its own first part
    assert!(texts(&document, "PID-8.2").is_empty());
    assert!(texts(&document, "PID-99").is_empty());
    assert_eq!(texts(&document, "OBX-5"), ["6.1", "140", "5.5", "5.6"]);
    assert_eq!(texts(&document, "OBX(2)-5"), ["140"]);
    assert_eq!(texts(&document, "OBX[3=NA]-5"), ["140"]);
    assert_eq!(texts(&document, "OBX[3.2=Natrium]-5"), ["140"]);
    assert_eq!(texts(&document, "MSH-1"), ["|"]);
    assert_eq!(texts(&document, "MSH-2"), ["^~\\&"]);
    assert_eq!(texts(&document, "MSH-9.2"), ["R01"]);
}

#[test]
fn groups_are_selected_by_their_whole_path_or_a_part_of_it() {
    let document = read(ORU);
    for path in
        ["PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION", "ORDER_OBSERVATION.OBSERVATION", "OBSERVATION"]
    {
        assert_eq!(nodes(&document, document.root(), path).len(), 3, "{path}");
    }
    let order = nodes(&document, document.root(), "ORDER_OBSERVATION")[0];
    assert_eq!(nodes(&document, order, "OBSERVATION").len(), 2);
    assert_eq!(nodes(&document, order, "ORDER_OBSERVATION.OBSERVATION").len(), 2);
    assert_eq!(nodes(&document, document.root(), "OBSERVATION[OBX-3.1=NA]").len(), 1);
    assert_eq!(texts(&document, "ORDER_OBSERVATION(2).OBR-4.1"), ["GLU"]);
}

#[test]
fn a_segment_is_looked_up_in_the_nearest_group_that_owns_it() {
    let document = read(ORU);
    let observations = nodes(&document, document.root(), "OBSERVATION");
    assert_eq!(texts_in(&document, observations[1], "OBX-5"), ["140"]);
    assert_eq!(texts_in(&document, observations[1], "OBR-4.1"), ["CBC"]);
    assert_eq!(texts_in(&document, observations[2], "OBR-4.1"), ["GLU"]);
    assert_eq!(texts_in(&document, observations[2], "PID-5.1"), ["Li", "Li"]);
    assert_eq!(texts_in(&document, observations[0], "NTE-3"), ["about potassium"]);
    assert!(texts_in(&document, observations[1], "NTE-3").is_empty()); // an OBSERVATION has its own notes
    let order = nodes(&document, document.root(), "ORDER_OBSERVATION")[0];
    assert_eq!(texts_in(&document, order, "NTE-3"), ["about the report"]);
    assert_eq!(texts(&document, "PATIENT.NTE-3"), ["about the patient"]);
}

#[test]
fn within_a_repetition_its_own_parts_are_meant() {
    let document = read(ORU);
    let ids = nodes(&document, document.root(), "PID-3");
    assert_eq!(texts_in(&document, ids[1], "PID-3.1"), ["N1"]);
    assert_eq!(texts_in(&document, ids[1], "PID-3(1).1"), ["P1"]);
    assert_eq!(texts_in(&document, ids[1], "PID-8"), ["F"]);
    assert_eq!(texts_in(&document, ids[1], "OBR-4.1"), ["CBC", "GLU"]);
    let first_observation = nodes(&document, document.root(), "OBX")[0];
    assert_eq!(texts_in(&document, first_observation, "OBX-3.2"), ["Kalium"]);
    assert_eq!(texts_in(&document, first_observation, "OBR-3"), ["F1"]);
}

#[test]
fn a_stray_segment_belongs_to_its_own_group_only() {
    let document = read("MSH|^~\\&|||||||ORU^R01|1|P|2.5\rOBR|1\rOBX|1\rZBX|a\rOBX|2\rZBX|\r");
    let observations = nodes(&document, document.root(), "OBSERVATION");
    assert_eq!(texts_in(&document, observations[0], "ZBX-1"), ["a"]);
    assert!(texts_in(&document, observations[1], "ZBX-1").is_empty());
    assert_eq!(texts(&document, "ZBX-1"), ["a"]);
}

#[test]
fn parts_are_read_by_number() {
    let document = read(ORU);
    let id = nodes(&document, document.root(), "PID-3")[1];
    let authority = document.part(id, 4).unwrap();
    assert_eq!(document.text(document.part(authority, 3).unwrap()).unwrap().value().unwrap(), "ISO");
    assert_eq!(document.part(id, 2), None);
    let sex = nodes(&document, document.root(), "PID-8")[0];
    assert_eq!(document.part(sex, 1), Some(sex));
    assert_eq!(document.part(sex, 2), None);
    assert!(document.contains(id, authority) && !document.contains(authority, id));
}

#[test]
fn a_first_component_that_is_empty_is_no_value() {
    let document = read("MSH|^~\\&|\rOBX|1|CE|^Text only\r");
    assert_eq!(texts(&document, "OBX-3"), ["none"]);
    assert_eq!(texts(&document, "OBX-3.2"), ["Text only"]);
}

#[test]
fn null_is_told_from_nothing() {
    let document = read("MSH|^~\\&|\rPID|1||\"\"|\"\"^B|\r");
    assert_eq!(texts(&document, "PID-3"), ["null"]);
    assert_eq!(texts(&document, "PID-4.1"), ["null"]);
    assert!(texts(&document, "PID-5").is_empty());
}

#[test]
fn empty_repetitions_keep_their_numbers() {
    let document = read("MSH|^~\\&|\rPID|1||~A~~B^C\r");
    assert_eq!(texts(&document, "PID-3"), ["A", "B"]);
    assert_eq!(texts(&document, "PID-3(2)"), ["A"]);
    assert!(texts(&document, "PID-3(1)").is_empty());
    let places: Vec<_> =
        nodes(&document, document.root(), "PID-3").iter().map(|n| document.place(*n)).collect();
    assert_eq!(places, ["PID-3(2)", "PID-3(4)"]);
}

#[test]
fn places_say_which_occurrence() {
    let document = read(ORU);
    let place = |path: &str| document.place(nodes(&document, document.root(), path)[0]);
    assert_eq!(place("PID-3(2).4.2"), "PID-3(2).4.2");
    assert_eq!(place("PID-8"), "PID-8");
    assert_eq!(place("OBX[3=G]-5(2)"), "OBX[3]-5(2)");
    assert_eq!(place("ORDER_OBSERVATION(2).OBR-4.2"), "OBR[2]-4.2");
    assert_eq!(
        place("ORDER_OBSERVATION(2).OBSERVATION"),
        "PATIENT_RESULT[1].ORDER_OBSERVATION[2].OBSERVATION[1]"
    );
}

#[test]
fn leaves_are_all_values_in_order() {
    let document = read("MSH|^~\\&|A\rPID|1||X^Y~Z\rZZZ|\r");
    let leaves = document.leaves();
    let places: Vec<_> = leaves.iter().map(|leaf| document.place(*leaf)).collect();
    assert_eq!(places, ["MSH-3", "PID-1", "PID-3(1).1", "PID-3(1).2", "PID-3(2)"]);
}

#[test]
fn late_segments_are_found_in_the_order_of_the_message() {
    let document = read("MSH|^~\\&|||||||ORU^R01|1|P|2.5\rPID|1\rPV1|1\rOBR|1\rOBX|1\rPV1|2\r");
    assert_eq!(texts(&document, "PV1-1"), ["1", "2"]);
    let places: Vec<_> = document.leaves().iter().map(|leaf| document.place(*leaf)).collect();
    assert_eq!(places[places.len() - 2..], ["OBX-1", "PV1[2]-1"]);
}

#[test]
fn an_admission_has_its_groups_and_an_unknown_message_is_flat() {
    let document = read("MSH|^~\\&|||||||ADT^A01|1|P|2.3\rPID|1\rNK1|1\rNK1|2\rIN1|1\rIN2|x\rIN1|2\r");
    assert_eq!(nodes(&document, document.root(), "NK1").len(), 2);
    let insurances = nodes(&document, document.root(), "INSURANCE");
    assert_eq!(texts_in(&document, insurances[1], "IN1-1"), ["2"]);
    assert!(texts_in(&document, insurances[1], "IN2-1").is_empty());
    let flat = read("MSH|^~\\&|||||||XYZ^Z01|1|P|2.3\rPID|1\rOBX|1\rOBX|2\r");
    assert_eq!(texts(&flat, "OBX-1"), ["1", "2"]);
    let second = nodes(&flat, flat.root(), "OBX")[1];
    assert_eq!(texts_in(&flat, second, "PID-1"), ["1"]);
}

#[test]
fn every_kind_of_line_end_framing_and_mark_is_read() {
    let expected = texts(&read("MSH|^~\\&|A\rPID|1\r"), "PID-1");
    for text in [
        "MSH|^~\\&|A\nPID|1\n",
        "MSH|^~\\&|A\r\n\r\nPID|1",
        "\u{FEFF}MSH|^~\\&|A\rPID|1",
        "  \r\nMSH|^~\\&|A\r  PID|1\r",
        "\u{0B}MSH|^~\\&|A\rPID|1\r\u{1C}\r",
        "MSH|^~\\\\&|A\rPID|1\r",
        "MSH|^~\\&#|A\rPID|1\r",
        "MSH|^|A\rPID|1\r",
    ] {
        let document = read(text);
        assert_eq!(texts(&document, "PID-1"), expected, "{text:?}");
        assert_eq!(texts(&document, "MSH-3"), ["A"], "{text:?}"); // a fifth character shifts nothing
        assert_eq!(document.segment_count(), 2);
    }
}

#[test]
fn separators_that_the_sender_does_not_use_are_content() {
    let document = read("MSH|^~|A\rPID|1||Smith & Sons\\T\\\r");
    assert_eq!(texts(&document, "PID-3"), ["Smith & Sons\\T\\"]);
    let custom = read("MSH$%~\\&$A\rPID$1$$a%b$x|y^z\r");
    assert_eq!(texts(&custom, "PID-3.2"), ["b"]);
    assert_eq!(texts(&custom, "PID-4"), ["x|y^z"]);
}

#[test]
fn what_hl7_parser_leaves_out_is_an_error_or_read_all_the_same() {
    let bare = read("MSH|^~\\&|A\rRDT\rPID|1\r");
    assert_eq!((bare.segment_count(), texts(&bare, "PID-1")), (3, vec!["1".to_owned()]));
    for (text, place) in [
        ("MSH|^~\\&|A\rPID|1\rZ12X|1\rPV1|1\r", "segment 3"),
        ("MSH|^~\\&|A\rfree text that goes on\r", "segment 2"),
        ("MSH|^~\\&|A\r|1\r", "segment 2"),
        ("MSH|^~\\&|A\rP!D|1\r", "segment 2"),
        ("MSH|^~\\&|A\rMSH|^~\\&|B\r", "segment 2"),
    ] {
        let error = Hl7Parser::default().read(text.as_bytes()).unwrap_err();
        assert_eq!(error.place.as_deref(), Some(place), "{text:?}");
        let line = text.split('\r').nth(if place == "segment 3" { 2 } else { 1 }).unwrap();
        assert_eq!(error.at, text.rfind(line).unwrap().max(text.find(line).unwrap()), "{text:?}");
        assert!(!error.to_string().contains("free text"), "content must not stand in an error");
    }
}

#[test]
fn escapes_are_read_when_a_value_is() {
    let document =
        read("MSH|^~\\&|||||||||||||||UNICODE UTF-8\rOBX|1|FT|||a\\F\\b\\.br\\c\\XE5BCA0\\^\\H\\\\N\\\r");
    assert_eq!(texts(&document, "OBX-5"), ["a|b\nc张"]);
    assert_eq!(texts(&document, "OBX-5.2"), ["none"]); // highlighting alone is no value
}

#[test]
fn charsets_are_taken_from_msh_18_then_from_the_channel() {
    let message = |declared: &str| {
        let text = format!("MSH|^~\\&|LIS||||||ORU^R01|1|P|2.4||||||{declared}\rPID|1||P1||张三丂|\r");
        Charset::Gb18030.encode(&text)
    };
    let name = |document: Hl7Document| texts(&document, "PID-5");
    assert_eq!(name(Hl7Parser::default().read(&message("GB 18030-2000")).unwrap()), ["张三丂"]);
    let channel = Hl7Parser::with_charset(Some(Charset::Gbk));
    assert_eq!(name(channel.read(&message("")).unwrap()), ["张三丂"]);
    let undeclared = Hl7Parser::default().read(&message("")).unwrap_err();
    assert!(undeclared.what.starts_with("not UNICODE UTF-8 (assumed"), "{undeclared}");
    let wrong = channel.read(&message("ASCII")).unwrap_err();
    assert_eq!(wrong.what, "not ASCII (declared in MSH-18)");
    assert_eq!(Hl7Parser::default().read(&message("KLINGON")).unwrap_err().place.as_deref(), Some("MSH-18"));
    let lost = "MSH|^~\\&|\rPID|1||\u{FFFD}\r";
    assert!(Hl7Parser::default().read(lost.as_bytes()).unwrap_err().what.contains("U+FFFD"));
}

#[test]
fn a_batch_is_refused_with_the_reason() {
    let error = Hl7Parser::default().read(b"FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|A\r").unwrap_err();
    assert!(error.what.contains("batch"));
}

#[test]
fn a_segment_of_separators_only_costs_no_gigabytes() {
    let mut bytes = b"MSH|^~\\&|A\rPID|".to_vec();
    bytes.resize(1 << 20, b'|');
    let error = Hl7Parser::default().read(&bytes).unwrap_err();
    assert_eq!(error.place.as_deref(), Some("segment 2"));
}

#[test]
fn many_segments_of_many_names_are_read_in_time() {
    let mut text = String::from("MSH|^~\\&|||||||ORU^R01|1|P|2.5\r");
    let letters = || ('A'..='Z').chain('0'..='9');
    for (first, second, third) in
        letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| (a, b, c))))
    {
        if !["MSH", "FHS", "BHS", "BTS", "FTS"].contains(&format!("{first}{second}{third}").as_str()) {
            text += &format!("{first}{second}{third}|1\r");
        }
    }
    let started = std::time::Instant::now();
    let document = read(&text);
    let places = document.leaves().iter().map(|leaf| document.place(*leaf).len()).sum::<usize>();
    assert!(places > 5 * 46_000);
    assert!(started.elapsed().as_secs() < 10, "quadratic work takes minutes");
    let too_many = "NTE|1\r".repeat(200_001);
    assert!(Hl7Parser::default().read(format!("MSH|^~\\&|\r{too_many}").as_bytes()).is_err());
}
