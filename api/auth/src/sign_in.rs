//! How people prove who they are, and what an app is given when they have: an authorization code.

use std::time::Duration as Span;

use compact_str::CompactString;
use hub_core::accounts::{Account, CodeOrder, Grant, Limit, Lockout, SignInName, TokenDigest};
use hub_core::language::Language;
use hub_core::who::Role;
use hub_fhir::{Id, Reference, ResourceType};
use time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

use crate::request::AuthorizationRequest;
use crate::server::{Failure, Server};
use crate::{client, password, secret, totp};

/// How long a code of a phone can be used.
pub const CODE_LIVES: Duration = Duration::minutes(5);
/// And how often tried.
const CODE_TRIES: u32 = 5;
/// How many codes a phone is sent.
const PHONE_LIMITS: [Limit; 3] = [(1, Duration::MINUTE), (5, Duration::HOUR), (10, Duration::DAY)];
/// When an account is locked (ACC-14).
const LOCKOUT: Lockout = Lockout { after: 5, lasts: Duration::minutes(15) };
/// How long an authorization code can be used (RFC 6749 §4.1.2 allows ten minutes; an app needs a second).
const GRANT_LIVES: Duration = Duration::minutes(1);
/// A failed sign-in is answered no sooner, so that the time tells nothing.
const FAILURE_TAKES: Span = Span::from_millis(400);

/// What became of the wish for a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ordered {
    Sent,
    /// Too many were sent, to this phone or at the wish of this address.
    Limited,
    NotSent,
}

/// A phone number as it is kept (E.164): spaces and the like are left out, and eleven digits of the Mainland may do without +86.
pub(crate) fn phone_of(text: &str) -> Option<CompactString> {
    let signs = text.trim().chars().filter(|sign| !" -()\u{a0}.".contains(*sign));
    // Digits of a Chinese keyboard are wide.
    let plain: CompactString = signs
        .map(|sign| match sign {
            '\u{ff10}'..='\u{ff19}' => char::from_digit(u32::from(sign) - 0xff10, 10).unwrap_or(sign),
            '\u{ff0b}' => '+',
            other => other,
        })
        .collect();
    let number = match (plain.strip_prefix('+'), plain.strip_prefix("00")) {
        (Some(number), _) | (None, Some(number)) => number.into(),
        (None, None) if plain.len() == 11 && plain.starts_with('1') => format!("86{plain}"),
        (None, None) => return None,
    };
    let fits = (7..=15).contains(&number.len())
        && !number.starts_with('0')
        && number.bytes().all(|sign| sign.is_ascii_digit());
    fits.then(|| format!("+{number}").into())
}

/// What a code is known by: with its phone, so that it is no other's.
fn code_digest(phone: &str, code: &str) -> TokenDigest {
    TokenDigest::of(&format!("{phone} {code}"))
}

impl Server {
    /// Sends a code to a phone, within limits.
    pub(crate) async fn order_code(
        &self,
        phone: &str,
        address: Option<CompactString>,
        language: Language,
    ) -> Result<Ordered, Failure> {
        let code = secret::digits()?;
        let now = self.now();
        let order = CodeOrder {
            phone: phone.into(),
            address,
            digest: code_digest(phone, &code),
            until: now + CODE_LIVES,
            tries: CODE_TRIES,
            phone_limits: PHONE_LIMITS.to_vec(),
            address_limits: self.settings.address_limits.clone(),
        };
        if !self.accounts.order_code(order, now).await? {
            return Ok(Ordered::Limited);
        }
        match self.sender.send(phone, &code, language).await {
            Ok(()) => Ok(Ordered::Sent),
            Err(error) => {
                tracing::error!(reason = client::reason(&*error), "A sign-in code could not be sent.");
                Ok(Ordered::NotSent)
            }
        }
    }

    /// The account of whoever has the phone; made when there is none yet. `None`: the code is not the right one.
    pub(crate) async fn by_code(&self, phone: &str, code: &str) -> Result<Option<Account>, Failure> {
        let now = self.now();
        if !self.accounts.try_code(phone, &code_digest(phone, code), now).await? {
            return Ok(None);
        }
        let id = Uuid::new_v4().to_string();
        // Its visit persons will be linked from a Person of the same id.
        let is = ResourceType::from_name("Person")
            .and_then(|kind| Some(Reference { kind, id: Id::new(&id).ok()? }));
        let account = Account {
            id: Id::new(&id).expect("a UUID is an id"),
            name: SignInName::Phone(phone.into()),
            roles: vec![Role::Patient],
            is,
            disabled: None,
        };
        Ok(Some(self.accounts.open_account(account, now).await?))
    }

    /// The account of a member of staff. `None`: something is wrong, or the account is locked; which of it takes the same time.
    pub(crate) async fn by_password(
        &self,
        number: &str,
        password: &str,
        one_time: &str,
    ) -> Result<Option<Account>, Failure> {
        let earliest = Instant::now() + FAILURE_TAKES;
        let proved = self.proved(number, password, one_time).await?;
        if proved.is_none() {
            tokio::time::sleep_until(earliest).await;
        }
        Ok(proved)
    }

    async fn proved(&self, number: &str, password: &str, one_time: &str) -> Result<Option<Account>, Failure> {
        let now = self.now();
        let account = self.accounts.account_of(&SignInName::Staff(number.into())).await?;
        let credentials = match &account {
            Some(account) => self.accounts.credentials(&account.id).await?,
            None => None,
        };
        let nobody = Id::of_parts(["nobody"]);
        let id = account.as_ref().map_or(&nobody, |account| &account.id);
        let may_try = self.accounts.begin_try(id, LOCKOUT, now).await?;
        let kept = credentials.as_ref().map(|credentials| credentials.password.clone());
        let is_right = password::is_right(password.to_owned(), kept).await;
        let (Some(account), Some(credentials)) = (account, credentials) else { return Ok(None) };
        let step = totp::step_of(&credentials.totp, one_time, now);
        let Some(step) = step.filter(|_| may_try && is_right) else { return Ok(None) };
        let is_first = self.accounts.end_try(&account.id, step).await?;
        Ok(is_first.then_some(account))
    }

    /// The address that sends the person back to the app, with a code for it.
    pub(crate) async fn granted(
        &self,
        request: &AuthorizationRequest,
        account: &Account,
    ) -> Result<String, Failure> {
        let code = secret::text()?;
        let now = self.now();
        let grant = Grant {
            digest: TokenDigest::of(&code),
            account: account.id.clone(),
            client: request.client.id.clone(),
            redirect: request.back.redirect.clone(),
            challenge: request.challenge.clone(),
            scope: request.scope.clone(),
            nonce: request.nonce.clone(),
            signed_in: now,
            until: now + GRANT_LIVES,
            session: Uuid::new_v4().to_string().into(),
            is_spent: false,
        };
        self.accounts.grant(grant).await?;
        tracing::info!(account = %account.id, client = %request.client.id, "Somebody has signed in.");
        Ok(request.back.with(self, &[("code", &code)]))
    }
}

#[cfg(test)]
mod tests {
    use super::phone_of;

    #[test]
    fn a_phone_number_is_kept_in_one_form() {
        for (text, phone) in [
            ("138 0013 8000", Some("+8613800138000")),
            ("+86 138-0013-8000", Some("+8613800138000")),
            ("008613800138000", Some("+8613800138000")),
            ("\u{ff11}3800138000", Some("+8613800138000")),
            ("+852 9123 4567", Some("+85291234567")),
            ("+1 (212) 555-0100", Some("+12125550100")),
            ("91234567", None),
            ("+0123456789", None),
            ("+12345678901234567", None),
            ("+86 1380013800x", None),
            ("", None),
        ] {
            assert_eq!(phone_of(text).as_deref(), phone, "{text}");
        }
    }
}
