//! The program at the prompt: help, lint, settings, exit codes.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use crate::harness::copy_of_the_files;
use crate::harness::root;

fn huitong(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_huitong")).args(arguments).current_dir(root()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_every_command() {
    let help = text(&huitong(&["--help"]).stdout);
    for command in [
        "run",
        "archive",
        "vacuum",
        "demo",
        "check",
        "test",
        "map",
        "schema",
        "send",
        "replay",
        "skip",
        "retry",
        "sim",
        "messages",
        "status",
        "bench",
        "account",
        "client",
        "audit",
        "token",
        "completions",
    ] {
        assert!(help.contains(&format!("  {command}")), "{command}\n{help}");
    }
}

#[test]
fn completions_are_printed_for_a_shell() {
    assert!(text(&huitong(&["completions", "bash"]).stdout).contains("huitong"));
}

#[test]
fn the_files_of_the_house_have_no_findings() {
    let output = huitong(&["check"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn wrong_files_give_every_finding_with_its_line_and_the_exit_code_64() {
    let folder = copy_of_the_files();
    let file = folder.path().join("channels/his/adt.toml");
    let channel = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        channel.replace("lane_by", "lane").replace("connector   = \"his\"", "connector   = \"hiss\""),
    )
    .unwrap();
    let output = huitong(&["check", "--root", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(64));
    let errors = text(&output.stderr);
    assert!(errors.contains("channels/his/adt.toml:"), "{errors}");
    assert!(errors.contains("lane_by"), "the nearest right word is named: {errors}");
    let json = huitong(&["check", "--json", "--root", folder.path().to_str().unwrap()]);
    for line in text(&json.stdout).lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(finding["line"].as_u64().unwrap() > 0 && finding["message"].is_string(), "{finding}");
    }
}

#[test]
fn a_hub_with_wrong_files_does_not_start() {
    let folder = copy_of_the_files();
    std::fs::write(folder.path().join("channels/his/adt.toml"), "name = \"his/adt\"\n").unwrap();
    let data = TempDir::new().unwrap();
    let (root, data) = (folder.path().to_str().unwrap(), data.path().to_str().unwrap());
    let output = huitong(&["run", "--root", root, "--data", data, "--set", KEYS]);
    assert_eq!(output.status.code(), Some(64));
    let errors = text(&output.stderr);
    assert!(errors.contains("adt.toml") && !errors.contains("secret-not-set"), "{errors}");
}

/// Where the simulators' keys are: a hub that runs must be told so.
const KEYS: &str = "secrets_dir=fixtures/secrets";

#[test]
fn a_hub_that_runs_does_not_take_the_simulators_keys_by_itself() {
    let data = TempDir::new().unwrap();
    let data = data.path().to_str().unwrap();
    let output = huitong(&["run", "--data", data, "--set", "http.listen=127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(64));
    let errors = text(&output.stderr);
    for secret in ["his-sign-key", "bank-shared-key", "HUITONG_SECRET_BANK_MERCHANT_KEY"] {
        assert!(errors.contains(secret), "{secret}: {errors}");
    }
    // Who only looks at the files need not have any.
    assert_eq!(huitong(&["check"]).status.code(), Some(0));
}

#[test]
fn an_unknown_setting_is_refused() {
    let output = huitong(&["check", "--set", "http.lisen=127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("lisen"), "{}", text(&output.stderr));
    let from_environment = Command::new(env!("CARGO_BIN_EXE_huitong"))
        .arg("check")
        .env("HUITONG_HTTP__LISEN", "x")
        .current_dir(root())
        .output()
        .unwrap();
    assert_eq!(from_environment.status.code(), Some(64));
    let errors = text(&from_environment.stderr);
    assert!(errors.contains("HUITONG_HTTP__LISEN"), "its source is named: {errors}");
}

#[test]
fn an_impossible_setting_is_refused_before_anything_is_opened() {
    for setting in [
        "store.readers=0",
        "retention.schedule=never",
        "retention.keep_days=99999999999",
        "http.listen=localhost:80",
        "http.base_url=hub",
        "log.level=hub=loud",
        "log.format=xml",
        "channels.none.settings.listen=x",
    ] {
        let output = huitong(&["run", "--data", "/proc/no-such-folder", "--set", KEYS, "--set", setting]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{setting}: {errors}");
        assert!(!errors.contains("secret-not-set"), "{setting}: {errors}");
    }
}

#[test]
fn a_hub_that_is_not_there_is_told_in_a_line_with_what_to_do() {
    let output = huitong(&["status", "--url", "127.0.0.1:9"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert!(errors.contains("no hub answers at http://127.0.0.1:9: Connection refused"), "{errors}");
    assert!(errors.contains("huitong run"), "{errors}");
}

#[test]
fn nothing_is_sent_where_nobody_listens_and_words_that_choose_no_test_fail() {
    let send = huitong(&["send", "fixtures/his/adt", "--to", "mllp://127.0.0.1:9"]);
    assert_eq!(send.status.code(), Some(1));
    assert_eq!(
        text(&send.stderr).lines().count(),
        1,
        "once, not once for each message: {}",
        text(&send.stderr)
    );
    assert_eq!(huitong(&["test", "no-such-words"]).status.code(), Some(1));
}

#[test]
fn the_data_folder_is_made_for_its_user_alone_and_a_reader_that_has_gone_does_not_end_the_hub() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let (data, ready) = (folder.path().join("made/data"), folder.path().join("ready.json"));
    let mut hub = Command::new(env!("CARGO_BIN_EXE_huitong"))
        .args(["run", "--data", data.to_str().unwrap(), "--ready-file", ready.to_str().unwrap()])
        .args(["--set", KEYS, "--set", "http.listen=127.0.0.1:0"])
        .args(["--set", "channels.\"bank/notices\".settings.listen=127.0.0.1:0"])
        .args(["--set", "channels.\"esign/notices\".settings.listen=127.0.0.1:0"])
        .args(["--set", "channels.\"sms/receipts\".settings.listen=127.0.0.1:0"])
        .args(["--set", "channels.\"his/adt\".settings.listen=127.0.0.1:0"])
        .args(["--set", "channels.\"lis/oru-r01\".settings.listen=127.0.0.1:0"])
        .args(["--set", "channels.\"his/find-patients\".settings.listen=127.0.0.1:0"])
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // As `huitong run | head -0` does.
    drop(hub.stdout.take());
    let begun = Instant::now();
    while !ready.exists() && begun.elapsed().as_secs() < 30 {
        std::thread::sleep(Duration::from_millis(50));
    }
    // The lines for people come after the file.
    std::thread::sleep(Duration::from_millis(300));
    let ended = hub.try_wait().unwrap();
    let mode = std::fs::metadata(&data).map(|found| found.permissions().mode() & 0o777);
    hub.kill().unwrap();
    hub.wait().unwrap();
    assert_eq!(ended, None);
    assert_eq!(mode.unwrap(), 0o700);
}

#[test]
fn the_channels_own_tests_pass() {
    let output = huitong(&["test", "--json"]);
    let lines = text(&output.stdout);
    for line in lines.lines() {
        let test: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(test["passed"], true, "{test:#}");
    }
    assert!(lines.lines().count() > 30, "there are tests:\n{lines}\n{}", text(&output.stderr));
    assert!(output.status.success());
}

#[test]
fn a_second_hub_is_told_that_something_listens_there_and_what_to_do() {
    let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("http.listen={}", first.local_addr().unwrap());
    let data = TempDir::new().unwrap();
    let data = data.path().to_str().unwrap();
    let output = huitong(&["run", "--data", data, "--set", KEYS, "--set", &taken]);
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert!(errors.contains("something does already") && errors.contains("huitong status"), "{errors}");
}
