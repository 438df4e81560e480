//! The authorization endpoint (RFC 6749 §3.1): a person comes from an app, signs in, and goes back with a code.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub_core::accounts::{Account, People};
use hub_core::language::Language;

use super::{MOST_QUERY, address_of, language_of, sorry};
use crate::pages::sign_in::{Asked, Step};
use crate::pages::{Csrf, Page, Problem, is_from_own_page, texts};
use crate::parameters::Parameters;
use crate::request::{AuthorizationRequest, Unfit, Unsure};
use crate::server::{Failure, Server};
use crate::sign_in::{Ordered, phone_of};

/// Shows what is asked first.
pub(super) async fn show(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let (query, language) = match read(query, None, &headers) {
        Ok(read) => read,
        Err(page) => return page.into_response(),
    };
    let shown = async {
        let request = match server.authorization_request(&query).await? {
            Ok(request) => request,
            Err(unfit) => return Ok(refused(&server, unfit, language, &query)),
        };
        let csrf = Csrf::of(&server.settings, &headers)?;
        let asked = asked(&server, &request, &csrf, language, &query);
        Ok::<_, Failure>(asked.page(Step::first(request.people), None).into_response())
    };
    shown.await.unwrap_or_else(|failure| sorry(language, &query, &failure).into_response())
}

/// Takes what was entered.
pub(super) async fn act(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Response {
    let form = Parameters::read(&body);
    let chosen = form.as_ref().ok().and_then(|form| form.get("lang"));
    let (query, language) = match read(query, chosen, &headers) {
        Ok(read) => read,
        Err(page) => return page.into_response(),
    };
    let Ok(form) = form else { return unsure(Unsure::Form, language, &query).into_response() };
    let acted = async {
        let request = match server.authorization_request(&query).await? {
            Ok(request) => request,
            Err(unfit) => return Ok(refused(&server, unfit, language, &query)),
        };
        let csrf = Csrf::of(&server.settings, &headers)?;
        let asked = asked(&server, &request, &csrf, language, &query);
        if !is_from_own_page(&server.settings, &headers, &form) {
            let step = Step::first(request.people);
            let problem = Problem { field: first_field(request.people), text: texts(language).stale };
            return Ok(asked.page(step, Some((StatusCode::FORBIDDEN, problem))).into_response());
        }
        if form.get("lang").is_some() {
            return Ok(asked.page(shown(&form, request.people), None).into_response());
        }
        let signing = SigningIn { server: &server, asked: &asked, form: &form };
        let account = match (form.get("step"), request.people) {
            (Some("phone"), People::Public) => {
                let address = address_of(&server, &headers, &extensions);
                return signing.phone(address).await.map(IntoResponse::into_response);
            }
            (Some("code"), People::Public) => signing.code().await?,
            (Some("staff"), People::Staff) => signing.staff().await?,
            _ => return Ok(asked.page(Step::first(request.people), None).into_response()),
        };
        match account {
            Ok(account) if account.disabled.is_some() => Ok(disabled(language, &query).into_response()),
            Ok(account) => Ok(back(&server.granted(&request, &account).await?)),
            Err(page) => Ok(page.into_response()),
        }
    };
    acted.await.unwrap_or_else(|failure| sorry(language, &query, &failure).into_response())
}

/// The query of a request and the language of its answer.
fn read(
    query: Option<String>,
    chosen: Option<&str>,
    headers: &HeaderMap,
) -> Result<(Parameters, Language), Box<Page>> {
    let text = query.filter(|query| query.len() <= MOST_QUERY).unwrap_or_default();
    match Parameters::read(text.as_bytes()) {
        Ok(query) => {
            let language = language_of(chosen, Some(&query), headers);
            Ok((query, language))
        }
        Err(_) => {
            let language = language_of(chosen, None, headers);
            let texts = texts(language);
            let (title, text) = (texts.unsure_title, texts.unsure_form);
            let page = Page::message(language, StatusCode::BAD_REQUEST, title, text, &Parameters::none());
            Err(Box::new(page))
        }
    }
}

fn asked<'a>(
    server: &'a Server,
    request: &'a AuthorizationRequest,
    csrf: &'a Csrf,
    language: Language,
    query: &Parameters,
) -> Asked<'a> {
    let query = query.query_with("lang", language.tag());
    Asked { settings: &server.settings, request, csrf, language, query }
}

/// The step that was shown, with what had been entered that is no secret.
fn shown(form: &Parameters, people: People) -> Step<'_> {
    match (form.get("shown"), form.get("phone")) {
        (Some("code"), Some(phone)) if people == People::Public => Step::Code { phone },
        (Some("phone"), entered) if people == People::Public => {
            Step::Phone { entered: entered.unwrap_or_default() }
        }
        (Some("staff"), _) if people == People::Staff => {
            Step::Staff { number: form.get("number").unwrap_or_default() }
        }
        _ => Step::first(people),
    }
}

fn first_field(people: People) -> &'static str {
    match people {
        People::Public => "phone",
        People::Staff => "number",
    }
}

/// A person who is signing in.
struct SigningIn<'a> {
    server: &'a Server,
    asked: &'a Asked<'a>,
    form: &'a Parameters,
}

impl SigningIn<'_> {
    fn wrong(&self, step: Step<'_>, status: StatusCode, field: &'static str, text: &'static str) -> Page {
        self.asked.page(step, Some((status, Problem { field, text })))
    }

    async fn phone(&self, address: Option<compact_str::CompactString>) -> Result<Page, Failure> {
        let texts = texts(self.asked.language);
        let entered = self.form.get("phone").unwrap_or_default();
        let again = Step::Phone { entered };
        let Some(phone) = phone_of(entered) else {
            return Ok(self.wrong(again, StatusCode::UNPROCESSABLE_ENTITY, "phone", texts.phone_wrong));
        };
        let next = Step::Code { phone: &phone };
        Ok(match self.server.order_code(&phone, address, self.asked.language).await? {
            Ordered::Sent => self.asked.page(next, None),
            // A code that was sent a moment ago can be used all the same.
            Ordered::Limited => self.wrong(next, StatusCode::TOO_MANY_REQUESTS, "code", texts.code_limited),
            Ordered::NotSent => {
                self.wrong(again, StatusCode::SERVICE_UNAVAILABLE, "phone", texts.code_not_sent)
            }
        })
    }

    async fn code(&self) -> Result<Result<Account, Page>, Failure> {
        let texts = texts(self.asked.language);
        let Some(phone) = self.form.get("phone").and_then(phone_of) else {
            return Ok(Err(self.asked.page(Step::first(People::Public), None)));
        };
        let code: String = self.form.get("code").unwrap_or_default().split_whitespace().collect();
        let again = Step::Code { phone: &phone };
        let wrong = || self.wrong(again, StatusCode::UNPROCESSABLE_ENTITY, "code", texts.code_wrong);
        Ok(self.server.by_code(&phone, &code).await?.ok_or_else(wrong))
    }

    async fn staff(&self) -> Result<Result<Account, Page>, Failure> {
        let entered = |name| self.form.get(name).unwrap_or_default();
        let number = entered("number").trim();
        let one_time: String = entered("one-time").split_whitespace().collect();
        let account = self.server.by_password(number, entered("password"), &one_time).await?;
        let wrong = texts(self.asked.language).staff_wrong;
        let again = Step::Staff { number };
        Ok(account.ok_or_else(|| self.wrong(again, StatusCode::UNPROCESSABLE_ENTITY, "number", wrong)))
    }
}

/// Sends the person to an address. With 303 the browser does not send the form on (RFC 9700 §4.12).
fn back(address: &str) -> Response {
    match HeaderValue::from_str(address) {
        Ok(address) => {
            let headers = [
                (header::LOCATION, address),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            ];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

fn refused(server: &Server, unfit: Unfit, language: Language, query: &Parameters) -> Response {
    match unfit {
        Unfit::Here(what) => unsure(what, language, query).into_response(),
        Unfit::Back { back: way, error, description } => {
            back(&way.with(server, &[("error", error), ("error_description", description)]))
        }
    }
}

/// The person is told, and sent nowhere.
fn unsure(what: Unsure, language: Language, query: &Parameters) -> Page {
    let texts = texts(language);
    let text = match what {
        Unsure::Client => texts.unsure_client,
        Unsure::Redirect => texts.unsure_redirect,
        Unsure::Form => texts.unsure_form,
    };
    Page::message(language, StatusCode::BAD_REQUEST, texts.unsure_title, text, query)
}

/// ACC-10.
fn disabled(language: Language, query: &Parameters) -> Page {
    let texts = texts(language);
    Page::message(language, StatusCode::FORBIDDEN, texts.disabled_title, texts.disabled, query)
}
