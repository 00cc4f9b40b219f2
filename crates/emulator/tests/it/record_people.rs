// SPDX-License-Identifier: Apache-2.0
//! Leads that are converted, records that are merged (SOAP API guide `convertLead()`, `merge()`; `salesforce-api.md` 6.6, 6.10).

use crate::desk::{Desk, text};
use orgkeep_emulator::record::{self, LeadConvert, LeadConverted, Merged};
use orgkeep_emulator::value::Value;

fn convert(desk: &Desk, request: &LeadConvert) -> Result<LeadConverted, String> {
    desk.org.write(|tx| tx.savepoint(|tx| record::convert_lead(tx, &desk.caller, request))).map_err(|error| error.code)
}

fn request(lead: &str) -> LeadConvert {
    LeadConvert {
        lead_id: lead.to_owned(),
        converted_status: "Closed - Converted".to_owned(),
        ..LeadConvert::default()
    }
}

fn merge(desk: &Desk, master: &str, losers: &[&str], fields: &[(&str, &str)]) -> Result<Merged, String> {
    let losers: Vec<String> = losers.iter().map(|id| (*id).to_owned()).collect();
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
    let done = desk.org.write(|tx| tx.savepoint(|tx| record::merge(tx, &desk.caller, master, &losers, fields)));
    done.map_err(|error| error.code)
}

#[test]
fn a_lead_becomes_account_contact_and_opportunity() {
    let desk = Desk::new();
    desk.org.turn_on(orgkeep_emulator::Feature::FieldHistory).expect("turned on");
    let lead = desk.make(
        "Lead",
        &[
            ("LastName", "Lee"),
            ("FirstName", "Ann"),
            ("Company", "Acme"),
            ("Email", "ann@acme.example"),
            ("City", "Oslo"),
            ("LeadSource", "Web"),
        ],
    );
    let campaign = desk.make("Campaign", &[("Name", "Spring")]);
    let member = desk.make("CampaignMember", &[("CampaignId", &campaign), ("LeadId", &lead)]);
    let task = desk.make("Task", &[("Subject", "Call"), ("WhoId", &lead)]);
    let note = desk.make("Note", &[("Title", "N"), ("ParentId", &lead)]);
    let made = convert(&desk, &request(&lead)).expect("converted");
    let opportunity = made.opportunity_id.expect("an opportunity");
    for (id, field, value) in [
        (&made.account_id, "Name", "Acme"),
        (&made.account_id, "BillingCity", "Oslo"),
        (&made.account_id, "AccountSource", "Web"),
        (&made.contact_id, "Name", "Ann Lee"),
        (&made.contact_id, "Email", "ann@acme.example"),
        (&made.contact_id, "MailingCity", "Oslo"),
        (&made.contact_id, "AccountId", &made.account_id),
        (&opportunity, "Name", "Acme"),
        (&opportunity, "AccountId", &made.account_id),
        (&opportunity, "CampaignId", &campaign),
        (&opportunity, "StageName", "Prospecting"),
        // The clock says 2024-05-06: the second quarter.
        (&opportunity, "CloseDate", "2024-06-30"),
        (&task, "WhoId", &made.contact_id),
        (&task, "WhatId", &opportunity),
        (&task, "AccountId", &made.account_id),
        (&note, "ParentId", &made.contact_id),
        (&member, "ContactId", &made.contact_id),
        (&member, "LeadId", &lead),
        (&lead, "Status", "Closed - Converted"),
        (&lead, "ConvertedDate", "2024-05-06"),
        (&lead, "ConvertedAccountId", &made.account_id),
        (&lead, "ConvertedOpportunityId", &opportunity),
    ] {
        assert_eq!(desk.get(id, field), Value::from(value), "{field} of {id}");
    }
    assert!(desk.get(&lead, "IsConverted").is_true());
    assert_eq!(desk.count("OpportunityContactRole"), 1);
    assert!(desk.org.rows("LeadHistory").iter().any(|row| row["Field"] == "leadConverted"));
}

#[test]
fn a_converted_lead_is_closed_to_changes_and_references() {
    // 6.6 CANNOT_UPDATE_CONVERTED_LEAD
    let mut desk = Desk::new();
    let lead = desk.make("Lead", &[("LastName", "Lee"), ("Company", "Acme")]);
    convert(&desk, &LeadConvert { do_not_create_opportunity: true, ..request(&lead) }).expect("converted");
    assert_eq!(convert(&desk, &request(&lead)), Err("CANNOT_UPDATE_CONVERTED_LEAD".into()));
    let (code, message, _) = desk.refused("Task", &[("Subject", "T"), ("WhoId", &lead)]);
    assert_eq!((code.as_str(), message.as_str()), ("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead"));
    let mut permissions = (*desk.caller.permissions).clone();
    permissions.remove("AllowViewEditConvertedLeads");
    desk.caller.permissions = permissions.into();
    let error = desk.update("Lead", &lead, &[("City", "Oslo")]).expect_err("read-only");
    assert_eq!(error.code, "CANNOT_UPDATE_CONVERTED_LEAD");
}

#[test]
fn a_lead_joins_what_is_there_without_overwriting_it() {
    let desk = Desk::new();
    let account = desk.make("Account", &[("Name", "Acme Inc."), ("Phone", "1")]);
    let contact = desk.make("Contact", &[("LastName", "Li"), ("AccountId", &account), ("LeadSource", "Other")]);
    let stranger = desk.make("Contact", &[("LastName", "X")]);
    let lead = desk.make(
        "Lead",
        &[("LastName", "Lee"), ("Company", "Acme"), ("Phone", "2"), ("Website", "w.example"), ("LeadSource", "Web")],
    );
    let into = |contact: &str, overwrite: bool| LeadConvert {
        account_id: Some(account.clone()),
        contact_id: Some(contact.to_owned()),
        overwrite_lead_source: overwrite,
        opportunity_name: Some("Deal".to_owned()),
        ..request(&lead)
    };
    assert!(convert(&desk, &into(&stranger, false)).is_err(), "a contact of another account");
    let wrong = LeadConvert { converted_status: "Open - Not Contacted".into(), ..into(&contact, true) };
    assert_eq!(convert(&desk, &wrong), Err("INVALID_STATUS".into()));
    let refused = desk.org.write(|tx| tx.savepoint(|tx| record::convert_lead(tx, &desk.caller, &wrong))).unwrap_err();
    assert_eq!(refused.message, "invalid convertedStatus: Open - Not Contacted");
    assert_eq!(refused.fields, ["Status"]);
    let made = convert(&desk, &into(&contact, true)).expect("converted");
    assert_eq!((made.account_id, made.contact_id), (account.clone(), contact.clone()));
    assert_eq!(desk.get(&account, "Name"), Value::from("Acme Inc."));
    assert_eq!(desk.get(&account, "Phone"), Value::from("1"));
    assert_eq!(desk.get(&account, "Website"), Value::from("w.example"));
    assert_eq!(desk.get(&contact, "Name"), Value::from("Li"));
    assert_eq!(desk.get(&contact, "LeadSource"), Value::from("Web"));
    assert_eq!(desk.get(&made.opportunity_id.expect("made"), "Name"), Value::from("Deal"));
}

#[test]
fn a_merge_moves_the_children_and_leaves_the_losers_in_the_bin() {
    // 6.10: a loser has IsDeleted and MasterRecordId
    let desk = Desk::new();
    desk.org.turn_on(orgkeep_emulator::Feature::FieldHistory).expect("turned on");
    let [master, one, two] = ["M", "One", "Two"].map(|name| desk.make("Account", &[("Name", name)]));
    let contact = desk.make("Contact", &[("LastName", "C"), ("AccountId", &one)]);
    let deal = desk.make(
        "Opportunity",
        &[("Name", "D"), ("StageName", "Prospecting"), ("CloseDate", "2024-01-01"), ("AccountId", &two)],
    );
    let case = desk.make("Case", &[("Subject", "S"), ("AccountId", &one)]);
    let project = desk.make("Project__c", &[("Name", "P"), ("Account__c", &two)]);
    let both = desk.make("Contact", &[("LastName", "B"), ("AccountId", &master)]);
    desk.make("AccountContactRelation", &[("AccountId", &one), ("ContactId", &both)]);
    desk.later(60);
    let merged = merge(&desk, &master, &[&one, &two], &[("Site", "North")]).expect("merged");
    assert_eq!((&merged.id, &merged.merged_ids), (&master, &vec![one.clone(), two.clone()]));
    for id in [&contact, &deal, &case, &project] {
        let field = if id == &project { "Account__c" } else { "AccountId" };
        assert_eq!(desk.get(id, field), Value::from(master.as_str()), "{id}");
        assert!(merged.updated_related_ids.contains(id));
    }
    assert_eq!(desk.get(&master, "Site"), Value::from("North"));
    for loser in [&one, &two] {
        assert!(desk.is_deleted(loser));
        assert_eq!(desk.get(loser, "MasterRecordId"), Value::from(master.as_str()));
    }
    let relations = desk.org.rows("AccountContactRelation");
    assert_eq!(relations.len(), 2, "each contact has one relation to the master: {relations:?}");
    assert!(desk.org.rows("AccountHistory").iter().any(|row| row["Field"] == "accountMerged"));
    desk.undelete(&one).expect("a loser comes back alone");
    assert_eq!(desk.get(&one, "MasterRecordId"), Value::Null);
    assert_eq!(desk.get(&contact, "AccountId"), Value::from(master.as_str()));
}

#[test]
fn a_master_may_stand_below_its_loser() {
    let desk = Desk::new();
    let top = desk.make("Account", &[("Name", "Top")]);
    let loser = desk.make("Account", &[("Name", "L"), ("ParentId", &top)]);
    let master = desk.make("Account", &[("Name", "M"), ("ParentId", &loser)]);
    merge(&desk, &master, &[&loser], &[]).expect("merged");
    assert_eq!(desk.get(&master, "ParentId"), Value::from(top.as_str()));
}

#[test]
fn merges_that_make_no_sense_are_refused() {
    let desk = Desk::new();
    let [a, b, c, d] = ["A", "B", "C", "D"].map(|name| desk.make("Account", &[("Name", name)]));
    let contact = desk.make("Contact", &[("LastName", "C")]);
    let project = desk.make("Project__c", &[("Name", "P")]);
    for (master, losers) in
        [(&a, vec![]), (&a, vec![&*b, &*c, &*d]), (&a, vec![&*a]), (&a, vec![&*b, &*b]), (&a, vec![&*contact])]
    {
        assert_eq!(merge(&desk, master, &losers, &[]), Err("INVALID_MERGE_RECORD".into()), "{losers:?}");
    }
    assert_eq!(merge(&desk, &project, &[&project], &[]), Err("INVALID_MERGE_RECORD".into()));
    desk.delete(&b).expect("deleted");
    assert_eq!(merge(&desk, &a, &[&b], &[]), Err("ENTITY_IS_DELETED".into()));
}

#[test]
fn campaign_members_that_would_be_double_are_merged_too() {
    let desk = Desk::new();
    let campaign = desk.make("Campaign", &[("Name", "C")]);
    let other = desk.make("Campaign", &[("Name", "O")]);
    let [master, loser] = ["M", "L"].map(|name| desk.make("Contact", &[("LastName", name)]));
    for contact in [&master, &loser] {
        desk.make("CampaignMember", &[("CampaignId", &campaign), ("ContactId", contact)]);
    }
    let moved = desk.make("CampaignMember", &[("CampaignId", &other), ("ContactId", &loser)]);
    merge(&desk, &master, &[&loser], &[]).expect("merged");
    assert_eq!(desk.count("CampaignMember"), 2);
    assert_eq!(desk.get(&moved, "LeadOrContactId"), Value::from(master.as_str()));
}
