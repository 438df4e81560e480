//! Takes a file into the archive of attachments, a piece at a time.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use hub_core::attachment::AttachmentError;
use hub_core::source::Intake;

use super::folder::{Content, Stamp, stamp};
use super::watch_folder::blocking;

/// So much is read at a time.
const PIECE: u64 = 256 << 10;

/// Takes a file that looked like this.
pub(super) async fn stow(
    path: &Path,
    looked: Stamp,
    intake: &Intake,
    media_type: &str,
) -> io::Result<Content> {
    match pieces(path, looked, intake, media_type).await {
        Ok(content) => Ok(content),
        Err(Failed::Read(error)) => Err(error),
        Err(Failed::Archive(AttachmentError::TooLarge { most })) => Ok(Content::TooLarge(most)),
        Err(Failed::Archive(error)) => Err(io::Error::other(error)),
    }
}

enum Failed {
    Read(io::Error),
    Archive(AttachmentError),
}

async fn pieces(path: &Path, looked: Stamp, intake: &Intake, media_type: &str) -> Result<Content, Failed> {
    let mut taking = intake.attach(media_type).await.map_err(Failed::Archive)?;
    let opened = path.to_owned();
    let mut file = blocking(move || File::open(opened)).await.map_err(Failed::Read)?;
    let mut size = 0;
    loop {
        let read = blocking(move || {
            let mut piece = Vec::new();
            (&mut file).take(PIECE).read_to_end(&mut piece)?;
            Ok((file, piece))
        });
        let (next, piece) = read.await.map_err(Failed::Read)?;
        file = next;
        if piece.is_empty() {
            break;
        }
        size += piece.len() as u64;
        if size > looked.size {
            return Ok(Content::Changed);
        }
        taking.add(Bytes::from(piece)).await.map_err(Failed::Archive)?;
    }
    let looks = path.to_owned();
    let now = blocking(move || Ok(stamp(&looks))).await.map_err(Failed::Read)?;
    if size != looked.size || now != Some(looked) {
        return Ok(Content::Changed);
    }
    taking.finish().await.map(Box::new).map(Content::Stowed).map_err(Failed::Archive)
}

/// The media types of usual documents, by what their names end with.
const KNOWN: [(&str, &str); 17] = [
    ("pdf", "application/pdf"),
    ("xml", "application/xml"),
    ("json", "application/json"),
    ("txt", "text/plain"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("rtf", "application/rtf"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("dcm", "application/dicom"),
    ("mp4", "video/mp4"),
    ("zip", "application/zip"),
];

/// The media type of a file of this name.
pub(super) fn media_type_of(name: &str) -> &'static str {
    let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase());
    let known = KNOWN.iter().find(|(known, _)| suffix.as_deref() == Some(known));
    known.map_or("application/octet-stream", |(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_name_says_what_a_file_is() {
        assert_eq!(media_type_of("scan.PDF"), "application/pdf");
        assert_eq!(media_type_of("a.b.dcm"), "application/dicom");
        assert_eq!(media_type_of("pdf"), "application/octet-stream");
    }
}
