//! The page on which a member of staff chooses a password and adds the account to an authenticator app.

use axum::http::StatusCode;
use hub_core::language::Language;
use qrcodegen::{QrCode, QrCodeEcc};

use super::form::{Button, Csrf, Field, Form, Problem};
use super::layout::{Page, Switch, escaped};
use super::texts;
use crate::settings::AuthSettings;
use crate::totp;

/// What authenticator apps call the account.
const LABEL: &str = "Huitong";

/// Whose invitation it is, and how it is shown.
pub(crate) struct Invited<'a> {
    pub settings: &'a AuthSettings,
    pub csrf: &'a Csrf,
    pub language: Language,
    pub query: String,
    pub number: &'a str,
    pub totp: &'a [u8],
}

impl Invited<'_> {
    /// The address by which authenticator apps take a secret up (the key URI format, which all of them know).
    fn key_address(&self) -> String {
        let secret = totp::base32(self.totp);
        format!(
            "otpauth://totp/{LABEL}:{}?secret={secret}&issuer={LABEL}&algorithm=SHA1&digits=6&period=30",
            self.number
        )
    }

    /// The page, and what went wrong before.
    pub fn page(&self, problem: Option<Problem>) -> Page {
        let texts = texts::of(self.language);
        let password = |name, label, hint: Option<&str>| Field {
            name,
            label,
            hint: hint.map(str::to_owned),
            kind: "password",
            autocomplete: "new-password",
            inputmode: "text",
            value: String::new(),
        };
        let address = self.key_address();
        let before = format!(
            "<p>{intro}</p>\n{picture}<p>{key}<br><code>{secret}</code></p>\n<p><a class=\"button\" href=\"{address}\">{open}</a></p>\n",
            intro = escaped(texts.invitation_intro),
            picture = picture(&address, texts.invitation_picture),
            key = escaped(texts.invitation_key),
            secret = in_groups(&totp::base32(self.totp)),
            address = escaped(&address),
            open = escaped(texts.invitation_open),
        );
        let form = Form {
            texts,
            title: texts.invitation_title,
            before,
            query: self.query.clone(),
            csrf: self.csrf,
            hidden: Vec::new(),
            fields: vec![
                password("password", texts.new_password, Some(texts.new_password_hint)),
                password("again", texts.new_password_again, None),
                Field {
                    name: "one-time",
                    label: texts.one_time,
                    hint: Some(texts.one_time_hint.to_owned()),
                    kind: "text",
                    autocomplete: "one-time-code",
                    inputmode: "numeric",
                    value: String::new(),
                },
            ],
            buttons: vec![Button { text: texts.invitation_accept, step: "accept" }],
            problem,
        };
        Page {
            language: self.language,
            status: problem.map_or(StatusCode::OK, |_| StatusCode::UNPROCESSABLE_ENTITY),
            title: form.page_title(),
            main: form.html(),
            switch: Switch::Buttons,
            leads_to: None,
            cookie: Some(self.csrf.cookie(self.settings)),
        }
    }
}

/// Four signs at a time, to be typed off.
fn in_groups(key: &str) -> String {
    let signs: Vec<char> = key.chars().collect();
    signs.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
}

/// A text as a picture for a camera: a QR code with the margin it needs. Nothing where the text is too long for one.
fn picture(text: &str, label: &str) -> String {
    const MARGIN: i32 = 4;
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return String::new() };
    let side = code.size() + 2 * MARGIN;
    let dark = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
    let dark = dark.filter(|(x, y)| code.get_module(*x, *y));
    let path: String = dark.map(|(x, y)| format!("M{} {}h1v1h-1z", x + MARGIN, y + MARGIN)).collect();
    let label = escaped(label);
    format!(
        "<svg class=\"picture\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"{label}\"><path d=\"{path}\" fill=\"#000\"/></svg>\n"
    )
}
