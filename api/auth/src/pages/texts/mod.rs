//! What the pages say: one file a language, which the compiler holds against the list of all texts.

mod en;
mod zh_hans;
mod zh_hant;

use hub_core::language::Language;

/// All texts, in one language. `{}` is where something is put in.
pub(crate) struct Texts {
    pub language: &'static str,
    pub problem: &'static str,
    pub sign_in_to: &'static str,
    pub phone: &'static str,
    pub phone_hint: &'static str,
    pub send_code: &'static str,
    pub code: &'static str,
    pub code_hint: &'static str,
    pub sign_in: &'static str,
    pub send_again: &'static str,
    pub other_phone: &'static str,
    pub staff_number: &'static str,
    pub password: &'static str,
    pub one_time: &'static str,
    pub one_time_hint: &'static str,
    pub phone_wrong: &'static str,
    pub code_wrong: &'static str,
    pub code_limited: &'static str,
    pub code_not_sent: &'static str,
    pub staff_wrong: &'static str,
    pub disabled_title: &'static str,
    pub disabled: &'static str,
    pub unsure_title: &'static str,
    pub unsure_client: &'static str,
    pub unsure_redirect: &'static str,
    pub unsure_form: &'static str,
    pub stale: &'static str,
    pub later_title: &'static str,
    pub later: &'static str,
    pub invitation_title: &'static str,
    pub invitation_intro: &'static str,
    pub invitation_picture: &'static str,
    pub invitation_key: &'static str,
    pub invitation_open: &'static str,
    pub new_password: &'static str,
    pub new_password_hint: &'static str,
    pub new_password_again: &'static str,
    pub invitation_accept: &'static str,
    pub invitation_done_title: &'static str,
    pub invitation_done: &'static str,
    pub invitation_over_title: &'static str,
    pub invitation_over: &'static str,
    pub password_length: &'static str,
    pub password_guessable: &'static str,
    pub password_differs: &'static str,
    pub one_time_wrong: &'static str,
}

/// The texts of a language.
pub(crate) fn of(language: Language) -> &'static Texts {
    match language {
        Language::English => &en::TEXTS,
        Language::Simplified => &zh_hans::TEXTS,
        Language::Traditional => &zh_hant::TEXTS,
    }
}
