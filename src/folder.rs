//! Writes the files of an earlier deployment into the project's folder: all of them, or the folder stays as it was.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hub_core::deployments::{FileChange, Files, compare};

/// The folders that a deployment's files stand in.
const FOLDERS: [&str; 2] = ["channels", "mappings"];
/// How a file is named while it is written; hidden files are no channels.
const UNFINISHED: &str = ".huitong-writing";

/// Checks that the files that differ can be written, and the others taken away.
pub fn check_writable(root: &Path, from: &Files<String>, to: &Files<String>) -> anyhow::Result<()> {
    for path in compare(from, to).into_keys() {
        is_ours(&path)?;
        let place = root.join(&path);
        if std::fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink()) {
            bail!("`{path}` is a link to another file");
        }
        let folder = nearest_folder(&place);
        let trial = folder.join(UNFINISHED);
        std::fs::write(&trial, b"")
            .and_then(|()| std::fs::remove_file(&trial))
            .with_context(|| format!("the folder {} cannot be written to", folder.display()))?;
    }
    Ok(())
}

/// Makes the folder, which has the files `from`, have the files `to`. When one cannot be written, those that were are put back.
pub fn write(root: &Path, from: &Files<String>, to: &Files<String>) -> anyhow::Result<()> {
    let mut done: Vec<(String, FileChange)> = Vec::new();
    for (path, change) in compare(from, to) {
        let outcome = is_ours(&path).and_then(|()| set(root, &path, to.get(&path).map(String::as_str)));
        if let Err(error) = outcome {
            let mut told = format!("{error:#}");
            for (path, _) in done.iter().rev() {
                if let Err(error) = set(root, path, from.get(path).map(String::as_str)) {
                    told = format!("{told}; not put back: {error:#}");
                }
            }
            bail!("{told}");
        }
        done.push((path, change));
    }
    for (path, _) in done.iter().filter(|(_, change)| *change == FileChange::Removed) {
        forget_empty_folders(root, path);
    }
    Ok(())
}

/// Writes a file whole, or takes it away.
fn set(root: &Path, path: &str, text: Option<&str>) -> anyhow::Result<()> {
    let place = root.join(path);
    let Some(text) = text else {
        return std::fs::remove_file(&place).with_context(|| format!("`{path}` cannot be taken away"));
    };
    let written = || -> std::io::Result<()> {
        let folder = place.parent().unwrap_or(root);
        std::fs::create_dir_all(folder)?;
        let unfinished = folder.join(UNFINISHED);
        let mut file = std::fs::File::create(&unfinished)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        // Who may read the file before may read it afterwards.
        if let Ok(found) = std::fs::metadata(&place) {
            file.set_permissions(found.permissions())?;
        }
        file.sync_all()?;
        std::fs::rename(&unfinished, &place)
    };
    written().with_context(|| format!("`{path}` cannot be written"))
}

/// Nothing but the folders of channels and mappings is ever written to.
fn is_ours(path: &str) -> anyhow::Result<()> {
    let mut parts = Path::new(path).components();
    let first = parts.next().is_some_and(|part| FOLDERS.iter().any(|folder| part.as_os_str() == *folder));
    let stays = Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !first || !stays {
        bail!("`{path}` is no file of a deployment");
    }
    Ok(())
}

/// The folder of a file, or the nearest one above that is there.
fn nearest_folder(place: &Path) -> PathBuf {
    place.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new(".")).to_path_buf()
}

/// A system's folder that holds nothing any more goes too.
fn forget_empty_folders(root: &Path, path: &str) {
    let above = Path::new(path).ancestors().skip(1).filter(|folder| folder.components().count() > 1);
    for folder in above {
        // It is not empty, or not ours to take away: then it stays.
        if std::fs::remove_dir(root.join(folder)).is_err() {
            break;
        }
    }
}

/// Whether the folder is part of a git checkout.
pub fn is_in_git(root: &Path) -> bool {
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
    root.ancestors().any(|folder| folder.join(".git").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(pairs: &[(&str, &str)]) -> Files<String> {
        pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    fn read(root: &Path) -> Files<String> {
        hub_spec::ProjectFiles::read(root).texts()
    }

    #[test]
    fn the_folder_has_the_files_of_before_to_the_byte() {
        let root = tempfile::tempdir().unwrap();
        let old = files(&[("channels/his/adt.toml", "a = 1\r\n\n"), ("mappings/codes/x.json", "{}")]);
        let new = files(&[("channels/lis/oru.toml", "é"), ("mappings/codes/x.json", "[]")]);
        write(root.path(), &Files::new(), &old).unwrap();
        assert_eq!(read(root.path()), old);
        std::fs::write(root.path().join("channels/README.md"), "stays").unwrap();
        check_writable(root.path(), &old, &new).unwrap();
        write(root.path(), &old, &new).unwrap();
        assert_eq!(read(root.path()), new);
        assert!(!root.path().join("channels/his").exists());
        write(root.path(), &new, &old).unwrap();
        assert_eq!(read(root.path()), old);
        assert!(root.path().join("channels/README.md").exists());
    }

    #[test]
    fn when_one_file_cannot_be_written_the_others_are_put_back() {
        let root = tempfile::tempdir().unwrap();
        let old = files(&[("channels/a/a.toml", "1"), ("channels/b/b.toml", "1")]);
        write(root.path(), &Files::new(), &old).unwrap();
        // A folder stands where the file is to be.
        std::fs::create_dir_all(root.path().join("mappings/z.toml/in-the-way")).unwrap();
        let new = files(&[("channels/a/a.toml", "2"), ("channels/c/c.toml", "2"), ("mappings/z.toml", "2")]);
        let error = write(root.path(), &old, &new).unwrap_err();
        assert!(error.to_string().contains("mappings/z.toml"), "{error}");
        assert_eq!(read(root.path()), old);
    }

    #[test]
    fn nothing_else_is_written_to() {
        let root = tempfile::tempdir().unwrap();
        for path in ["config/hub.toml", "../channels/x.toml", "channels/../../x.toml", "/etc/x"] {
            let wrong = files(&[(path, "x")]);
            assert!(write(root.path(), &Files::new(), &wrong).is_err(), "{path}");
            assert!(check_writable(root.path(), &Files::new(), &wrong).is_err(), "{path}");
        }
    }
}
