//! `huitong test`: runs the channels' own `[[test]]`s, without a network; with a store of its own only where a test needs one.

mod door;
mod stage;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use hub_core::store::StateName;
use hub_fhir::Json;
use hub_runtime::reply::Answerer;
use hub_runtime::steps::Road;
use hub_spec::{Channel, ChannelTest};

use crate::cli::{Global, TestArguments};
use crate::settings::Settings;
use crate::{EXIT_WRONG_FILES, bundle, check, hub, paint};

use self::door::knock;
pub use self::door::{at_the_door, replied_with};

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
    let answerer = Answerer::of(&road.channel, &road.parser)?.map(Arc::new);
    let stage = stage::set(road, test, root).await?;
    let came = knock(road, answerer, stage.as_ref(), Bytes::from(given)).await?;
    let mut judged = Judged::default();
    let mut expect = |what: &str, expected: &str, found: &str| {
        if expected != found {
            judged.wrong.push(format!("{what}: expected `{expected}`, found `{found}`"));
        }
    };
    // Each piece of what holds several must end so.
    expect("state", test.state.name(), came.state_but(test.state).name());
    if let Some(expected) = &test.receipt {
        expect("receipt", expected, &came.receipt);
    }
    if let Some(pieces) = test.pieces {
        expect("pieces", &pieces.to_string(), &came.pieces.to_string());
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
    // What did not come out as promised is no golden file.
    let bless = bless && judged.wrong.is_empty();
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
    if let Some(golden) = &test.reply {
        match &came.reply {
            Some(reply) => compare(&root.join(golden), golden, &readable(reply), bless, &mut judged)?,
            None => judged.wrong.push("reply: the sender is answered by a receipt only".to_owned()),
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

/// What is sent, as a golden file shows it: JSON on lines of its own, the segments of HL7 v2 on lines too.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    match hub_fhir::json::parse(&text) {
        Ok(tree) => pretty(&tree),
        Err(_) if text.starts_with("MSH") => text.replace('\r', "\n"),
        Err(_) => text,
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
