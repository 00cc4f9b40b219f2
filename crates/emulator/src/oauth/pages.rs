// SPDX-License-Identifier: Apache-2.0
//! The pages people see while they sign in: plain HTML forms that a test can post as well as a person.

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
    const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f3f3f3;color:#181818}\
        main{max-width:24rem;margin:4rem auto;padding:2rem;background:#fff;border-radius:.5rem;box-shadow:0 1px 4px #0003}\
        main.wide{max-width:70rem;margin:2rem auto}h1{font-size:1.25rem;margin-top:0}h2{font-size:1rem}\
        label{display:block;margin:.75rem 0}input:not([type=hidden]){width:100%;padding:.5rem;font:inherit;box-sizing:border-box}\
        button{padding:.5rem 1rem;font:inherit;border:1px solid #0176d3;border-radius:.25rem;background:#0176d3;color:#fff}\
        button.deny{background:#fff;color:#0176d3}.error{color:#ba0517}.note{color:#666;font-size:.875rem}\
        table{border-collapse:collapse;width:100%;font-size:.875rem}td,th{text-align:left;padding:.2rem .6rem .2rem 0;vertical-align:top}\
        td.number,th.number{text-align:right}code{overflow-wrap:anywhere}";
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{}</title><style>{STYLE}</style></head><body>{content}</body></html>\n",
        escape(title)
    )
}

fn hidden(parameters: &[(String, String)]) -> String {
    parameters
        .iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value)))
        .collect()
}

/// The login page; it posts the request's own parameters back together with the credentials.
pub fn login(app: &str, parameters: &[(String, String)], username: &str, error: Option<&str>) -> String {
    let error = error.map(|text| format!("<p class=\"error\" role=\"alert\">{}</p>", escape(text))).unwrap_or_default();
    let content = format!(
        "<main><h1>Log in to the emulated org</h1>{error}<p class=\"note\">{} asks for access.</p>\
         <form method=\"post\" action=\"/services/oauth2/authorize\">{}\
         <label>Username <input name=\"username\" autocomplete=\"username\" value=\"{}\" required autofocus></label>\
         <label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>\
         <button name=\"step\" value=\"login\">Log In</button></form></main>",
        escape(app),
        hidden(parameters),
        escape(username),
    );
    page("Login | Salesforce", &content)
}

/// The consent page; `ticket` stands for the login that went before.
pub fn consent(app: &str, username: &str, scopes: &[&str], ticket: &str, parameters: &[(String, String)]) -> String {
    let scopes: String = scopes.iter().map(|scope| format!("<li>{}</li>", escape(scope_label(scope)))).collect();
    let content = format!(
        "<main><h1>Allow Access?</h1><p><strong>{}</strong> is asking to:</p><ul>{scopes}</ul>\
         <p class=\"note\">You are logged in as {}.</p>\
         <form method=\"post\" action=\"/services/oauth2/authorize\">{}\
         <input type=\"hidden\" name=\"ticket\" value=\"{}\">\
         <button class=\"deny\" name=\"step\" value=\"deny\">Deny</button> \
         <button name=\"step\" value=\"allow\">Allow</button></form></main>",
        escape(app),
        escape(username),
        hidden(parameters),
        escape(ticket),
    );
    page("Allow Access?", &content)
}

fn scope_label(scope: &str) -> &str {
    match scope {
        "api" => "Manage user data via APIs",
        "web" => "Manage user data via Web browsers",
        "refresh_token" => "Perform requests at any time",
        "full" => "Full access",
        "id" => "Access the identity URL service",
        "openid" => "Access unique user identifiers",
        "profile" => "Access profile information",
        "email" => "Access your email address",
        other => other,
    }
}

/// A page that says why nothing was redirected. The error stands in the text as it would in an address, because that is
/// what people search for.
pub fn refused(error: &str, description: &str) -> String {
    let content = format!(
        "<main><h1>Something went wrong</h1><p class=\"error\">error={}&amp;error_description={}</p></main>",
        escape(error),
        escape(&percent_encoding::utf8_percent_encode(description, percent_encoding::NON_ALPHANUMERIC).to_string())
            .replace("%5F", "_"),
    );
    page("Error", &content)
}

/// Where native apps without a callback of their own are sent.
pub fn success() -> String {
    page(
        "Remote Access Application Authorization",
        "<main><h1>Remote Access Application Authorization</h1><p>You have successfully granted the application access. \
         You may now close this window.</p></main>",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_caller_sends_becomes_markup() {
        let parameters = [("state".to_owned(), "\"><script>".to_owned())];
        let html = login("<b>", &parameters, "a\"b", Some("<i>"));
        assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains("<i>") && !html.contains("a\"b"));
    }

    #[test]
    fn a_refusal_reads_like_an_address() {
        let html = refused("redirect_uri_mismatch", "redirect_uri must match configuration");
        assert!(html.contains("error=redirect_uri_mismatch"));
        assert!(html.contains("error_description=redirect_uri%20must%20match%20configuration"));
    }
}
