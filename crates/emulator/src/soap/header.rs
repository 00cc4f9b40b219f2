// SPDX-License-Identifier: Apache-2.0
//! The headers of a partner call: what they change of the caller and of the answer.
//!
//! With effect: `AllOrNoneHeader`, `AllowFieldTruncationHeader`, `AssignmentRuleHeader`, `CallOptions` (`client` in change events,
//! `returnFieldDataTypes`), `DuplicateRuleHeader`, `OwnerChangeOptions` (on `update`), `QueryOptions`. Accepted without one, because the emulated org has nothing that they govern:
//! `MruHeader` (no list of recent items), `EmailHeader` (no mails), `DisableFeedTrackingHeader`, `LocaleOptions`,
//! `PackageVersionHeader`, `DebuggingHeader` (no Apex).

use crate::record::OwnerChange;
use crate::rest;
use crate::user::Caller;

use super::Call;

const PAGE: usize = 500;
const PAGE_MIN: usize = 200;
const PAGE_MAX: usize = 2_000;

/// Puts into the caller what its headers say of saves. Without an `AssignmentRuleHeader` SOAP applies no assignment rule,
/// where REST applies the default one.
pub fn apply(call: &Call<'_>, caller: &mut Caller) {
    let rule = call.header.find("AssignmentRuleHeader");
    caller.assignment_rule =
        rule.map(|rule| rule.text_of("assignmentRuleId").to_owned()).filter(|rule| !rule.is_empty());
    caller.auto_assign = caller.assignment_rule.is_some() || rule.is_some_and(|rule| rule.is_true("useDefaultRule"));
    let duplicates = call.header.find("DuplicateRuleHeader");
    caller.allow_duplicates = duplicates.is_some_and(|rule| rule.is_true("allowSave"));
    caller.duplicate_details = duplicates.is_some_and(|rule| rule.is_true("includeRecordDetails"));
    let client = call.header.find("CallOptions").map(|options| options.text_of("client")).unwrap_or_default();
    let api = if call.kind == "T" { "toolingsoap" } else { "soap" };
    caller.origin = Some(rest::origin(api, &call.version, &client));
}

/// Whether one refused row undoes all.
pub fn all_or_none(call: &Call<'_>) -> bool {
    call.header.find("AllOrNoneHeader").is_some_and(|header| header.is_true("allOrNone"))
}

/// Whether text that is too long is cut instead of refused.
pub fn truncates(call: &Call<'_>) -> bool {
    call.header.find("AllowFieldTruncationHeader").is_some_and(|header| header.is_true("allowFieldTruncation"))
}

/// What goes along when a record gets another owner.
pub fn owner_change(call: &Call<'_>) -> OwnerChange {
    let mut change = OwnerChange::default();
    let Some(header) = call.header.find("OwnerChangeOptions") else { return change };
    for option in header.all("options").filter(|option| option.is_true("execute")) {
        match option.text_of("type").as_str() {
            "KeepAccountTeam" => change.keep_account_team = true,
            "KeepSalesTeam" | "KeepSalesTeamGrantCurrentOwnerReadWriteAccess" => change.keep_sales_team = true,
            "TransferOpenActivities" => change.transfer_open_activities = true,
            "TransferNotesAndAttachments" => change.transfer_notes_and_attachments = true,
            "TransferContacts" => change.transfer_contacts = true,
            "TransferContracts" => change.transfer_contracts = true,
            "TransferOwnedOpenOpportunities" => change.transfer_owned_open_opportunities = true,
            "TransferOthersOpenOpportunities" => change.transfer_others_open_opportunities = true,
            "TransferOwnedOpenCases" => change.transfer_owned_open_cases = true,
            _ => {}
        }
    }
    change
}

/// Whether each value of a record says its type.
pub fn types_values(call: &Call<'_>) -> bool {
    call.header.find("CallOptions").is_some_and(|options| options.is_true("returnFieldDataTypes"))
}

/// Records per page: 500 unless `QueryOptions` asks for another number; what lies outside 200 to 2,000 is brought inside.
pub fn page_size(call: &Call<'_>) -> usize {
    let wanted = call.header.find("QueryOptions").and_then(|header| header.text_of("batchSize").parse().ok());
    wanted.map_or(PAGE, |size: usize| size.clamp(PAGE_MIN, PAGE_MAX))
}
