//! The pages of signing in: a phone's number and then its code, or a staff number, a password and a one-time password.

use axum::http::StatusCode;
use hub_core::accounts::People;
use hub_core::language::Language;

use super::form::{Button, Csrf, Field, Form, Problem};
use super::layout::{Page, Switch};
use super::texts;
use crate::request::AuthorizationRequest;
use crate::settings::AuthSettings;

/// What a page needs to know of the request it belongs to.
pub(crate) struct Asked<'a> {
    pub settings: &'a AuthSettings,
    pub request: &'a AuthorizationRequest,
    pub csrf: &'a Csrf,
    pub language: Language,
    /// The query of the request, in this language.
    pub query: String,
}

/// What is asked of the person.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Phone { entered: &'a str },
    Code { phone: &'a str },
    Staff { number: &'a str },
}

impl<'a> Step<'a> {
    /// What these people are asked first.
    pub fn first(people: People) -> Self {
        match people {
            People::Public => Step::Phone { entered: "" },
            People::Staff => Step::Staff { number: "" },
        }
    }
}

/// A phone number as a page shows it: whoever looks over a shoulder does not learn it.
fn masked(phone: &str) -> String {
    let shown = |nth: usize| nth < 3 || nth + 3 > phone.len();
    phone.chars().enumerate().map(|(nth, sign)| if shown(nth) { sign } else { '•' }).collect()
}

impl Asked<'_> {
    /// The page of a step, and what went wrong before.
    pub fn page(&self, step: Step<'_>, wrong: Option<(StatusCode, Problem)>) -> Page {
        let texts = texts::of(self.language);
        let title = texts.sign_in_to.replace("{}", &self.request.client.name);
        let digits = |name, label, hint| Field {
            name,
            label,
            hint: Some(hint),
            kind: "text",
            autocomplete: "one-time-code",
            inputmode: "numeric",
            value: String::new(),
        };
        let (hidden, fields, buttons) = match step {
            Step::Phone { entered } => (
                vec![("shown", "phone")],
                vec![Field {
                    name: "phone",
                    label: texts.phone,
                    hint: Some(texts.phone_hint.to_owned()),
                    kind: "tel",
                    autocomplete: "tel",
                    inputmode: "tel",
                    value: entered.to_owned(),
                }],
                vec![Button { text: texts.send_code, step: "phone" }],
            ),
            Step::Code { phone } => (
                vec![("shown", "code"), ("phone", phone)],
                vec![digits("code", texts.code, texts.code_hint.replace("{}", &masked(phone)))],
                vec![
                    Button { text: texts.sign_in, step: "code" },
                    Button { text: texts.send_again, step: "phone" },
                    Button { text: texts.other_phone, step: "other" },
                ],
            ),
            Step::Staff { number } => (
                vec![("shown", "staff")],
                vec![
                    Field {
                        name: "number",
                        label: texts.staff_number,
                        hint: None,
                        kind: "text",
                        autocomplete: "username",
                        inputmode: "text",
                        value: number.to_owned(),
                    },
                    Field {
                        name: "password",
                        label: texts.password,
                        hint: None,
                        kind: "password",
                        autocomplete: "current-password",
                        inputmode: "text",
                        value: String::new(),
                    },
                    digits("one-time", texts.one_time, texts.one_time_hint.to_owned()),
                ],
                vec![Button { text: texts.sign_in, step: "staff" }],
            ),
        };
        let (status, problem) = wrong.unzip();
        let form = Form {
            texts,
            title: &title,
            before: String::new(),
            query: self.query.clone(),
            csrf: self.csrf,
            hidden,
            fields,
            buttons,
            problem,
        };
        Page {
            language: self.language,
            status: status.unwrap_or(StatusCode::OK),
            title: form.page_title(),
            main: form.html(),
            switch: Switch::Buttons,
            leads_to: Some(self.request.back.origin()),
            cookie: Some(self.csrf.cookie(self.settings)),
        }
    }
}
