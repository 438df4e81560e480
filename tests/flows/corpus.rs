//! Every ADT and ORU message of the corpus, sent through the running hub: each ends, each is answered, none is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::harness::mllp::{Line, control_id, msa};
use crate::harness::{Hub, Setup, corpus};

/// The ADT and ORU messages below a folder; files with several messages are cut at their MSH segments.
fn messages(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "hl7") {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut messages = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let name = file.strip_prefix(folder).unwrap().display().to_string();
        for (nth, part) in cut(&bytes).into_iter().enumerate() {
            let head = String::from_utf8_lossy(&part[..part.len().min(300)]).into_owned();
            let first_line = head.lines().next().unwrap_or_default();
            if first_line.contains("ADT") || first_line.contains("ORU") {
                messages.push((format!("{name}#{nth}"), part));
            }
        }
    }
    messages
}

/// Cuts before every MSH that begins a segment. Batch headers and trailers stay with their neighbours.
fn cut(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut starts = Vec::new();
    for at in 0..bytes.len().saturating_sub(3) {
        let begins = at == 0 || matches!(bytes[at - 1], b'\r' | b'\n' | 0x0b);
        if begins && &bytes[at..at + 3] == b"MSH" {
            starts.push(at);
        }
    }
    if starts.is_empty() {
        return vec![bytes.to_vec()];
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).map(|(start, end)| trimmed(&bytes[*start..end])).collect()
}

/// Without the framing bytes and batch trailers that some files keep.
fn trimmed(message: &[u8]) -> Vec<u8> {
    let mut end = message.len();
    for trailer in [&b"\rBTS"[..], b"\nBTS", b"\rFTS", b"\nFTS", b"\rFHS", b"\nFHS", b"\rBHS", b"\nBHS"] {
        if let Some(at) = message.windows(trailer.len()).position(|window| window == trailer) {
            end = end.min(at + 1);
        }
    }
    message[..end].iter().copied().filter(|byte| !matches!(byte, 0x0b | 0x1c)).collect()
}

/// Enhanced mode in which neither MSH-15 nor MSH-16 asks for an answer to a message that is taken (HL7 table 0155).
fn wants_no_answer(message: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&message[..message.len().min(2000)]).into_owned();
    let fields: Vec<&str> = head.split(['\r', '\n']).next().unwrap_or_default().split('|').collect();
    let field = |number: usize| fields.get(number - 1).copied().unwrap_or_default().trim();
    let enhanced = !field(15).is_empty() || !field(16).is_empty();
    enhanced && [15, 16].iter().all(|number| ["", "NE", "ER"].contains(&field(*number)))
}

fn channel(message: &[u8]) -> &'static str {
    let head = String::from_utf8_lossy(&message[..message.len().min(300)]).into_owned();
    if head.lines().next().unwrap_or_default().contains("ORU") { "lis/oru-r01" } else { "his/adt" }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_adt_and_oru_message_of_the_corpus_ends_and_is_answered_and_none_is_lost() {
    let Some(corpus) = corpus() else { return };
    let mut all = messages(&corpus.join("hl7v2"));
    all.extend(messages(&corpus.join("v2-to-fhir-pairs")));
    assert!(all.len() > 700, "{} messages were found", all.len());
    let hub = Hub::start(&Setup::default().set("log.level=error")).await;
    let mut answers: BTreeMap<String, u32> = BTreeMap::new();
    for (name, message) in &all {
        // A line of its own: an application acknowledgement that comes later is not taken for the next message's answer.
        let mut line = Line::connect(&hub.channel(channel(message))).await.unwrap();
        line.send(message).await.unwrap();
        if wants_no_answer(message) {
            *answers.entry("none wanted".to_owned()).or_default() += 1;
            continue;
        }
        let answer = line
            .answer()
            .await
            .unwrap_or_else(|error| panic!("{name} was not answered: {error}\n{}", hub.log()));
        let (code, about) = msa(&answer);
        assert!(["AA", "AE", "AR", "CA", "CE", "CR"].contains(&code.as_str()), "{name}: {answer}");
        if message.starts_with(b"MSH|") && code != "AR" && code != "CR" {
            assert_eq!(about, control_id(message), "{name}: MSA-2");
        }
        *answers.entry(code).or_default() += 1;
    }
    let sent: BTreeSet<(&str, &Vec<u8>)> =
        all.iter().map(|(_, message)| (channel(message), message)).collect();
    // Who wants no answer does not wait for one: its message may still be on its way into the journal.
    hub.until(|status| {
        let channels = status["channels"].as_array().unwrap();
        let counts = channels.iter().flat_map(|channel| channel["messages"].as_object().unwrap().values());
        counts.map(|count| count.as_u64().unwrap()).sum::<u64>() >= sent.len() as u64
    })
    .await;
    let mut states: BTreeMap<String, u64> = BTreeMap::new();
    let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
    for id in ["his/adt", "lis/oru-r01"] {
        hub.settled(id).await;
        for state in ["committed", "filtered", "quarantined"] {
            *states.entry(state.to_owned()).or_default() += hub.count(id, state).await;
        }
        for state in ["quarantined", "filtered"] {
            for message in hub.messages(&format!("state={state}&channel={id}&limit=500")).await {
                let reason = match message["filtered_by"].as_str() {
                    Some(rule) if rule.starts_with("accept") => {
                        "filtered: an event or type the channel does not take".to_owned()
                    }
                    Some(rule) => format!("filtered: stopped by `{rule}`"),
                    None => {
                        let fault = &message["fault"];
                        assert!(fault["place"].is_string(), "a fault has its place: {message}");
                        let place = fault["place"]
                            .as_str()
                            .unwrap()
                            .split(['[', '('])
                            .next()
                            .unwrap_or_default()
                            .to_owned();
                        format!(
                            "{} at {place}: {}",
                            fault["step"].as_str().unwrap(),
                            fault["reason"].as_str().unwrap()
                        )
                    }
                };
                *reasons.entry(reason).or_default() += 1;
            }
        }
    }
    let ended: u64 = states.values().sum();
    // The same bytes stand in both folders now and then: those are duplicates, acknowledged and not stored again.
    assert_eq!(ended, sent.len() as u64, "each distinct message has ended exactly once: {states:?}");
    let committed = states["committed"] as f64 / ended as f64 * 100.0;
    let shown = format!(
        "{} messages sent, {ended} distinct; answers {answers:?}; ended {states:?}; {committed:.1} % committed",
        all.len()
    );
    println!("{shown}");
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let title = "# The corpus through the running hub\n\nEvery ADT and ORU message of the corpus, sent over MLLP to the \
                 real program; written by the test itself (`HUITONG_BLESS=1 cargo test --test flows corpus`).\n";
    let mut page = format!("{title}\n{shown}.\n\n| messages | why they were not committed |\n|---|---|\n");
    for (reason, count) in &reasons {
        println!("{count:5}  {reason}");
        page.push_str(&format!("| {count} | {} |\n", reason.replace('|', "\\|")));
    }
    if std::env::var_os("HUITONG_BLESS").is_some() {
        std::fs::write(crate::harness::root().join("docs/corpus.md"), page).unwrap();
    }
    // Many files are fragments on purpose, without a patient or of other events: see the reasons printed.
    assert!(committed > 60.0, "too little is committed: {committed:.1} %");
    hub.stop().await;
}
