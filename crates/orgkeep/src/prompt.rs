// SPDX-License-Identifier: Apache-2.0
//! Yes-or-no questions on a terminal. Anything but a clear yes is a no.

use crate::failure::{Failure, Kind};
use crate::screen::Screen;
use std::io::{self, BufRead, IsTerminal, Write};

/// The answer, or `None` where nobody can be asked.
pub fn agreed(question: &str, screen: &Screen) -> Result<Option<bool>, Failure> {
    if screen.json() || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let mut answer = String::new();
    let asked = write!(io::stderr().lock(), "{question} ").and_then(|()| io::stdin().lock().read_line(&mut answer));
    asked.map_err(|error| Failure::caused(Kind::Invalid, "could not ask", &error))?;
    Ok(Some(is_yes(&answer)))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_a_clear_yes_is_a_yes() {
        assert!(["y", "Y\n", " yes \n"].iter().all(|answer| super::is_yes(answer)));
        assert!(!["", "\n", "n", "yep", "yy", "no"].iter().any(|answer| super::is_yes(answer)));
    }
}
