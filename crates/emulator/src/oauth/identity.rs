// SPDX-License-Identifier: Apache-2.0
//! Who a token belongs to: `/services/oauth2/userinfo` and the identity URL (`salesforce-api.md` 1.6).

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Map, Value, json};

use crate::Emulator;
use crate::answer::Answer;
use crate::faces::lock;
use crate::oauth::bearer;
use crate::org::Org;
use crate::request::Query;
use crate::sign_in::User;
use crate::value::date_time_text;

/// The identity URL: clients split it by `/`, the user last, the org before it.
pub fn url(base_url: &str, org_id: &str, user_id: &str) -> String {
    format!("{base_url}/id/{org_id}/{user_id}")
}

/// OpenID's view of the user.
pub fn userinfo(emulator: &Emulator, headers: &HeaderMap, form: &Query, base_url: &str) -> Answer {
    let Some((org, user)) = whose(emulator, headers, form) else { return refused("Bad_OAuth_Token") };
    let row = &user.row;
    let id = url(base_url, &org.id, &user.id);
    let picture = format!("{base_url}/profilephoto/005/F");
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    put("sub", id.into());
    put("user_id", user.id.as_str().into());
    put("organization_id", org.id.as_str().into());
    put("preferred_username", text(&user, "Username"));
    put("nickname", text(&user, "CommunityNickname"));
    put("name", text(&user, "Name"));
    put("email", text(&user, "Email"));
    put("email_verified", true.into());
    put("given_name", text(&user, "FirstName"));
    put("family_name", text(&user, "LastName"));
    put("zoneinfo", text(&user, "TimeZoneSidKey"));
    put("photos", json!({"picture": picture, "thumbnail": format!("{base_url}/profilephoto/005/T")}));
    put("profile", format!("{base_url}/{}", user.id).into());
    put("picture", picture.into());
    put("address", json!({}));
    put("is_salesforce_integration_user", false.into());
    put("urls", urls(base_url, &org.id, &user.id, None));
    put("active", row.get("IsActive").is_true().into());
    put("user_type", user_type(&user));
    put("language", text(&user, "LanguageLocaleKey"));
    put("locale", text(&user, "LocaleSidKey"));
    put("utcOffset", 0.into());
    put("updated_at", modified(&user));
    put("is_app_installed", true.into());
    Answer::ok(Value::Object(answer))
}

/// The identity URL's answer. `version=latest` or `version=NN.0` fills the placeholder of the URLs.
pub fn identity(
    emulator: &Emulator,
    org_id: &str,
    user_id: &str,
    headers: &HeaderMap,
    form: &Query,
    base_url: &str,
) -> Answer {
    if bearer(headers, form).is_none() {
        return refused("Missing_OAuth_Token");
    }
    let Some((org, _)) = whose(emulator, headers, form) else { return refused("Bad_OAuth_Token") };
    if crate::id::to15(org_id) != crate::id::to15(&org.id) {
        return refused("Wrong_Org");
    }
    let user_id = crate::id::to18(user_id).unwrap_or_default();
    let Some(user) = org.user(&user_id) else { return refused("Bad_Id") };
    let row = &user.row;
    let version = match form.get("version") {
        Some("latest") => Some(crate::rest::LATEST_VERSION),
        other => other,
    };
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    put("id", url(base_url, &org.id, &user.id).into());
    put("asserted_user", true.into());
    put("user_id", user.id.as_str().into());
    put("organization_id", org.id.as_str().into());
    put("username", text(&user, "Username"));
    put("nick_name", text(&user, "CommunityNickname"));
    put("display_name", text(&user, "Name"));
    put("email", text(&user, "Email"));
    put("email_verified", true.into());
    put("first_name", text(&user, "FirstName"));
    put("last_name", text(&user, "LastName"));
    put("timezone", text(&user, "TimeZoneSidKey"));
    let photo = |size: &str| format!("{base_url}/profilephoto/005/{size}");
    put("photos", json!({"picture": photo("F"), "thumbnail": photo("T")}));
    put("addr_street", text(&user, "Street"));
    put("addr_city", text(&user, "City"));
    put("addr_state", text(&user, "State"));
    put("addr_country", text(&user, "Country"));
    put("addr_zip", text(&user, "PostalCode"));
    put("mobile_phone", text(&user, "MobilePhone"));
    put("mobile_phone_verified", false.into());
    put("is_lightning_login_user", false.into());
    put("status", json!({"created_date": null, "body": null}));
    put("urls", urls(base_url, &org.id, &user.id, version));
    put("active", row.get("IsActive").is_true().into());
    put("user_type", user_type(&user));
    put("language", text(&user, "LanguageLocaleKey"));
    put("locale", text(&user, "LocaleSidKey"));
    put("utcOffset", 0.into());
    put("last_modified_date", modified(&user));
    put("is_app_installed", true.into());
    Answer::ok(Value::Object(answer))
}

fn whose(emulator: &Emulator, headers: &HeaderMap, form: &Query) -> Option<(Arc<Org>, User)> {
    let token = bearer(headers, form)?;
    emulator.orgs().iter().find_map(|org| {
        let session = lock(&org.faces.sessions).use_token(&token, org.clock().now())?;
        Some((org.clone(), org.user(&session.user_id)?))
    })
}

fn refused(word: &'static str) -> Answer {
    Answer::bytes(403, "text/plain;charset=UTF-8", word)
}

fn text(user: &User, field: &str) -> Value {
    user.row.get(field).as_str().map_or(Value::Null, Value::from)
}

fn user_type(user: &User) -> Value {
    match user.row.text("UserType") {
        "" | "Standard" => "STANDARD".into(),
        other => other.to_uppercase().into(),
    }
}

fn modified(user: &User) -> Value {
    user.row.get("LastModifiedDate").as_int().map_or(Value::Null, |ms| date_time_text(ms, "+0000").into())
}

/// The org's addresses, with the placeholder `{version}` that the client fills unless it asked for a version.
fn urls(base_url: &str, org_id: &str, user_id: &str, version: Option<&str>) -> Value {
    let version = version.unwrap_or("{version}");
    let org15 = crate::id::to15(org_id);
    let soap = |kind: &str| format!("{base_url}/services/Soap/{kind}/{version}/{org15}");
    let rest = |path: &str| format!("{base_url}/services/data/v{version}/{path}");
    json!({
        "enterprise": soap("c"),
        "metadata": soap("m"),
        "partner": soap("u"),
        "rest": rest(""),
        "sobjects": rest("sobjects/"),
        "search": rest("search/"),
        "query": rest("query/"),
        "recent": rest("recent/"),
        "tooling_soap": soap("T"),
        "tooling_rest": rest("tooling/"),
        "profile": format!("{base_url}/{user_id}"),
        "feeds": rest("chatter/feeds"),
        "groups": rest("chatter/groups"),
        "users": rest("chatter/users"),
        "feed_items": rest("chatter/feed-items"),
        "feed_elements": rest("chatter/feed-elements"),
        "custom_domain": base_url,
    })
}
