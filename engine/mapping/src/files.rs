//! Where mapping files and code tables come from: whoever calls the compiler knows, the compiler does not.

use std::path::PathBuf;

/// Gives the texts of mapping files and code tables by their names.
pub trait Files {
    /// The mapping `his/adt`: the text of `mappings/his/adt.toml`.
    fn mapping(&self, name: &str) -> Option<FileText>;
    /// The code table `hl7-0085`: the text of `mappings/codes/hl7-0085.toml`.
    fn code_table(&self, name: &str) -> Option<FileText>;
    /// The names of all mappings, for nearest-word help.
    fn mapping_names(&self) -> Vec<String>;
    /// The names of all code tables, for nearest-word help.
    fn code_table_names(&self) -> Vec<String>;
}

/// A file a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileText {
    /// Its path, relative to the project's root: `mappings/his/adt.toml`.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}
