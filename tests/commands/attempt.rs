//! `huitong map try`: once, and watching.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use crate::prompt::{change, command, copy_of_the_files, huitong};

#[test]
fn once_prints_the_whole_result_and_tells_by_its_code_whether_all_were_mapped() {
    let said = huitong(&["map", "try", "lis/oru-r01", "fixtures/lis/oru-r01/normal.hl7", "--once"]).well();
    assert!(said.contains("\"birthDate\": \"1988-11-12\""), "{said}");
    assert!(said.contains("1 message mapped in"), "{said}");
    let said = huitong(&["map", "try", "lis/oru-r01", "fixtures/lis/oru-r01/no-pid.hl7", "--once"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("set aside"), "{}", said.out);
}

/// Reads lines until one holds these words.
fn wait_for(lines: &mpsc::Receiver<String>, words: &str) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let line = lines.recv_timeout(Duration::from_secs(30));
        let line = line.unwrap_or_else(|_| panic!("`{words}` did not come:\n{}", seen.join("\n")));
        let is_it = line.contains(words);
        seen.push(line);
        if is_it {
            return seen;
        }
    }
}

#[test]
fn each_save_shows_what_changed_and_what_is_wrong() {
    let folder = copy_of_the_files();
    let mut child = command(folder.path(), &["map", "try", "lis/oru-r01", "fixtures/lis/oru-r01/normal.hl7"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = mpsc::channel();
    let errors = child.stderr.take().unwrap();
    for stream in [Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>, Box::new(errors)]
    {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
    }
    wait_for(&lines, "Watching");
    // A code table, which the mapping uses through a part.
    change(
        folder.path(),
        "mappings/codes/hl7-0001.toml",
        "\"M\" = { code = \"male\"",
        "\"M\" = { code = \"other\"",
    );
    let seen = wait_for(&lines, "Watching").join("\n");
    assert!(seen.contains("Patient.gender  male → other"), "{seen}");
    change(folder.path(), "mappings/hl7v2/patient.toml", "birthDate  ", "birthDat  ");
    wait_for(&lines, "did you mean `birthDate`?");
    change(folder.path(), "mappings/hl7v2/patient.toml", "birthDat  ", "birthDate  ");
    wait_for(&lines, "as before");
    wait_for(&lines, "Watching");
    change(folder.path(), "fixtures/lis/oru-r01/normal.hl7", "19881112", "19881113");
    let seen = wait_for(&lines, "Watching").join("\n");
    assert!(seen.contains("Patient.birthDate  1988-11-12 → 1988-11-13"), "{seen}");
    child.kill().unwrap();
    child.wait().unwrap();
}
