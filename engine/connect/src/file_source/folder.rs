//! The files of a folder: listed in the order of their names, read whole, moved away.

use std::collections::BinaryHeap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;

use super::pattern::NamePattern;

/// So many files are looked at at a time, the first by name: a folder of any size costs the same memory.
const AT_A_TIME: usize = 1_000;

/// What shows that a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When it was written to.
    pub written: Option<SystemTime>,
}

/// The first files of a folder by name, and how each looks now.
pub(super) fn list(folder: &Path, pattern: &NamePattern) -> io::Result<Vec<(String, Stamp)>> {
    let mut first = BinaryHeap::new();
    for entry in fs::read_dir(folder)? {
        // A name that is no text can be in no pattern's sense a name; it stays where it is.
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if name.starts_with('.') || !pattern.matches(&name) {
            continue;
        }
        first.push(name);
        if first.len() > AT_A_TIME {
            first.pop();
        }
    }
    let names = first.into_sorted_vec().into_iter();
    Ok(names.filter_map(|name| stamp(&folder.join(&name)).map(|stamp| (name, stamp))).collect())
}

/// How a file looks now. `None`: it is gone, or no plain file; links are not followed.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let what = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Stamp { size: what.len(), written: what.modified().ok() })
}

/// A file as it was read.
pub(super) enum Content {
    /// Whole.
    Whole(Bytes),
    /// It has more bytes than may be taken.
    TooLarge,
    /// It changed while it was read: it is not finished.
    Changed,
}

/// Reads a file that looked like this.
pub(super) fn read(path: &Path, looked: Stamp, most: usize) -> io::Result<Content> {
    if looked.size > most as u64 {
        return Ok(Content::TooLarge);
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(looked.size + 1).read_to_end(&mut bytes)?;
    let is_same = bytes.len() as u64 == looked.size && stamp(path) == Some(looked);
    Ok(if is_same { Content::Whole(Bytes::from(bytes)) } else { Content::Changed })
}

/// Moves a file; one of its name that is there already stays, and this one is called by its `number` too.
pub(super) fn put_away(path: &Path, into: &Path, name: &str, number: &str) -> io::Result<()> {
    let mut target: PathBuf = into.join(name);
    if fs::symlink_metadata(&target).is_ok() {
        target = into.join(format!("{name}.{number}"));
    }
    match fs::rename(path, &target) {
        // Another file system: copied whole under a hidden name first, so that half a copy is never taken for a file.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let half = into.join(format!(".{name}.{number}.part"));
            fs::copy(path, &half)?;
            fs::File::open(&half)?.sync_all()?;
            fs::rename(&half, &target)?;
            fs::remove_file(path)
        }
        moved => moved,
    }
}
