//! What the LIS sends is right, and always the same.

use std::collections::BTreeSet;

use sim_kit::charset::decode;
use sim_kit::reader::Reading;
use sim_kit::script::first;

use super::*;

fn texts(settings: &SimSettings, count: usize) -> Vec<String> {
    let mut script = script(settings).unwrap();
    first(script.as_mut(), count).iter().map(|message| decode(&message.bytes).unwrap()).collect()
}

#[test]
fn the_same_seed_sends_the_same_bytes() {
    let settings = SimSettings::default();
    assert_eq!(texts(&settings, 100), texts(&settings, 100));
}

#[test]
fn the_first_ten_messages_show_everything_the_laboratory_can_say() {
    let all = texts(&SimSettings::default(), 10).concat();
    for sign in [
        "|<0.5|",
        "|1:320|",
        "|阴性(-)|",
        "|HH|",
        "|SN|",
        "|CE|",
        "|ED|",
        "|FT|",
        "\rNTE|",
        "\rSPM|",
        "JVBERi0",
    ] {
        assert!(all.contains(sign), "{sign}");
    }
    let stages: BTreeSet<&str> = all
        .split('\r')
        .filter(|segment| segment.starts_with("OBR"))
        .map(|segment| segment.split('|').nth(25).unwrap())
        .collect();
    assert_eq!(stages, BTreeSet::from(["P", "F", "C", "X"])); // OBR-25
}

#[test]
fn both_versions_are_sent_and_each_names_its_specimen() {
    for text in texts(&SimSettings::default(), 40) {
        let reading = Reading::of(&text).unwrap();
        match reading.field("MSH", 12) {
            "2.4" => {
                assert!(!reading.field("OBR", 15).is_empty() && reading.names().all(|name| name != "SPM"))
            }
            "2.5.1" => assert!(reading.field("SPM", 2).starts_with("^B26")),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_correction_has_the_report_number_of_what_it_corrects_and_another_value() {
    let texts = texts(&SimSettings::default(), 10);
    let [first, corrected] = [&texts[0], &texts[8]].map(|text| Reading::of(text).unwrap());
    assert_eq!(corrected.field("OBR", 25), "C");
    assert_eq!(first.field("OBR", 3), corrected.field("OBR", 3));
    assert_ne!(texts[0].split("\rOBX|").nth(1), texts[8].split("\rOBX|").nth(1));
}

#[test]
fn a_resistance_report_points_at_its_culture() {
    let text = &texts(&SimSettings::default(), 4)[3];
    let child = text.split('\r').filter(|segment| segment.starts_with("OBR")).nth(1).unwrap();
    let fields: Vec<&str> = child.split('|').collect();
    assert!(fields[26].starts_with("ORG&鉴定结果&LIS^1^")); // OBR-26
    assert_eq!(fields[29], "A260000004&HIS^R260000004&LIS"); // OBR-29
}

#[test]
fn the_patients_are_those_of_the_his() {
    let text = &texts(&SimSettings::default(), 3)[2];
    let reading = Reading::of(text).unwrap();
    assert!(reading.field("PID", 3).starts_with("1000002^^^HIS^PI")); // PID-3
    assert!(reading.field("PV1", 19).starts_with("V26000002^")); // PV1-19
}

#[test]
fn a_big_message_is_bigger_than_five_megabytes() {
    assert!(script(&SimSettings::default()).unwrap().next_big().bytes.len() > BIG);
}
