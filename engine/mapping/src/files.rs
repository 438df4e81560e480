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

/// The file that calls itself `name` and stands where it is not looked for: `mappings/results.toml` of `lab/results`.
pub fn misplaced(name: &str, files: &dyn Files) -> Option<PathBuf> {
    let mappings = files.mapping_names().into_iter().filter_map(|known| files.mapping(&known));
    let tables = files.code_table_names().into_iter().filter_map(|known| files.code_table(&known));
    mappings.chain(tables).find(|file| calls_itself(&file.text, name)).map(|file| file.path)
}

fn calls_itself(text: &str, name: &str) -> bool {
    let heads = text.lines().map(str::trim_start).take_while(|line| !line.starts_with('['));
    let names = heads.filter_map(|line| line.strip_prefix("name")?.trim_start().strip_prefix('='));
    names
        .filter_map(|value| value.trim_start().strip_prefix('"')?.split_once('"'))
        .any(|(said, _)| said == name)
}

/// A file a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileText {
    /// Its path, relative to the project's root: `mappings/his/adt.toml`.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}
