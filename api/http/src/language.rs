//! Which of the hub's languages a reader gets.

use axum::http::header::{ACCEPT_LANGUAGE, HeaderMap};

pub(crate) use hub_core::language::Language;

/// The one that `Accept-Language` likes best, or English.
pub(crate) fn accepted(headers: &HeaderMap) -> Language {
    choose(None, headers.get(ACCEPT_LANGUAGE).and_then(|accepted| accepted.to_str().ok()))
}

/// The one asked for, or the one the browser likes best, or English.
pub(crate) fn choose(asked: Option<&str>, accepted: Option<&str>) -> Language {
    asked.and_then(Language::of_tag).or_else(|| Language::best_of(accepted?)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Language, choose};

    #[test]
    fn the_language_asked_for_goes_before_the_browsers() {
        assert_eq!(choose(Some("zh-Hant"), Some("en")), Language::Traditional);
        assert_eq!(choose(Some("tlh"), Some("zh")), Language::Simplified);
        assert_eq!(choose(None, Some("tlh")), Language::English, "English is understood by most");
    }
}
