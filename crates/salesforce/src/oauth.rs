// SPDX-License-Identifier: Apache-2.0
//! What an org means when it refuses to sign someone in, and what an admin has to click (`salesforce-api.md` 1.4, 1.9).

use crate::error::{Error, Kind, Refusal};
use crate::refusal;

/// Error code, a part of its description in lower case, and the next step. The first that fits is meant.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "invalid_grant",
        "expired access/refresh token",
        "the refresh token was revoked, has expired or was replaced: connect again",
    ),
    (
        "invalid_grant",
        "expired authorization code",
        "the code was used or is older than 15 minutes: sign in again in the browser",
    ),
    ("invalid_grant", "invalid code verifier", "this code belongs to another attempt to sign in: start again"),
    (
        "invalid_grant",
        "hasn't approved this consumer",
        "in Setup > External Client App Manager > the app > Policies set Permitted Users to \"Admin approved users are pre-authorized\" and assign its permission set to the user",
    ),
    (
        "invalid_grant",
        "request not supported on this domain",
        "client credentials work only on the org's own address: use https://<My Domain>.my.salesforce.com (Setup > My Domain)",
    ),
    (
        "invalid_grant",
        "no client credentials user enabled",
        "in Setup > External Client App Manager > the app > Policies enable the Client Credentials Flow and set \"Run As\" to the integration user",
    ),
    (
        "invalid_grant",
        "no valid scopes defined",
        "in Setup > External Client App Manager > the app > Settings add the scope \"Manage user data via APIs (api)\"",
    ),
    (
        "invalid_grant",
        "ip restricted",
        "allow this machine's address in the user's profile (Login IP Ranges) or in the app's policies (IP Relaxation)",
    ),
    ("invalid_grant", "ip not allowed", "allow this machine's address in the app's IP allow list for refresh tokens"),
    ("invalid_grant", "inactive", "the user is deactivated or frozen: activate it in Setup > Users"),
    (
        "invalid_grant",
        "audience",
        "set the audience to https://login.salesforce.com, or https://test.salesforce.com for a sandbox",
    ),
    (
        "invalid_grant",
        "invalid assertion",
        "check the consumer key, the user name, and that the app holds the certificate of this private key",
    ),
    ("invalid_grant", "invalid user", "check the user name; in a sandbox it ends with the sandbox's name"),
    ("invalid_grant", "authentication failure", "check the user name and the user's Login History in Setup"),
    ("inactive_user", "", "the user is deactivated or frozen: activate it in Setup > Users"),
    ("inactive_org", "", "the org is locked or closed: ask Salesforce"),
    ("invalid_client", "must be installed", "install the app in Setup > Connected Apps OAuth Usage"),
    ("invalid_client", "is not installed", "install the app in Setup > External Client App Manager"),
    (
        "invalid_client",
        "",
        "check the consumer key and secret: Setup > External Client App Manager > the app > Settings > OAuth Settings",
    ),
    ("invalid_client_id", "", "check the consumer key; a new app is known everywhere after about 10 minutes"),
    (
        "invalid_app_access",
        "",
        "assign the app's permission set to the user (Setup > External Client App Manager > the app > Policies > App Policies)",
    ),
    (
        "OAUTH_APP_ACCESS_DENIED",
        "",
        "assign the app's permission set to the user (Setup > External Client App Manager > the app > Policies > App Policies)",
    ),
    ("OAUTH_APPROVAL_ERROR_GENERIC", "", "install the app in Setup > Connected Apps OAuth Usage"),
    ("redirect_uri_mismatch", "", "add the callback URL to the app, to the letter"),
    (
        "unsupported_grant_type",
        "",
        "enable this flow in Setup > External Client App Manager > the app > Settings > OAuth Settings",
    ),
    ("invalid_scope", "", "add the scope to the app in Setup > External Client App Manager > the app > Settings"),
];

/// The error for a refusal by the token endpoint. `lost` says that an earlier answer to the same request was lost.
pub(crate) fn error(doing: &str, refusal: Refusal, lost: bool) -> Error {
    let code = refusal.error_code.clone().unwrap_or_default();
    let description = refusal.message.to_lowercase();
    let known = KNOWN.iter().find(|(error, part, _)| *error == code && description.contains(part));
    let mut error = refusal::error(doing, refusal);
    if let Some((_, _, hint)) = known {
        error.kind = Kind::Denied;
        error = error.hint(*hint);
    } else if code.starts_with("invalid_grant") {
        error.kind = Kind::Denied;
    }
    if lost && error.kind == Kind::Denied {
        error.what = "the answer to a refresh was lost, and the org refuses the token that it had replaced".to_owned();
        error = error.hint("connect again");
    }
    error
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn refused(error: &str, description: &str) -> Error {
        let body = serde_json::json!({"error": error, "error_description": description}).to_string();
        super::error("signing in", refusal::parse(StatusCode::BAD_REQUEST, body.as_bytes()), false)
    }

    #[test]
    fn known_causes_say_what_to_click() {
        for (error, description, word) in [
            ("invalid_grant", "no client credentials user enabled", "Run As"),
            ("invalid_grant", "request not supported on this domain", "My Domain"),
            ("invalid_grant", "user hasn't approved this consumer", "pre-authorized"),
            ("invalid_grant", "expired access/refresh token", "connect again"),
            ("invalid_grant", "Audience validation failed", "https://login.salesforce.com"),
            ("invalid_client", "invalid client credentials", "consumer key and secret"),
            ("invalid_client", "app must be installed into org", "Connected Apps OAuth Usage"),
            ("invalid_app_access", "user is not admin approved to access this app", "permission set"),
        ] {
            let error = refused(error, description);
            assert_eq!(error.kind, Kind::Denied);
            assert!(error.to_string().contains(description), "{error}");
            assert!(error.hint.as_deref().unwrap_or_default().contains(word), "{:?}", error.hint);
        }
    }

    #[test]
    fn an_unknown_grant_problem_is_denied_without_a_guess() {
        let error = refused("invalid_grant", "something new");
        assert_eq!((error.kind, error.hint), (Kind::Denied, None));
    }
}
