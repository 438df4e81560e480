//! The files of a folder: listed in the order of their names, read whole, moved away.

use std::collections::BinaryHeap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use hub_core::attachment::Stowed;

use super::pattern::NamePattern;

/// So many files are looked at at a time, the first by name: a folder of any size costs the same memory.
const AT_A_TIME: usize = 1_000;

/// What shows that a file has changed, or is another one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When it was written to.
    pub written: Option<SystemTime>,
    /// Which file of the file system it is. Always 0 where there is no such number.
    pub inode: u64,
}

/// The first files of a folder by name, and how each looks now.
pub(super) fn list(folder: &Path, pattern: &NamePattern) -> io::Result<Vec<(String, Stamp)>> {
    let mut first = BinaryHeap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A name that is no text can be in no pattern's sense a name; it stays where it is.
        let Ok(name) = entry.file_name().into_string() else { continue };
        // What is no file may not take the place of one. Whoever cannot be asked has gone.
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || name.starts_with('.') || !pattern.matches(&name) {
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
    Some(Stamp { size: what.len(), written: what.modified().ok(), inode: inode(&what) })
}

#[cfg(unix)]
fn inode(of: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(of)
}

#[cfg(not(unix))]
fn inode(_of: &fs::Metadata) -> u64 {
    0
}

/// A file as it was read.
pub(super) enum Content {
    /// Whole.
    Whole(Bytes),
    /// Whole, in the archive.
    Stowed(Box<Stowed>),
    /// It has more bytes than may be taken: this many.
    TooLarge(u64),
    /// It changed while it was read: it is not finished.
    Changed,
}

/// Reads a file that looked like this.
pub(super) fn read(path: &Path, looked: Stamp, most: usize) -> io::Result<Content> {
    if looked.size > most as u64 {
        return Ok(Content::TooLarge(most as u64));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(looked.size + 1).read_to_end(&mut bytes)?;
    let is_same = bytes.len() as u64 == looked.size && stamp(path) == Some(looked);
    Ok(if is_same { Content::Whole(Bytes::from(bytes)) } else { Content::Changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_takes_no_place_of_one() {
        let folder = tempfile::TempDir::new().unwrap();
        for nth in 0..AT_A_TIME {
            fs::create_dir(folder.path().join(format!("a{nth}"))).unwrap();
        }
        fs::write(folder.path().join("b"), "b").unwrap();
        let listed = list(folder.path(), &NamePattern::parse("*").unwrap()).unwrap();
        assert_eq!(listed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b"]);
    }
}
