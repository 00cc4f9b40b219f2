// SPDX-License-Identifier: Apache-2.0
//! Which permission governs an object, and which fields have field-level security.
//!
//! Objects of business have permissions of their own; their parts follow a parent (`OpportunityLineItem` follows
//! Opportunity: whoever edits the one creates the other); activities follow two user permissions; files, notes and feeds
//! are open to everyone and governed by their records' sharing alone; what is left is setup, which everyone reads and an
//! administrator's permission writes. The names are those of the `SobjectType` picklists that a recorded org shows for
//! ObjectPermissions and FieldPermissions.

use super::ObjectRights;
use crate::schema::{Field, FieldType, Object};

/// Standard objects with rows in ObjectPermissions.
const OWN: [&str; 48] = [
    "Account",
    "Asset",
    "AuthorizationForm",
    "AuthorizationFormConsent",
    "Campaign",
    "Case",
    "CommSubscription",
    "CommSubscriptionConsent",
    "Contact",
    "ContactPointAddress",
    "ContactPointConsent",
    "ContactPointEmail",
    "ContactPointPhone",
    "ContactRequest",
    "Contract",
    "ContractLineItem",
    "DataUsePurpose",
    "Document",
    "DuplicateRecordSet",
    "Entitlement",
    "EntitlementContact",
    "Idea",
    "Image",
    "Individual",
    "Lead",
    "LegalEntity",
    "Location",
    "Macro",
    "OperatingHours",
    "Opportunity",
    "Order",
    "PartyConsent",
    "Pricebook2",
    "Product2",
    "QuickText",
    "Quote",
    "ReturnOrder",
    "Scorecard",
    "ServiceAppointment",
    "ServiceContract",
    "ServiceResource",
    "ServiceTerritory",
    "Shift",
    "Shipment",
    "Solution",
    "WorkOrder",
    "WorkPlan",
    "WorkType",
];

/// Objects that follow a parent.
const PARTS: [(&str, &str); 34] = [
    ("AccountContactRelation", "Account"),
    ("AccountContactRole", "Account"),
    ("AccountPartner", "Account"),
    ("AccountTeamMember", "Account"),
    ("AssetRelationship", "Asset"),
    ("CampaignMember", "Campaign"),
    ("CampaignMemberStatus", "Campaign"),
    ("CaseComment", "Case"),
    ("CaseContactRole", "Case"),
    ("CaseMilestone", "Case"),
    ("CaseSolution", "Case"),
    ("CaseTeamMember", "Case"),
    ("CaseTeamTemplateRecord", "Case"),
    ("ContractContactRole", "Contract"),
    ("DuplicateRecordItem", "DuplicateRecordSet"),
    ("IdeaComment", "Idea"),
    ("OpportunityCompetitor", "Opportunity"),
    ("OpportunityContactRole", "Opportunity"),
    ("OpportunityLineItem", "Opportunity"),
    ("OpportunityLineItemSchedule", "Opportunity"),
    ("OpportunityPartner", "Opportunity"),
    ("OpportunitySplit", "Opportunity"),
    ("OpportunityTeamMember", "Opportunity"),
    ("OrderItem", "Order"),
    ("Partner", "Account"),
    ("PricebookEntry", "Pricebook2"),
    ("QuoteDocument", "Quote"),
    ("QuoteLineItem", "Quote"),
    ("ReturnOrderLineItem", "ReturnOrder"),
    ("ServiceTerritoryMember", "ServiceTerritory"),
    ("ShipmentItem", "Shipment"),
    ("WorkOrderLineItem", "WorkOrder"),
    ("WorkPlanTemplate", "WorkPlan"),
    ("WorkStep", "WorkPlan"),
];

/// Objects that everyone may write; the row's own sharing decides.
const OPEN: [&str; 34] = [
    "Attachment",
    "CollaborationGroup",
    "CollaborationGroupFeed",
    "CollaborationGroupMember",
    "CollaborationGroupMemberRequest",
    "CollaborationGroupRecord",
    "ContentAsset",
    "ContentDistribution",
    "ContentDocument",
    "ContentDocumentLink",
    "ContentFolder",
    "ContentFolderItem",
    "ContentFolderLink",
    "ContentFolderMember",
    "ContentNote",
    "ContentVersion",
    "ContentWorkspace",
    "ContentWorkspaceDoc",
    "ContentWorkspaceMember",
    "EntitySubscription",
    "FeedAttachment",
    "FeedComment",
    "FeedItem",
    "FeedLike",
    "FeedPollChoice",
    "FeedPollVote",
    "ListView",
    "Note",
    "RecentlyViewed",
    "Topic",
    "TopicAssignment",
    "UserPreference",
    "UserProfileFeed",
    "Vote",
];

/// Setup that only shows itself to `ViewSetup` (the object reference, since Summer '20).
const BEHIND_VIEW_SETUP: [&str; 9] = [
    "FieldPermissions",
    "MutingPermissionSet",
    "ObjectPermissions",
    "PermissionSet",
    "PermissionSetGroup",
    "PermissionSetGroupComponent",
    "SetupAuditTrail",
    "SetupEntityAccess",
    "UserLogin",
];

/// Parts and activities that have field-level security like the objects of business.
const SECURED_PARTS: [&str; 12] = [
    "AssetRelationship",
    "CampaignMember",
    "EmailMessage",
    "Event",
    "OpportunityContactRole",
    "OpportunityLineItem",
    "OrderItem",
    "PricebookEntry",
    "QuoteLineItem",
    "Task",
    "WorkOrderLineItem",
    "ReturnOrderLineItem",
];

/// Fields that are there for whoever sees the object, whatever describe's flag says.
const ALWAYS_SEEN: [&str; 9] = [
    "Id",
    "IsDeleted",
    "OwnerId",
    "RecordTypeId",
    "CreatedDate",
    "CreatedById",
    "LastModifiedDate",
    "LastModifiedById",
    "SystemModstamp",
];

/// What may be done with an object. `own` answers for objects with permissions of their own, `can` for user permissions.
pub fn rights(object: &Object, own: &dyn Fn(&str) -> ObjectRights, can: &dyn Fn(&str) -> bool) -> ObjectRights {
    let all = can("ModifyAllData");
    let seen =
        ObjectRights { read: true, view_all: all || can("ViewAllData"), modify_all: all, ..ObjectRights::default() };
    let writes = |may: bool| ObjectRights { create: may, edit: may, delete: may, ..seen };
    if has_own_permissions(object) {
        return own(&object.name);
    }
    let parent = object.associate_parent_entity.as_deref().or_else(|| part_of(&object.name));
    if let Some(parent) = parent.filter(|parent| OWN.contains(parent) || parent.ends_with("__c")) {
        let above = own(parent);
        return ObjectRights { create: above.edit, delete: above.edit, ..above };
    }
    match object.name.as_str() {
        "Task" | "TaskRelation" | "TaskFeed" => writes(all || can("EditTask")),
        "Event" | "EventRelation" | "EventFeed" => writes(all || can("EditEvent")),
        "EmailMessage" | "EmailMessageRelation" => writes(all || can("EditTask") || own("Case").edit),
        name if OPEN.contains(&name) => writes(true),
        name => {
            let mut rights = writes(all || can(special(object)));
            rights.read = !BEHIND_VIEW_SETUP.contains(&name) || can("ViewSetup");
            rights
        }
    }
}

/// The permission that writes setup.
fn special(object: &Object) -> &'static str {
    match object.name.as_str() {
        "User" | "UserRole" | "Group" | "GroupMember" | "QueueSobject" | "UserLogin" => "ManageUsers",
        "Profile"
        | "PermissionSet"
        | "ObjectPermissions"
        | "FieldPermissions"
        | "SetupEntityAccess"
        | "PermissionSetGroup"
        | "PermissionSetGroupComponent"
        | "MutingPermissionSet" => "ManageProfilesPermissionsets",
        "PermissionSetAssignment" => "AssignPermissionSets",
        "ApexClass" | "ApexTrigger" | "ApexPage" | "ApexComponent" => "AuthorApex",
        _ => "CustomizeApplication",
    }
}

fn part_of(name: &str) -> Option<&'static str> {
    PARTS.iter().find(|(part, _)| *part == name).map(|(_, parent)| *parent)
}

/// Whether ObjectPermissions govern the object itself.
pub fn has_own_permissions(object: &Object) -> bool {
    if object.custom {
        return object.associate_parent_entity.is_none() && !object.custom_setting && !object.is_custom_metadata();
    }
    OWN.contains(&object.name.as_str())
}

/// Whether fields of the object can have field-level security.
pub fn has_field_security(object: &Object) -> bool {
    has_own_permissions(object) || SECURED_PARTS.contains(&object.name.as_str()) || object.name == "User"
}

/// Whether FieldPermissions govern the field under its own name: required fields, system fields and names are always there.
pub fn is_secured(object: &Object, field: &Field) -> bool {
    let required =
        field.createable && !field.nillable && !field.defaulted_on_create && field.kind != FieldType::Boolean;
    let to_master = field.cascade_delete && field.custom;
    let of_every_user = object.name == "User" && !field.custom;
    field.permissionable
        && has_field_security(object)
        && !required
        && !field.name_field
        && !to_master
        && !ALWAYS_SEEN.contains(&field.name.as_str())
        && !of_every_user
        && address_of(object, field).is_none()
        && field.compound.as_deref().is_none_or(|compound| compound != "Name")
}

/// The field in FieldPermissions that governs this one: itself, or the address that it is a part of.
pub fn secured_by<'o>(object: &'o Object, field: &'o Field) -> Option<&'o str> {
    if let Some(address) = address_of(object, field) {
        return is_secured(object, address).then_some(address.name.as_str());
    }
    is_secured(object, field).then_some(field.name.as_str())
}

fn address_of<'o>(object: &'o Object, field: &Field) -> Option<&'o Field> {
    let compound = object.field(field.compound.as_deref()?)?;
    (compound.kind.is_compound() && compound.name != field.name).then_some(compound)
}
