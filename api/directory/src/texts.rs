//! Texts in the languages that they exist in: as written, and translated by R4B's extension `translation` (DIR-5).

use hub_core::language::Language;
use hub_fhir::{Json, Object};

/// R4B's extension that holds a text in another language.
const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";

/// A text as it was written, with its translations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    written: String,
    translations: Vec<(Language, String)>,
}

impl Text {
    /// A text of its own.
    pub fn of(written: &str) -> Self {
        Self { written: written.to_owned(), translations: Vec::new() }
    }

    /// The primitive element of this name, where it has a value.
    pub fn read(element: &Object, name: &str) -> Option<Self> {
        let written = element.get(name)?.as_str()?;
        let beside = element.get(&format!("_{name}")).and_then(|beside| beside.get("extension"));
        let extensions = beside.map(Json::items).unwrap_or_default().iter();
        let translations =
            extensions.filter(|one| one.get("url").and_then(Json::as_str) == Some(TRANSLATION));
        Some(Self { translations: translations.filter_map(translation).collect(), ..Self::of(written) })
    }

    /// The text in all its languages.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let translated = self.translations.iter().map(|(_, text)| text.as_str());
        std::iter::once(self.written.as_str()).chain(translated)
    }

    /// The text in this language; else in simplified characters, else as it was written: never nothing, and with the language that it
    /// is in, so that who shows it can mark it (DIR-5).
    pub fn shown(&self, language: Language) -> (&str, Language) {
        let own = self.written_in();
        for wanted in [language, Language::Simplified] {
            if let Some((_, text)) = self.translations.iter().find(|(is, _)| *is == wanted) {
                return (text, wanted);
            }
            if own == wanted {
                break;
            }
        }
        (&self.written, own)
    }

    /// What is written in Latin letters is English; Chinese of the HIS is simplified.
    fn written_in(&self) -> Language {
        if self.written.is_ascii() { Language::English } else { Language::Simplified }
    }
}

/// The parts of a `translation`: `lang` and `content`.
fn translation(extension: &Json) -> Option<(Language, String)> {
    let part = |name: &str, value: &str| {
        let parts = extension.get("extension")?.items().iter();
        let mut parts = parts.filter(|part| part.get("url").and_then(Json::as_str) == Some(name));
        parts.next()?.get(value)?.as_str()
    };
    let language = Language::of_tag(part("lang", "valueCode")?)?;
    let text = part("content", "valueString").or_else(|| part("content", "valueMarkdown"))?;
    Some((language, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use hub_fhir::json::parse;

    use super::*;

    fn text(translations: &[(&str, &str)]) -> Text {
        let one = |(lang, content): &(&str, &str)| {
            format!(
                r#"{{"url":"{TRANSLATION}","extension":[{{"url":"lang","valueCode":"{lang}"}},{{"url":"content","valueString":"{content}"}}]}}"#
            )
        };
        let all: Vec<String> = translations.iter().map(one).collect();
        let tree =
            parse(&format!(r#"{{"name":"心内科","_name":{{"extension":[{}]}}}}"#, all.join(","))).unwrap();
        Text::read(tree.as_object().unwrap(), "name").unwrap()
    }

    #[test]
    fn dir_5_a_text_is_shown_in_the_language_asked_for_where_it_exists() {
        let text = text(&[("en", "Cardiology"), ("zh-HK", "心內科")]);
        assert_eq!(text.shown(Language::English), ("Cardiology", Language::English));
        assert_eq!(text.shown(Language::Traditional), ("心內科", Language::Traditional));
        assert_eq!(text.shown(Language::Simplified), ("心内科", Language::Simplified));
    }

    #[test]
    fn dir_5_a_missing_language_falls_back_to_simplified_and_says_so() {
        let text = text(&[]);
        for language in Language::ALL {
            assert_eq!(text.shown(language), ("心内科", Language::Simplified));
        }
        assert_eq!(Text::of("Cardiology").shown(Language::Traditional), ("Cardiology", Language::English));
    }
}
