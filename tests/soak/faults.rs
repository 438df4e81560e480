//! What goes wrong, and what operators do meanwhile.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::dice::Dice;
use crate::harness::program;
use crate::moods::Mood;
use crate::site::{ORU, SHAKEN, STEADY, Site};

/// What is done to the hubs and their database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillNode,
    KillDatabase,
    /// Longer than the others wait for it.
    FreezeNode,
    /// So short that nobody need notice.
    FreezeBriefly,
    Deploy,
    Replay,
}

impl Fault {
    const ALL: [Self; 6] = [
        Self::KillNode,
        Self::KillDatabase,
        Self::Deploy,
        Self::FreezeNode,
        Self::Replay,
        Self::FreezeBriefly,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::KillNode => "kills of a hub",
            Self::KillDatabase => "kills of the database",
            Self::FreezeNode => "hubs frozen for longer than the other waits",
            Self::FreezeBriefly => "hubs frozen briefly",
            Self::Deploy => "deployments",
            Self::Replay => "replays",
        }
    }
}

/// What was done, and how often.
#[derive(Default)]
pub struct Done {
    times: BTreeMap<Fault, u64>,
    replayed: u64,
    refused: u64,
}

impl Done {
    pub fn told(&self) -> String {
        let mut told: Vec<String> =
            self.times.iter().map(|(fault, times)| format!("{times} {}", fault.name())).collect();
        told.push(format!("{} messages replayed", self.replayed));
        told.push(format!("{} deployments and replays were refused or not answered", self.refused));
        told.join(", ")
    }
}

/// Does something to the hubs, waits until they are well, lets them work, and does the next thing, until this moment.
pub async fn of_hubs(site: &Arc<Site>, dice: &mut Dice, until: Instant) -> Done {
    let mut done = Done::default();
    let mut turn = 0;
    while Instant::now() < until {
        // Each in its turn at first, so that a short run sees as many as it can; then by chance.
        let fault = match Fault::ALL.get(turn) {
            Some(fault) => *fault,
            None => *dice.one_of(&Fault::ALL),
        };
        turn += 1;
        tokio::time::sleep(dice.millis(1_000, 5_000)).await;
        *done.times.entry(fault).or_default() += 1;
        println!("{} s left: {}", (until - Instant::now().min(until)).as_secs(), fault.name());
        match fault {
            Fault::KillNode => {
                let folder = site.nodes.kill(SHAKEN);
                tokio::time::sleep(dice.millis(1, 8_000)).await;
                site.nodes.begin(SHAKEN, folder).await;
            }
            Fault::KillDatabase => {
                site.server.kill();
                tokio::time::sleep(dice.millis(1, 3_000)).await;
                let site = site.clone();
                tokio::task::spawn_blocking(move || site.server.start_again()).await.unwrap();
            }
            Fault::FreezeNode => {
                site.nodes.signal(SHAKEN, "-STOP");
                tokio::time::sleep(dice.millis(9_000, 15_000)).await;
                site.nodes.signal(SHAKEN, "-CONT");
            }
            Fault::FreezeBriefly => {
                let node = *dice.one_of(&[STEADY, SHAKEN]);
                site.nodes.signal(node, "-STOP");
                tokio::time::sleep(dice.millis(50, 1_000)).await;
                site.nodes.signal(node, "-CONT");
            }
            Fault::Deploy => {
                change(site, turn);
                for node in [STEADY, SHAKEN] {
                    done.refused += u64::from(!deploy(site, node).await);
                }
            }
            Fault::Replay => match replay(site, dice).await {
                Some(replayed) => done.replayed += replayed,
                None => done.refused += 1,
            },
        }
        site.nodes.are_complete().await;
    }
    done
}

/// Gives each partner moods of its own, and lets it be well in between, for as long as it is let.
pub async fn of_partners(site: Arc<Site>, seed: u64) {
    let mut dice = Dice::seeded(seed);
    loop {
        let partner = if dice.below(2) == 0 { &site.lis } else { &site.ward };
        let mood = *dice.one_of(&Mood::BAD);
        partner.is(mood);
        tokio::time::sleep(dice.millis(1_000, 9_000)).await;
        partner.is(Mood::Well);
        tokio::time::sleep(dice.millis(500, 8_000)).await;
    }
}

/// Changes a mapping or, every second time, a code table: what is mapped stays the same.
fn change(site: &Site, turn: usize) {
    let file = if turn.is_multiple_of(2) { "mappings/his/adt.toml" } else { "mappings/codes/hl7-0001.toml" };
    let path = site.files.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("# The soak was here")).collect();
    let mark = format!("# The soak was here {turn} times.");
    lines.push(&mark);
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// As an operator does it: `huitong deploy`. Whether it was done.
async fn deploy(site: &Arc<Site>, node: usize) -> bool {
    let (files, url) = (site.clone(), format!("http://{}", site.nodes.http[node]));
    let ended = tokio::task::spawn_blocking(move || {
        Command::new(program())
            .args(["deploy", "--why", "the soak", "--url", &url, "--root"])
            .arg(files.files.path())
            .output()
            .unwrap()
    });
    let output = ended.await.unwrap();
    if !output.status.success() {
        println!(
            "the deployment on {} failed: {}",
            site.nodes.names[node],
            String::from_utf8_lossy(&output.stderr)
        );
    }
    output.status.success()
}

/// Some of the last results are worked on again. How many.
async fn replay(site: &Site, dice: &mut Dice) -> Option<u64> {
    let node = *dice.one_of(&[STEADY, SHAKEN]);
    let base = format!("http://{}/ops", site.nodes.http[node]);
    let url = format!("{base}/messages?channel={ORU}&state=committed&limit=40");
    let found: Value = site.http.get(url).send().await.ok()?.json().await.ok()?;
    let ids: Vec<&Value> = found["messages"].as_array()?.iter().map(|message| &message["id"]).collect();
    if ids.is_empty() {
        return Some(0);
    }
    let order = json!({ "ids": ids });
    let answer = site.http.post(format!("{base}/replay")).json(&order).send().await.ok()?;
    answer.status().is_success().then_some(ids.len() as u64)
}
