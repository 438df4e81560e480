//! What the HIS sends is right, and always the same.

use std::collections::BTreeSet;

use sim_kit::charset::decode;
use sim_kit::reader::{Reading, first_component};
use sim_kit::script::first;

use super::*;

fn texts(settings: &SimSettings, count: usize) -> Vec<String> {
    let mut script = script(settings).unwrap();
    first(script.as_mut(), count).iter().map(|message| decode(&message.bytes).unwrap()).collect()
}

#[test]
fn the_same_seed_sends_the_same_bytes() {
    let settings = SimSettings::default();
    assert_eq!(texts(&settings, 200), texts(&settings, 200));
    let other = SimSettings { seed: 2, ..SimSettings::default() };
    assert_ne!(texts(&settings, 20), texts(&other, 20));
}

#[test]
fn after_a_reset_the_same_messages_come_again() {
    let mut script = script(&SimSettings::default()).unwrap();
    let before: Vec<_> = first(script.as_mut(), 30).into_iter().map(|message| message.bytes).collect();
    script.reset();
    let again: Vec<_> = first(script.as_mut(), 30).into_iter().map(|message| message.bytes).collect();
    assert!(before == again);
}

#[test]
fn fifty_messages_show_every_trigger_once_at_least() {
    let kinds: BTreeSet<String> = texts(&SimSettings::default(), 60)
        .iter()
        .map(|text| Reading::of(text).unwrap().field("MSH", 9).split('^').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(kinds.len(), 14, "{kinds:?}");
}

#[test]
fn control_ids_are_unique_and_at_most_twenty_characters() {
    let mut script = script(&SimSettings::default()).unwrap();
    let ids: BTreeSet<String> =
        first(script.as_mut(), 500).into_iter().map(|message| message.control_id).collect();
    assert_eq!(ids.len(), 500);
    assert!(ids.iter().all(|id| id.len() <= 20)); // MSH-10
}

#[test]
fn every_message_has_a_patient_number_a_visit_and_escaped_text() {
    for text in texts(&SimSettings::default(), 300) {
        let reading = Reading::of(&text).unwrap();
        let number = first_component(reading.field("PID", 3));
        assert!(number.len() == 7 && number.bytes().all(|byte| byte.is_ascii_digit())); // PID-3.1
        let kind = reading.field("MSH", 9);
        if kind.starts_with("ADT^A40") {
            assert!(reading.field("MRG", 1).ends_with("^HIS^PI"));
        } else {
            assert!(!reading.field("PV1", 2).is_empty());
        }
        // An address with `&`, `|` or `^` in it has seven components all the same.
        assert_eq!(reading.field("PID", 11).split('^').count(), 7, "{}", reading.field("PID", 11)); // PID-11
    }
}

#[test]
fn a_gbk_system_does_not_say_so() {
    let settings = SimSettings { charset: Charset::GbkUndeclared, ..SimSettings::default() };
    let mut script = script(&settings).unwrap();
    for message in first(script.as_mut(), 50) {
        assert!(std::str::from_utf8(&message.bytes).is_err());
        let text = decode(&message.bytes).unwrap();
        assert_eq!(Reading::of(&text).unwrap().field("MSH", 18), "");
    }
}

#[test]
fn a_big_message_is_bigger_than_five_megabytes() {
    assert!(script(&SimSettings::default()).unwrap().next_big().bytes.len() > BIG);
}
