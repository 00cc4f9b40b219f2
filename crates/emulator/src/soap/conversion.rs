// SPDX-License-Identifier: Apache-2.0
//! `merge` and `convertLead`, which only SOAP has (`salesforce-api.md` 2.2).

use crate::ctx::Ctx;
use crate::error::SaveError;
use crate::record::{self, Fields, LeadConvert};

use super::save::{errors, rows};
use super::sobject::{self, Sent};
use super::xml::{Element, nil, tag, tag_or_nil};
use super::{Call, Fault, faults, header};

/// Merges in one call.
const MERGES_MAX: usize = 200;
/// Leads in one call.
const LEADS_MAX: usize = 100;

/// `merge`: each request on its own.
pub fn merge(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let requests: Vec<&Element> = call.operation.all("request").collect();
    if requests.len() > MERGES_MAX {
        return Err(faults::too_many(MERGES_MAX));
    }
    let schema = ctx.org.schema();
    let read = |request: &&Element| {
        let master = request.find("masterRecord").ok_or_else(|| Fault::new("MISSING_ARGUMENT", "masterRecord"))?;
        Ok((sobject::read(&schema, master, header::truncates(call))?, request.texts_of("recordToMergeIds")))
    };
    let requests: Vec<(Sent, Vec<String>)> = requests.iter().map(read).collect::<Result<_, Fault>>()?;
    let outcomes = rows(ctx, call, requests, |tx, (master, losers)| {
        let id =
            master.id.ok_or_else(|| SaveError::new("MISSING_ARGUMENT", "Id not specified in a merge call", &[]))?;
        record::merge(tx, &ctx.caller, &id, &losers, master.fields)
    });
    let result = |outcome: &Result<record::Merged, SaveError>| match outcome {
        Ok(merged) => {
            let all = |name: &str, ids: &[String]| ids.iter().map(|id| tag(name, id)).collect::<String>();
            let (losers, moved) =
                (all("mergedRecordIds", &merged.merged_ids), all("updatedRelatedIds", &merged.updated_related_ids));
            format!("<result>{}{losers}<success>true</success>{moved}</result>", tag("id", &merged.id))
        }
        Err(error) => format!("<result>{}{}<success>false</success></result>", errors(error), nil("id")),
    };
    Ok(outcomes.iter().map(result).collect())
}

/// `convertLead`. Of the rules that a call may switch off, the org has none to begin with.
pub fn convert_lead(ctx: &Ctx, call: &Call<'_>) -> Result<String, Fault> {
    let leads: Vec<&Element> = call.operation.all("leadConverts").collect();
    if leads.len() > LEADS_MAX {
        let text = format!("convertLead takes up to {LEADS_MAX} leads");
        return Err(Fault::new("EXCEEDED_LEAD_CONVERT_LIMIT", text));
    }
    let wishes = leads.iter().map(|lead| wish(ctx, call, lead)).collect::<Result<Vec<_>, Fault>>()?;
    let ids: Vec<String> = wishes.iter().map(|wish| wish.lead_id.clone()).collect();
    let outcomes = rows(ctx, call, wishes, |tx, wish| record::convert_lead(tx, &ctx.caller, &wish));
    let result = |(lead_id, outcome): (&String, Result<record::LeadConverted, SaveError>)| {
        let parts = match &outcome {
            Ok(converted) => [
                tag("accountId", &converted.account_id),
                tag("contactId", &converted.contact_id),
                tag("leadId", &converted.lead_id),
                tag_or_nil("opportunityId", converted.opportunity_id.as_deref().unwrap_or_default()),
                converted
                    .related_person_account_id
                    .as_deref()
                    .map_or_else(String::new, |id| tag("relatedPersonAccountId", id)),
                tag("success", "true"),
            ],
            Err(error) => [
                nil("accountId"),
                nil("contactId"),
                errors(error),
                tag_or_nil("leadId", lead_id),
                nil("opportunityId"),
                tag("success", "false"),
            ],
        };
        format!("<result>{}</result>", parts.concat())
    };
    Ok(ids.iter().zip(outcomes).map(result).collect())
}

fn wish(ctx: &Ctx, call: &Call<'_>, lead: &Element) -> Result<LeadConvert, Fault> {
    let given = |name: &str| Some(lead.text_of(name)).filter(|text| !text.is_empty());
    let fields = |name: &str| match lead.find(name).filter(|record| !record.nil && !record.children.is_empty()) {
        Some(record) => Ok(sobject::read(&ctx.org.schema(), record, header::truncates(call))?.fields),
        None => Ok::<Fields, Fault>(Fields::new()),
    };
    Ok(LeadConvert {
        lead_id: lead.text_of("leadId"),
        account_id: given("accountId").or_else(|| given("relatedPersonAccountId")),
        contact_id: given("contactId"),
        opportunity_id: given("opportunityId"),
        converted_status: lead.text_of("convertedStatus"),
        do_not_create_opportunity: lead.is_true("doNotCreateOpportunity"),
        opportunity_name: given("opportunityName"),
        overwrite_lead_source: lead.is_true("overwriteLeadSource"),
        owner_id: given("ownerId"),
        account_fields: fields("accountRecord")?,
        contact_fields: fields("contactRecord")?,
        opportunity_fields: fields("opportunityRecord")?,
    })
}
