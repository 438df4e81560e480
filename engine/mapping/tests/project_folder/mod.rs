//! The project's own mapping files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::files::Folder;

/// The project's `mappings/`, all read beforehand.
pub fn project() -> Folder {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings");
    let mut folder = Folder::default();
    for path in toml_files(&root) {
        let name = path.strip_prefix(&root).unwrap().with_extension("").display().to_string();
        folder = folder.with(&name, &fs::read_to_string(&path).unwrap());
    }
    folder
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(toml_files(&path));
        } else if path.extension().is_some_and(|suffix| suffix == "toml") {
            found.push(path);
        }
    }
    found
}
