// SPDX-License-Identifier: Apache-2.0
//! Calls whose subject the emulated org lacks: mails, approval processes, duplicate rules. Each is refused as an org
//! without them refuses it.

use crate::ctx::Ctx;

use super::save::errors;
use super::xml::{nil, tag};
use super::{Call, Fault, faults};
use crate::error::SaveError;

/// Mails to send in one call (`sendEmail` in the SOAP API guide).
const MAILS_MAX: usize = 10;

/// `sendEmail`: as with deliverability "No access", which new sandboxes have.
pub fn send_email(call: &Call<'_>) -> Result<String, Fault> {
    let mails = call.operation.all("messages").count();
    if mails > MAILS_MAX {
        return Err(faults::too_many(MAILS_MAX));
    }
    let text = "Single email is not enabled for your organization or profile";
    let errors = tag("message", text) + &tag("statusCode", "NO_MASS_MAIL_PERMISSION") + &nil("targetObjectId");
    Ok(format!("<result><errors>{errors}</errors><success>false</success></result>").repeat(mails))
}

/// `process`: no object of the org has an approval process, and no work item waits.
pub fn process(call: &Call<'_>) -> String {
    let result = |action: &super::Element| {
        let error = if action.kind == "ProcessWorkitemRequest" {
            SaveError::invalid_cross_reference(&[])
        } else {
            SaveError::new("NO_APPLICABLE_PROCESS", "No applicable approval process was found.", &[])
        };
        let entity = super::xml::tag_or_nil("entityId", &action.text_of("objectId"));
        let rest = nil("instanceId") + &nil("instanceStatus");
        format!("<result>{entity}{}{rest}<success>false</success></result>", errors(&error))
    };
    call.operation.all("actions").map(result).collect()
}

/// `findDuplicates` and `findDuplicatesByIds`: there is no active rule. The text is that of Apex's `FindDuplicates`; the
/// code is a guess.
pub fn find_duplicates(ctx: &Ctx, call: &Call<'_>) -> Fault {
    let first = call.operation.children.first();
    let name = match first {
        Some(record) if record.name.eq_ignore_ascii_case("sObjects") => record.text_of("type"),
        Some(id) => ctx.org.schema().by_prefix(id.text.trim()).map(|object| object.name.clone()).unwrap_or_default(),
        None => String::new(),
    };
    match ctx.org.schema().object(&name) {
        None => faults::no_such_object(&name),
        Some(object) => {
            let text = format!("No active duplicate rules are defined for the {} object type.", object.name);
            Fault::new("FUNCTIONALITY_NOT_ENABLED", text)
        }
    }
}
