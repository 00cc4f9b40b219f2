// SPDX-License-Identifier: Apache-2.0
//! `login()` and the description of a user that it and `getUserInfo()` give (`salesforce-api.md` 1.7).

use std::sync::Arc;

use crate::faces::lock;
use crate::host::Place;
use crate::org::Org;
use crate::session::Scopes;
use crate::sign_in::{NoEntry, User};

use super::xml::tag;
use super::{Call, Fault};

/// From this version on there is no `login()`.
const RETIRED_IN: u32 = 65;
const INVALID_LOGIN: &str = "Invalid username, password, security token; or user locked out.";
const NEEDS_TOKEN: &str = "Invalid username, password, security token; or user locked out. Are you at a new location? When accessing \
                           Salesforce--either via a desktop client or the API--from outside of your company\u{2019}s trusted networks, you \
                           must add a security token to your password to log in.";

/// Signs in by username and password; the payload's elements stand in the order of the WSDL, which clients rely on.
pub fn login(call: &Call<'_>) -> Result<(String, Arc<Org>, String), Fault> {
    let version: u32 = call.version.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    if version >= RETIRED_IN {
        let text = "SOAP login() is not available in API version 65.0 and later";
        return Err(Fault::login("UNSUPPORTED_API_VERSION", text));
    }
    let username = call.operation.text_of("username");
    let password = call.operation.text_of("password");
    let (org, user) = enter(call, &username, &password)?;
    // A portal's users name the org they belong to.
    let scope = call.header.find("LoginScopeHeader").map(|scope| scope.text_of("organizationId")).unwrap_or_default();
    if !scope.is_empty() && crate::id::to18(&scope).as_deref() != Some(org.id.as_str()) {
        return Err(Fault::login("INVALID_LOGIN", INVALID_LOGIN));
    }
    let caller = org.caller(&user.id);
    if !caller.has_api() || !caller.can("ApiEnabled") {
        let text = "API is not enabled for this Organization or Partner";
        return Err(Fault::login("API_DISABLED_FOR_ORG", text));
    }
    let session = lock(&org.faces.sessions).open(org.id15(), &user.id, None, None, Scopes::new(), org.clock().now());
    let instance = call.emulator.instance_url(call.base_url, &org);
    let address = |kind: &str| format!("{instance}/services/Soap/{kind}/{}/{}", call.version, org.id15());
    let payload = [
        tag("metadataServerUrl", &address("m")),
        tag("passwordExpired", "false"),
        tag("sandbox", if is_sandbox(&org) { "true" } else { "false" }),
        tag("serverUrl", &address(call.kind)),
        tag("sessionId", &session.token),
        tag("userId", &user.id),
        format!("<userInfo>{}</userInfo>", user_info(&org, &user)),
    ];
    let payload = format!("<loginResponse><result>{}</result></loginResponse>", payload.concat());
    let user_id = user.id;
    Ok((payload, org, user_id))
}

/// Salesforce tells a stranger no more about a locked user than about an unknown one.
fn enter(call: &Call<'_>, username: &str, password: &str) -> Result<(Arc<Org>, User), Fault> {
    let refused = || Fault::login("INVALID_LOGIN", INVALID_LOGIN);
    let place = call.emulator.place(call.base_url);
    let entered = call.emulator.log_in_at(&place, username, password);
    let (org, user) = entered.map_err(|why| match why {
        NoEntry::Unknown | NoEntry::Inactive => refused(),
        NoEntry::Address => Fault::login("LOGIN_DURING_RESTRICTED_DOMAIN", "cannot log in from current domain"),
        NoEntry::Time => Fault::login("LOGIN_DURING_RESTRICTED_TIME", "cannot log in at this time"),
        NoEntry::NeedsToken => Fault::login("LOGIN_MUST_USE_SECURITY_TOKEN", NEEDS_TOKEN),
    })?;
    let elsewhere = matches!(place, Place::Login | Place::Test) && lock(&org.faces.my_domain).api_only_here;
    if elsewhere { Err(refused()) } else { Ok((org, user)) }
}

fn is_sandbox(org: &Org) -> bool {
    organization(org, "IsSandbox") == "true"
}

/// A field of the org's `Organization` row as text.
fn organization(org: &Org, field: &str) -> String {
    org.read(|tx| {
        let row = tx.row(tx.schema.object("Organization")?, &org.id)?;
        let value = row.get(field);
        Some(value.as_str().map_or_else(|| value.is_true().to_string(), str::to_owned))
    })
    .unwrap_or_default()
}

/// The elements of `userInfo`.
pub fn user_info(org: &Org, user: &User) -> String {
    let row = &user.row;
    let nil = |name: &str, text: &str| {
        if text.is_empty() { format!("<{name} xsi:nil=\"true\"/>") } else { tag(name, text) }
    };
    let timeout = lock(&org.faces.sessions).timeout_seconds().to_string();
    [
        tag("accessibilityMode", "false"),
        tag("chatterExternal", "false"),
        tag("currencySymbol", "$"),
        tag("orgAttachmentFileSizeLimit", "26214400"),
        tag("orgDefaultCurrencyIsoCode", "USD"),
        tag("orgDefaultCurrencyLocale", "en_US"),
        tag("orgDisallowHtmlAttachments", "false"),
        tag("orgHasPersonAccounts", "false"),
        tag("organizationId", &org.id),
        tag("organizationMultiCurrency", "false"),
        tag("organizationName", &organization(org, "Name")),
        tag("profileId", row.text("ProfileId")),
        nil("roleId", row.text("UserRoleId")),
        tag("sessionSecondsValid", &timeout),
        "<userDefaultCurrencyIsoCode xsi:nil=\"true\"/>".to_owned(),
        tag("userEmail", row.text("Email")),
        tag("userFullName", row.text("Name")),
        tag("userId", &user.id),
        tag("userLanguage", row.text("LanguageLocaleKey")),
        tag("userLocale", row.text("LocaleSidKey")),
        tag("userName", row.text("Username")),
        tag("userTimeZone", row.text("TimeZoneSidKey")),
        tag("userType", if row.text("UserType").is_empty() { "Standard" } else { row.text("UserType") }),
        tag("userUiSkin", "Theme3"),
    ]
    .concat()
}
