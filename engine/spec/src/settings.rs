//! A connector's settings as a channel file has them: the values, and where each of them stands.

use hub_core::finding::FindingKind;
use hub_core::registry::Settings;
use toml::de::{DeTable, DeValue};

use crate::sheet::{At, Section, Sheet, Span};

/// The settings of one source or destination.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingsDraft {
    /// The values.
    pub table: Settings,
    /// Every key and string within.
    places: Vec<Place>,
}

/// One key of the settings.
#[derive(Clone, Debug)]
struct Place {
    /// `tls.certificate`.
    key: String,
    /// Where the key stands.
    span: Span,
    /// The strings that are its value or stand in the list that is.
    strings: Vec<At<String>>,
}

impl SettingsDraft {
    /// The `settings` of a section.
    pub fn read(sheet: &mut Sheet, section: &Section<'_>) -> Self {
        let mut draft = Self::default();
        if let Some((table, _)) = section.table(sheet, "settings") {
            draft.table = draft.own(sheet, "", table);
        }
        draft
    }

    /// Where the key `tls.certificate` stands.
    pub fn key(&self, dotted: &str) -> Option<&Span> {
        self.places.iter().find(|place| place.key == dotted).map(|place| &place.span)
    }

    /// Where a string with this value stands.
    pub fn string(&self, value: &str) -> Option<&Span> {
        let mut strings = self.places.iter().flat_map(|place| &place.strings);
        strings.find(|string| string.value == value).map(|string| &string.span)
    }

    fn own(&mut self, sheet: &mut Sheet, above: &str, table: &DeTable<'_>) -> Settings {
        let mut settings = Settings::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let dotted = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            self.places.push(Place { key: dotted.clone(), span: key.span(), strings: Vec::new() });
            let at = At { value: value.get_ref(), span: value.span() };
            if let Some(value) = self.own_value(sheet, &dotted, self.places.len() - 1, at) {
                settings.insert(name, value);
            }
        }
        settings
    }

    /// The value, owned; `place` is that of the key it belongs to. A number too large for TOML is noted.
    fn own_value(
        &mut self,
        sheet: &mut Sheet,
        dotted: &str,
        place: usize,
        at: At<&DeValue<'_>>,
    ) -> Option<toml::Value> {
        let too_large = |sheet: &mut Sheet| {
            sheet.report(
                FindingKind::WrongType,
                &at.span,
                format!("`{dotted}` is a number too large to be kept"),
            );
        };
        Some(match at.value {
            DeValue::String(text) => {
                self.places[place].strings.push(At { value: text.to_string(), span: at.span });
                toml::Value::String(text.to_string())
            }
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => toml::Value::Integer(number),
                Err(_) => {
                    too_large(sheet);
                    return None;
                }
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => toml::Value::Float(number),
                Err(_) => {
                    too_large(sheet);
                    return None;
                }
            },
            DeValue::Boolean(truth) => toml::Value::Boolean(*truth),
            DeValue::Datetime(moment) => toml::Value::Datetime(*moment),
            DeValue::Array(items) => {
                let mut owned = Vec::new();
                for item in items.iter() {
                    let at = At { value: item.get_ref(), span: item.span() };
                    owned.extend(self.own_value(sheet, dotted, place, at));
                }
                toml::Value::Array(owned)
            }
            DeValue::Table(table) => toml::Value::Table(self.own(sheet, dotted, table)),
        })
    }
}
