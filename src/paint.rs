//! Colours, on a terminal only and never when `NO_COLOR` is set.

use std::fmt::Display;
use std::io::IsTerminal;
use std::sync::LazyLock;

static COLOURED: LazyLock<bool> = LazyLock::new(|| {
    std::env::var_os("NO_COLOR").is_none()
        && std::io::stdout().is_terminal()
        && std::io::stderr().is_terminal()
});

fn paint(code: &str, text: impl Display) -> String {
    if *COLOURED { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
}

/// Something is wrong.
pub fn error(text: impl Display) -> String {
    paint("1;31", text)
}

/// Something is well.
pub fn good(text: impl Display) -> String {
    paint("32", text)
}

/// Something wants a look.
pub fn warning(text: impl Display) -> String {
    paint("33", text)
}

/// A heading.
pub fn strong(text: impl Display) -> String {
    paint("1", text)
}

/// Something by the way.
pub fn dim(text: impl Display) -> String {
    paint("2", text)
}
