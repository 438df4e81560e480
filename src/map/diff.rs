//! `huitong map diff`: the mapping as its files are now over the real messages of the journal, dry: what would change.

mod show;
mod sides;
mod tally;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use hub_core::id::ChannelId;
use hub_core::store::StateName;
use hub_store::{Archive, Past, Stretch};
use time::OffsetDateTime;

use self::sides::{Outcome, Sides};
use self::tally::Tally;
use super::lookup::Answers;
use super::moment::moment;
use super::old::Old;
use super::subject::Place;
use crate::cli::{DiffArguments, Global};
use crate::settings::Settings;
use crate::{EXIT_WRONG_FILES, check, paint};

/// Messages read, mapped and compared at a time: what is held in memory.
const PAGE: u32 = 256;

/// What is compared, for the report.
struct About {
    mapping: String,
    /// What the old result is: `git 3f2a1b9`, `the store`.
    against: String,
    /// Where the messages are read: a folder, or the database.
    place: String,
    stretch: Stretch,
}

/// Compares.
pub async fn run(global: &Global, arguments: &DiffArguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(global)?;
    let place = Place::find(&global.root, &arguments.name)?;
    let old = match arguments.stored {
        true => None,
        false => Some(Old::find(&place.root, &place.name, arguments.old.as_deref())?),
    };
    let new = match place.compile() {
        Ok(subject) => subject,
        Err(findings) => {
            check::print(&findings, arguments.json);
            return Ok(ExitCode::from(EXIT_WRONG_FILES));
        }
    };
    if arguments.stored && new.renders() {
        bail!("--stored compares resources, and mapping `{}` renders messages for a partner", place.name);
    }
    let before = match old.as_ref().map(|old| place.compile_with(old)) {
        None => None,
        Some(Ok(subject)) => Some(subject),
        Some(Err(findings)) => {
            check::print(&findings, arguments.json);
            let name = old.as_ref().map_or_else(String::new, Old::name);
            bail!("the old mapping, that of {name}, does not compile: what it gave cannot be compared");
        }
    };
    let about = About {
        mapping: place.name.clone(),
        against: old.as_ref().map_or_else(|| "what the store holds".to_owned(), Old::name),
        stretch: stretch(&place, arguments)?,
        place: match &settings.store.database {
            Some(_) => "the database".to_owned(),
            None => settings.data_dir.display().to_string(),
        },
    };
    let archive = Arc::new(settings.read_only().await.context(
        "there is no journal to read: `--data FOLDER` or the setting `data_dir` names the hub's data folder, `store.database` its database",
    )?);
    let began = Instant::now();
    let sides = Arc::new(Sides::new(before, new, Answers::of_hub(archive.clone())));
    let mut tally = Tally::new(arguments.samples as usize, !arguments.no_values);
    walk(&archive, &about.stretch, arguments.limit, &sides, &mut tally).await?;
    let took = began.elapsed();
    if arguments.json {
        println!("{}", show::json(&about, &tally, took));
    } else {
        show::print(&about, &tally, took);
    }
    Ok(ExitCode::SUCCESS)
}

fn stretch(place: &Place, arguments: &DiffArguments) -> anyhow::Result<Stretch> {
    let known = place.channel_names();
    let channels = match &arguments.channel {
        Some(channel) if known.contains(&channel.as_str()) => vec![ChannelId::from(channel.as_str())],
        Some(channel) => bail!("channel `{channel}` does not map its messages with `{}`", place.name),
        None if known.is_empty() => {
            bail!("no channel maps its messages with `{}`: there is nothing to compare", place.name)
        }
        None => known.iter().map(|name| ChannelId::from(*name)).collect(),
    };
    let now = OffsetDateTime::now_utc();
    let time = |text: &Option<String>| text.as_deref().map(|text| moment(text, now)).transpose();
    let from = time(&arguments.since)?.or(time(&arguments.from)?);
    Ok(Stretch { channels, from, to: time(&arguments.to)? })
}

/// Goes over the journal page by page: the messages of one page are mapped side by side while the next one is read.
async fn walk(
    archive: &Archive,
    stretch: &Stretch,
    limit: Option<u64>,
    sides: &Arc<Sides>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut place = archive.begin(stretch).await?;
    let mut left = limit.unwrap_or(u64::MAX);
    let mut under_way: Option<tokio::task::JoinHandle<Vec<(Past, Outcome)>>> = None;
    loop {
        let page = u32::try_from(left.min(u64::from(PAGE))).unwrap_or(PAGE);
        let messages = if page == 0 { Vec::new() } else { archive.after(stretch, place, page).await? };
        if let Some(task) = under_way.take() {
            for (past, outcome) in task.await? {
                tally.take(past.id, sides.settle(&past, outcome, archive).await?);
            }
            progress(tally);
        }
        let Some(last) = messages.last() else { break };
        place = last.place;
        left -= messages.len() as u64;
        // What was filtered never came to a mapping, and of what was split the pieces did, which are messages themselves.
        let whole = messages.into_iter().filter(|past| past.state != StateName::Split);
        let (filtered, mapped): (Vec<Past>, Vec<Past>) =
            whole.partition(|past| past.state == StateName::Filtered);
        tally.filtered += filtered.len() as u64;
        let sides = sides.clone();
        under_way = Some(tokio::task::spawn_blocking(move || sides.map_all(mapped)));
    }
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        eprint!("\r\x1b[K");
    }
    Ok(())
}

/// Says how far it is, to a person only.
fn progress(tally: &Tally) {
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        eprint!("\r{}", paint::dim(format!("{} messages...", tally.looked_at)));
    }
}
