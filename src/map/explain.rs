//! `huitong map explain`: each field of a message beside what became of it, each value written beside where it comes from.

mod build;
mod columns;
mod page;
mod segments;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use hub_core::fault::Fault;
use hub_core::finding::Finding;
use serde::Serialize;

use self::build::{explain, explain_reply};
use super::given::{self, Given, Message};
use super::lookup::{Answers, Asked};
use super::reply::Replier;
use super::subject::Place;
use crate::check;
use crate::cli::{ExplainArguments, Global};
use crate::shelf::Shelf;
use crate::{EXIT_WRONG_FILES, paint};

/// What a mapping makes of one message. Its JSON is what `--json` prints: members are added to it, never renamed.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The mapping's name: `lis/oru-r01`.
    pub mapping: String,
    /// The files it was compiled from: its own first.
    pub files: Vec<String>,
    /// What the message is called: its file or id.
    pub message: String,
    /// The format that is read: `hl7v2`.
    pub format: String,
    /// Of a reply, the format of the request that is read beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Why the message is set aside; then nothing is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultTold>,
    /// Every field of the message that holds a value, in its order.
    pub source: Vec<SourceField>,
    /// What is written, in the order of the mapping.
    pub target: Vec<TargetPart>,
    /// Why the channel does not map the message, so that none of this happens in the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<String>,
    /// What was left out, and why.
    pub notes: Vec<NoteTold>,
    /// What was looked up in the store, in the order in which it was asked.
    pub looked_up: Vec<Asked>,
    /// What was not there to be told, so that it is otherwise in the hub; and what to do about it.
    pub notices: Vec<String>,
}

/// Why a message is set aside.
#[derive(Debug, Serialize)]
pub struct FaultTold {
    pub step: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The line of the mapping: `mappings/his/adt.toml:31`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    pub reason: String,
}

/// What was left out.
#[derive(Debug, Serialize)]
pub struct NoteTold {
    pub place: String,
    pub reason: String,
}

/// One field of the message.
#[derive(Debug, Serialize)]
pub struct SourceField {
    /// `PID[1]-5.1`
    pub place: String,
    /// Its value; `null` where the sender says that there is none any more.
    pub value: Option<String>,
    /// What became of it.
    pub became: Became,
    /// Why it is left out on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The values made of it.
    pub to: Vec<Link>,
}

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// Values were made of it.
    Written,
    /// It was read, for a condition, an id or a choice, and is itself not written.
    Read,
    /// The mapping leaves it out and says why.
    OnPurpose,
    /// Nobody asked for it.
    Unread,
    /// The message was set aside because of it.
    Fault,
    /// The message was set aside, so that nothing is known of it.
    Unknown,
}

/// A resource, or the message for a partner.
#[derive(Debug, Serialize)]
pub struct TargetPart {
    /// How it is called here: `Observation(2)`.
    pub name: String,
    /// `Observation/5c5c..`; none for a partner's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// `put`, `merge` or `ensure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<&'static str>,
    /// Elements that a null of the sender removes.
    pub clears: Vec<String>,
    /// Its values, in their order.
    pub values: Vec<TargetValue>,
}

/// One value written.
#[derive(Debug, Serialize)]
pub struct TargetValue {
    /// `name[0].family`
    pub path: String,
    pub value: String,
    /// Where it comes from: a source, or the mapping itself. Several where parts of one resource say the same.
    pub from: Vec<Origin>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The field; none for what the mapping itself says.
    pub place: Option<String>,
    /// The line of the mapping.
    pub file: String,
    pub line: u32,
    /// The fields it stands for, as places in `source`.
    pub fields: Vec<usize>,
}

/// What a field went to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// `Patient.name[0].family`
    pub target: String,
    pub file: String,
    pub line: u32,
    /// The value was made of several fields together, of which this is one.
    pub whole: bool,
    /// The value, as places in `target` and its `values`.
    pub part: usize,
    pub at: usize,
}

/// Explains one message.
pub async fn run(global: &Global, arguments: &ExplainArguments) -> anyhow::Result<ExitCode> {
    let place = Place::find(&global.root, &arguments.file)?;
    let explained = match arguments.reply {
        true => of_reply(global, &place, arguments).await?,
        false => of_message(global, &place, arguments).await?,
    };
    let (explained, count) = match explained {
        Ok(explained) => explained,
        Err(findings) => {
            check::print(&findings, arguments.json);
            return Ok(ExitCode::from(EXIT_WRONG_FILES));
        }
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&explained)?);
    } else if let Some(file) = &arguments.html {
        let page = page::write(&explained, &place.root);
        if file == Path::new("-") {
            std::io::stdout().write_all(page.as_bytes())?;
        } else {
            write_private(file, &page)?;
            println!("{} is written; it holds patient data", file.display());
        }
    } else {
        columns::print(&explained);
        if count > 1 && arguments.nth == 1 {
            println!("{}", paint::dim(format!("one of {count} messages; another with --nth N")));
        }
    }
    Ok(if explained.fault.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is explained, and how many messages there were in what was given; or what is wrong with the files.
type Told = Result<(Explained, usize), Vec<Finding>>;

async fn of_message(global: &Global, place: &Place, arguments: &ExplainArguments) -> anyhow::Result<Told> {
    let subject = match place.compile() {
        Ok(subject) => subject,
        Err(findings) => return Ok(Err(findings)),
    };
    let answers = Answers::of(arguments.stored.as_deref()).await?;
    let given = given::fetch(global, &arguments.message).await?;
    let (message, count) = chosen(&given, subject.messages(&given), arguments.nth)?;
    let mut explained = explain(&subject, &message, &given.name, &answers)?;
    explained.message = called(&given.name, arguments.nth, count);
    Ok(Ok((explained, count)))
}

async fn of_reply(global: &Global, place: &Place, arguments: &ExplainArguments) -> anyhow::Result<Told> {
    let replier = match Replier::find(global, place)? {
        Ok(replier) => replier,
        Err(findings) => return Ok(Err(findings)),
    };
    let given = given::fetch(global, &arguments.message).await?;
    let split = replier.road.channel.parse.split.as_ref();
    let messages = given.messages(replier.road.parser.as_ref(), split);
    let (message, count) = chosen(&given, messages, arguments.nth)?;
    let shelf = Shelf::of(arguments.stored.as_deref()).await?;
    let answered = replier.answer(message.bytes, &given.name, shelf).await?;
    let mut explained =
        explain_reply(&replier.mapping, &answered, &called(&given.name, arguments.nth, count))?;
    explained.notices.extend(replier.unanswered().filter(|_| arguments.stored.is_none()));
    Ok(Ok((explained, count)))
}

/// The message that is meant, and how many there are.
fn chosen(
    given: &Given,
    messages: Result<Vec<Message>, Fault>,
    nth: u32,
) -> anyhow::Result<(Message, usize)> {
    let name = &given.name;
    let messages =
        messages.map_err(|fault| anyhow!("{name} cannot be taken apart as its channel does it: {fault}"))?;
    Ok((given::nth(name, &messages, nth)?, messages.len()))
}

/// What a message is called: its file, and which of several in it it is.
fn called(name: &str, nth: u32, count: usize) -> String {
    if count > 1 { format!("{name} (message {nth} of {count})") } else { name.to_owned() }
}

/// Writes a file that only its owner can read.
fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.with_context(|| file.display().to_string())
}
