// SPDX-License-Identifier: Apache-2.0
//! Pages for people: one style sheet inside each, nothing from elsewhere, no scripts, dark where the reader's system is.

const STYLE: &str = include_str!("page.css");

/// Text made safe for HTML content and attribute values.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A whole page around its content.
pub fn page(title: &str, content: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{}</title><style>{STYLE}</style></head><body>{content}</body></html>\n",
        escape(title)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        let html = page("A & B", "<main></main>");
        assert!(html.contains("<title>A &amp; B</title>") && html.contains("prefers-color-scheme"));
        assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("<script"));
    }
}
