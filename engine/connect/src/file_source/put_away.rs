//! Moves a file that was taken out of the folder: never another one of its name, never over one that is there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{Stamp, stamp};

/// So many names are tried before it is said that none is free.
const MOST_NAMES: u32 = 1_000;

/// What became of a file that was to be put away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PutAway {
    /// It is where it belongs.
    Moved,
    /// What lies under its name now is another file, which has not been read; or nothing does. It was left alone.
    Changed,
}

/// Moves a file that looked like this when it was read. Where one of its name lies there already, that one stays, and this one is called
/// by its `number` too.
pub(super) fn put_away(
    path: &Path,
    looked: Stamp,
    into: &Path,
    name: &str,
    number: &str,
) -> io::Result<PutAway> {
    if stamp(path) != Some(looked) {
        return Ok(PutAway::Changed);
    }
    let target = reserve(into, name, number)?;
    let moved = match fs::rename(path, &target) {
        Ok(()) => return has_moved(path, looked, &target),
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy_over(path, looked, &target, &into.join(format!(".{number}.part")))
        }
        Err(error) => Err(error),
    };
    if !matches!(moved, Ok(PutAway::Moved)) {
        give_back(&target);
    }
    moved
}

/// Makes an empty file under a name that was free: whoever comes second gets another one, and what is there is never written over.
fn reserve(into: &Path, name: &str, number: &str) -> io::Result<PathBuf> {
    let names = [name.to_owned(), format!("{name}.{number}"), number.to_owned()];
    let more = (2..MOST_NAMES).map(|nth| format!("{number}.{nth}"));
    for name in names.into_iter().chain(more) {
        let target = into.join(name);
        match fs::File::create_new(&target) {
            Ok(_) => return Ok(target),
            // Taken, or, with the number, too long for the file system: the next one.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::InvalidFilename) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no name is free where files are put away"))
}

/// Takes a reservation back. What has bytes is none, and stays.
fn give_back(target: &Path) {
    if stamp(target).is_some_and(|stamp| stamp.size == 0) {
        // One that cannot be removed now is an empty file more, and harms nobody.
        let _ = fs::remove_file(target);
    }
}

/// The partner may have put another file there between the look and the move: then it was moved unread, and goes back.
fn has_moved(path: &Path, looked: Stamp, target: &Path) -> io::Result<PutAway> {
    if stamp(target) == Some(looked) {
        return Ok(PutAway::Moved);
    }
    match fs::File::create_new(path) {
        Ok(_) => fs::rename(target, path).map(|()| PutAway::Changed),
        // The partner wrote a third one, in place of the second.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(PutAway::Changed),
        Err(error) => Err(error),
    }
}

/// Another file system: copied whole under a hidden name first, so that half a copy is never taken for a file, and synced, name and all,
/// before the one copy there was is removed.
fn copy_over(path: &Path, looked: Stamp, target: &Path, half: &Path) -> io::Result<PutAway> {
    fs::copy(path, half)?;
    fs::File::open(half)?.sync_all()?;
    if stamp(path) != Some(looked) {
        fs::remove_file(half)?;
        return Ok(PutAway::Changed);
    }
    fs::rename(half, target)?;
    if let Some(folder) = target.parent() {
        sync_folder(folder)?;
    }
    fs::remove_file(path).map(|()| PutAway::Moved)
}

/// A name is safe when its folder is. Only Unix opens folders.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "0192";

    fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, done) = (folder.path().join("a.txt"), folder.path().join("done"));
        fs::create_dir(&done).unwrap();
        (folder, path, done)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_was_replaced_after_it_was_read_stays() {
        let (_folder, path, done) = folders();
        fs::write(&path, "one").unwrap();
        let looked = stamp(&path).unwrap();
        // The same size, the same time: only the inode tells.
        let (other, times) = (done.join("other"), fs::FileTimes::new().set_modified(looked.written.unwrap()));
        fs::write(&other, "two").unwrap();
        fs::File::options().write(true).open(&other).unwrap().set_times(times).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(put_away(&path, looked, &done, "a.txt", NUMBER).unwrap(), PutAway::Changed);
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(names(&done).is_empty(), "and no empty file is left where it would have gone");
    }

    #[test]
    fn a_file_that_is_replaced_in_the_moment_of_the_move_goes_back() {
        let (_folder, path, done) = folders();
        fs::write(&path, "one").unwrap();
        let looked = stamp(&path).unwrap();
        fs::write(done.join("a.txt"), "another").unwrap(); // As the rename would leave it.
        fs::remove_file(&path).unwrap();
        assert_eq!(has_moved(&path, looked, &done.join("a.txt")).unwrap(), PutAway::Changed);
        assert_eq!(fs::read(&path).unwrap(), b"another");
        assert!(names(&done).is_empty());
    }

    #[test]
    fn no_file_is_ever_written_over() {
        let (_folder, path, done) = folders();
        for text in ["1", "2", "3", "4", "5"] {
            fs::write(&path, text).unwrap();
            let looked = stamp(&path).unwrap();
            assert_eq!(put_away(&path, looked, &done, "a.txt", NUMBER).unwrap(), PutAway::Moved);
        }
        assert_eq!(names(&done), ["0192", "0192.2", "0192.3", "a.txt", "a.txt.0192"]);
        assert_eq!(fs::read(done.join("a.txt")).unwrap(), b"1");
        assert_eq!(fs::read(done.join("a.txt.0192")).unwrap(), b"2");
    }

    #[test]
    fn a_name_that_has_no_room_for_the_number_is_left_out() {
        let (folder, _, done) = folders();
        let name = "x".repeat(255);
        for _ in 0..2 {
            let path = folder.path().join(&name);
            fs::write(&path, "x").unwrap();
            let looked = stamp(&path).unwrap();
            assert_eq!(put_away(&path, looked, &done, &name, NUMBER).unwrap(), PutAway::Moved);
        }
        assert_eq!(names(&done), ["0192".to_owned(), name]);
    }

    #[test]
    fn a_copy_to_another_file_system_is_whole_and_leaves_what_changed_meanwhile() {
        let (_folder, path, done) = folders();
        let (target, half) = (done.join("a.txt"), done.join(".0192.part"));
        fs::write(&path, "one").unwrap();
        let looked = stamp(&path).unwrap();
        fs::write(&path, "longer").unwrap();
        assert_eq!(copy_over(&path, looked, &target, &half).unwrap(), PutAway::Changed);
        assert!(path.exists() && names(&done).is_empty());
        let looked = stamp(&path).unwrap();
        assert_eq!(copy_over(&path, looked, &target, &half).unwrap(), PutAway::Moved);
        assert!(!path.exists());
        assert_eq!(
            (names(&done), fs::read(&target).unwrap()),
            (vec!["a.txt".to_owned()], b"longer".to_vec())
        );
    }
}
