//! Payloads that are too large to be carried whole: they stream into an archive, and a slip stands for each in the journal.
//!
//! A payload that came in is an object at a [`PlaceId`] of its own, which nothing else ever has. The book ([`AttachmentBook`])
//! says where the bytes with a digest are kept and which messages and resources need them. Only the transaction that journals a
//! message writes that it needs something, and only one that has found nobody in need gives a place up: so an object that is
//! deleted is never the one that a message of the same content, arriving at that moment, relies on.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use hub_fhir::json::parse;
use hub_fhir::{Json, Object};
use thiserror::Error;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::id::Digest;
use crate::store::StoreError;

/// The SHA-256 of an attachment's bytes: its name for everybody outside. 64 hexadecimal digits, which are an id of FHIR
/// (R4B §2.24.0.1, `id`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(pub [u8; 32]);

impl ContentId {
    /// What the journal tells messages apart by: the same as if the bytes stood there themselves.
    pub fn digest(&self) -> Digest {
        let mut digest = [0; 16];
        digest.copy_from_slice(&self.0[..16]);
        Digest(digest)
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not the name of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected 64 hexadecimal digits in lower case")]
pub struct NoContentId;

impl FromStr for ContentId {
    type Err = NoContentId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |sign: u8| match sign {
            b'0'..=b'9' => Ok(sign - b'0'),
            b'a'..=b'f' => Ok(sign - b'a' + 10),
            _ => Err(NoContentId),
        };
        if text.len() != 64 {
            return Err(NoContentId);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

/// Where one object is kept. Chosen anew for each payload that comes in, whatever its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaceId(pub Uuid);

impl fmt::Display for PlaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.simple())
    }
}

/// A payload that is safe in the archive. Nobody needs it before a message that does is in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stowed {
    /// Where it is.
    pub place: PlaceId,
    /// Its digest.
    pub content: ContentId,
    /// Its SHA-1, which `Attachment.hash` of FHIR asks for (R4B §2.24.0.4).
    pub sha1: [u8; 20],
    /// Bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: CompactString,
}

/// What stands in the journal, and in a parcel, in the place of an attachment.
#[derive(Clone, PartialEq, Eq)]
pub struct Slip {
    /// The digest of the bytes.
    pub content: ContentId,
    /// Bytes.
    pub size: u64,
    /// The SHA-1 of the bytes in base 64.
    pub hash: CompactString,
    /// The media type of the bytes.
    pub media_type: CompactString,
    /// What the sender calls it: a file's name. It may name a patient.
    pub name: Option<CompactString>,
}

impl fmt::Debug for Slip {
    /// Never the name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slip({}, {} bytes)", self.content, self.size)
    }
}

/// A longer name is cut, and so is a longer media type: a slip is small.
const MOST_LETTERS: usize = 255;

impl Slip {
    /// The media type of a slip: a parcel of this type is delivered as the attachment it stands for.
    pub const MEDIA_TYPE: &str = "application/vnd.huitong.attachment-slip+json";
    /// Its fields, in their order.
    pub const FIELDS: [&str; 6] = ["sha256", "size", "contentType", "name", "url", "hash"];

    /// The slip of a payload.
    pub fn of(stowed: &Stowed, name: Option<&str>) -> Self {
        Self {
            content: stowed.content,
            size: stowed.size,
            hash: base64(&stowed.sha1),
            media_type: cut(&stowed.media_type),
            name: name.filter(|name| !name.is_empty()).map(cut),
        }
    }

    /// Its address below the FHIR base: `Binary/9f86...`.
    pub fn url(&self) -> String {
        format!("Binary/{}", self.content)
    }

    /// A JSON object of [`Slip::FIELDS`].
    pub fn to_bytes(&self) -> Bytes {
        let mut object = Object::default();
        object.set("sha256", self.content.to_string());
        object.set("size", i64::try_from(self.size).unwrap_or(i64::MAX));
        object.set("contentType", self.media_type.as_str());
        if let Some(name) = &self.name {
            object.set("name", name.as_str());
        }
        object.set("url", self.url());
        object.set("hash", self.hash.as_str());
        Bytes::from(Json::Object(object).to_text())
    }

    /// Reads a slip. `None`: these bytes are none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let tree = parse(std::str::from_utf8(bytes).ok()?).ok()?;
        let tree = tree.as_object()?;
        let text = |field: &str| Some(CompactString::new(tree.get(field)?.as_str()?));
        let Json::Number(size) = tree.get("size")? else { return None };
        Some(Self {
            content: text("sha256")?.parse().ok()?,
            size: size.parse().ok()?,
            hash: text("hash")?,
            media_type: text("contentType")?,
            name: text("name"),
        })
    }
}

fn cut(text: &str) -> CompactString {
    text.chars().take(MOST_LETTERS).collect()
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> CompactString {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = CompactString::default();
    for three in bytes.chunks(3) {
        let at = |place: usize| u32::from(three.get(place).copied().unwrap_or_default());
        let number = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let sign = SIGNS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(sign) } else { '=' });
        }
    }
    text
}

/// What the book says of an attachment that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where it is.
    pub place: PlaceId,
    /// Its digest.
    pub content: ContentId,
    /// Bytes.
    pub size: u64,
    /// The media type of the first message that brought it.
    pub media_type: CompactString,
    /// When that was.
    pub stored_at: OffsetDateTime,
}

/// Takes payloads in and gives them out again, a piece at a time: none is ever in memory whole.
#[async_trait]
pub trait Attachments: Send + Sync {
    /// Begins to take a payload of this media type in.
    async fn begin(&self, media_type: &str) -> Result<Box<dyn Taking>, AttachmentError>;

    /// What is known of the attachment with this digest. `None`: it is not kept, or not any more.
    async fn find(&self, content: ContentId) -> Result<Option<Kept>, AttachmentError>;

    /// Opens the bytes of `range`. Where that is all of them their digest is checked, before the last piece is given out.
    async fn open(&self, kept: &Kept, range: Range<u64>) -> Result<Box<dyn Reading>, AttachmentError>;

    /// Deletes a payload that was taken in and that no message needs, because its bytes are kept already. One that stays all the
    /// same is found by [`Attachments::sweep`].
    async fn discard(&self, place: PlaceId);

    /// Deletes what nobody needs any more, and what was taken in and never journalled.
    async fn sweep(&self, now: OffsetDateTime) -> Result<Swept, AttachmentError>;
}

/// What a sweep has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many attachments were deleted that nobody needed any more.
    pub deleted: u64,
    /// How many objects were found that no message had come to need.
    pub orphans: u64,
}

/// A payload on its way in. Dropped before its end, nothing stays of it.
#[async_trait]
pub trait Taking: Send {
    /// Adds bytes. Waits while the storage is slow.
    async fn add(&mut self, bytes: Bytes) -> Result<(), AttachmentError>;

    /// Ends it: when this returns, all of it survives a power cut.
    async fn finish(self: Box<Self>) -> Result<Stowed, AttachmentError>;
}

/// An attachment on its way out.
#[async_trait]
pub trait Reading: Send {
    /// The next bytes, some thousands at a time; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, AttachmentError>;
}

/// An attachment to be delivered.
pub struct Outgoing {
    /// What it is.
    pub slip: Slip,
    /// Its bytes.
    pub reading: Box<dyn Reading>,
}

/// What an archive could not do.
#[derive(Debug, Error)]
pub enum AttachmentError {
    /// It is larger than is allowed.
    #[error("the payload has more than {most} bytes (setting `attachments.limit_bytes`)")]
    TooLarge {
        /// Bytes allowed.
        most: u64,
    },
    /// It is in the book, and not where the book says.
    #[error("the attachment {content} is not where it should be: bring its object back from a backup")]
    Missing {
        /// Its name.
        content: ContentId,
    },
    /// Its bytes are not what they were.
    #[error("the attachment {content} is damaged: bring its object back from a backup")]
    Damaged {
        /// Its name.
        content: ContentId,
    },
    /// There is none: the hub was made without one.
    #[error("this hub has no archive of attachments")]
    None,
    /// The storage does not answer, is full or refuses. Trying again later may help.
    #[error("the archive of attachments is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where attachments are, and who needs them. Messages come to need them in [`crate::store::Journal::receive_attachment`], resources
/// when they are written and hold `Binary/` and the digest.
#[async_trait]
pub trait AttachmentBook: Send + Sync {
    /// What is known of the attachment with this digest.
    async fn kept(&self, content: ContentId) -> Result<Option<Kept>, StoreError>;

    /// Looks at up to `limit` attachments whose turn it is, and gives the places up of those that no message needs, and no resource, nor
    /// a version of one that is kept; returns at how many it looked, 0 when there are none now.
    async fn release(&self, now: OffsetDateTime, limit: u32) -> Result<u64, StoreError>;

    /// Gives places up of which the book knows nothing. A message that comes with one of them from now on is refused.
    async fn disown(&self, places: Vec<PlaceId>) -> Result<(), StoreError>;

    /// Those of `places` that the book knows.
    async fn known(&self, places: &[PlaceId]) -> Result<Vec<PlaceId>, StoreError>;

    /// Up to `limit` places that were given up and not yet deleted.
    async fn given_up(&self, limit: u32) -> Result<Vec<PlaceId>, StoreError>;

    /// Notes that these places hold nothing any more.
    async fn deleted(&self, places: Vec<PlaceId>) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stowed() -> Stowed {
        let mut sha1 = [0; 20];
        sha1[19] = 0xff;
        Stowed {
            place: PlaceId(Uuid::from_u128(1)),
            content: ContentId([0xab; 32]),
            sha1,
            size: 104_857_600,
            media_type: "application/pdf".into(),
        }
    }

    #[test]
    fn a_slip_is_read_as_it_was_written() {
        let slip = Slip::of(&stowed(), Some("scan \"1\".pdf"));
        let bytes = slip.to_bytes();
        assert_eq!(Slip::read(&bytes), Some(slip.clone()));
        assert!(std::str::from_utf8(&bytes).unwrap().contains(&format!("\"Binary/{}\"", "ab".repeat(32))));
        assert_eq!(slip.hash, "AAAAAAAAAAAAAAAAAAAAAAAAAP8=");
        assert!(!format!("{slip:?}").contains("scan"), "the name may name a patient");
        for wrong in [&b"{}"[..], b"[]", b"", b"{\"sha256\": \"ab\", \"size\": 1}"] {
            assert_eq!(Slip::read(wrong), None);
        }
    }

    #[test]
    fn a_name_is_cut_to_what_a_slip_holds() {
        let slip = Slip::of(&stowed(), Some(&"x".repeat(10_000)));
        assert_eq!(slip.name.map(|name| name.len()), Some(MOST_LETTERS));
    }

    #[test]
    fn the_name_of_an_attachment_is_64_digits() {
        let name = "0123456789abcdef".repeat(4);
        assert_eq!(name.parse::<ContentId>().map(|content| content.to_string()), Ok(name.clone()));
        for wrong in [&name[1..], &name.to_uppercase(), "", &format!("{}é", &name[2..])] {
            assert_eq!(wrong.parse::<ContentId>(), Err(NoContentId));
        }
    }

    #[test]
    fn base_64_is_that_of_rfc_4648() {
        // RFC 4648 §10.
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
