// SPDX-License-Identifier: Apache-2.0
//! Which standard fields have the values of which standard value set.

/// Value set, object, field. Sets of features that the emulated org has not are left out: deploying them changes no describe.
const FIELDS: [(&str, &str, &str); 44] = [
    ("AccountContactMultiRoles", "AccountContactRelation", "Roles"),
    ("AccountContactRole", "AccountContactRole", "Role"),
    ("AccountOwnership", "Account", "Ownership"),
    ("AccountRating", "Account", "Rating"),
    ("AccountType", "Account", "Type"),
    ("AssetStatus", "Asset", "Status"),
    ("CampaignMemberStatus", "CampaignMember", "Status"),
    ("CampaignStatus", "Campaign", "Status"),
    ("CampaignType", "Campaign", "Type"),
    ("CaseOrigin", "Case", "Origin"),
    ("CasePriority", "Case", "Priority"),
    ("CaseReason", "Case", "Reason"),
    ("CaseStatus", "Case", "Status"),
    ("CaseType", "Case", "Type"),
    ("ContactRole", "OpportunityContactRole", "Role"),
    ("ContractContactRole", "ContractContactRole", "Role"),
    ("ContractStatus", "Contract", "Status"),
    ("EventSubject", "Event", "Subject"),
    ("EventType", "Event", "Type"),
    ("FiscalYearPeriodName", "Period", "FullyQualifiedLabel"),
    ("IdeaMultiCategory", "Idea", "Categories"),
    ("IdeaStatus", "Idea", "Status"),
    ("Industry", "Account", "Industry"),
    ("Industry", "Lead", "Industry"),
    ("LeadSource", "Account", "AccountSource"),
    ("LeadSource", "Contact", "LeadSource"),
    ("LeadSource", "Lead", "LeadSource"),
    ("LeadSource", "Opportunity", "LeadSource"),
    ("LeadStatus", "Lead", "Status"),
    ("OpportunityStage", "Opportunity", "StageName"),
    ("OpportunityType", "Opportunity", "Type"),
    ("OrderStatus", "Order", "Status"),
    ("OrderType", "Order", "Type"),
    ("PartnerRole", "Partner", "Role"),
    ("Product2Family", "Product2", "Family"),
    ("QuestionOrigin1", "Question", "Origin"),
    ("QuoteStatus", "Quote", "Status"),
    ("Salutation", "Contact", "Salutation"),
    ("Salutation", "Lead", "Salutation"),
    ("SolutionStatus", "Solution", "Status"),
    ("TaskPriority", "Task", "Priority"),
    ("TaskStatus", "Task", "Status"),
    ("TaskSubject", "Task", "Subject"),
    ("TaskType", "Task", "Type"),
];

/// The fields that have the values of a set.
pub fn fields(set: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    FIELDS.iter().filter(move |(name, ..)| *name == set).map(|(_, object, field)| (*object, *field))
}
