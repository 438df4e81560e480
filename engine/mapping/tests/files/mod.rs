//! Mapping files written in a test.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hub_mapping::{FileText, Files};

/// Files by name.
#[derive(Default)]
pub struct Folder {
    mappings: BTreeMap<String, String>,
    codes: BTreeMap<String, String>,
}

impl Folder {
    /// One more file, by its path below `mappings/`: a code table when it stands in `codes/`.
    pub fn with(mut self, name: &str, text: &str) -> Self {
        match name.strip_prefix("codes/") {
            Some(name) => self.codes.insert(name.to_owned(), text.to_owned()),
            None => self.mappings.insert(name.to_owned(), text.to_owned()),
        };
        self
    }
}

fn file(folder: &str, name: &str, text: &str) -> FileText {
    FileText { path: PathBuf::from(format!("{folder}/{name}.toml")), text: text.to_owned() }
}

impl Files for Folder {
    fn mapping(&self, name: &str) -> Option<FileText> {
        self.mappings.get(name).map(|text| file("mappings", name, text))
    }

    fn code_table(&self, name: &str) -> Option<FileText> {
        let json = format!("{name}.json");
        let toml = self.codes.get(name).map(|text| file("mappings/codes", name, text));
        toml.or_else(|| {
            let text = self.codes.get(&json)?.clone();
            Some(FileText { path: PathBuf::from(format!("mappings/codes/{json}")), text })
        })
    }

    fn mapping_names(&self) -> Vec<String> {
        self.mappings.keys().cloned().collect()
    }

    fn code_table_names(&self) -> Vec<String> {
        self.codes.keys().cloned().collect()
    }
}
