//! The mapping as it was: at a revision of git, in another project folder, or in a file that was kept.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use hub_mapping::{FileText, Files};
use hub_spec::FolderFiles;

/// Where the old files come from.
pub enum Old {
    /// A revision: `HEAD`.
    Git { root: PathBuf, revision: String },
    /// Another project folder.
    Folder(FolderFiles, PathBuf),
    /// One file in place of the mapping's own; parts and code tables are those of now.
    File { name: String, own: FileText, rest: FolderFiles },
}

impl Old {
    /// Reads `git:REV`, a folder or a file; nothing: `git:HEAD`.
    pub fn find(root: &Path, mapping: &str, what: Option<&str>) -> anyhow::Result<Self> {
        let Some(path) = what.filter(|what| !what.starts_with("git:")) else {
            let revision = what.and_then(|what| what.strip_prefix("git:")).unwrap_or("HEAD");
            return Self::at(root, revision, what.is_none());
        };
        let path = Path::new(path);
        if path.is_dir() {
            let (files, findings) = FolderFiles::read(path);
            if let Some(finding) = findings.first() {
                bail!("{finding}");
            }
            return Ok(Self::Folder(files, path.to_owned()));
        }
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let own = FileText { path: path.to_owned(), text };
        Ok(Self::File { name: mapping.to_owned(), own, rest: FolderFiles::read(root).0 })
    }

    fn at(root: &Path, revision: &str, is_default: bool) -> anyhow::Result<Self> {
        let object = format!("{revision}^{{commit}}");
        let known = git(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &object]);
        match known {
            Some(commit) => Ok(Self::Git { root: root.to_owned(), revision: commit.trim().to_owned() }),
            None if is_default => bail!(
                "there is nothing to compare with: {} is in no git repository with a commit; name the old mapping with \
                 --old FILE, or compare with what is stored: --stored",
                root.display()
            ),
            None => bail!("git knows no revision `{revision}` here"),
        }
    }

    /// What it is called: `git 3f2a1b9`.
    pub fn name(&self) -> String {
        match self {
            Self::Git { revision, .. } => format!("git {}", revision.get(..10).unwrap_or(revision)),
            Self::Folder(_, path) => path.display().to_string(),
            Self::File { own, .. } => own.path.display().to_string(),
        }
    }
}

impl Files for Old {
    fn mapping(&self, name: &str) -> Option<FileText> {
        match self {
            Self::Git { root, revision } => show(root, revision, &format!("mappings/{name}.toml")),
            Self::Folder(files, _) => files.mapping(name),
            Self::File { name: own_name, own, .. } if own_name == name => Some(own.clone()),
            Self::File { rest, .. } => rest.mapping(name),
        }
    }

    fn code_table(&self, name: &str) -> Option<FileText> {
        match self {
            Self::Git { root, revision } => show(root, revision, &format!("mappings/codes/{name}.toml")),
            Self::Folder(files, _) => files.code_table(name),
            Self::File { rest, .. } => rest.code_table(name),
        }
    }

    fn mapping_names(&self) -> Vec<String> {
        match self {
            Self::Git { .. } => Vec::new(),
            Self::Folder(files, _) => files.mapping_names(),
            Self::File { rest, .. } => rest.mapping_names(),
        }
    }

    fn code_table_names(&self) -> Vec<String> {
        match self {
            Self::Git { .. } => Vec::new(),
            Self::Folder(files, _) => files.code_table_names(),
            Self::File { rest, .. } => rest.code_table_names(),
        }
    }
}

/// A file as it was at a revision, its path seen from the root, which may itself stand below the repository's.
fn show(root: &Path, revision: &str, path: &str) -> Option<FileText> {
    let text = git(root, &["show", &format!("{revision}:./{path}")])?;
    Some(FileText { path: PathBuf::from(path), text })
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()
}
