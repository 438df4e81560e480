//! The pages that people see when they sign in: made here, whole without a script, in three languages.

mod form;
pub(crate) mod invitation;
mod layout;
pub(crate) mod sign_in;
mod texts;

pub(crate) use form::{Csrf, Problem, is_from_own_page};
pub(crate) use layout::{Page, STYLE, Switch};
pub(crate) use texts::of as texts;
