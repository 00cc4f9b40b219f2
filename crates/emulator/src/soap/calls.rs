// SPDX-License-Identifier: Apache-2.0
//! The calls that need a session, by API and name: `u` partner, `c` enterprise, `T` tooling, `s` Apex.

use crate::ctx::Ctx;
use crate::faces::lock;
use crate::record;
use crate::value::date_time_text;

use super::xml::tag;
use super::{
    Call, Fault, apex, conversion, describe, faults, layout, login, namespace, password, query, refused, replicate,
    retrieve, save, search,
};

/// The payload of the answer.
pub fn answer(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let name = call.operation.name.as_str();
    let content = match (call.kind, name) {
        ("u" | "c" | "T", "logout") => {
            lock(&ctx.org.faces.sessions).revoke(&ctx.session);
            String::new()
        }
        ("u" | "c" | "T", "getUserInfo") => {
            let user = ctx.org.user(&ctx.caller.user_id).ok_or_else(|| Fault::session(&ctx.session))?;
            format!("<result>{}</result>", login::user_info(&ctx.org, &user))
        }
        ("u" | "c" | "T", "getServerTimestamp") => {
            let now = date_time_text(ctx.org.clock().now(), "Z");
            format!("<result>{}</result>", tag("timestamp", &now))
        }
        ("u" | "c", "delete") => save::each_id(ctx, call, record::delete)?,
        ("u" | "c", "undelete") => save::each_id(ctx, call, record::undelete)?,
        ("u" | "c", "emptyRecycleBin") => save::each_id(ctx, call, record::empty_from_recycle_bin)?,
        ("u", "create") => save::create(ctx, call)?,
        ("u", "update") => save::update(ctx, call)?,
        ("u", "upsert") => save::upsert(ctx, call)?,
        ("u", "merge") => conversion::merge(ctx, call)?,
        ("u", "convertLead") => conversion::convert_lead(ctx, call)?,
        ("u", "retrieve") => retrieve::retrieve(ctx, call)?,
        ("u" | "T", "query") => query::first(ctx, call, false)?,
        ("u" | "T", "queryAll") => query::first(ctx, call, true)?,
        ("u" | "T", "queryMore") => query::next(ctx, call)?,
        ("u", "search") => search::search(ctx, call)?,
        ("u" | "c" | "T", "describeGlobal") => describe::global(ctx)?,
        ("u" | "c" | "T", "describeSObject" | "describeSObjects") => describe::objects(ctx, call)?,
        ("u", "describeLayout") => layout::layout(ctx, call)?,
        ("u", "describeTabs") => layout::tab_sets(ctx),
        ("u", "describeAllTabs") => layout::tabs(ctx, "result"),
        ("u" | "c", "getUpdated") => replicate::updated(ctx, call)?,
        ("u" | "c", "getDeleted") => replicate::deleted(ctx, call)?,
        ("u" | "c", "setPassword") => password::set(ctx, call)?,
        ("u" | "c", "resetPassword") => password::reset(ctx, call)?,
        ("u" | "c", "changeOwnPassword") => password::change_own(ctx, call)?,
        ("u" | "c", "invalidateSessions") => password::invalidate_sessions(ctx, call),
        ("u", "sendEmail") => refused::send_email(call)?,
        ("u", "process") => refused::process(call),
        ("u", "findDuplicates" | "findDuplicatesByIds") => return Err(refused::find_duplicates(ctx, call)),
        ("s" | "T", "executeAnonymous") => apex::anonymous_result(),
        ("s", "compileClasses" | "compileTriggers") => apex::compile_result().repeat(call.operation.children.len()),
        ("s", "runTests") => apex::tests_result(),
        (kind, name) => return Err(faults::no_such_operation(namespace(kind), name)),
    };
    Ok(format!("<{name}Response>{content}</{name}Response>"))
}
