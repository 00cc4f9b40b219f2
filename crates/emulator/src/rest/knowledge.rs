// SPDX-License-Identifier: Apache-2.0
//! `/knowledgeManagement`: drafts, publishing and archiving of articles (`salesforce-api.md` 6.9; Knowledge Developer Guide,
//! "Managing Articles with REST"; requests as the client of a public project, sfdoc, sends them: `online` and `archived` in
//! lower case).

use serde_json::json;

use super::Call;
use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::Tx;
use crate::record;

/// `PATCH …/articleVersions/masterVersions/{id}` with `{"publishStatus": "Online" | "Archived" | "Draft"}`, in any case.
pub fn publish(ctx: &Ctx, tx: &mut Tx<'_>, call: &Call, version: &str) -> Result<Answer, ApiError> {
    let body = call.json()?;
    let status = body.get("publishStatus").and_then(serde_json::Value::as_str);
    let known = ["Online", "Archived", "Draft"];
    let status = known.into_iter().find(|known| status.is_some_and(|status| status.eq_ignore_ascii_case(known)));
    let status = status.ok_or_else(|| ApiError::json_parser("publishStatus must be Online, Archived or Draft"))?;
    record::publish_article(tx, &ctx.caller, version, status)?;
    Ok(Answer::empty(204))
}

/// `POST …/articleVersions/masterVersions` with `{"articleId": …}`: a draft of what is published.
pub fn edit(ctx: &Ctx, tx: &mut Tx<'_>, call: &Call) -> Result<Answer, ApiError> {
    let body = call.json()?;
    let article = body.get("articleId").and_then(serde_json::Value::as_str);
    let article = article.ok_or_else(|| ApiError::json_parser("articleId is missing"))?;
    let id = record::edit_article(tx, &ctx.caller, article)?;
    Ok(Answer::json(201, json!({ "id": id })))
}

/// `DELETE …/articleVersions/masterVersions/{id}`.
pub fn delete(ctx: &Ctx, tx: &mut Tx<'_>, version: &str) -> Result<Answer, ApiError> {
    record::delete_article(tx, &ctx.caller, version)?;
    Ok(Answer::empty(204))
}
