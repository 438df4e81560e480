//! The program at the prompt, in this project's folder or in a copy of its files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The project's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What a command said, and how it ended.
pub struct Said {
    /// On standard output.
    pub out: String,
    /// On standard error.
    pub err: String,
    /// Its exit code.
    pub code: i32,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            out: text(&output.stdout),
            err: text(&output.stderr),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// What it said, when it ended well.
    pub fn well(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self.out
    }

    /// What it said, as JSON.
    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }
}

/// Runs the program in the project's folder.
pub fn huitong(arguments: &[&str]) -> Said {
    huitong_in(&root(), arguments)
}

/// Runs the program in another folder. Nobody's settings reach it.
pub fn huitong_in(folder: &Path, arguments: &[&str]) -> Said {
    Said::of(&command(folder, arguments).output().unwrap())
}

/// The program, about to be run.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huitong"));
    command.args(arguments).current_dir(folder).env_remove("HUITONG_CONFIG").env_remove("HUITONG_URL");
    command
}

/// Channels, mappings, fixtures and schemas in a folder of their own, to be changed at will.
pub fn copy_of_the_files() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["channels", "mappings", "fixtures", "schemas"] {
        copy(&root().join(name), &folder.path().join(name));
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Changes a file of a copy.
pub fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} does not hold {from}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Holds what was said to a file of `tests/commands/golden/`; with `HUITONG_BLESS=1` the file is written anew.
pub fn golden(name: &str, said: &str) {
    let file = root().join("tests/commands/golden").join(name);
    if std::env::var_os("HUITONG_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, said).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == said, "{name} differs; HUITONG_BLESS=1 writes it anew:\n{said}");
}
