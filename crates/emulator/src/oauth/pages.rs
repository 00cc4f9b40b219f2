// SPDX-License-Identifier: Apache-2.0
//! The pages people see while they sign in: plain HTML forms that a test can post as well as a person.

pub use crate::page::{escape, page};

/// What every page of the dialogue says of itself.
const EMULATED: &str = "<p class=\"note\">This is not Salesforce: it is an org emulated by Orgkeep, with nothing real in it. \
     Users and passwords are on the <a href=\"/\">start page</a>.</p>";

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
        "<main><h1>Log in to the emulated org</h1>{error}<p><strong>{}</strong> asks for access.</p>\
         <form method=\"post\" action=\"/services/oauth2/authorize\">{}\
         <label>Username <input name=\"username\" autocomplete=\"username\" value=\"{}\" required autofocus></label>\
         <label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>\
         <button name=\"step\" value=\"login\">Log In</button></form>{EMULATED}</main>",
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
         <button name=\"step\" value=\"allow\">Allow</button></form>{EMULATED}</main>",
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
        "<main><h1>Something went wrong</h1><p class=\"error\">error={}&amp;error_description={}</p>{EMULATED}</main>",
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
