// SPDX-License-Identifier: Apache-2.0
//! `/apps/oauth`: how a client learns the key and secret that the org made for an external client app (Connect REST API,
//! OAuth Usage from 59.0 and OAuth Credentials from 60.0).
//!
//! Three steps: `usage` names the apps, `credentials/{app}` their consumers, `credentials/{app}/{consumer}?part=…` gives key
//! and secret. The secret needs the org's switch `enableClientSecretInRestApiAccess` and the permission View Client
//! Secret. Staged credentials (rotation of the secret) are not there.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::faces::lock;
use crate::oauth::external_client_app::{Component, Kind};
use crate::request::Query;

/// Answers a GET below `/services/data/vNN.N/apps/oauth`.
///
/// # Errors
/// 404 for what is not there, 403 `FUNCTIONALITY_NOT_ENABLED` for a secret that may not be told.
pub fn read(ctx: &Ctx, below: &[&str], query: &Query) -> Result<Answer, ApiError> {
    let apps = lock(&ctx.org.faces.apps);
    let applications = || apps.components.iter().filter(|known| known.kind == Kind::ExternalClientApplication);
    let base = format!("{}/apps/oauth", ctx.data_path());
    let wanted = |id: &str| crate::id::to18(id).unwrap_or_default();
    let application = |id: &str| -> Result<&Component, ApiError> {
        applications().find(|application| application.id == wanted(id)).ok_or_else(ApiError::not_found)
    };
    match below {
        ["usage"] => {
            let list: Vec<Value> = applications()
                .map(|application| {
                    json!({
                        "developerName": application.full_name,
                        "identifier": application.id,
                        "label": application.text("label"),
                        "usersUrl": format!("{base}/usage/{}/users", application.id),
                    })
                })
                .collect();
            Ok(Answer::ok(json!({"apps": list, "currentPageUrl": format!("{base}/usage"), "nextPageUrl": null})))
        }
        ["credentials", id] => {
            check(ctx, apps.secrets_in_rest)?;
            let application = application(id)?;
            let url = format!("{base}/credentials/{}", application.id);
            let list: Vec<Value> = apps
                .consumers
                .get(&application.full_name)
                .map(|consumer| {
                    json!({
                        "id": consumer.id,
                        "key": consumer.key,
                        "name": application.text("label"),
                        "stagedCredentialsUrl": format!("{url}/{}/staged", consumer.id),
                        "url": format!("{url}/{}", consumer.id),
                    })
                })
                .into_iter()
                .collect();
            Ok(Answer::ok(json!({"consumers": list, "currentPageUrl": url, "nextPageUrl": null})))
        }
        ["credentials", id, consumer_id] => {
            check(ctx, apps.secrets_in_rest)?;
            let consumer = apps.consumers.get(&application(id)?.full_name);
            let consumer =
                consumer.filter(|consumer| consumer.id == wanted(consumer_id)).ok_or_else(ApiError::not_found)?;
            let part = query.get("part").unwrap_or("key").to_ascii_lowercase();
            let (key, secret) = (part.contains("key"), part.contains("secret"));
            Ok(Answer::ok(json!({
                "id": consumer.id,
                "key": key.then_some(&consumer.key),
                "secret": secret.then_some(&consumer.secret),
                "stagedCredentialsUrl": format!("{base}/credentials/{id}/{}/staged", consumer.id),
                "url": format!("{base}/credentials/{id}/{}", consumer.id),
            })))
        }
        _ => Err(ApiError::not_found()),
    }
}

/// Where the org's permission sets do not know View Client Secret, who may customize the application may see it.
fn check(ctx: &Ctx, switched_on: bool) -> Result<(), ApiError> {
    let schema = ctx.org.schema();
    let known = schema.object("PermissionSet").is_some_and(|object| object.has("PermissionsViewClientSecret"));
    let permission = if known { "ViewClientSecret" } else { "CustomizeApplication" };
    if switched_on && ctx.caller.can(permission) {
        return Ok(());
    }
    let text = "This feature is not currently enabled for this user.";
    Err(ApiError::new(403, "FUNCTIONALITY_NOT_ENABLED", text))
}
