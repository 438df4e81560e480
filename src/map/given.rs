//! The messages a `huitong map` command is given: files, standard input, or messages of the hub by their ids.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use bytes::Bytes;
use hub_core::document::{ParseError, Parser, Split};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{Digest, MessageId};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::facts::Facts;
use crate::cli::Global;
use crate::client::Client;
use crate::settings::Settings;

/// No format reads more bytes.
const MOST_BYTES: usize = hub_formats::MOST_BYTES;

/// What was named, and what it is called.
#[derive(Clone)]
pub struct Given {
    /// The file as it was named, `standard input`, or the id.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// What the hub knows of it.
    facts: Facts,
}

/// One message of it.
#[derive(Clone)]
pub struct Message {
    pub bytes: Bytes,
    pub facts: Facts,
}

/// Fetches what was named.
pub async fn fetch(global: &Global, what: &str) -> anyhow::Result<Given> {
    let given = |name: &str, bytes| Given { name: name.to_owned(), bytes, facts: Facts::NeverCame };
    if what == "-" {
        let name = "standard input";
        let bytes = read(std::io::stdin(), name).with_context(|| format!("{name} could not be read"))?;
        return Ok(given(name, bytes));
    }
    let path = Path::new(what);
    if !path.exists()
        && let Ok(id) = what.parse::<uuid::Uuid>()
    {
        let id = MessageId(id);
        let (bytes, received_at) = match in_the_store(global, id).await? {
            Some(found) => found,
            None => in_the_hub(global, id).await?,
        };
        return Ok(Given { name: what.to_owned(), bytes, facts: Facts::Came { id, received_at } });
    }
    if path.is_dir() {
        bail!("{what} is a folder: name the messages in it");
    }
    let file = std::fs::File::open(path).with_context(|| what.to_owned())?;
    Ok(given(what, read(file, what)?))
}

/// Reads to the end, which must come.
fn read(from: impl Read, name: &str) -> anyhow::Result<Bytes> {
    let mut bytes = Vec::new();
    from.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).with_context(|| name.to_owned())?;
    if bytes.len() > MOST_BYTES {
        bail!("{name} is longer than {} MiB, which no format reads", MOST_BYTES >> 20);
    }
    Ok(bytes.into())
}

/// The message in the store of these settings, where there is one; a hub that runs need not be asked then.
async fn in_the_store(global: &Global, id: MessageId) -> anyhow::Result<Option<(Bytes, OffsetDateTime)>> {
    if global.url.is_some() {
        return Ok(None);
    }
    let settings = Settings::read(global)?;
    if settings.store.database.is_none() && !settings.data_dir.join("hub.db").is_file() {
        return Ok(None);
    }
    let archive = settings.read_only().await?;
    Ok(archive.message(id).await?.zip(archive.received_at(id).await?))
}

async fn in_the_hub(global: &Global, id: MessageId) -> anyhow::Result<(Bytes, OffsetDateTime)> {
    let client = Client::new(global)?;
    let bytes = client.get_bytes(&format!("messages/{id}/raw")).await?;
    let message = client.get(&format!("messages/{id}"), &[]).await?;
    let received_at = message["received_at"].as_str().context("the hub does not say when it received it")?;
    let received_at = OffsetDateTime::parse(received_at, &Rfc3339).context("`received_at` of the hub")?;
    Ok((bytes.into(), received_at))
}

impl Given {
    /// It is one message.
    pub fn whole(&self) -> Vec<Message> {
        vec![Message { bytes: self.bytes.clone(), facts: self.facts }]
    }

    /// The messages in it, as a channel with this `[parse] split` takes it apart.
    pub fn messages(&self, parser: &dyn Parser, split: Option<&Split>) -> Result<Vec<Message>, Fault> {
        match split {
            None => Ok(self.whole()),
            Some(by) => self.pieces(parser, by).map_err(fault),
        }
    }

    /// The messages in it, where no channel says how it is taken apart: what can be read as one message is one.
    pub fn messages_in(&self, parser: &dyn Parser) -> Result<Vec<Message>, Fault> {
        if parser.parse(&self.bytes).is_ok() {
            return Ok(self.whole());
        }
        // What cannot be split either is told by the parser, with its place, when it is read as one.
        let pieces = self.pieces(parser, &Split::Messages).unwrap_or_default();
        Ok(if pieces.is_empty() { self.whole() } else { pieces })
    }

    fn pieces(&self, parser: &dyn Parser, by: &Split) -> Result<Vec<Message>, ParseError> {
        let pieces = parser.split(&self.bytes, by)?;
        if let [only] = pieces.as_slice()
            && only.bytes == self.bytes
        {
            return Ok(self.whole());
        }
        let mut same: HashMap<Digest, usize> = HashMap::new();
        let message = |bytes: Bytes| {
            let nth = same.entry(Digest::of(&bytes)).or_default();
            let facts = self.facts.of_piece(&bytes, *nth);
            *nth += 1;
            Message { bytes, facts }
        };
        Ok(pieces.into_iter().map(|piece| piece.bytes).map(message).collect())
    }
}

/// A frame that cannot be taken apart is set aside as it came.
fn fault(error: ParseError) -> Fault {
    let place = error.place.unwrap_or_else(|| format!("byte {}", error.at));
    Fault { step: FaultStep::Parse, place: Some(place), rule: None, reason: error.what }
}

/// The `nth` of several messages, from 1.
pub fn nth(name: &str, messages: &[Message], nth: u32) -> anyhow::Result<Message> {
    match messages.get((nth as usize).saturating_sub(1)) {
        Some(message) if nth > 0 => Ok(message.clone()),
        _ => bail!("{name} holds {} message(s); there is no number {nth}", messages.len()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hub_core::document::{Document, Piece};
    use hub_core::envelope::Label;

    use super::*;

    /// Each byte is a message, and how often they were taken apart is counted.
    struct Counting(AtomicUsize);

    impl Parser for Counting {
        fn parse(&self, _: &[u8]) -> Result<Box<dyn Document>, ParseError> {
            Err(ParseError { at: 0, place: None, what: "several messages".to_owned() })
        }

        fn split(&self, bytes: &Bytes, _: &Split) -> Result<Vec<Piece>, ParseError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let piece = |at| Piece { bytes: bytes.slice(at..at + 1), label: Label::default() };
            Ok((0..bytes.len()).map(piece).collect())
        }
    }

    #[test]
    fn a_file_is_taken_apart_once_for_all_its_messages() {
        let (parser, by) = (Counting(AtomicUsize::new(0)), Split::Messages);
        let id = MessageId::new(OffsetDateTime::UNIX_EPOCH);
        let facts = Facts::Came { id, received_at: OffsetDateTime::UNIX_EPOCH };
        let given = Given { name: "a file".to_owned(), bytes: Bytes::from_static(b"aba"), facts };
        let messages = given.messages(&parser, Some(&by)).unwrap();
        assert_eq!((messages.len(), parser.0.load(Ordering::Relaxed)), (3, 1));
        // Each has the id that the hub gives it: two with the same bytes are two.
        let ids: Vec<String> = messages.iter().map(|message| format!("{:?}", message.facts)).collect();
        assert!(ids[0] != ids[2] && ids[0] != ids[1]);
        let second = MessageId::of_piece(id, Digest::of(b"a"), 1);
        assert!(matches!(messages[2].facts, Facts::Came { id, .. } if id == second));
        assert_eq!(given.messages_in(&parser).unwrap().len(), 3); // what is no single message
        assert_eq!(given.messages(&parser, None).unwrap().len(), 1);
        assert!(nth(&given.name, &messages, 0).is_err() && nth(&given.name, &messages, 4).is_err());
    }
}
