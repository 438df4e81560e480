//! The page a person sees first: what this is, where its doors are, and what is going on. Everything is in the page.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderName, VARY,
};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::language::{self, Language};
use crate::observe::Interaction;
use crate::ops::error::OpsError;
use crate::query;

const PAGE: &str = include_str!("page.html");
const TEXTS: &str = include_str!("texts.json");

/// Every text of the page by key, then by language.
type Texts = BTreeMap<String, BTreeMap<String, String>>;

/// The page in each language, all but the nonce filled in.
static PAGES: LazyLock<[String; 3]> = LazyLock::new(|| {
    let texts: Texts = serde_json::from_str(TEXTS).expect("the table of texts is checked by a test");
    Language::ALL.map(|language| fill(language, &texts))
});

/// The words the page's own script needs.
const SCRIPT_WORDS: [&str; 16] = [
    "title",
    "since",
    "not_running",
    "none",
    "unreachable",
    "closed",
    "waits_for",
    "runs",
    "kind_start",
    "kind_deploy",
    "kind_rollback",
    "kind_kept",
    "result_applied",
    "result_failed",
    "result_kept",
    "result_under-way",
];

/// `GET /`
pub(crate) async fn page(RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let pairs = query::pairs(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let asked = pairs.iter().find(|(name, _)| name == "lang").map(|(_, tag)| tag.as_str());
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|accepted| accepted.to_str().ok());
    let language = language::choose(asked, accepted);
    let nonce = Uuid::new_v4().simple().to_string();
    let page = PAGES[language as usize].replace("{{nonce}}", &nonce);
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_LANGUAGE, language.tag()),
        (CACHE_CONTROL, "no-store"),
        (VARY, "Accept-Language"),
        (CONTENT_SECURITY_POLICY, &policy),
    ];
    let mut answer = (headers, page).into_response();
    answer.extensions_mut().insert(Interaction { door: "page", name: "landing" });
    answer
}

/// Any address that no door knows.
pub(crate) async fn nothing_here() -> OpsError {
    OpsError::plain(
        StatusCode::NOT_FOUND,
        "there is nothing here; the doors are `/fhir`, `/ops`, `/health` and `/metrics`",
    )
}

/// Sets the texts of one language into the page.
fn fill(language: Language, texts: &Texts) -> String {
    let text =
        |key: &str| texts.get(key).and_then(|by_tag| by_tag.get(language.tag())).map_or("", String::as_str);
    let words: BTreeMap<&str, &str> = SCRIPT_WORDS.iter().map(|key| (*key, text(key))).collect();
    // `<` could end the script element early.
    let words = serde_json::to_string(&words).unwrap_or_default().replace('<', "\\u003c");
    let mut page = PAGE
        .replace("{{lang}}", language.tag())
        .replace("{{languages}}", &switch(language))
        .replace("{{words}}", &words);
    for key in texts.keys() {
        page = page.replace(&format!("{{{{{key}}}}}"), &escape(text(key)));
    }
    page
}

/// The links to the page in the other languages, each in its own name.
fn switch(current: Language) -> String {
    let link = |language: Language| {
        let (tag, name) = (language.tag(), language.name());
        let marked = if language == current { " aria-current=\"true\"" } else { "" };
        format!("<a href=\"/?lang={tag}\" lang=\"{tag}\" hreflang=\"{tag}\"{marked}>{name}</a>")
    };
    Language::ALL.map(link).join("\n  ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_there_in_every_language_and_is_used() {
        let texts: Texts = serde_json::from_str(TEXTS).unwrap();
        for (key, by_tag) in &texts {
            let tags: Vec<&str> = by_tag.keys().map(String::as_str).collect();
            assert_eq!(tags, ["en", "zh-Hans", "zh-Hant"], "{key}");
            let used = PAGE.contains(&format!("{{{{{key}}}}}")) || SCRIPT_WORDS.contains(&key.as_str());
            assert!(used, "`{key}` is used nowhere");
        }
    }

    #[test]
    fn nothing_is_left_to_fill_in_but_the_nonce() {
        for page in PAGES.iter() {
            assert!(!page.replace("{{nonce}}", "").contains("{{"));
        }
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        for page in PAGES.iter() {
            assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src="));
        }
    }
}
