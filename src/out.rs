//! Lines on standard output, from commands that go on when nobody reads them any more.

use std::fmt::Display;
use std::io::Write;

/// Prints a line. A reader that has gone is no reason to stop: `println!` would end the program.
pub fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
