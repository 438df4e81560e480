//! Secrets by name: from a folder of files, or from the environment.

use std::path::{Path, PathBuf};

use hub_core::registry::{BuildError, Secrets};

use crate::cli::Global;
use crate::settings::Settings;

/// The folder of a project that holds the keys of the simulators.
const SIMULATORS: &str = "fixtures/secrets";

/// Looks a secret up as `FOLDER/name`, then as the variable `HUITONG_SECRET_NAME`. The simulators' keys, which everybody has, come last, and only
/// where files are looked at or partners are simulated: never in a hub that talks to real ones.
pub struct NamedSecrets {
    folder: Option<PathBuf>,
    simulators: Option<PathBuf>,
}

impl NamedSecrets {
    /// Secrets of this folder and the environment.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, simulators: None }
    }

    /// Those of a hub.
    pub fn of_hub(global: &Global, settings: &Settings) -> Self {
        let secrets = Self::new(settings.secrets_dir.clone());
        if global.simulates { secrets.with_simulators(&global.root) } else { secrets }
    }

    /// The same, and the keys of the simulators of the project in this folder.
    pub fn with_simulators(self, root: &Path) -> Self {
        Self { simulators: Some(root.join(SIMULATORS)), ..self }
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
        if let Ok(secret) = std::env::var(variable(name)) {
            return Ok(secret);
        }
        let simulated = self.simulators.as_ref().map(|folder| std::fs::read_to_string(folder.join(name)));
        match simulated {
            Some(Ok(secret)) => Ok(secret.trim_end_matches(['\r', '\n']).to_owned()),
            _ => Err(missing()),
        }
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
