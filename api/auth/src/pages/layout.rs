//! What every page has: its head, its languages, and the headers that keep others out of it.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use hub_core::language::Language;

use super::texts;
use crate::parameters::Parameters;

/// The one style sheet.
pub(crate) const STYLE: &str = include_str!("style.css");

/// How a page is turned into another language.
pub(crate) enum Switch {
    /// By links to the same address with these queries, in the order of [`Language::ALL`].
    Links([String; 3]),
    /// By the buttons of the page's form, so that nothing that was entered is lost.
    Buttons,
    /// Not at all.
    None,
}

/// A page.
pub(crate) struct Page {
    pub language: Language,
    pub status: StatusCode,
    pub title: String,
    /// What is on it, as HTML.
    pub main: String,
    pub switch: Switch,
    /// Where the answer to its form may lead to, besides here.
    pub leads_to: Option<String>,
    pub cookie: Option<String>,
}

/// A text as HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

impl Page {
    /// A page that only says something, at an address with this query.
    pub fn message(
        language: Language,
        status: StatusCode,
        title: &str,
        text: &str,
        query: &Parameters,
    ) -> Self {
        Self {
            language,
            status,
            title: title.to_owned(),
            main: format!("<h1>{}</h1>\n<p>{}</p>\n", escaped(title), escaped(text)),
            switch: Switch::Links(Language::ALL.map(|language| query.query_with("lang", language.tag()))),
            leads_to: None,
            cookie: None,
        }
    }

    fn languages(&self) -> String {
        let mut items = String::new();
        for (nth, language) in Language::ALL.into_iter().enumerate() {
            let (tag, name) = (language.tag(), language.name());
            let current = if language == self.language { " aria-current=\"true\"" } else { "" };
            let item = match &self.switch {
                Switch::Links(queries) => {
                    let query = escaped(&queries[nth]);
                    format!("<a href=\"?{query}\" lang=\"{tag}\"{current}>{name}</a>")
                }
                Switch::Buttons => format!(
                    "<button form=\"f\" formnovalidate name=\"lang\" value=\"{tag}\" lang=\"{tag}\"{current}>{name}</button>"
                ),
                Switch::None => return String::new(),
            };
            items.push_str(&format!("<li>{item}</li>\n"));
        }
        let label = escaped(texts::of(self.language).language);
        format!("<nav aria-label=\"{label}\"><ul class=\"languages\">\n{items}</ul></nav>\n")
    }

    fn html(&self) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"{tag}\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1, viewport-fit=cover\">\n\
             <meta name=\"format-detection\" content=\"telephone=no\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/oauth/style.css\">\n</head>\n\
             <body>\n<main>\n<div class=\"card\">\n{main}</div>\n{languages}</main>\n</body>\n</html>\n",
            tag = self.language.tag(),
            title = escaped(&self.title),
            main = self.main,
            languages = self.languages(),
        )
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let leads_to = self.leads_to.as_deref().unwrap_or_default();
        let policy = format!(
            "default-src 'none'; style-src 'self'; img-src data:; form-action 'self' {leads_to}; frame-ancestors 'none'; base-uri 'none'"
        );
        let mut headers = HeaderMap::new();
        let mut set = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::CONTENT_SECURITY_POLICY, &policy);
        set(header::CACHE_CONTROL, "no-store");
        set(header::CONTENT_LANGUAGE, self.language.tag());
        set(header::VARY, "Accept-Language, Cookie");
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(header::X_FRAME_OPTIONS, "DENY");
        // Of the own pages the browser must say where a form comes from; nobody else learns the address.
        set(header::REFERRER_POLICY, "same-origin");
        if let Some(cookie) = &self.cookie {
            set(header::SET_COOKIE, cookie);
        }
        (self.status, headers, Html(self.html())).into_response()
    }
}
