//! The messages a `huitong map` command is given: files, standard input, or messages of the hub by their ids.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use bytes::Bytes;
use hub_core::document::{Parser, Split};
use hub_core::id::MessageId;
use hub_store::Archive;

use crate::cli::Global;
use crate::client::Client;
use crate::settings::Settings;

/// One message, and what it is called.
#[derive(Clone)]
pub struct Given {
    /// The file as it was named, `standard input`, or the id.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Fetches what was named.
pub async fn fetch(global: &Global, what: &str) -> anyhow::Result<Given> {
    if what == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("standard input could not be read")?;
        return Ok(Given { name: "standard input".to_owned(), bytes: bytes.into() });
    }
    let path = Path::new(what);
    if !path.exists()
        && let Ok(id) = what.parse::<uuid::Uuid>()
    {
        let bytes = match in_the_data_folder(global, MessageId(id)).await? {
            Some(bytes) => bytes,
            None => Client::new(global)?.get_bytes(&format!("messages/{id}/raw")).await?.into(),
        };
        return Ok(Given { name: what.to_owned(), bytes });
    }
    if path.is_dir() {
        bail!("{what} is a folder: name the messages in it");
    }
    let bytes = std::fs::read(path).with_context(|| what.to_owned())?;
    Ok(Given { name: what.to_owned(), bytes: bytes.into() })
}

/// The message in the data folder of these settings, where there is one; a hub that runs need not be asked then.
async fn in_the_data_folder(global: &Global, id: MessageId) -> anyhow::Result<Option<Bytes>> {
    if global.url.is_some() {
        return Ok(None);
    }
    let folder = Settings::read(global)?.data_dir;
    if !folder.join("hub.db").is_file() {
        return Ok(None);
    }
    Ok(Archive::open(&folder).await?.message(id).await?)
}

impl Given {
    /// The `nth` message in it, from 1, and how many there are.
    pub fn message(&self, parser: &dyn Parser, nth: u32) -> anyhow::Result<(Bytes, usize)> {
        // What cannot be split is told by the parser, with its place, when it is read as one.
        let pieces = parser.split(&self.bytes, &Split::Messages).unwrap_or_default();
        if pieces.len() < 2 && nth == 1 {
            return Ok((self.bytes.clone(), 1));
        }
        match pieces.get(nth as usize - 1) {
            Some(piece) => Ok((piece.bytes.clone(), pieces.len())),
            None => bail!("{} holds {} message(s); there is no number {nth}", self.name, pieces.len()),
        }
    }
}
