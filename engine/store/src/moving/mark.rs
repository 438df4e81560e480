//! The mark in a data folder whose database has moved away: no hub starts on it any more.

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Its name.
const NAME: &str = "hub.moved";

/// Where the database of a folder has moved to, when it has.
pub(crate) fn moved_to(data_dir: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read_to_string(data_dir.join(NAME)) {
        Ok(text) => Ok(Some(text.lines().next().unwrap_or_default().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Marks a folder, so that it stays marked whatever happens next.
pub(super) fn set(data_dir: &Path, to: &str) -> std::io::Result<()> {
    let unfinished = data_dir.join(format!("{NAME}.tmp"));
    let mut file = File::create(&unfinished)?;
    writeln!(file, "{to}")?;
    writeln!(
        file,
        "Everything in this folder's hub.db has moved there and was verified. A hub that starts here as well would receive and send"
    )?;
    writeln!(file, "beside the one that runs there. Remove this file only if that database is given up.")?;
    file.sync_all()?;
    std::fs::rename(&unfinished, data_dir.join(NAME))?;
    File::open(data_dir)?.sync_all()
}

/// An address without the password that may stand in it, nor its options.
pub(super) fn without_password(url: &str) -> String {
    let bare = url.split('?').next().unwrap_or(url);
    let Some((scheme, rest)) = bare.split_once("://") else { return "PostgreSQL".to_owned() };
    let (who, place) = match rest.rsplit_once('@') {
        Some((who, place)) => (who.split(':').next().unwrap_or_default(), place),
        None => ("", rest),
    };
    match who.is_empty() {
        true => format!("{scheme}://{place}"),
        false => format!("{scheme}://{who}@{place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_marked_with_where_its_database_is_and_never_with_a_password() {
        let folder = tempfile::TempDir::new().unwrap();
        assert_eq!(moved_to(folder.path()).unwrap(), None);
        let to =
            without_password("postgres://hub:se@cret@db.example:5432/huitong?sslmode=require&password=x");
        assert_eq!(to, "postgres://hub@db.example:5432/huitong");
        set(folder.path(), &to).unwrap();
        assert_eq!(moved_to(folder.path()).unwrap(), Some(to));
        assert_eq!(without_password("postgres://db/huitong"), "postgres://db/huitong");
    }
}
