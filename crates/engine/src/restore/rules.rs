// SPDX-License-Identifier: Apache-2.0
//! What Salesforce's objects demand of a restore beyond their describe. Each rule names its source in `salesforce-api.md`.

/// Records of these objects make up an org's set-up. A data restore does not write them: it finds the record of the same name in
/// the target and refers to that one.
pub(crate) const SETUP: [(&str, &[&str]); 11] = [
    ("User", &["Username"]),
    ("Profile", &["Name"]),
    ("PermissionSet", &["Name"]),
    ("UserRole", &["DeveloperName"]),
    ("Group", &["Type", "DeveloperName"]),
    // 6.4: by SobjectType and DeveloperName.
    ("RecordType", &["SobjectType", "DeveloperName"]),
    ("BusinessHours", &["Name"]),
    ("UserLicense", &["Name"]),
    ("Organization", &[]),
    ("Folder", &["Type", "DeveloperName"]),
    ("EmailTemplate", &["DeveloperName"]),
];

/// Further objects that belong to the set-up and that nothing of a data restore refers to.
const SETUP_ONLY: [&str; 10] = [
    "GroupMember",
    "PermissionSetAssignment",
    "ObjectPermissions",
    "FieldPermissions",
    "SetupEntityAccess",
    "QueueSobject",
    "PermissionSetLicense",
    "PermissionSetLicenseAssign",
    "UserLogin",
    "UserPreference",
];

pub(crate) fn setup_key(object: &str) -> Option<&'static [&'static str]> {
    SETUP.iter().find(|(name, _)| *name == object).map(|(_, key)| *key)
}

pub(crate) fn is_setup(object: &str) -> bool {
    setup_key(object).is_some() || SETUP_ONLY.contains(&object)
}

/// Records that the org creates by itself along with another one. They are found by these fields instead of being created twice:
/// the relation of a contact to its own account (6.9), the statuses of a campaign (6.9), the links of a file to its owner (6.8).
pub(crate) fn made_by_the_org(object: &str) -> Option<&'static [&'static str]> {
    match object {
        "AccountContactRelation" => Some(&["AccountId", "ContactId"]),
        "CampaignMemberStatus" => Some(&["CampaignId", "Label"]),
        "ContentDocumentLink" => Some(&["ContentDocumentId", "LinkedEntityId"]),
        _ => None,
    }
}

/// Fields that are createable and must all the same not be sent.
pub(crate) fn withheld(object: &str, field: &str) -> bool {
    matches!(
        (object, field),
        // 6.8: the body is sent, not referred to.
        ("ContentVersion", "ContentBodyId" | "VersionData" | "TagCsv" | "IsMajorVersion")
        // 6.9: exactly one of UnitPrice and TotalPrice.
        | ("OpportunityLineItem" | "QuoteLineItem", "TotalPrice" | "Subtotal")
        | ("Attachment" | "Document", "Body")
    )
}

/// Records that come into being through others: a ContentDocument by its first version (6.8).
pub(crate) fn comes_with(object: &str) -> Option<&'static str> {
    (object == "ContentDocument").then_some("ContentVersion")
}

/// Rows of sharing that the platform rebuilds by itself (6.9); only manual ones can be written.
pub(crate) fn rebuilt(object: &str, row_cause: Option<&str>) -> bool {
    object.ends_with("Share") && !matches!(row_cause, None | Some("Manual"))
}
