//! `huitong map try`: runs a mapping over messages, again each time a file is saved, and shows what changed.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use hub_core::commit::Note;
use hub_core::fault::Fault;

use super::compare::{Difference, made};
use super::given::{Given, Message, fetch};
use super::lookup::{Answers, Asked, found_in_words, unanswered};
use super::reply::advice;
use super::route::Made;
use super::subject::{Place, Subject};
use crate::cli::{Global, TryArguments};
use crate::table::{self, Cell, Row, shortened, terminal_width};
use crate::{EXIT_WRONG_FILES, bundle, check, paint};

/// How often the files are looked at. Polling needs nothing of the system and sees every kind of folder, mounted ones too.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What one message gave.
struct Outcome {
    name: String,
    made: Made,
    fault: Option<Fault>,
    /// Why the channel does not map it.
    stopped: Option<String>,
    /// What was looked up in the store.
    asked: Vec<Asked>,
}

/// Runs once, or until it is stopped.
pub async fn run(global: &Global, arguments: &TryArguments) -> anyhow::Result<ExitCode> {
    let place = Place::find(&global.root, &arguments.file)?;
    let mut last: Option<Vec<Outcome>> = None;
    let mut seen = stamps(&place, arguments);
    loop {
        let began = Instant::now();
        if last.is_some() && std::io::stdout().is_terminal() {
            // Only where a person looks: what was there stays in the scrollback.
            print!("\x1b[2J\x1b[H");
        }
        let code = match place.compile() {
            Err(findings) => {
                check::print(&findings, false);
                ExitCode::from(EXIT_WRONG_FILES)
            }
            Ok(subject) => {
                let compiled = began.elapsed();
                let results = match results(global, &subject, arguments).await {
                    Ok(results) => results,
                    Err(error) if arguments.once || last.is_none() => return Err(error),
                    // An editor may take a file away for a moment while it saves.
                    Err(error) => {
                        println!("{}: {error:#}", paint::error("error"));
                        last.take().unwrap_or_default()
                    }
                };
                let took = began.elapsed();
                show(&results, last.as_deref());
                println!(
                    "\n{}",
                    paint::dim(format!(
                        "{} ms: compiled in {}, {} mapped in {}",
                        took.as_millis(),
                        in_millis(compiled),
                        counted(results.len(), "message"),
                        in_millis(took.saturating_sub(compiled))
                    ))
                );
                let failed = results.iter().any(|result| result.fault.is_some());
                last = Some(results);
                if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
            }
        };
        if arguments.once {
            return Ok(code);
        }
        println!("{}", paint::dim("Watching; Ctrl-C ends."));
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = stamps(&place, arguments);
            if now != seen {
                seen = now;
                break;
            }
        }
    }
}

fn in_millis(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1_000.0)
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// When each file that matters was last written, and its size: all mappings, parts and code tables, the messages,
/// and what they are looked up in.
fn stamps(place: &Place, arguments: &TryArguments) -> BTreeMap<PathBuf, (Option<SystemTime>, u64)> {
    let mut found = BTreeMap::new();
    let mut add = |path: PathBuf| {
        if let Ok(what) = std::fs::metadata(&path) {
            found.insert(path, (what.modified().ok(), what.len()));
        }
    };
    let mut folders = vec![place.root.join("mappings")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "toml") {
                add(path);
            }
        }
    }
    arguments.messages.iter().map(PathBuf::from).chain(arguments.stored.clone()).for_each(add);
    found
}

async fn results(
    global: &Global,
    subject: &Subject,
    arguments: &TryArguments,
) -> anyhow::Result<Vec<Outcome>> {
    let answers = Answers::of(arguments.stored.as_deref()).await?;
    let mut results = Vec::new();
    for message in &arguments.messages {
        let given = fetch(global, message).await?;
        results.extend(of_each(subject, &given, &answers));
    }
    Ok(results)
}

/// What each message of a file gives.
fn of_each(subject: &Subject, given: &Given, answers: &Answers) -> Vec<Outcome> {
    let messages = match subject.messages(given) {
        Ok(messages) => messages,
        Err(fault) => {
            let name = given.name.clone();
            return vec![Outcome {
                name,
                made: Made::default(),
                fault: Some(fault),
                stopped: None,
                asked: Vec::new(),
            }];
        }
    };
    let count = messages.len();
    let name = |nth: usize| match count {
        1 => given.name.clone(),
        _ => format!("{} ({nth} of {count})", given.name),
    };
    (1..).zip(&messages).map(|(nth, message)| one(subject, name(nth), message, answers)).collect()
}

fn one(subject: &Subject, name: String, message: &Message, answers: &Answers) -> Outcome {
    let (facts, mut asked) = (message.facts, Vec::new());
    let read = subject.read(&message.bytes, facts, answers, &mut asked);
    let read = read.map_err(|fault| match subject.mapping.request() {
        Some(_) => {
            let reason =
                format!("{}; the mapping makes a reply: {}", fault.reason, advice(&subject.place, &name));
            Fault { reason, ..fault }
        }
        None => fault,
    });
    let (stopped, made) = match read {
        Ok(read) => (read.stopped, subject.make(&*read.document, facts, answers, &mut asked)),
        Err(fault) => (None, Err(fault)),
    };
    match made {
        Ok(made) => Outcome { name, made, fault: None, stopped, asked },
        Err(fault) => Outcome { name, made: Made::default(), fault: Some(fault), stopped, asked },
    }
}

/// The first time, the whole result; then, what differs from the last.
fn show(results: &[Outcome], last: Option<&[Outcome]>) {
    each(results, last);
    let asked: Vec<Asked> = results.iter().flat_map(|result| result.asked.clone()).collect();
    if let Some(words) = unanswered(&asked) {
        println!("\n{}: {words}", paint::warning("not looked up"));
    }
}

fn each(results: &[Outcome], last: Option<&[Outcome]>) {
    for result in results {
        println!("{}", paint::strong(&result.name));
        if let Some(why) = &result.stopped {
            println!("  {}: {why}", paint::warning("filtered"));
        }
        let before = last.and_then(|last| last.iter().find(|before| before.name == result.name));
        match (&result.fault, before) {
            (Some(fault), _) => println!("  {}: {fault}", paint::error("set aside")),
            (None, None) => whole(result),
            (None, Some(before)) => differences(result, before),
        }
        let is_news = |note: &&Note| before.is_none_or(|before| !before.made.notes.contains(note));
        for note in result.made.notes.iter().filter(is_news) {
            println!("  {} {}: {}", paint::warning("left out"), note.place, note.reason);
        }
        let is_news = |asked: &&Asked| before.is_none_or(|before| !before.asked.contains(asked));
        for Asked { question, found } in result.asked.iter().filter(is_news) {
            if let Some(found) = found {
                println!("  {} {question}: {}", paint::dim("looked up"), found_in_words(found));
            }
        }
    }
}

fn whole(result: &Outcome) {
    for message in &result.made.messages {
        println!("{}", hub_fhir::Json::Object(message.clone()).to_pretty_text());
    }
    if !result.made.changes.is_empty() {
        let commit = hub_core::commit::Commit { changes: result.made.changes.clone(), ..Default::default() };
        println!("{}", bundle::of(&commit).to_pretty_text());
    }
}

fn written(made: &Made) -> String {
    match made.messages.len() {
        0 => counted(made.changes.len(), "resource"),
        count => counted(count, "message"),
    }
}

fn differences(result: &Outcome, before: &Outcome) {
    if let Some(fault) = &before.fault {
        println!("  {}: before it was set aside: {fault}", paint::good("written now"));
    }
    let found = made(&before.made, &result.made);
    if found.is_empty() {
        println!("  {}", paint::dim(format!("as before: {}", written(&result.made))));
        return;
    }
    let most = terminal_width().map_or(usize::MAX / 8, |width| (width / 3).max(16));
    let rows: Vec<Row> = found.iter().map(|one| row(one, most)).collect();
    table::print(&[], &rows);
}

fn row(one: &Difference, most: usize) -> Row {
    let place = format!("  {}.{}", one.name, one.path);
    let old = one.old.as_ref().map(|old| shortened(old, most));
    let new = one.new.as_ref().map(|new| shortened(new, most));
    let cells = match (old, new) {
        (Some(old), Some(new)) => {
            vec![
                Cell::words("  ~"),
                Cell::words(place),
                Cell::words(format!("{old} → {new}")).painted(paint::warning),
            ]
        }
        (None, new) => vec![
            Cell::words("  +"),
            Cell::words(place),
            Cell::words(new.unwrap_or_default()).painted(paint::good),
        ],
        (Some(old), None) => {
            vec![Cell::words("  -"), Cell::words(place), Cell::words(old).painted(paint::error)]
        }
    };
    Row { cells, notes: Vec::new() }
}
