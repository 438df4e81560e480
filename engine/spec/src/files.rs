//! The files of a project's folders, read once, or those of an earlier deployment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use hub_core::finding::{Finding, FindingKind};
use hub_mapping::{FileText, Files};

/// No channel, mapping or code table that a person can read is larger.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Folders within folders; deeper ones are a loop of links.
const MAX_DEPTH: usize = 8;

/// The folder of channel files.
const CHANNELS: &str = "channels";

/// The folder of code tables, within `mappings/`.
const CODES: &str = "codes/";

/// The mappings and code tables of a project's `mappings/` folder.
#[derive(Clone, Debug, Default)]
pub struct FolderFiles {
    mappings: BTreeMap<String, FileText>,
    code_tables: BTreeMap<String, FileText>,
}

impl FolderFiles {
    /// Reads `mappings/` below `root`, and says which files could not be read.
    pub fn read(root: &Path) -> (Self, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut read = Self::default();
        for file in files(root, "mappings", &["toml", "json"], &mut findings) {
            // A code table may be written as a ConceptMap; other JSON is none of ours.
            let is_json = file.text.path.extension() == Some(OsStr::new("json"));
            if is_json && !file.name.starts_with(CODES) {
                continue;
            }
            read.take(file);
        }
        (read, findings)
    }

    fn take(&mut self, file: NamedFile) {
        match file.name.strip_prefix(CODES) {
            Some(name) => self.code_tables.insert(name.to_owned(), file.text),
            None => self.mappings.insert(file.name, file.text),
        };
    }
}

/// The channels, mappings and code tables of a project: what is read is what is compiled, and what a deployment keeps.
#[derive(Clone, Debug, Default)]
pub struct ProjectFiles {
    pub(crate) channels: Vec<NamedFile>,
    pub(crate) mappings: FolderFiles,
    /// What could not be read.
    pub(crate) findings: Vec<Finding>,
}

impl ProjectFiles {
    /// Reads `channels/` and `mappings/` below `root`.
    pub fn read(root: &Path) -> Self {
        let (mappings, mut findings) = FolderFiles::read(root);
        let channels = toml_files(root, CHANNELS, &mut findings);
        Self { channels, mappings, findings }
    }

    /// The same of texts that were read before, each with its path below the root: `channels/his/adt.toml`.
    pub fn of(texts: &BTreeMap<String, String>) -> Self {
        let mut files = Self::default();
        for (path, text) in texts {
            let path = PathBuf::from(path);
            let named = NamedFile { name: name_of(&path), text: FileText { path, text: text.clone() } };
            if named.text.path.starts_with(CHANNELS) {
                files.channels.push(named);
            } else {
                files.mappings.take(named);
            }
        }
        files.channels.sort_by(|a, b| a.name.cmp(&b.name));
        files
    }

    /// The exact text of every file by its path below the root, with `/` on every system.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let channels = self.channels.iter().map(|file| &file.text);
        let mappings = self.mappings.mappings.values().chain(self.mappings.code_tables.values());
        channels.chain(mappings).map(|file| (shown(&file.path), file.text.clone())).collect()
    }

    /// What could not be read.
    pub fn unreadable(&self) -> &[Finding] {
        &self.findings
    }

    /// The names of the channels: `his/adt`.
    pub fn channel_names(&self) -> Vec<String> {
        self.channels.iter().map(|file| file.name.clone()).collect()
    }
}

impl Files for FolderFiles {
    fn mapping(&self, name: &str) -> Option<FileText> {
        self.mappings.get(name).cloned()
    }

    fn code_table(&self, name: &str) -> Option<FileText> {
        self.code_tables.get(name).cloned()
    }

    fn mapping_names(&self) -> Vec<String> {
        self.mappings.keys().cloned().collect()
    }

    fn code_table_names(&self) -> Vec<String> {
        self.code_tables.keys().cloned().collect()
    }
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct NamedFile {
    /// Its path below its folder, without the suffix, with `/` on every system: `lis/oru-r01`.
    pub name: String,
    /// Its path below the root, and what it holds.
    pub text: FileText,
}

/// All TOML files of a folder below `root`, by name. Hidden files and folders are passed over.
pub(crate) fn toml_files(root: &Path, folder: &str, findings: &mut Vec<Finding>) -> Vec<NamedFile> {
    files(root, folder, &["toml"], findings)
}

/// The same for files of other suffixes too.
fn files(root: &Path, folder: &str, suffixes: &[&str], findings: &mut Vec<Finding>) -> Vec<NamedFile> {
    let mut files = Vec::new();
    let mut folders = vec![(PathBuf::from(folder), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = match fs::read_dir(root.join(&folder)) {
            Ok(entries) => entries,
            Err(error) if depth == 0 && error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                findings.push(unreadable(&folder, &error));
                continue;
            }
        };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let path = folder.join(&name);
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // Links are followed: configuration is mounted as links by more than one system.
            match fs::metadata(root.join(&path)) {
                Ok(what) if what.is_dir() && depth < MAX_DEPTH => folders.push((path, depth + 1)),
                Ok(what) if what.is_dir() => {
                    let message = format!("folders are nested deeper than {MAX_DEPTH}");
                    findings.push(Finding::of_file(FindingKind::Unreadable, path, message));
                }
                Ok(what)
                    if path
                        .extension()
                        .is_some_and(|suffix| suffixes.iter().any(|known| suffix == *known)) =>
                {
                    files.extend(read_file(root, &path, what.len(), findings));
                }
                Ok(_) => {}
                Err(error) => findings.push(unreadable(&path, &error)),
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn read_file(root: &Path, path: &Path, size: u64, findings: &mut Vec<Finding>) -> Option<NamedFile> {
    if size > MAX_FILE_BYTES {
        let message = format!("the file has {size} bytes; {MAX_FILE_BYTES} is the most");
        findings.push(Finding::of_file(FindingKind::Unreadable, path, message));
        return None;
    }
    match fs::read_to_string(root.join(path)) {
        Ok(text) => Some(NamedFile { name: name_of(path), text: FileText { path: path.to_owned(), text } }),
        Err(error) => {
            findings.push(unreadable(path, &error));
            None
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Finding {
    let message = match error.kind() {
        std::io::ErrorKind::InvalidData => "the file is not UTF-8 text".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    Finding::of_file(FindingKind::Unreadable, path, message)
}

/// The path below the first folder, without its suffix.
fn name_of(path: &Path) -> String {
    let below: PathBuf = path.with_extension("").components().skip(1).collect();
    shown(&below)
}

fn shown(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(OsStr::to_string_lossy).collect();
    parts.join("/")
}
