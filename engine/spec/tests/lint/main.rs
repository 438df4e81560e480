//! Whole projects are loaded: a right one has no findings, a wrong one has all of its findings at once.

#![expect(clippy::unwrap_used, reason = "a test project that cannot be written is a failed test")]

mod documented;
mod project;

use hub_core::finding::FindingKind;
use hub_core::id::ChannelId;
use hub_core::source::Acknowledge;
use hub_core::store::StateName;
use hub_spec::{
    ChannelOverride, InDoubt, Origin, Overrides, ProjectFiles, Reads, RetryPolicy, StartWhen, load,
    load_files,
};
use proptest::prelude::*;

use project::{Known, RIGHT, loaded, project, registry, shown, write};

/// What is found in a project whose one channel is this.
fn findings(channel: &str) -> String {
    let folder = project(channel);
    shown(&loaded(folder.path()).unwrap_err())
}

#[test]
fn a_right_project_has_no_findings() {
    let folder = project(RIGHT);
    let project = loaded(folder.path()).map_err(|findings| shown(&findings)).unwrap();
    assert_eq!(shown(&project.warnings), "");

    let channel = project.channel(&ChannelId::from("lis/oru-r01")).unwrap();
    assert_eq!(channel.file.to_str(), Some("channels/lis/oru-r01.toml"));
    assert_eq!(channel.from.acknowledge, Acknowledge::OnCommitted);
    assert_eq!(channel.from.lane_by.as_ref().unwrap().as_str(), "PID-3.1");
    assert_eq!(channel.from.settings["max_message_bytes"].as_integer(), Some(1_048_576));
    assert!(channel.parse.takes(Some("ORU^R01")) && !channel.parse.takes(Some("ADT^A01")));
    assert!(!channel.parse.takes(None));
    assert_eq!(channel.filter[0].text, r#"MSH-11.1 = "P""#);
    assert_eq!(channel.keys[0].0, "patient");

    let route = &channel.to[0];
    assert_eq!(route.id.as_str(), "lis/oru-r01/ward-notice");
    assert_eq!(route.reads(), Reads::Resources);
    assert_eq!(route.in_doubt, InDoubt::Resend);
    assert_eq!(route.retry.first.as_secs(), 2);
    assert_eq!((route.circuit.failures, route.circuit.within.as_secs()), (10, 30));

    let test = &channel.tests[1];
    assert_eq!(test.state, StateName::Quarantined);
    assert_eq!(test.given.to_str(), Some("fixtures/lis/oru-r01/critical-potassium.hl7"));
    assert_eq!(test.line, RIGHT.lines().position(|line| line.contains("is set aside")).unwrap());
}

#[test]
fn what_is_left_out_is_the_default() {
    let short = include_str!("wrong/no-test.toml").to_owned()
        + "[[to]]\nname = \"archive\"\nconnector = \"notify\"\nsettings = { url = \"x\" }\n"
        + "[[test]]\nname = \"x\"\ngiven = \"lis/oru-r01/critical-potassium.hl7\"\n";
    let folder = project(&short);
    let project = loaded(folder.path()).map_err(|findings| shown(&findings)).unwrap();
    let channel = &project.channels[0];
    assert_eq!(channel.from.acknowledge, Acknowledge::OnReceived);
    assert!(channel.parse.takes(Some("ADT^A01")) && channel.parse.takes(None));
    assert_eq!(channel.to[0].retry, RetryPolicy::default());
    assert_eq!(channel.to[0].in_doubt, InDoubt::Hold);
    assert_eq!(channel.to[0].reads(), Reads::Message);
    assert_eq!(channel.tests[0].state, StateName::Committed);
}

#[test]
fn text_that_is_not_toml_is_found_with_its_line() {
    insta::assert_snapshot!(findings(include_str!("wrong/not-toml.toml")));
}

#[test]
fn unknown_keys_are_found_with_the_nearest_word() {
    insta::assert_snapshot!(findings(include_str!("wrong/unknown-keys.toml")));
}

#[test]
fn missing_keys_are_found_with_an_example() {
    insta::assert_snapshot!(findings(include_str!("wrong/missing-keys.toml")));
}

#[test]
fn wrong_types_are_found_with_what_was_expected() {
    insta::assert_snapshot!(findings(include_str!("wrong/wrong-types.toml")));
}

#[test]
fn unknown_connectors_wrong_settings_and_missing_secrets_are_found() {
    insta::assert_snapshot!(findings(include_str!("wrong/connectors.toml")));
}

#[test]
fn wrong_and_doubled_names_and_versions_are_found() {
    insta::assert_snapshot!(findings(include_str!("wrong/names.toml")));
}

#[test]
fn mappings_that_are_missing_or_do_not_fit_are_found() {
    insta::assert_snapshot!(findings(include_str!("wrong/mappings.toml")));
}

#[test]
fn bad_paths_and_conditions_are_found_at_their_column() {
    insta::assert_snapshot!(findings(include_str!("wrong/paths-and-conditions.toml")));
}

#[test]
fn tests_without_their_files_and_with_unsafe_paths_are_found() {
    insta::assert_snapshot!(findings(include_str!("wrong/tests.toml")));
}

#[test]
fn a_channel_without_a_test_is_found() {
    insta::assert_snapshot!(findings(include_str!("wrong/no-test.toml")));
}

#[test]
fn two_channels_on_one_port_are_found() {
    let folder = project(RIGHT);
    write(folder.path(), "channels/lis/second.toml", include_str!("wrong/port.toml"));
    insta::assert_snapshot!(shown(&loaded(folder.path()).unwrap_err()));
}

/// The right channel under another name, which starts after these.
fn starting_after(name: &str, after: &str) -> String {
    let start = format!("[start]\nafter = {after}\nwhen = \"caught-up\"\n\n[[test]]");
    let named = RIGHT.replacen("lis/oru-r01", name, 1).replacen("[[test]]", &start, 1);
    named.replacen("127.0.0.1:2575", "127.0.0.1:0", 1).replacen("0.0.0.0:2575", "127.0.0.1:0", 1)
}

#[test]
fn channels_that_start_after_others_name_those_there_are_and_wait_in_no_circle() {
    let folder = project(&starting_after("lis/oru-r01", r#"["his/adt", "lis/third"]"#));
    let path = |name: &str| format!("channels/{name}.toml");
    write(folder.path(), &path("his/adt"), starting_after("his/adt", r#"["lis/third"]"#));
    write(folder.path(), &path("lis/third"), starting_after("lis/third", "[]"));
    let right = loaded(folder.path()).map_err(|findings| shown(&findings)).unwrap();
    let start = &right.channel(&ChannelId::from("lis/oru-r01")).unwrap().start;
    assert_eq!(start.after, [ChannelId::from("his/adt"), ChannelId::from("lis/third")]);
    assert_eq!(start.when, StartWhen::CaughtUp);

    write(folder.path(), &path("lis/third"), starting_after("lis/third", r#"["lis/oru-r01", "his/atd"]"#));
    write(folder.path(), &path("lis/own"), starting_after("lis/own", r#"["lis/own"]"#));
    insta::assert_snapshot!(shown(&loaded(folder.path()).unwrap_err()));
}

#[test]
fn an_earlier_deployment_is_loaded_from_its_texts_without_its_fixtures() {
    let folder = project(RIGHT);
    let texts = ProjectFiles::read(folder.path()).texts();
    let paths: Vec<&str> = texts.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "channels/lis/oru-r01.toml",
            "mappings/codes/gender.toml",
            "mappings/lis/oru-r01.toml",
            "mappings/notify/critical-result.toml"
        ]
    );
    assert_eq!(texts["channels/lis/oru-r01.toml"], RIGHT);
    let now = loaded(folder.path()).map_err(|findings| shown(&findings)).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut overrides = Overrides::default();
    overrides.channels.insert(ChannelId::from("lis/not-there-then"), ChannelOverride::default());
    let load = |origin| {
        let files = ProjectFiles::of(&texts);
        load_files(&files, elsewhere.path(), origin, &registry(), &Known, &overrides)
    };
    let then = load(Origin::Earlier).map_err(|findings| shown(&findings)).unwrap();
    assert_eq!(then.channels[0].digest, now.channels[0].digest);
    assert!(load(Origin::Folder).is_err());
}

#[test]
fn what_is_wrong_in_a_mapping_is_found_once_with_the_channels_own_findings() {
    let folder = project(include_str!("wrong/no-test.toml"));
    let wrong = "name = \"lis/oru-r01\"\nversion = 1\nfrom = \"hl7v2\"\n\n[[resource]]\nas = \"patient\"\ntype = \"Pateint\"\nid = [\"patient\", \"PID-3.1\"]\n";
    write(folder.path(), "mappings/lis/oru-r01.toml", wrong);
    write(
        folder.path(),
        "channels/lis/second.toml",
        include_str!("wrong/port.toml").replace("0.0.0.0:2575", "127.0.0.1:0"),
    );
    insta::assert_snapshot!(shown(&loaded(folder.path()).unwrap_err()));
}

#[test]
fn overrides_are_laid_over_the_files_settings_before_they_are_checked() {
    let folder = project(RIGHT);
    let mut overrides = Overrides::default();
    let over: ChannelOverride = toml::from_str(
        "settings = { listen = \"127.0.0.1:0\" }\nto.ward-notice = { url = \"http://other\" }",
    )
    .unwrap();
    overrides.channels.insert(ChannelId::from("lis/oru-r01"), over);
    let project = load(folder.path(), &registry(), &Known, &overrides).unwrap();
    assert_eq!(project.channels[0].from.settings["listen"].as_str(), Some("127.0.0.1:0"));
    assert_eq!(project.channels[0].to[0].settings["url"].as_str(), Some("http://other"));
    assert_eq!(project.channels[0].to[0].settings["token"].as_str(), Some("ward-token"));
}

#[test]
fn overrides_that_meet_nothing_or_do_not_fit_are_found() {
    let folder = project(RIGHT);
    let mut overrides = Overrides { origin: "config/hub.toml".into(), ..Overrides::default() };
    let over =
        toml::from_str("settings = { lisen = \"127.0.0.1:0\" }\nto.ward-notise = { url = \"http://other\" }");
    overrides.channels.insert(ChannelId::from("lis/oru-r01"), over.unwrap());
    overrides.channels.insert(ChannelId::from("lis/oru-r02"), ChannelOverride::default());
    insta::assert_snapshot!(shown(&load(folder.path(), &registry(), &Known, &overrides).unwrap_err()));
}

#[test]
fn what_no_channel_uses_and_what_is_not_blessed_yet_are_warnings() {
    let folder = project(RIGHT);
    write(folder.path(), "mappings/his/old.toml", "name = \"his/old\"");
    write(folder.path(), "mappings/codes/old.toml", "name = \"old\"");
    std::fs::remove_file(folder.path().join("fixtures/lis/oru-r01/critical-potassium.bundle.json")).unwrap();
    let project = loaded(folder.path()).map_err(|findings| shown(&findings)).unwrap();
    insta::assert_snapshot!(shown(&project.warnings));
}

#[test]
fn a_channel_has_another_digest_when_a_file_it_uses_changes() {
    let folder = project(RIGHT);
    let digest = || loaded(folder.path()).map_err(|findings| shown(&findings)).unwrap().channels[0].digest;
    let before = digest();
    assert_eq!(digest(), before);
    write(folder.path(), "mappings/codes/unused.toml", "name = \"unused\"");
    assert_eq!(digest(), before);
    let table = folder.path().join("mappings/codes/gender.toml");
    let text = std::fs::read_to_string(&table).unwrap();
    std::fs::write(table, text + "U = \"unknown\"\n").unwrap();
    assert_ne!(digest(), before);
}

#[test]
fn files_that_are_not_text_and_a_folder_that_is_no_project_are_found() {
    let folder = project(RIGHT);
    write(folder.path(), "channels/lis/binary.toml", [0xff, 0xfe]);
    write(folder.path(), "mappings/binary.toml", [0xff, 0xfe]);
    insta::assert_snapshot!(shown(&loaded(folder.path()).unwrap_err()));
    let nowhere = tempfile::TempDir::new().unwrap();
    let findings = loaded(nowhere.path()).unwrap_err();
    assert_eq!(findings[0].kind, FindingKind::Unreadable);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_channel_or_has_findings(text in any::<String>()) {
        let folder = project(&text);
        prop_assert!(!loaded(folder.path()).unwrap_err().is_empty());
    }

    #[test]
    fn a_right_channel_with_a_piece_cut_out_or_put_in_is_a_channel_or_has_findings(
        from in 0..RIGHT.len(), length in 0usize..40, piece in "[\\[\\]{}=\"'.#a-z0-9\n \u{4f1a}-]{0,8}",
    ) {
        let mut text = RIGHT.to_owned();
        text.replace_range(from..(from + length).min(RIGHT.len()), &piece);
        let folder = project(&text);
        match loaded(folder.path()) {
            Ok(project) => prop_assert_eq!(project.channels.len(), 1),
            Err(findings) => prop_assert!(findings.iter().all(|finding| !finding.message.is_empty())),
        }
    }
}
