//! Which of the hub's languages a reader gets.

use axum::http::header::{ACCEPT_LANGUAGE, HeaderMap};

pub(crate) use hub_core::language::Language;

/// The one that `Accept-Language` likes best, or English.
pub(crate) fn accepted(headers: &HeaderMap) -> Language {
    choose(None, headers.get(ACCEPT_LANGUAGE).and_then(|accepted| accepted.to_str().ok()))
}

/// The one asked for, or the one the browser likes best, or English.
pub(crate) fn choose(asked: Option<&str>, accepted: Option<&str>) -> Language {
    asked.and_then(Language::of_tag).or_else(|| best(accepted?)).unwrap_or_default()
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
    use super::{Language, choose};

    #[test]
    fn the_browsers_best_language_is_taken() {
        let choose = |accepted| choose(None, Some(accepted));
        assert_eq!(choose("fr,zh-TW;q=0.9,en;q=0.8"), Language::Traditional);
        assert_eq!(choose("en;q=0.2, zh-CN;q=0.7"), Language::Simplified);
        assert_eq!(choose("zh-Hans-HK"), Language::Simplified);
        assert_eq!(choose("zh"), Language::Simplified);
        assert_eq!(choose("ja;q=nonsense,,;"), Language::English);
        assert_eq!(choose("zh;q=0"), Language::English);
    }

    #[test]
    fn the_language_asked_for_goes_before_the_browsers() {
        assert_eq!(choose(Some("zh-Hant"), Some("en")), Language::Traditional);
        assert_eq!(choose(Some("tlh"), Some("en")), Language::English);
    }
}
