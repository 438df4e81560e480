//! Which of the hub's languages a reader gets.

use axum::http::header::{ACCEPT_LANGUAGE, HeaderMap};

/// A language of the start page and of outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    #[default]
    English,
    Simplified,
    Traditional,
}

impl Language {
    pub(crate) const ALL: [Self; 3] = [Self::English, Self::Simplified, Self::Traditional];

    /// Its tag (BCP 47), as the table of texts has it.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Simplified => "zh-Hans",
            Self::Traditional => "zh-Hant",
        }
    }

    /// Its name for itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Simplified => "简体中文",
            Self::Traditional => "繁體中文",
        }
    }

    /// The one that `Accept-Language` likes best, or English.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        Self::choose(None, headers.get(ACCEPT_LANGUAGE).and_then(|accepted| accepted.to_str().ok()))
    }

    /// The one asked for, or the one the browser likes best, or English.
    pub(crate) fn choose(asked: Option<&str>, accepted: Option<&str>) -> Self {
        asked.and_then(Self::of_tag).or_else(|| best(accepted?)).unwrap_or(Self::English)
    }

    /// Taiwan, Hong Kong and Macau write traditional characters; other Chinese is simplified unless its tag says so.
    fn of_tag(tag: &str) -> Option<Self> {
        let tag = tag.trim().to_ascii_lowercase();
        let mut parts = tag.split('-');
        match parts.next()? {
            "en" => Some(Self::English),
            "zh" | "cmn" | "yue" => {
                let parts: Vec<&str> = parts.collect();
                let traditional = !parts.contains(&"hans")
                    && parts.iter().any(|part| ["hant", "tw", "hk", "mo"].contains(part));
                Some(if traditional { Self::Traditional } else { Self::Simplified })
            }
            _ => None,
        }
    }
}

/// The known language with the highest weight; the first of equals.
fn best(accepted: &str) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    for range in accepted.split(',') {
        let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse().ok());
        let (Some(language), Some(weight)) = (Language::of_tag(tag), weight) else { continue };
        let better = best.is_none_or(|(most, _)| weight > most);
        if weight > 0.0 && better {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_best_language_is_taken() {
        let choose = |accepted| Language::choose(None, Some(accepted));
        assert_eq!(choose("fr,zh-TW;q=0.9,en;q=0.8"), Language::Traditional);
        assert_eq!(choose("en;q=0.2, zh-CN;q=0.7"), Language::Simplified);
        assert_eq!(choose("zh-Hans-HK"), Language::Simplified);
        assert_eq!(choose("zh"), Language::Simplified);
        assert_eq!(choose("ja;q=nonsense,,;"), Language::English);
        assert_eq!(choose("zh;q=0"), Language::English);
    }

    #[test]
    fn the_language_asked_for_goes_before_the_browsers() {
        assert_eq!(Language::choose(Some("zh-Hant"), Some("en")), Language::Traditional);
        assert_eq!(Language::choose(Some("tlh"), Some("en")), Language::English);
    }
}
