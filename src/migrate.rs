//! `huitong migrate`: moves the database of a data folder to PostgreSQL while its hub runs, and switches over when all is verified.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use hub_store::{Move, Moved, Progress, Round, Still};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde_json::json;

use crate::cli::{Global, MigrateArguments};
use crate::settings::{DATABASE_ADDRESS, Settings, names_database};
use crate::{out, paint};

/// Rounds go on until they find no more than this,
const SMALL: u64 = 2_000;
/// or do not find less than half of what the round before found.
const SHRINKS: u64 = 2;
/// How long the hub is waited for before another round keeps what is left small; longer where a round takes long.
const PAUSE: Duration = Duration::from_secs(30);
/// A hub that was told to stop drains first.
const STOPPING: Duration = Duration::from_secs(3_700);
const LOOK: Duration = Duration::from_millis(50);

/// Moves, and says what to do.
pub async fn run(global: &Global, arguments: MigrateArguments) -> anyhow::Result<ExitCode> {
    ensure!(names_database(&arguments.to), "--to: expected {DATABASE_ADDRESS}");
    let settings = Settings::read(global)?;
    let password = settings.database_password()?;
    let folder = &settings.data_dir;
    let begun = Move::begin(folder, &arguments.to, password.as_deref()).await;
    let mut moving = begun.context("nothing was switched over, and nothing in the folder was changed")?;
    let teller = Teller { json: arguments.json };
    teller.say(format_args!("Moving the database in {}.", folder.display()));
    let moved = match rounds(&mut moving, folder, arguments.stop, &teller).await {
        Ok(still) => {
            teller.say("The hub stands still: what is left is copied, and all of it is verified.");
            let bar = teller.bar();
            let moved = moving.finish(still, |progress| tell(&bar, progress)).await;
            bar.finish_and_clear();
            moved.map_err(anyhow::Error::new)
        }
        Err(error) => Err(error),
    };
    let moved = moved.context(
        "nothing was switched over: the folder is as it was, and its hub may run; the same command goes on where this one was",
    )?;
    if arguments.json {
        report_json(&moved)
    } else {
        report(&moved, folder)
    }
    Ok(ExitCode::SUCCESS)
}

/// Walks until little is left and the hub stands still.
async fn rounds(moving: &mut Move, folder: &Path, stop: bool, teller: &Teller) -> anyhow::Result<Still> {
    let (mut earlier, mut was_told) = (u64::MAX, false);
    loop {
        if let Some(still) = moving.hold()? {
            return Ok(still);
        }
        let began = Instant::now();
        let bar = teller.bar();
        let round = moving.round(|progress| tell(&bar, progress)).await;
        bar.finish_and_clear();
        let (round, took) = (round?, began.elapsed());
        teller.round(round, took);
        let changed = round.written + round.deleted;
        let is_little = changed <= SMALL || changed > earlier / SHRINKS;
        earlier = changed;
        if !is_little {
            continue;
        }
        if stop {
            stop_hub(folder)?;
            teller.say("Little is left. The hub was told to stop.");
            return match wait(moving, STOPPING).await? {
                Some(still) => Ok(still),
                None => bail!("the hub was told to stop and did not"),
            };
        }
        if !was_told {
            teller.say(format_args!(
                "Little is left. {}: what it has received meanwhile is copied then, and the move ends by itself.",
                paint::good("Stop the hub now, and do not start it again")
            ));
        }
        was_told = true;
        if let Some(still) = wait(moving, PAUSE.max(took * 10)).await? {
            return Ok(still);
        }
    }
}

/// Waits until no hub has the folder, for so long.
async fn wait(moving: &Move, most: Duration) -> anyhow::Result<Option<Still>> {
    let began = Instant::now();
    while began.elapsed() < most {
        if let Some(still) = moving.hold()? {
            return Ok(Some(still));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(None)
}

/// Tells the hub of a folder to stop.
fn stop_hub(folder: &Path) -> anyhow::Result<()> {
    let by_hand = "stop the hub yourself; without --stop this command waits for that";
    let holders = holders(&folder.join("hub.lock"));
    let [holder] = holders.as_slice() else {
        bail!("the process that has {} is not to be seen from here: {by_hand}", folder.display());
    };
    let told = Command::new("kill").args(["-TERM", &holder.to_string()]).status();
    let is_told = told.with_context(|| format!("`kill` cannot be run: {by_hand}"))?.success();
    ensure!(is_told, "the process {holder} cannot be told to stop: {by_hand}");
    Ok(())
}

/// The other processes that have a file open, as far as the system shows them.
fn holders(file: &Path) -> Vec<u32> {
    let Ok(wanted) = std::fs::metadata(file) else { return Vec::new() };
    let is_it = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has_it = |number: &u32| {
        let open = std::fs::read_dir(format!("/proc/{number}/fd")).into_iter().flatten().flatten();
        open.into_iter().any(|entry| is_it(&entry.path()))
    };
    numbers.filter(|number| *number != std::process::id()).filter(has_it).collect()
}

/// Says how it goes: to people, on standard error when the end is for machines.
struct Teller {
    json: bool,
}

impl Teller {
    fn say(&self, text: impl std::fmt::Display) {
        if self.json {
            eprintln!("{text}");
        } else {
            out::line(text);
        }
    }

    fn round(&self, round: Round, took: Duration) {
        let Round { rows, written, deleted } = round;
        self.say(format_args!(
            "  {rows} rows looked at, {written} written, {deleted} deleted in {:.1} s",
            took.as_secs_f64()
        ));
    }

    /// It shows itself on a terminal only.
    fn bar(&self) -> ProgressBar {
        let style =
            ProgressStyle::with_template("{msg:14} {wide_bar} {pos}/{len} rows  {rate} a second  {eta} left")
                .expect("the template is right")
                .with_key("rate", |state: &ProgressState, line: &mut dyn std::fmt::Write| {
                    // A bar that cannot be drawn is no reason to stop.
                    let _ = write!(line, "{:.0}", state.per_sec());
                });
        ProgressBar::new(0).with_style(style)
    }
}

fn tell(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.of);
    bar.set_position(progress.done);
    bar.set_message(progress.table);
}

/// The digest as it is shown.
fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn report_json(moved: &Moved) {
    let tables = moved
        .tables
        .iter()
        .map(|table| (table.name.to_owned(), json!({ "rows": table.rows, "digest": hex(&table.digest) })));
    let report = json!({
        "to": moved.to,
        "rows": moved.tables.iter().map(|table| table.rows).sum::<u64>(),
        "tables": serde_json::Map::from_iter(tables),
        "rounds": moved.rounds,
        "still_seconds": (moved.still.as_secs_f64() * 1000.0).round() / 1000.0,
        "last_round": { "written": moved.last.written, "deleted": moved.last.deleted },
        "values_replaced": moved.replaced,
        "rows_merged": moved.merged,
        "counters_mended": moved.counters_mended,
    });
    out::line(report);
}

fn report(moved: &Moved, folder: &Path) {
    out::line("Counted and compared on both sides:");
    for table in &moved.tables {
        out::line(format_args!(
            "  {:<14} {:>12} rows  sha256 {}",
            table.name,
            table.rows,
            &hex(&table.digest)[..16]
        ));
    }
    let rows: u64 = moved.tables.iter().map(|table| table.rows).sum();
    out::line(format_args!(
        "{} {rows} rows. The hub stood still for {:.1} s.",
        paint::good("Moved"),
        moved.still.as_secs_f64()
    ));
    if moved.replaced > 0 {
        let Moved { replaced, merged, .. } = moved;
        out::line(format_args!(
            "{replaced} values held a NUL, which PostgreSQL cannot hold in a text: it is U+FFFD there; {merged} rows became the same as \
             another by that. Bodies are as they were."
        ));
    }
    if moved.counters_mended > 0 {
        out::line(format_args!(
            "{} counters of the folder were wrong; they were counted anew.",
            moved.counters_mended
        ));
    }
    out::line("Write into config/hub.toml, and start the hub:");
    out::line(format_args!("  [store]\n  database = \"{}\"", moved.to));
    out::line(format_args!(
        "and its password as `store.password_secret` names it. {} is as it was; no hub starts on it any more: hub.moved beside it says why.",
        folder.join("hub.db").display()
    ));
}
