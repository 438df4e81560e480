//! Connectors exist, take their settings, and find their secrets.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use hub_core::finding::{Finding, FindingKind, nearest};
use hub_core::registry::{BuildError, Registry, Secrets, Settings};

use crate::overrides::{ChannelOverride, Overrides, lay_over};
use crate::read::Draft;
use crate::settings::SettingsDraft;
use crate::sheet::{At, Sheet, Span};

/// Lays the overrides over the drafts' settings. An override of something that is not there is found.
pub(crate) fn override_settings(drafts: &mut [Draft], overrides: &Overrides) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, over) in &overrides.channels {
        let names: Vec<String> = drafts.iter().map(|draft| draft.id.to_string()).collect();
        let Some(draft) = drafts.iter_mut().find(|draft| draft.id == *id) else {
            let message = format!("settings are given for the channel `{id}`, which does not exist");
            let finding = Finding::of_file(FindingKind::UnknownReference, &overrides.origin, message);
            findings.push(did_you_mean(finding, id.as_str(), names.iter().map(String::as_str)));
            continue;
        };
        if let Some(from) = &mut draft.from {
            lay_over(&mut from.settings.table, &over.settings);
        }
        override_routes(draft, over, overrides, &mut findings);
    }
    findings
}

fn override_routes(
    draft: &mut Draft,
    over: &ChannelOverride,
    overrides: &Overrides,
    findings: &mut Vec<Finding>,
) {
    for (name, settings) in &over.to {
        let is_meant =
            |known: &Option<At<String>>| known.as_ref().is_some_and(|known| known.value == name.as_str());
        if let Some(route) = draft.to.iter_mut().find(|route| is_meant(&route.name)) {
            lay_over(&mut route.settings.table, settings);
            continue;
        }
        let message = format!(
            "settings are given for the destination `{name}` of `{}`, which has none of that name",
            draft.id
        );
        let finding = Finding::of_file(FindingKind::UnknownReference, &overrides.origin, message);
        let names = draft.to.iter().filter_map(|route| route.name.as_ref()).map(|name| name.value.as_str());
        findings.push(did_you_mean(finding, name, names));
    }
}

fn did_you_mean<'a>(finding: Finding, word: &str, known: impl Iterator<Item = &'a str>) -> Finding {
    match nearest(word, known) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding,
    }
}

/// Checks the source of a channel; answers with the addresses it will listen on, and where the file says so.
pub(crate) fn check_source(draft: &mut Draft, registry: &Registry, secrets: &dyn Secrets) -> Vec<At<String>> {
    let Some(from) = &draft.from else { return Vec::new() };
    let Some(connector) = &from.connector else { return Vec::new() };
    let checking = Checking {
        role: "source",
        connector,
        settings: &from.settings,
        around: &from.span,
        known: registry.source_names().collect(),
    };
    let kind = connector.value.as_str();
    match registry.check_source(kind, from.settings.table.clone()) {
        Err(error) => {
            checking.report(&mut draft.sheet, error, secrets);
            Vec::new()
        }
        Ok(addresses) => {
            let build = |secrets: &dyn Secrets| {
                registry.build_source(kind, from.settings.table.clone(), secrets).map(|_| ())
            };
            checking.build(&mut draft.sheet, secrets, &build);
            let place = |address: &str| from.settings.string(address).unwrap_or(&connector.span).clone();
            addresses.into_iter().map(|address| At { span: place(&address), value: address }).collect()
        }
    }
}

/// Checks the destinations of a channel.
pub(crate) fn check_destinations(draft: &mut Draft, registry: &Registry, secrets: &dyn Secrets) {
    for route in &draft.to {
        let Some(connector) = &route.connector else { continue };
        let checking = Checking {
            role: "destination",
            connector,
            settings: &route.settings,
            around: &route.span,
            known: registry.destination_names().collect(),
        };
        let kind = connector.value.as_str();
        match registry.check_destination(kind, route.settings.table.clone()) {
            Err(error) => checking.report(&mut draft.sheet, error, secrets),
            Ok(()) => {
                let build = |secrets: &dyn Secrets| {
                    registry.build_destination(kind, route.settings.table.clone(), secrets).map(|_| ())
                };
                checking.build(&mut draft.sheet, secrets, &build);
            }
        }
    }
}

/// A connector under check.
struct Checking<'a> {
    role: &'static str,
    connector: &'a At<String>,
    settings: &'a SettingsDraft,
    /// Where the table stands that names the connector.
    around: &'a Span,
    known: Vec<&'static str>,
}

impl Checking<'_> {
    /// Makes the connector, which touches nothing outside, and drops it again: so its secrets are known, all at once.
    fn build(
        &self,
        sheet: &mut Sheet,
        secrets: &dyn Secrets,
        build: &dyn Fn(&dyn Secrets) -> Result<(), BuildError>,
    ) {
        let asked = Asked { secrets, missing: Mutex::default() };
        let outcome = build(&asked);
        let missing = asked.missing.into_inner().unwrap_or_else(PoisonError::into_inner);
        if missing.is_empty()
            && let Err(error) = outcome
        {
            self.report(sheet, error, secrets);
        }
        // With a secret missing, whatever else the connector says may follow from that.
        for name in missing {
            self.report(sheet, BuildError::Secret { name }, secrets);
        }
    }

    fn report(&self, sheet: &mut Sheet, error: BuildError, secrets: &dyn Secrets) {
        match error {
            BuildError::UnknownConnector { role, name } => {
                let message = format!("there is no {role} connector `{name}`");
                let near =
                    nearest(&name, self.known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                let all = || format!("the {role} connectors are {}", self.known.join(", "));
                let help = Some(near.unwrap_or_else(all));
                sheet.report_with(FindingKind::UnknownConnector, &self.connector.span, message, help);
            }
            BuildError::Settings { key, what } => {
                let place = key.as_deref().and_then(|key| self.place(key));
                let is_overridden =
                    key.as_deref().is_some_and(|key| has(&self.settings.table, key)) && place.is_none();
                let message = format!(
                    "the settings of the {} connector `{}` are wrong: {what}",
                    self.role, self.connector.value
                );
                let from_elsewhere = "the value comes from the hub's configuration, not from this file";
                let help = match (help_with(&what), is_overridden) {
                    (Some(help), true) => Some(format!("{help} ({from_elsewhere})")),
                    (None, true) => Some(from_elsewhere.to_owned()),
                    (help, false) => help,
                };
                let span = place.unwrap_or(&self.connector.span);
                sheet.report_with(FindingKind::WrongSettings, span, message, help);
            }
            BuildError::Secret { name } => {
                let span = self.settings.string(&name).unwrap_or(self.around);
                let help = Some(match secrets.place(&name) {
                    Some(place) => format!("put it into {place}"),
                    None => "secrets are given to the hub by name, outside of its files".to_owned(),
                });
                sheet.report_with(
                    FindingKind::SecretNotSet,
                    span,
                    format!("the secret `{name}` is not set"),
                    help,
                );
            }
        }
    }

    /// Where a key stands, or else the nearest table around it that the file has.
    fn place(&self, key: &str) -> Option<&Span> {
        let mut key = key;
        loop {
            if let Some(span) = self.settings.key(key) {
                return Some(span);
            }
            key = key.rsplit_once('.')?.0;
        }
    }
}

/// Secrets, and which of those asked for are not set. An empty one is given for these, so that the next is asked for too;
/// what is built with it is never used.
struct Asked<'a> {
    secrets: &'a dyn Secrets,
    missing: Mutex<BTreeSet<String>>,
}

impl Secrets for Asked<'_> {
    fn get(&self, name: &str) -> Result<String, BuildError> {
        match self.secrets.get(name) {
            Err(BuildError::Secret { name }) => {
                self.missing.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
                Ok(String::new())
            }
            answer => answer,
        }
    }

    fn place(&self, name: &str) -> Option<String> {
        self.secrets.place(name)
    }
}

/// Whether the settings hold a dotted key.
fn has(settings: &Settings, dotted: &str) -> bool {
    let mut table = settings;
    let mut parts = dotted.split('.').peekable();
    while let Some(part) = parts.next() {
        match (table.get(part), parts.peek()) {
            (Some(_), None) => return true,
            (Some(toml::Value::Table(inner)), Some(_)) => table = inner,
            _ => return false,
        }
    }
    false
}

/// How to mend what the settings' reader found: the nearest of the words it expects, or the key to add.
fn help_with(what: &str) -> Option<String> {
    let mut words = what.split('`').skip(1).step_by(2);
    let word = words.next()?;
    if what.starts_with("missing field ") {
        return Some(format!("add `{word}` to the settings"));
    }
    if !what.starts_with("unknown ") {
        return None;
    }
    nearest(word, words).map(|near| format!("did you mean `{near}`?"))
}
