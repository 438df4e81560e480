//! Installs what judges, once for each list of versions: npm's and PyPI's packages, into folders below `target/judges`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

use crate::harness;

/// Tests of one process install one after the other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A folder beside this file.
pub fn of_the_project(name: &str) -> PathBuf {
    harness::root().join("tests/judges").join(name)
}

/// The folder with the scripts for node and, beside them, what they import.
pub fn javascript() -> Option<PathBuf> {
    let from = of_the_project("javascript");
    let folder = installed("javascript", &from.join("package-lock.json"), |folder| {
        for name in ["package.json", "package-lock.json", ".npmrc"] {
            std::fs::copy(from.join(name), folder.join(name)).unwrap();
        }
        // No package runs a script of its own, and none brings what is for browsers and phones.
        let flags = ["ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"];
        run(Command::new("npm").args(flags).current_dir(folder))
    })?;
    // The scripts are read from beside the packages, so that node finds those.
    for entry in std::fs::read_dir(&from).unwrap().flatten() {
        if entry.path().extension().is_some_and(|suffix| suffix == "mjs") {
            put(&std::fs::read(entry.path()).unwrap(), &folder.join(entry.file_name()));
        }
    }
    Some(folder)
}

/// A python that has the packages.
pub fn python() -> Option<PathBuf> {
    let list = of_the_project("python").join("requirements.txt");
    let folder = installed("python", &list, |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let flags = ["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r"];
        run(Command::new(folder.join("bin/pip")).args(flags).arg(&list))
    })?;
    Some(folder.join("bin/python"))
}

/// The folder for this list of versions, filled where it is not yet. `None`, said aloud, where that cannot be done and
/// `HUITONG_OFFLINE=1` allows it; otherwise the test fails: what did not judge has not judged well.
fn installed(name: &str, list: &Path, fill: impl FnOnce(&Path) -> Result<(), String>) -> Option<PathBuf> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let digest = Sha256::digest(std::fs::read(list).unwrap());
    let digest: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let judges = harness::root().join("target/judges");
    let folder = judges.join(format!("{name}-{digest}"));
    std::fs::create_dir_all(&judges).unwrap();
    // Other processes may be at it as well; the lock ends with the process.
    let lock = std::fs::File::create(judges.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let whole = folder.join("whole");
    if whole.exists() {
        return Some(folder);
    }
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let Err(wrong) = fill(&folder) else {
        std::fs::write(whole, "").unwrap();
        return Some(folder);
    };
    let is_allowed = std::env::var_os("HUITONG_OFFLINE").is_some();
    assert!(
        is_allowed,
        "NOT RUN: the judges could not be installed (HUITONG_OFFLINE=1 goes on without): {wrong}"
    );
    eprintln!("NOT RUN: the judges could not be installed: {wrong}");
    None
}

fn run(command: &mut Command) -> Result<(), String> {
    let told = command.output().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    match told.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&told.stderr).into_owned()),
    }
}

/// Writes a file at once, so that no other process reads half of it.
fn put(content: &[u8], file: &Path) {
    let half = file.with_extension(format!("{}", std::process::id()));
    std::fs::write(&half, content).unwrap();
    std::fs::rename(half, file).unwrap();
}
