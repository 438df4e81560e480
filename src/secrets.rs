//! Secrets by name: from a folder of files, or from the environment.

use std::path::PathBuf;

use hub_core::registry::{BuildError, Secrets};

/// Looks a secret up as `FOLDER/name`, then as the variable `HUITONG_SECRET_NAME`.
pub struct NamedSecrets {
    folder: Option<PathBuf>,
}

impl NamedSecrets {
    /// Secrets of this folder and the environment.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }
}

impl Secrets for NamedSecrets {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        let missing = || BuildError::Secret { name: name.to_owned() };
        let sane =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !sane {
            return Err(missing());
        }
        if let Some(folder) = &self.folder
            && let Ok(secret) = std::fs::read_to_string(folder.join(name))
        {
            return Ok(secret.trim_end_matches(['\r', '\n']).to_owned());
        }
        std::env::var(variable(name)).map_err(|_| missing())
    }

    fn place(&self, name: &str) -> Option<String> {
        let file = match &self.folder {
            Some(folder) => format!("the file {}", folder.join(name).display()),
            None => format!("the file {name} of the folder that the setting `secrets_dir` names"),
        };
        Some(format!("{file}, or the variable {}", variable(name)))
    }
}

fn variable(name: &str) -> String {
    format!("HUITONG_SECRET_{}", name.to_uppercase().replace('-', "_"))
}
