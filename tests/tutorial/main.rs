//! The tutorial of `docs/tutorial.md`: every command of the page is run as it stands, and prints what the page shows.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at what it did not expect")]

mod compare;
mod links;
mod page;
mod shell;

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use compare::{Ids, matches};
use page::Step;
use shell::{Answer, Shell};

const PAGE: &str = "docs/tutorial.md";
/// The ports of the page: the channel's and the HTTP door's.
const PORTS: [&str; 2] = ["127.0.0.1:2590", "127.0.0.1:8080"];
/// Commands that only look. The page has the reader look until it is there; so does the test.
const LOOKS: [&str; 3] = ["huitong status", "huitong messages", "curl -s"];
const LONGEST_LOOK: Duration = Duration::from_secs(60);
/// While the page is rewritten: what is shown may never come.
const SHORT_LOOK: Duration = Duration::from_secs(5);

#[test]
fn every_command_of_the_tutorial_does_what_the_page_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join(PAGE)).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let ports = Ports::free();
    let [channel, door] = &ports.hub;
    let mut shell = Shell::start(folder.path(), &[("HUITONG_HTTP__LISTEN".to_owned(), door.clone())]);
    let mut ids = Ids::default();
    let (mut blessed, mut wrong) = (Vec::new(), Vec::new());
    let steps = page::steps(&page);
    for step in &steps {
        let typed = with(&ids.of_this_run(&step.typed), PORTS, [channel, door]);
        let looks = typed.lines().all(|line| LOOKS.iter().any(|look| line.starts_with(look)));
        let began = Instant::now();
        let fault = loop {
            let mut answer = shell.run(&typed);
            for line in &mut answer.lines {
                *line = with(line, [channel, door], PORTS);
            }
            let fault = fault(step, &answer, &mut ids);
            let looks_again = looks && began.elapsed() < if blesses() { SHORT_LOOK } else { LONGEST_LOOK };
            if fault.is_none() || !looks_again {
                break fault.map(|fault| (fault, answer));
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let Some((fault, answer)) = fault else { continue };
        match &step.shown {
            Some(shown) if blesses() && answer.failed == step.fails => {
                let lines: Vec<String> = answer.lines.iter().map(|line| ids.of_the_page(line)).collect();
                blessed.push((shown.place.clone(), lines));
            }
            _ => wrong.push(format!(
                "{PAGE}:{}: {fault}\n{}\n--- printed:\n{}",
                step.line,
                step.typed,
                answer.lines.join("\n")
            )),
        }
        if !blesses() {
            break;
        }
    }
    let log = std::fs::read_to_string(folder.path().join("my-hub/hub.log")).unwrap_or_default();
    assert!(wrong.is_empty(), "{}\n--- hub.log:\n{log}", wrong.join("\n\n"));
    assert!(steps.len() > 15, "the page has lost its commands");
    bless(&root.join(PAGE), &page, blessed);
}

/// What is wrong with what came of a step.
fn fault(step: &Step, answer: &Answer, ids: &mut Ids) -> Option<String> {
    if answer.failed != step.fails {
        return Some(if step.fails { "nothing failed" } else { "a command failed" }.to_owned());
    }
    let Some(shown) = &step.shown else {
        // What prints something that is not shown leaves the reader to wonder.
        return (!answer.lines.is_empty())
            .then(|| "something was printed that the page does not show".to_owned());
    };
    // An answer that is not the one shown names no ids.
    let mut tried = ids.clone();
    let fits = matches(&shown.lines, &answer.lines, &mut tried);
    if fits {
        *ids = tried;
    }
    (!fits).then(|| {
        format!(
            "the page shows something else (HUITONG_BLESS=1 rewrites it):\n{}\n--- typed:",
            shown.lines.join("\n")
        )
    })
}

fn with(text: &str, from: [&str; 2], to: [&str; 2]) -> String {
    from.into_iter().zip(to).fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Three ports in a row, of four digits as those of the page (columns are as wide) and not of those the system gives away. The
/// first is held as long as this lives, so that a test at the same time takes others; the other two are for the hub.
struct Ports {
    hub: [String; 2],
    _held: TcpListener,
}

impl Ports {
    fn free() -> Self {
        let begin = RandomState::new().hash_one(std::process::id()) % 2000;
        let first = (0..2000).map(|step| 3000 + (begin + step) % 2000 * 3);
        let mut free = first.filter_map(|port| {
            let held = listen(port)?;
            (listen(port + 1).is_some() && listen(port + 2).is_some()).then(|| Self {
                hub: [port + 1, port + 2].map(|port| format!("127.0.0.1:{port}")),
                _held: held,
            })
        });
        free.next().expect("three ports in a row are free")
    }
}

fn listen(port: u64) -> Option<TcpListener> {
    TcpListener::bind(format!("127.0.0.1:{port}")).ok()
}

fn blesses() -> bool {
    std::env::var_os("HUITONG_BLESS").is_some()
}

/// Writes the page with the outputs of this run.
fn bless(file: &Path, page: &str, blessed: Vec<(std::ops::Range<usize>, Vec<String>)>) {
    if blessed.is_empty() {
        return;
    }
    let mut lines: Vec<String> = page.lines().map(str::to_owned).collect();
    for (place, printed) in blessed.into_iter().rev() {
        lines.splice(place, printed);
    }
    std::fs::write(file, lines.join("\n") + "\n").unwrap();
}
