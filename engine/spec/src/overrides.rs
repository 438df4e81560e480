//! Settings that the place where the hub runs gives instead of the channel file: addresses, folders, names of secrets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use compact_str::CompactString;
use hub_core::id::ChannelId;
use hub_core::registry::Settings;
use serde::Deserialize;

/// Settings by channel. They are laid over the channel file's own before anything is checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Where they come from, for findings: `config/hub.toml`.
    pub origin: PathBuf,
    /// The channels that differ.
    pub channels: BTreeMap<ChannelId, ChannelOverride>,
}

/// The settings of one channel that differ from its file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelOverride {
    /// Laid over `[from.settings]`.
    pub settings: Settings,
    /// Laid over the `settings` of the `[[to]]` of this name.
    pub to: BTreeMap<CompactString, Settings>,
}

/// Lays `over` over `settings`: tables are merged, every other value is replaced.
pub(crate) fn lay_over(settings: &mut Settings, over: &Settings) {
    for (key, value) in over {
        match (settings.get_mut(key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(over)) => lay_over(inner, over),
            _ => {
                settings.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_merged_and_other_values_replaced() {
        let mut settings: Settings =
            toml::from_str("listen = \"a:1\"\nlimit = 3\ntls = { certificate = \"x\", clients = \"y\" }")
                .unwrap();
        let over = toml::from_str("listen = \"b:2\"\ntls = { certificate = \"z\" }").unwrap();
        lay_over(&mut settings, &over);
        let expected: Settings =
            toml::from_str("listen = \"b:2\"\nlimit = 3\ntls = { certificate = \"z\", clients = \"y\" }")
                .unwrap();
        assert_eq!(settings, expected);
    }

    #[test]
    fn an_override_is_read_from_toml_and_unknown_keys_are_refused() {
        let read: ChannelOverride =
            toml::from_str("settings = { listen = \"a:1\" }\n[to.ward]\nurl = \"x\"").unwrap();
        assert_eq!(read.to["ward"]["url"].as_str(), Some("x"));
        assert!(toml::from_str::<ChannelOverride>("setings = {}").is_err());
    }
}
