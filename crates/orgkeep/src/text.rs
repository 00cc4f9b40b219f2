// SPDX-License-Identifier: Apache-2.0
//! Text from an org, made safe to show.
//!
//! A record may hold anything, also escape sequences that would move a terminal's cursor or recolour it, and marks
//! that reverse the direction of what follows. Nothing from an org reaches a terminal or a log before it went through
//! [`shown`]. `--json` and `export` carry the text verbatim: there a reader decodes it.

use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` on one line: line breaks, tabs and other control characters as escapes.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if is_unsafe(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

fn is_unsafe(character: char) -> bool {
    // Control characters, line and paragraph separators, and the marks that override text direction.
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` cut to `columns` terminal columns, the last one an ellipsis where something was cut.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut used = 0;
    for character in text.chars() {
        let width = character.width().unwrap_or(0);
        if used + width > columns.saturating_sub(1) {
            break;
        }
        used += width;
        kept.push(character);
    }
    kept.push('…');
    Cow::Owned(kept)
}

/// `text` filled with spaces to `columns` terminal columns.
pub fn padded(text: &str, columns: usize, right: bool) -> String {
    let spaces = " ".repeat(columns.saturating_sub(text.width()));
    if right { format!("{spaces}{text}") } else { format!("{text}{spaces}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_in_a_record_cannot_reach_the_terminal() {
        assert_eq!(shown("a\u{1b}[31mred\nnext\tcell"), "a\\u{1b}[31mred\\nnext\\tcell");
        assert_eq!(shown("abc\u{202e}fed"), "abc\\u{202e}fed");
        assert!(matches!(shown("Grüße 🦀"), Cow::Borrowed(_)));
    }

    #[test]
    fn cutting_counts_columns_not_characters() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("日本語テキスト", 6), "日本…");
        assert_eq!(padded("日本", 6, false), "日本  ");
        assert_eq!(padded("12", 4, true), "  12");
    }
}
