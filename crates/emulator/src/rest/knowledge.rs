// SPDX-License-Identifier: Apache-2.0
//! `/knowledgeManagement`: drafts, publishing and archiving of articles (`salesforce-api.md` 6.9).

use serde_json::json;

use super::Call;
use crate::answer::Answer;
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::Tx;
use crate::record;

/// `PATCH …/articleVersions/masterVersions/{id}` with `{"publishStatus": "Online" | "Archived"}`.
pub fn publish(ctx: &Ctx, tx: &mut Tx<'_>, call: &Call, version: &str) -> Result<Answer, ApiError> {
    let body = call.json()?;
    let status = body.get("publishStatus").and_then(serde_json::Value::as_str);
    let status = status.filter(|status| matches!(*status, "Online" | "Archived"));
    let status = status.ok_or_else(|| ApiError::json_parser("publishStatus must be Online or Archived"))?;
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
