//! Where tests take mapping files from: the project's folder, or texts written in the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hub_mapping::{FileText, Files};

/// Files by name, all read beforehand.
#[derive(Default)]
pub struct Folder {
    mappings: BTreeMap<String, String>,
    codes: BTreeMap<String, String>,
}

#[expect(dead_code, reason = "each test file uses some of these")]
impl Folder {
    /// The project's `mappings/`.
    pub fn project() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings");
        let mut folder = Self::default();
        for path in toml_files(&root) {
            let name = path.strip_prefix(&root).unwrap().with_extension("").display().to_string();
            let text = fs::read_to_string(&path).unwrap();
            match name.strip_prefix("codes/") {
                Some(name) => folder.codes.insert(name.to_owned(), text),
                None => folder.mappings.insert(name, text),
            };
        }
        folder
    }

    /// One mapping under a name.
    pub fn with(mut self, name: &str, text: &str) -> Self {
        self.mappings.insert(name.to_owned(), text.to_owned());
        self
    }

    /// One code table under a name.
    pub fn with_codes(mut self, name: &str, text: &str) -> Self {
        self.codes.insert(name.to_owned(), text.to_owned());
        self
    }
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

fn file(folder: &str, name: &str, text: &str) -> FileText {
    FileText { path: PathBuf::from(format!("{folder}/{name}.toml")), text: text.to_owned() }
}

impl Files for Folder {
    fn mapping(&self, name: &str) -> Option<FileText> {
        self.mappings.get(name).map(|text| file("mappings", name, text))
    }

    fn code_table(&self, name: &str) -> Option<FileText> {
        self.codes.get(name).map(|text| file("mappings/codes", name, text))
    }

    fn mapping_names(&self) -> Vec<String> {
        self.mappings.keys().cloned().collect()
    }

    fn code_table_names(&self) -> Vec<String> {
        self.codes.keys().cloned().collect()
    }
}
