//! A message as an archive holds it: all that the hub knew of it, as bytes and back.

use std::io::{self, Read, Write};

use bytes::Bytes;
use hub_core::id::Digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::key::{from_hex, to_hex};

/// No head is longer: it holds what was noted of a message, never its body.
const MOST_HEAD: u32 = 64 << 20;

/// A message with all that belongs to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// What is known of it.
    pub head: EntryHead,
    /// Its bytes, as received.
    pub body: Bytes,
    /// The bodies of its parcels and what was answered to them, in the order of `head.parcels`.
    pub parcels: Vec<(Bytes, Option<Bytes>)>,
}

impl std::fmt::Debug for Entry {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({}, {} bytes, {} parcels)", self.head.id, self.body.len(), self.parcels.len())
    }
}

/// What is known of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the columns of the message's row and of its trace")]
pub struct EntryHead {
    pub id: Uuid,
    pub channel: String,
    pub state: String,
    pub received_us: i64,
    pub ended_us: i64,
    pub reused: bool,
    pub replays: i64,
    /// Of the body, in hexadecimal digits.
    pub digest: String,
    pub dedupe: String,
    pub message_type: Option<String>,
    pub control_id: Option<String>,
    pub sender: Option<String>,
    pub correlation: String,
    pub peer_address: Option<String>,
    pub peer_identity: Option<String>,
    pub parent: Option<Uuid>,
    pub nth: Option<i64>,
    pub answered: Option<i64>,
    pub answered_us: Option<i64>,
    pub step: Option<String>,
    pub place: Option<String>,
    pub rule: Option<String>,
    pub reason: Option<String>,
    pub keys: Option<String>,
    pub notes: Option<String>,
    pub wrote: Option<String>,
    /// The length of its body.
    pub bytes: u64,
    pub parcels: Vec<ParcelHead>,
}

/// What is known of a parcel. Only delivered ones are archived.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the columns of the parcel's row")]
pub struct ParcelHead {
    pub id: Uuid,
    pub to: String,
    pub order_key: Option<String>,
    pub created_us: i64,
    pub attempts: i64,
    pub correlation: String,
    pub content_type: String,
    /// The length of its body.
    pub bytes: u64,
    /// The length of what was answered.
    pub answer_bytes: Option<u64>,
}

impl Entry {
    /// Writes it.
    pub fn write(&self, into: &mut impl Write) -> io::Result<()> {
        let head = serde_json::to_vec(&self.head).map_err(io::Error::other)?;
        let length = u32::try_from(head.len()).ok().filter(|length| *length <= MOST_HEAD);
        let length = length.ok_or_else(|| io::Error::other("too much was noted of a message"))?;
        into.write_all(&length.to_le_bytes())?;
        into.write_all(&head)?;
        into.write_all(&self.body)?;
        for (body, answer) in &self.parcels {
            into.write_all(body)?;
            into.write_all(answer.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }

    /// Reads the next one; `None` at the end. What it says of itself is checked against its body.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut length = [0; 4];
        if from.read(&mut length[..1])? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut length[1..])?;
        let length = u32::from_le_bytes(length);
        if length > MOST_HEAD {
            return Err(wrong("the head of a message is too long"));
        }
        let head = exactly(from, u64::from(length))?;
        let head: EntryHead =
            serde_json::from_slice(&head).map_err(|_| wrong("the head of a message cannot be read"))?;
        let body = exactly(from, head.bytes)?;
        if head.digest != to_hex(&Digest::of(&body).0) {
            return Err(wrong("the body of a message is not the one its head tells of"));
        }
        let mut parcels = Vec::new();
        for parcel in &head.parcels {
            let body = exactly(from, parcel.bytes)?;
            let answer = parcel.answer_bytes.map(|bytes| exactly(from, bytes)).transpose()?;
            parcels.push((body, answer));
        }
        Ok(Some(Self { head, body, parcels }))
    }

    /// About how many bytes it has.
    pub fn weight(&self) -> usize {
        let parcels = self.parcels.iter();
        let parcels: usize =
            parcels.map(|(body, answer)| body.len() + answer.as_ref().map_or(0, Bytes::len) + 300).sum();
        self.body.len() + parcels + 1_000
    }
}

impl EntryHead {
    /// The digest of the body.
    pub(crate) fn digest(&self) -> Option<Bytes> {
        from_hex(&self.digest).filter(|bytes| bytes.len() == 16).map(Bytes::from)
    }
}

/// The entries that bytes hold, one behind the other.
pub fn entries(mut bytes: &[u8]) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    while let Some(entry) = Entry::read(&mut bytes)? {
        found.push(entry);
    }
    Ok(found)
}

/// So many bytes; no room is made for more than there are.
fn exactly(from: &mut impl Read, bytes: u64) -> io::Result<Bytes> {
    let mut read = Vec::new();
    from.take(bytes).read_to_end(&mut read)?;
    if read.len() as u64 == bytes { Ok(read.into()) } else { Err(wrong("it ends within a message")) }
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
