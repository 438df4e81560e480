//! Forms: their fields with labels, hints and what is wrong with them; and how it is known that they come from a page of ours.

use axum::http::{HeaderMap, header};

use super::layout::escaped;
use super::texts::Texts;
use crate::parameters::Parameters;
use crate::secret::{self, NoRandomness};
use crate::settings::AuthSettings;

/// How long a page can be left open.
const COOKIE_LIVES: u32 = 3_600;
/// How long a secret in a cookie is.
const SECRET_LENGTH: usize = 43;

/// What a form must bring back that nobody else knows: the same secret in a cookie and in a field. A page of another site can have a
/// browser send the cookie, but cannot read it.
pub(crate) struct Csrf(String);

/// The cookie's name. With this prefix browsers take it from this host alone, over TLS alone (RFC 6265bis §4.1.3).
fn cookie_name(settings: &AuthSettings) -> &'static str {
    if settings.is_secure() { "__Host-sign-in" } else { "sign-in" }
}

/// The secret in a request's cookie.
fn in_cookie<'h>(settings: &AuthSettings, headers: &'h HeaderMap) -> Option<&'h str> {
    let name = cookie_name(settings);
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value).filter(|value| {
        let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || b"-_".contains(&sign);
        value.len() == SECRET_LENGTH && value.bytes().all(is_sign)
    })
}

impl Csrf {
    /// The one the browser has, or a new one.
    pub fn of(settings: &AuthSettings, headers: &HeaderMap) -> Result<Self, NoRandomness> {
        match in_cookie(settings, headers) {
            Some(known) => Ok(Self(known.to_owned())),
            None => Ok(Self(secret::text()?)),
        }
    }

    /// The cookie that keeps it.
    pub fn cookie(&self, settings: &AuthSettings) -> String {
        let secure = if settings.is_secure() { "; Secure" } else { "" };
        let name = cookie_name(settings);
        format!("{name}={}; Path=/; Max-Age={COOKIE_LIVES}; HttpOnly; SameSite=Lax{secure}", self.0)
    }
}

/// Whether a form was sent from a page of ours, in the browser that was given the page.
pub(crate) fn is_from_own_page(settings: &AuthSettings, headers: &HeaderMap, form: &Parameters) -> bool {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    // Browsers that say where it comes from are believed; those that do not have the cookie all the same.
    let is_own_origin = said("origin").is_none_or(|origin| origin == settings.issuer());
    let is_own_site = said("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let is_known = match (in_cookie(settings, headers), form.get("csrf")) {
        (Some(cookie), Some(field)) => secret::same(cookie, field),
        _ => false,
    };
    is_own_origin && is_own_site && is_known
}

/// A field.
pub(super) struct Field {
    pub name: &'static str,
    pub label: &'static str,
    pub hint: Option<String>,
    /// `tel`, `text` or `password`.
    pub kind: &'static str,
    pub autocomplete: &'static str,
    pub inputmode: &'static str,
    pub value: String,
}

/// A button that sends the form.
pub(super) struct Button {
    pub text: &'static str,
    /// What is to be done: the parameter `step`.
    pub step: &'static str,
}

/// What is wrong, with which field.
#[derive(Clone, Copy)]
pub(crate) struct Problem {
    pub field: &'static str,
    pub text: &'static str,
}

/// A form, whose first button is the main one.
pub(super) struct Form<'f> {
    pub texts: &'static Texts,
    pub title: &'f str,
    /// What stands before the fields, as HTML.
    pub before: String,
    pub query: String,
    pub csrf: &'f Csrf,
    pub hidden: Vec<(&'static str, &'f str)>,
    pub fields: Vec<Field>,
    pub buttons: Vec<Button>,
    pub problem: Option<Problem>,
}

impl Form<'_> {
    /// The form and what stands before it, as HTML.
    pub fn html(&self) -> String {
        let mut html = String::new();
        if let Some(Problem { field, text }) = self.problem {
            html.push_str(&format!(
                "<div class=\"problem\" role=\"alert\">\n<h2>{}</h2>\n<p><a href=\"#{field}\">{}</a></p>\n</div>\n",
                escaped(self.texts.problem),
                escaped(text)
            ));
        }
        html.push_str(&format!("<h1>{}</h1>\n{}", escaped(self.title), self.before));
        html.push_str(&format!("<form id=\"f\" method=\"post\" action=\"?{}\">\n", escaped(&self.query)));
        for (name, value) in self.hidden.iter().chain(&[("csrf", self.csrf.0.as_str())]) {
            html.push_str(&format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escaped(value)));
        }
        let first = self.problem.map(|problem| problem.field).or(self.fields.first().map(|field| field.name));
        for field in &self.fields {
            let wrong = self.problem.filter(|problem| problem.field == field.name);
            html.push_str(&field.html(wrong.map(|problem| problem.text), first == Some(field.name)));
        }
        for (nth, Button { text, step }) in self.buttons.iter().enumerate() {
            let class = if nth == 0 { " class=\"main\"" } else { "" };
            let text = escaped(text);
            html.push_str(&format!("<button{class} name=\"step\" value=\"{step}\">{text}</button>\n"));
        }
        html.push_str("</form>\n");
        html
    }

    /// What the page is called: that something is wrong is said first, for who listens to it.
    pub fn page_title(&self) -> String {
        match self.problem {
            Some(_) => format!("{}: {}", self.texts.problem, self.title),
            None => self.title.to_owned(),
        }
    }
}

impl Field {
    fn html(&self, wrong: Option<&str>, has_focus: bool) -> String {
        let Self { name, label, kind, autocomplete, inputmode, .. } = self;
        let mut described = Vec::new();
        let mut notes = String::new();
        if let Some(hint) = &self.hint {
            described.push(format!("{name}-hint"));
            notes.push_str(&format!("<p class=\"hint\" id=\"{name}-hint\">{}</p>\n", escaped(hint)));
        }
        if let Some(wrong) = wrong {
            described.push(format!("{name}-error"));
            notes.push_str(&format!("<p class=\"error\" id=\"{name}-error\">{}</p>\n", escaped(wrong)));
        }
        let described = match described.is_empty() {
            true => String::new(),
            false => format!(" aria-describedby=\"{}\"", described.join(" ")),
        };
        let invalid = if wrong.is_some() { " aria-invalid=\"true\"" } else { "" };
        let focus = if has_focus { " autofocus" } else { "" };
        let class = if wrong.is_some() { "field wrong" } else { "field" };
        format!(
            "<div class=\"{class}\">\n<label for=\"{name}\">{}</label>\n{notes}\
             <input id=\"{name}\" name=\"{name}\" type=\"{kind}\" inputmode=\"{inputmode}\" autocomplete=\"{autocomplete}\" \
             autocapitalize=\"none\" spellcheck=\"false\" value=\"{}\"{described}{invalid}{focus}>\n</div>\n",
            escaped(label),
            escaped(&self.value),
        )
    }
}
