//! Where a member of staff who was invited chooses a password.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hub_core::accounts::{SignInName, TokenDigest};
use hub_core::language::Language;

use super::{MOST_QUERY, language_of, sorry};
use crate::pages::invitation::Invited;
use crate::pages::{Csrf, Page, Problem, Switch, is_from_own_page, texts};
use crate::parameters::Parameters;
use crate::password::{self, Weak};
use crate::server::{Failure, Server};
use crate::totp;

/// Shows the invitation.
pub(super) async fn show(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer(&server, query, &headers, None).await
}

/// Takes what was chosen.
pub(super) async fn act(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // One that cannot be read is no page's of ours.
    let form = Parameters::read(&body).unwrap_or_else(|_| Parameters::none());
    answer(&server, query, &headers, Some(&form)).await
}

async fn answer(
    server: &Server,
    query: Option<String>,
    headers: &HeaderMap,
    form: Option<&Parameters>,
) -> Response {
    let query = query.filter(|query| query.len() <= MOST_QUERY).unwrap_or_default();
    let query = Parameters::read(query.as_bytes()).unwrap_or_else(|_| Parameters::none());
    let language = language_of(form.and_then(|form| form.get("lang")), Some(&query), headers);
    match page(server, &query, headers, form, language).await {
        Ok(page) => page.into_response(),
        Err(failure) => sorry(language, &query, &failure).into_response(),
    }
}

async fn page(
    server: &Server,
    query: &Parameters,
    headers: &HeaderMap,
    form: Option<&Parameters>,
    language: Language,
) -> Result<Page, Failure> {
    let texts = texts(language);
    let over = || {
        let (title, text) = (texts.invitation_over_title, texts.invitation_over);
        Page::message(language, StatusCode::GONE, title, text, query)
    };
    let now = server.now();
    let digest = TokenDigest::of(query.get("token").unwrap_or_default());
    let Some(invitation) = server.accounts.invited(&digest, now).await? else { return Ok(over()) };
    let account = server.accounts.account(&invitation.account).await?;
    let Some(SignInName::Staff(number)) = account.map(|account| account.name) else { return Ok(over()) };
    let csrf = Csrf::of(&server.settings, headers)?;
    let in_language = query.query_with("lang", language.tag());
    let (settings, csrf) = (&server.settings, &csrf);
    let shown =
        Invited { settings, csrf, language, query: in_language, number: &number, totp: &invitation.totp };
    let wrong = |field, text| Ok(shown.page(Some(Problem { field, text })));
    let Some(form) = form else { return Ok(shown.page(None)) };
    if !is_from_own_page(settings, headers, form) {
        return wrong("password", texts.stale);
    }
    if form.get("lang").is_some() {
        return Ok(shown.page(None));
    }
    let entered = |name| form.get(name).unwrap_or_default();
    let password = entered("password");
    match password::check(password, &number) {
        Err(Weak::Length) => return wrong("password", texts.password_length),
        Err(Weak::Guessable) => return wrong("password", texts.password_guessable),
        Ok(()) => {}
    }
    if password != entered("again") {
        return wrong("again", texts.password_differs);
    }
    let one_time: String = entered("one-time").split_whitespace().collect();
    let Some(step) = totp::step_of(&invitation.totp, &one_time, now) else {
        return wrong("one-time", texts.one_time_wrong);
    };
    let kept = password::hash(password.to_owned()).await?;
    if !server.accounts.accept(&digest, kept, step, now).await? {
        return Ok(over());
    }
    tracing::info!(account = %invitation.account, "An invitation has been accepted.");
    let (title, text) = (texts.invitation_done_title, texts.invitation_done);
    // Asked for again, in whatever language, it is over.
    Ok(Page { switch: Switch::None, ..Page::message(language, StatusCode::OK, title, text, query) })
}
