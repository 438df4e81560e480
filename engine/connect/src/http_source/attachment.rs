//! Takes a request whose body becomes an attachment: a piece at a time into the archive, then its slip into the journal.

use hub_core::attachment::{AttachmentError, Slip, Stowed};
use hub_core::envelope::Peer;
use hub_core::id::DedupeKey;
use hub_core::source::Inbound;
use hub_transport::http_server::{BodyPieces, HttpAnswer, RequestHead};
use serde_json::json;
use tracing::error;

use super::answer::{Post, again_later, number, told};

/// What a body is that does not say what it is (RFC 9110 §8.3).
const UNKNOWN: &str = "application/octet-stream";

impl Post {
    /// Answers when the attachment is safe in the archive and its slip in the journal.
    pub(super) async fn take_attachment(&self, head: RequestHead, body: &mut BodyPieces) -> HttpAnswer {
        let media_type = head.header("content-type").filter(|media| !media.is_empty()).unwrap_or(UNKNOWN);
        let stowed = match self.stow(media_type, body).await {
            Ok(stowed) => stowed,
            Err(refused) => return refused,
        };
        let name = head.header("content-disposition").and_then(file_name);
        let inbound = Inbound {
            // The sender's number; the content itself when it gives none.
            dedupe: match number(&head) {
                Some(number) => DedupeKey(number),
                None => DedupeKey::from(format!("{:?}", stowed.content.digest())),
            },
            label: self.label(&head),
            bytes: Slip::of(&stowed, name).to_bytes(),
            attachment: Some(stowed),
            peer: Peer { address: Some(head.peer.address), identity: head.peer.identity },
            unreadable: None,
        };
        self.hand_over(inbound).await
    }

    async fn stow(&self, media_type: &str, body: &mut BodyPieces) -> Result<Stowed, HttpAnswer> {
        let mut taking = self.intake.attach(media_type).await.map_err(|error| failed(&error))?;
        loop {
            match body.next().await {
                Ok(Some(piece)) => taking.add(piece).await.map_err(|error| failed(&error))?,
                Ok(None) => return taking.finish().await.map_err(|error| failed(&error)),
                Err(413) => {
                    let most = self.config.max_message_bytes;
                    return Err(too_large(&format!(
                        "the body has more than {most} bytes (setting `max_message_bytes` of the channel)"
                    )));
                }
                Err(status) => return Err(HttpAnswer::empty(status)),
            }
        }
    }
}

fn too_large(reason: &str) -> HttpAnswer {
    told(413, json!({ "reason": reason }))
}

fn failed(error: &AttachmentError) -> HttpAnswer {
    if let AttachmentError::TooLarge { .. } = error {
        return too_large(&error.to_string());
    }
    error!(
        error = error as &dyn std::error::Error,
        "A payload could not be taken into the archive; its sender was told to send it again."
    );
    again_later(json!({ "reason": "the hub cannot store attachments now; send it again later" }))
}

/// The `filename` of a Content-Disposition (RFC 6266 §4.3), without the folders before it.
fn file_name(disposition: &str) -> Option<&str> {
    let (_, name) = disposition.split(';').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case("filename").then_some((key, value.trim()))
    })?;
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_read_without_its_folders() {
        for (disposition, name) in [
            ("attachment; filename=\"scan 1.pdf\"", Some("scan 1.pdf")),
            ("attachment; FileName=scan.pdf; size=3", Some("scan.pdf")),
            ("attachment; filename=\"C:\\scans\\a.pdf\"", Some("a.pdf")),
            ("attachment; filename=\"../../a.pdf\"", Some("a.pdf")),
            ("attachment; filename=\"\"", None),
            ("attachment", None),
        ] {
            assert_eq!(file_name(disposition), name, "{disposition}");
        }
    }
}
