//! `huitong test`: runs the channels' own `[[test]]`s, without a network and without a store.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use hub_connect::mllp_source::answering;
use hub_core::commit::Commit;
use hub_core::envelope::{Envelope, Head, Label, Mapped, Peer, Raw};
use hub_core::fault::Fault;
use hub_core::id::{CorrelationId, DedupeKey, Digest, MessageId};
use hub_core::source::{Acknowledge, Door, Inbound, Intake, Outcome, Receipt, Refusal};
use hub_core::store::{End, StateName};
use hub_fhir::Json;
use hub_formats::hl7v2::{AckRead, Header};
use hub_runtime::steps::{Road, Walked};
use hub_spec::{Channel, ChannelTest};
use hub_transport::mllp_server::PeerInfo;
use time::{OffsetDateTime, UtcOffset};

use crate::cli::{Global, TestArguments};
use crate::settings::Settings;
use crate::{EXIT_WRONG_FILES, bundle, check, hub, paint};

/// Runs the tests that the words choose.
pub async fn run(global: &Global, arguments: &TestArguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(global)?;
    let project = match hub::load(global, &settings)? {
        Ok(project) => project,
        Err(findings) => {
            check::print(&findings, false);
            return Ok(ExitCode::from(EXIT_WRONG_FILES));
        }
    };
    let (mut passed, mut failed, mut blessed) = (0, 0, 0);
    for channel in project.channels {
        let road = Arc::new(road(channel)?);
        for test in &road.channel.tests {
            let name = format!("{}: {}", road.channel.id, test.name);
            let chosen =
                arguments.words.is_empty() || arguments.words.iter().any(|word| name.contains(word.as_str()));
            if !chosen {
                continue;
            }
            let judged = judge(&road, test, &project.root, arguments.bless).await?;
            blessed += judged.blessed;
            if judged.wrong.is_empty() {
                passed += 1;
            } else {
                failed += 1;
            }
            report(&name, &judged, arguments.json);
        }
    }
    if passed + failed == 0 && !arguments.words.is_empty() {
        anyhow::bail!("no channel's or test's name contains {}", arguments.words.join(" or "));
    }
    if !arguments.json {
        println!();
        println!("{passed} passed, {failed} failed");
        if blessed > 0 {
            let files = if blessed == 1 { "file" } else { "files" };
            println!("{blessed} golden {files} written; read the difference before you commit it");
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The pure steps of a channel, as the hub walks them.
pub fn road(channel: Channel) -> anyhow::Result<Road> {
    let parser = hub_runtime::steps::parser(&channel)?;
    let writers = hub_runtime::steps::writers(&channel)?;
    Ok(Road { channel, parser, writers, typed_check: Some(hub_r4b::check) })
}

/// What a test showed.
#[derive(Default)]
struct Judged {
    wrong: Vec<String>,
    blessed: usize,
}

async fn judge(road: &Arc<Road>, test: &ChannelTest, root: &Path, bless: bool) -> anyhow::Result<Judged> {
    let given = std::fs::read(root.join(&test.given)).with_context(|| test.given.display().to_string())?;
    let (came, receipt) = knock(road, Bytes::from(given)).await;
    let mut judged = Judged::default();
    let mut expect = |what: &str, expected: &str, found: &str| {
        if expected != found {
            judged.wrong.push(format!("{what}: expected `{expected}`, found `{found}`"));
        }
    };
    expect("state", test.state.name(), came.state.name());
    if let Some(expected) = &test.receipt {
        expect("receipt", expected, &receipt);
    }
    if let Some(place) = &test.place {
        expect(
            "place",
            place,
            came.fault.as_ref().and_then(|fault| fault.place.as_deref()).unwrap_or_default(),
        );
    }
    if let Some(words) = &test.reason {
        let reason = came.fault.as_ref().map_or(came.rule.as_str(), |fault| fault.reason.as_str());
        if !reason.contains(words.as_str()) {
            judged.wrong.push(format!("reason: expected the words `{words}`, found `{reason}`"));
        }
    } else if test.state != StateName::Quarantined
        && let Some(fault) = &came.fault
    {
        judged.wrong.push(fault.to_string());
    }
    if let Some(golden) = &test.writes {
        let found = pretty(&bundle::of(&came.commit));
        compare(&root.join(golden), golden, &found, bless, &mut judged)?;
    }
    for (name, golden) in &test.sends {
        let bodies = came.sent(road, name);
        match bodies.as_slice() {
            [] => judged.wrong.push(format!("sends: nothing was sent to `{name}`")),
            bodies => compare(&root.join(golden), golden, &bodies.join("\n"), bless, &mut judged)?,
        }
    }
    // What is not named must not be sent: except what a channel forwards as it came, which no golden file needs to show.
    for route in road.channel.to.iter().filter(|route| route.mapping.is_some()) {
        let told = test.sends.iter().any(|(name, _)| *name == route.name);
        if !told && !came.sent(road, &route.name).is_empty() {
            judged
                .wrong
                .push(format!("sends: something was sent to `{}`, which the test does not name", route.name));
        }
    }
    Ok(judged)
}

/// Brings a message to the channel's door as an MLLP source does; gives what came of it and the code it was answered with.
async fn knock(road: &Arc<Road>, bytes: Bytes) -> (Came, String) {
    let door = Arc::new(TestDoor { road: road.clone(), came: Mutex::new(None) });
    let handler = answering(Intake::new(door.clone()), Duration::from_secs(5), UtcOffset::UTC);
    let peer = PeerInfo { address: SocketAddr::from(([127, 0, 0, 1], 0)), identity: None };
    let mut replies = handler.handle(bytes, &peer).await;
    if replies.now.is_empty()
        && let Some(later) = replies.later.take()
    {
        replies.now.extend(later.await);
    }
    let receipt = replies.now.first().and_then(|answer| AckRead::read(answer).ok());
    let receipt = receipt.map_or_else(|| "none".to_owned(), |ack| ack.code.name().to_owned());
    let came = door.came.lock().unwrap_or_else(PoisonError::into_inner).take();
    (came.unwrap_or_default(), receipt)
}

/// The door of a channel without a store: what comes in is walked at once, and what came of it is kept.
struct TestDoor {
    road: Arc<Road>,
    came: Mutex<Option<Came>>,
}

impl TestDoor {
    fn keep(&self, came: Came) {
        *self.came.lock().unwrap_or_else(PoisonError::into_inner) = Some(came);
    }
}

#[async_trait]
impl Door for TestDoor {
    async fn accept(&self, inbound: Inbound) -> Receipt {
        let id = MessageId(uuid::Uuid::nil());
        if let Some(fault) = inbound.unreadable {
            self.keep(Came { state: StateName::Quarantined, fault: Some(fault.clone()), ..Came::default() });
            return Receipt::Refused(Some(id), Refusal::Unreadable(fault));
        }
        let parse = &self.road.channel.parse;
        let taken = parse.takes(inbound.label.message_type.as_deref());
        self.keep(Came::of(self.road.walk(message(&self.road, inbound.bytes, inbound.label))));
        if taken {
            Receipt::Accepted(id)
        } else {
            Receipt::Refused(Some(id), Refusal::Unsupported { expected: parse.expected() })
        }
    }

    async fn outcome(&self, _id: MessageId) -> Option<Outcome> {
        let came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        let came = came.as_ref()?;
        Some(match &came.fault {
            Some(fault) => Outcome::Quarantined(fault.clone()),
            None if came.state == StateName::Filtered => Outcome::Filtered { rule: came.rule.clone() },
            None => Outcome::Committed,
        })
    }

    fn acknowledge(&self) -> Acknowledge {
        self.road.channel.from.acknowledge
    }
}

/// A message as its source would hand it over.
pub fn at_the_door(road: &Road, bytes: Bytes) -> Envelope<Raw> {
    let message_type = Header::read(&bytes).ok().map(|header| header.message_type());
    message(road, bytes, Label { message_type, ..Label::default() })
}

fn message(road: &Road, bytes: Bytes, label: Label) -> Envelope<Raw> {
    let head = Head {
        id: MessageId(uuid::Uuid::nil()),
        channel: road.channel.id.clone(),
        dedupe: DedupeKey::from(""),
        digest: Digest::of(&bytes),
        label,
        correlation: CorrelationId::from("test"),
        received_at: OffsetDateTime::UNIX_EPOCH,
        peer: Peer::default(),
        parent: None,
    };
    Envelope { head, body: Raw(bytes) }
}

/// What came of a message.
struct Came {
    state: StateName,
    fault: Option<Fault>,
    rule: String,
    commit: Commit,
}

impl Default for Came {
    /// A message that never came to the door.
    fn default() -> Self {
        Self { state: StateName::Received, fault: None, rule: String::new(), commit: Commit::default() }
    }
}

impl Came {
    fn of(walked: Walked) -> Self {
        match walked {
            Walked::Mapped(Envelope { body: Mapped(commit), .. }) => {
                Self { state: StateName::Committed, fault: None, rule: String::new(), commit }
            }
            Walked::Ended(_, End::Filtered { rule }, _) => {
                Self { state: StateName::Filtered, fault: None, rule, commit: Commit::default() }
            }
            Walked::Ended(_, End::Quarantined(fault), _) => Self {
                state: StateName::Quarantined,
                fault: Some(fault),
                rule: String::new(),
                commit: Commit::default(),
            },
        }
    }

    /// The bodies sent to the destination of this name, JSON made readable.
    fn sent(&self, road: &Road, name: &str) -> Vec<String> {
        let Some(route) = road.channel.to.iter().find(|route| route.name == name) else { return Vec::new() };
        let parcels = self.commit.parcels.iter().filter(|parcel| parcel.to == route.id);
        parcels
            .map(|parcel| {
                let text = String::from_utf8_lossy(&parcel.body).into_owned();
                hub_fhir::json::parse(&text).map_or(text, |tree| pretty(&tree))
            })
            .collect()
    }
}

fn pretty(tree: &Json) -> String {
    let mut text = tree.to_pretty_text();
    text.push('\n');
    text
}

fn compare(path: &Path, name: &Path, found: &str, bless: bool, judged: &mut Judged) -> anyhow::Result<()> {
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    if golden == found {
        return Ok(());
    }
    if bless {
        std::fs::write(path, found).with_context(|| path.display().to_string())?;
        judged.blessed += 1;
        return Ok(());
    }
    let shown = name.display();
    if golden.is_empty() {
        judged.wrong.push(format!("{shown} is missing; `huitong test --bless` writes it"));
        return Ok(());
    }
    judged.wrong.push(format!("{shown} differs {}", difference(&golden, found)));
    Ok(())
}

/// Lines of a difference that are shown of each side.
const SHOWN: usize = 8;

/// From where two texts differ, and what stands there in each, without what is the same at the end.
fn difference(golden: &str, found: &str) -> String {
    let (golden, found): (Vec<&str>, Vec<&str>) = (golden.lines().collect(), found.lines().collect());
    let same = golden.iter().zip(&found).take_while(|(golden, found)| golden == found).count();
    let (golden, found) = (&golden[same..], &found[same..]);
    let ends = golden.iter().rev().zip(found.iter().rev());
    let same_at_end = ends.take_while(|(golden, found)| golden == found).count();
    let mut lines = vec![format!("from line {}:", same + 1)];
    let mut side = |text: &[&str], mark: &str, painted: fn(String) -> String| {
        let text = &text[..text.len() - same_at_end];
        lines.extend(text.iter().take(SHOWN).map(|line| painted(format!("    {mark} {line}"))));
        if text.len() > SHOWN {
            lines.push(painted(format!("    {mark} ... and {} lines more", text.len() - SHOWN)));
        }
    };
    side(golden, "-", paint::error);
    side(found, "+", paint::good);
    lines.join("\n")
}

fn report(name: &str, judged: &Judged, json: bool) {
    let passed = judged.wrong.is_empty();
    if json {
        println!("{}", serde_json::json!({ "test": name, "passed": passed, "wrong": judged.wrong }));
        return;
    }
    let mark = if passed { paint::good("pass") } else { paint::error("FAIL") };
    println!("{mark}  {name}");
    for wrong in &judged.wrong {
        println!("      {wrong}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_only_what_differs() {
        assert_eq!(difference("a\nb\nc\nd\n", "a\nB\nc\nd\n"), "from line 2:\n    - b\n    + B");
        assert_eq!(difference("a\nc\n", "a\nb\nc\n"), "from line 2:\n    + b");
        let long = "x\n".repeat(SHOWN + 3);
        assert!(difference("", &long).ends_with("+ ... and 3 lines more"));
    }
}
