// SPDX-License-Identifier: Apache-2.0
//! The calls that need a session (`salesforce-api.md` 6.7).

use crate::ctx::Ctx;
use crate::error::SaveError;
use crate::faces::lock;
use crate::id;
use crate::org::Tx;
use crate::record;
use crate::user::Caller;
use crate::value::date_time_text;

use super::xml::{Element, tag};
use super::{Call, Fault, login, namespace, query};

/// Most Ids in one call.
const IDS_MAX: usize = 200;

type RowCall = fn(&mut Tx<'_>, &Caller, &str) -> Result<(), SaveError>;

/// The payload of the answer.
pub fn answer(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let operation = &call.operation;
    let payload = match (call.kind, operation.name.as_str()) {
        ("u" | "c", "logout") => {
            lock(&ctx.org.faces.sessions).revoke(&ctx.session);
            "<logoutResponse/>".to_owned()
        }
        ("u" | "c", "getUserInfo") => {
            let user = ctx.org.user(&ctx.caller.user_id).ok_or_else(|| Fault::session(&ctx.session))?;
            response("getUserInfo", &format!("<result>{}</result>", login::user_info(&ctx.org, &user)))
        }
        ("u" | "c", "getServerTimestamp") => {
            let now = date_time_text(ctx.org.clock().now(), "Z");
            response("getServerTimestamp", &format!("<result>{}</result>", tag("timestamp", &now)))
        }
        ("u" | "c", "delete") => response("delete", &each(ctx, call, record::delete)?),
        ("u" | "c", "undelete") => response("undelete", &each(ctx, call, record::undelete)?),
        ("u" | "c", "emptyRecycleBin") => {
            response("emptyRecycleBin", &each(ctx, call, record::empty_from_recycle_bin)?)
        }
        ("u", "query") => response("query", &query::first(ctx, call, false)?),
        ("u", "queryAll") => response("queryAll", &query::first(ctx, call, true)?),
        ("u", "queryMore") => response("queryMore", &query::next(ctx, call)?),
        (kind, name) => {
            let text = format!("No operation available for request {{{}}}{name}", namespace(kind));
            return Err(Fault { code: "Client".into(), message: text, kind: "", prefixed: true });
        }
    };
    Ok(payload)
}

fn response(operation: &str, content: &str) -> String {
    format!("<{operation}Response>{content}</{operation}Response>")
}

/// Does one thing to each of the call's Ids; with `AllOrNoneHeader`, to all of them or to none.
fn each(ctx: &Ctx, call: &Call<'_>, act: RowCall) -> Result<String, Fault> {
    let ids: Vec<String> = call
        .operation
        .children
        .iter()
        .filter(|child| is_ids(child))
        .map(|child| child.text.trim().to_owned())
        .collect();
    if ids.len() > IDS_MAX {
        let text = "record limit reached. cannot submit more than 200 records into this call";
        return Err(Fault::new("EXCEEDED_ID_LIMIT", text));
    }
    let all_or_none = call
        .header
        .find("AllOrNoneHeader")
        .is_some_and(|header| header.text_of("allOrNone").eq_ignore_ascii_case("true"));
    let outcomes = ctx.org.write(|tx| {
        let mut outcomes = Vec::with_capacity(ids.len());
        let kept = tx.savepoint(|tx| {
            for text in &ids {
                let outcome = match id::to18(text).filter(|_| id::valid(text)) {
                    Some(id) => tx.savepoint(|tx| act(tx, &ctx.caller, &id)).map(|()| id),
                    None => Err(SaveError::malformed_id(text, "Id")),
                };
                outcomes.push(outcome);
            }
            if all_or_none && outcomes.iter().any(Result::is_err) { Err(()) } else { Ok(()) }
        });
        if kept.is_err() {
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                let text =
                    "Record rolled back because not all records were valid and the request was using AllOrNone header";
                *outcome = Err(SaveError::new("ALL_OR_NONE_OPERATION_ROLLED_BACK", text, &[]));
            }
        }
        outcomes
    });
    Ok(outcomes.iter().map(result).collect())
}

fn is_ids(element: &Element) -> bool {
    element.name.eq_ignore_ascii_case("ids")
}

fn result(outcome: &Result<String, SaveError>) -> String {
    match outcome {
        Ok(id) => format!("<result>{}<success>true</success></result>", tag("id", id)),
        Err(error) => {
            let fields: String = error.fields.iter().map(|field| tag("fields", field)).collect();
            format!(
                "<result><errors>{fields}{}{}</errors><id xsi:nil=\"true\"/><success>false</success></result>",
                tag("message", &error.message),
                tag("statusCode", &error.code)
            )
        }
    }
}
