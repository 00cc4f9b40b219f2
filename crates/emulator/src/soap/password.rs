// SPDX-License-Identifier: Apache-2.0
//! Passwords and sessions of users: `setPassword`, `resetPassword`, `changeOwnPassword`, `invalidateSessions`.
//!
//! A changed password ends the user's sessions. Nobody has to change a password that an
//! administrator set, the security token stays what it was, and no mail is sent. The texts are guesses; the faults are
//! those that the WSDL names.

use crate::ctx::Ctx;
use crate::faces::lock;
use crate::id;

use super::xml::tag;
use super::{Call, Fault};

const LENGTH_MIN: usize = 8;

/// `setPassword`.
pub fn set(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let user_id = user_of(ctx, call)?;
    let password = call.operation.text_of("password");
    check(&password)?;
    ctx.org.set_password(&user_id, &password);
    Ok("<result/>".to_owned())
}

/// `resetPassword`: the new password is in the answer.
pub fn reset(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let user_id = user_of(ctx, call)?;
    let random = lock(&ctx.org.faces.sessions).random_text(10);
    let password = format!("{}1a", random.replace(['.', '_'], "x"));
    ctx.org.set_password(&user_id, &password);
    Ok(format!("<result>{}</result>", tag("password", &password)))
}

/// `changeOwnPassword`.
pub fn change_own(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let user = ctx.org.user(&ctx.caller.user_id).ok_or_else(|| Fault::session(&ctx.session))?;
    if ctx.org.sign_in(user.row.text("Username"), &call.operation.text_of("oldPassword")).is_err() {
        return Err(Fault::new("INVALID_OLD_PASSWORD", "the old password is not correct"));
    }
    let password = call.operation.text_of("newPassword");
    check(&password)?;
    ctx.org.set_password(&user.id, &password);
    Ok("<result/>".to_owned())
}

/// `invalidateSessions`: each session of the caller, and every one for who manages users.
pub fn invalidate_sessions(ctx: &Ctx, call: &Call<'_>) -> String {
    let mut sessions = lock(&ctx.org.faces.sessions);
    let now = ctx.org.clock().now();
    let mut end = |token: &String| {
        let owner = sessions.use_token(token, now).map(|session| session.user_id);
        let allowed = owner.is_some_and(|owner| owner == ctx.caller.user_id || ctx.caller.can("ManageUsers"));
        if allowed && sessions.revoke(token) {
            return "<result><success>true</success></result>".to_owned();
        }
        let error = tag("message", "Session not found") + &tag("statusCode", "INVALID_SESSION_ID");
        format!("<result><errors>{error}</errors><success>false</success></result>")
    };
    call.operation.texts_of("sessionIds").iter().map(&mut end).collect()
}

/// The user whose password an administrator changes; anybody may change their own.
fn user_of(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let text = call.operation.text_of("userId");
    let user = id::to18(&text).and_then(|id| ctx.org.user(&id));
    let user = user.ok_or_else(|| Fault::new("INVALID_ID_FIELD", format!("invalid user id: {text}")))?;
    if user.id != ctx.caller.user_id && !ctx.caller.can("ManageUsers") {
        return Err(crate::error::ApiError::insufficient_access().into());
    }
    Ok(user.id)
}

/// The usual policy of an org: eight characters, letters and digits among them.
fn check(password: &str) -> Result<(), Fault> {
    let has = |test: fn(&char) -> bool| password.chars().any(|character| test(&character));
    if password.chars().count() < LENGTH_MIN {
        let text = format!("Your password must be at least {LENGTH_MIN} characters long.");
        return Err(Fault::new("INVALID_NEW_PASSWORD", text));
    }
    if !has(char::is_ascii_digit) || !has(char::is_ascii_alphabetic) {
        return Err(Fault::new("INVALID_NEW_PASSWORD", "Your password must have a mix of letters and numbers."));
    }
    Ok(())
}
