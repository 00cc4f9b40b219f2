// SPDX-License-Identifier: Apache-2.0
//! What every org comes with: the organisation, users with profiles, permission sets and roles, record types, statuses,
//! queues, the standard price book and business hours.
//!
//! Users of org *n* (from 1): `admin@org-n.orgkeep.example` (System Administrator, which has every permission but those of
//! Setup's audit field switch), `backup@…` (reads everything, writes nothing), `sales@…` and `support@…` (Standard User: reads
//! and writes the usual objects) and `former@…` (inactive).

use std::sync::Arc;

use crate::error::SaveError;
use crate::record::{self, Fields, Input};
use crate::rights;
use crate::schema::{Object, Schema};
use crate::store::Tx;
use crate::user::Caller;

/// What only an administrator who switched audit fields on has (`salesforce-api.md` 1.11, 6.3).
const AUDIT_PERMISSIONS: [&str; 2] = ["CreateAuditFields", "UpdateWithInactiveOwner"];
/// Restrictions, which no administrator has.
const RESTRICTIONS: [&str; 2] = ["ApiUserOnly", "IsSsoEnabled"];
const BACKUP_PERMISSIONS: [&str; 10] = [
    "ApiEnabled",
    "ViewAllData",
    "ViewAllFieldsGlobal",
    "QueryAllFiles",
    "ViewSetup",
    "ViewRoles",
    "ViewAllProfiles",
    "ViewAllUsers",
    "ViewEncryptedData",
    "ViewAllCustomSettings",
];
const STANDARD_PERMISSIONS: [&str; 6] =
    ["ApiEnabled", "ConvertLeads", "EditEvent", "EditTask", "RunReports", "ViewSetup"];
/// What a standard user may create, edit and delete; what hangs on them follows.
const BUSINESS_OBJECTS: [&str; 11] =
    ["Account", "Asset", "Campaign", "Case", "Contact", "Contract", "Idea", "Lead", "Opportunity", "Order", "Quote"];

/// Whether a System Administrator has this user permission.
pub fn is_an_administrators(permission: &str) -> bool {
    !AUDIT_PERMISSIONS.contains(&permission) && !RESTRICTIONS.contains(&permission)
}

/// The platform itself, in the name of the org's first administrator.
pub fn platform(tx: &Tx<'_>) -> Caller {
    Caller { user_id: tx.first_user_id(), bypass: true, ..Caller::default() }
}

/// Fills a new org. Nothing happens to one that has its organisation row.
pub fn fill(tx: &mut Tx<'_>, number: usize) -> Result<(), SaveError> {
    if tx.count("Organization", "1 = 1", &[]) > 0 {
        return Ok(());
    }
    let caller = platform(tx);
    let seed = &mut Seed { tx, caller, domain: format!("org-{}.orgkeep.example", number + 1) };
    seed.organization(number)?;
    seed.people()?;
    seed.statuses()?;
    seed.rest()?;
    Ok(rights::grant_new_fields(tx, None)?)
}

/// The record types of every object, made where their rows are absent: object, developer name, Id.
pub fn record_types(tx: &mut Tx<'_>) -> Result<Vec<(String, String, String)>, SaveError> {
    let schema = tx.schema.clone();
    let mut found = Vec::new();
    let caller = platform(tx);
    let Some(kinds) = schema.object("RecordType") else { return Ok(found) };
    for object in schema.objects() {
        for kind in &object.record_types {
            let known = tx.ids_where(
                kinds,
                "\"SobjectType\" = ?1 AND \"DeveloperName\" = ?2",
                &[&object.name, &kind.developer_name],
            );
            let id = match known.into_iter().next() {
                Some(id) => id,
                None => record::insert(
                    tx,
                    &caller,
                    kinds,
                    row([
                        ("SobjectType", text(&object.name)),
                        ("DeveloperName", text(&kind.developer_name)),
                        ("Name", text(&kind.name)),
                        ("IsActive", Input::Bool(true)),
                    ]),
                )?,
            };
            found.push((object.name.clone(), kind.developer_name.clone(), id));
        }
    }
    Ok(found)
}

/// The schema with the Ids of its record types.
pub fn with_record_types(schema: &Schema, ids: &[(String, String, String)]) -> Schema {
    let name = |object: &Arc<Object>| {
        let mut object = Object::clone(object);
        for kind in &mut object.record_types {
            let own = |(of, developer_name, _): &&(String, String, String)| {
                *of == object.name && *developer_name == kind.developer_name
            };
            if let Some((.., id)) = ids.iter().find(own) {
                kind.id.clone_from(id);
            }
        }
        object
    };
    schema.replacing(schema.objects().filter(|object| !object.record_types.is_empty()).map(name))
}

fn text(value: &str) -> Input {
    if value.is_empty() { Input::Null } else { Input::Text(value.to_owned()) }
}

fn number(value: i64) -> Input {
    Input::Number(value.to_string())
}

fn row<const N: usize>(fields: [(&str, Input); N]) -> Fields {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

struct Seed<'a, 'b> {
    tx: &'a mut Tx<'b>,
    caller: Caller,
    domain: String,
}

impl Seed<'_, '_> {
    /// Inserts a row; fields that the schema lacks are left out.
    fn put(&mut self, object: &str, fields: Fields) -> Result<String, SaveError> {
        let Some(object) = self.tx.schema.object(object).cloned() else { return Ok(String::new()) };
        let fields = fields.into_iter().filter(|(name, _)| object.has(name)).collect();
        record::insert(self.tx, &self.caller, &object, fields)
    }

    fn organization(&mut self, number: usize) -> Result<(), SaveError> {
        let fields = row([
            ("Name", text(&format!("Orgkeep Demonstration {}", number + 1))),
            ("Street", text("1 Emulator Way")),
            ("City", text("Localhost")),
            ("PostalCode", text("12700")),
            ("Country", text("US")),
            ("OrganizationType", text("Developer Edition")),
            ("InstanceName", text(&format!("EMU{}", number + 1))),
            ("IsSandbox", Input::Bool(false)),
            ("DefaultLocaleSidKey", text("en_US")),
            ("LanguageLocaleKey", text("en_US")),
            ("TimeZoneSidKey", text("GMT")),
            ("UiSkin", text("Theme3")),
            ("FiscalYearStartMonth", self::number(1)),
            ("DefaultAccountAccess", text("Edit")),
            ("DefaultContactAccess", text("ControlledByParent")),
            ("DefaultOpportunityAccess", text("Edit")),
            ("DefaultLeadAccess", text("ReadEditTransfer")),
            ("DefaultCaseAccess", text("ReadEditTransfer")),
        ]);
        self.put("Organization", fields).map(|_| ())
    }

    fn people(&mut self) -> Result<(), SaveError> {
        let license = row([
            ("Name", text("Salesforce")),
            ("MasterLabel", text("Salesforce")),
            ("LicenseDefinitionKey", text("SFDC")),
            ("Status", text("Active")),
            ("TotalLicenses", number(20)),
            ("UsedLicenses", number(5)),
        ]);
        let license = self.put("UserLicense", license)?;
        let administrator = self.profile("System Administrator", &license, is_an_administrators)?;
        let standard = self.profile("Standard User", &license, |name| STANDARD_PERMISSIONS.contains(&name))?;
        let minimum = self.profile("Minimum Access - API Only Integrations", &license, |name| {
            matches!(name, "ApiEnabled" | "ApiUserOnly")
        })?;
        self.object_permissions(&standard.1)?;
        let chief = self.put(
            "UserRole",
            row([
                ("Name", text("CEO")),
                ("DeveloperName", text("CEO")),
                ("OpportunityAccessForAccountOwner", text("Edit")),
            ]),
        )?;
        let sales = row([
            ("Name", text("Sales")),
            ("DeveloperName", text("Sales")),
            ("ParentRoleId", text(&chief)),
            ("OpportunityAccessForAccountOwner", text("Edit")),
        ]);
        let sales = self.put("UserRole", sales)?;
        self.user("admin", "Ada", "Admin", &administrator.0, &chief, true)?;
        let backup = self.user("backup", "Bea", "Backup", &minimum.0, "", true)?;
        self.user("sales", "Sam", "Sales", &standard.0, &sales, true)?;
        self.user("support", "Sue", "Support", &standard.0, &sales, true)?;
        self.user("former", "Fred", "Former", &standard.0, &sales, false)?;
        let set = self.permission_set("Orgkeep_Backup", "Orgkeep Backup", |name| BACKUP_PERMISSIONS.contains(&name))?;
        self.put(
            "PermissionSetAssignment",
            row([("PermissionSetId", text(&set)), ("AssigneeId", text(&backup)), ("IsActive", Input::Bool(true))]),
        )?;
        Ok(())
    }

    /// A profile and the permission set that it owns: their Ids.
    fn profile(
        &mut self,
        name: &str,
        license: &str,
        grants: impl Fn(&str) -> bool + Copy,
    ) -> Result<(String, String), SaveError> {
        let mut fields = row([("Name", text(name)), ("UserLicenseId", text(license)), ("UserType", text("Standard"))]);
        fields.extend(self.permissions("Profile", grants));
        let profile = self.put("Profile", fields)?;
        let Some(sets) = self.tx.schema.object("PermissionSet").cloned() else { return Ok((profile, String::new())) };
        let set = self.tx.ids_where(&sets, "\"ProfileId\" = ?1", &[&profile]).into_iter().next().unwrap_or_default();
        Ok((profile, set))
    }

    fn permission_set(&mut self, name: &str, label: &str, grants: impl Fn(&str) -> bool) -> Result<String, SaveError> {
        let mut fields = row([
            ("Name", text(name)),
            ("Label", text(label)),
            ("IsCustom", Input::Bool(true)),
            ("Type", text("Regular")),
        ]);
        fields.extend(self.permissions("PermissionSet", grants));
        self.put("PermissionSet", fields)
    }

    fn permissions(&self, object: &str, grants: impl Fn(&str) -> bool) -> Fields {
        let fields = self.tx.schema.object(object).map(|object| object.fields.clone()).unwrap_or_default();
        let granted = |field: &std::sync::Arc<crate::schema::Field>| {
            let name = field.name.strip_prefix("Permissions")?;
            grants(name).then(|| (field.name.clone(), Input::Bool(true)))
        };
        fields.iter().filter_map(granted).collect()
    }

    fn object_permissions(&mut self, set: &str) -> Result<(), SaveError> {
        for object in ["Product2", "Pricebook2", "Document", "Solution"] {
            let read = ("PermissionsRead", Input::Bool(true));
            self.put("ObjectPermissions", row([("ParentId", text(set)), ("SobjectType", text(object)), read]))?;
        }
        for object in BUSINESS_OBJECTS {
            let mut fields = row([("ParentId", text(set)), ("SobjectType", text(object))]);
            for right in ["PermissionsRead", "PermissionsCreate", "PermissionsEdit", "PermissionsDelete"] {
                fields.push((right.to_owned(), Input::Bool(true)));
            }
            self.put("ObjectPermissions", fields)?;
        }
        Ok(())
    }

    fn user(
        &mut self,
        name: &str,
        first: &str,
        last: &str,
        profile: &str,
        role: &str,
        active: bool,
    ) -> Result<String, SaveError> {
        let address = format!("{name}@{}", self.domain);
        let fields = row([
            ("Username", text(&address)),
            ("Email", text(&address)),
            ("FirstName", text(first)),
            ("LastName", text(last)),
            ("Alias", text(name)),
            ("CommunityNickname", text(name)),
            ("IsActive", Input::Bool(active)),
            ("ProfileId", text(profile)),
            ("UserRoleId", text(role)),
            ("UserType", text("Standard")),
            ("TimeZoneSidKey", text("GMT")),
            ("LocaleSidKey", text("en_US")),
            ("LanguageLocaleKey", text("en_US")),
            ("EmailEncodingKey", text("UTF-8")),
            ("DigestFrequency", text("D")),
            ("DefaultGroupNotificationFrequency", text("N")),
            ("UserPermissionsMarketingUser", Input::Bool(true)),
        ]);
        self.put("User", fields)
    }

    /// One row per value of the picklist, for the objects that describe statuses.
    fn statuses(&mut self) -> Result<(), SaveError> {
        for (object, picklist, flag, marked) in [
            ("CaseStatus", ("Case", "Status"), "IsClosed", "Closed"),
            ("LeadStatus", ("Lead", "Status"), "IsConverted", "Closed - Converted"),
            ("TaskStatus", ("Task", "Status"), "IsClosed", "Completed"),
            ("TaskPriority", ("Task", "Priority"), "IsHighPriority", "High"),
            ("SolutionStatus", ("Solution", "Status"), "IsReviewed", "Reviewed"),
            ("ContractStatus", ("Contract", "Status"), "", ""),
            ("OrderStatus", ("Order", "Status"), "", ""),
        ] {
            for (order, value, default) in self.picklist(picklist.0, picklist.1) {
                let mut fields = status(order, &value, default);
                if !flag.is_empty() {
                    fields.push((flag.to_owned(), Input::Bool(value == marked)));
                }
                fields.push(("StatusCode".into(), text(status_code(&value))));
                self.put(object, fields)?;
            }
        }
        for (order, value, _) in self.picklist("Opportunity", "StageName") {
            let (probability, category, category_name) = stage(&value);
            let mut fields = status(order, &value, false);
            fields.extend(row([
                ("IsActive", Input::Bool(true)),
                ("IsClosed", Input::Bool(value.starts_with("Closed"))),
                ("IsWon", Input::Bool(value == "Closed Won")),
                ("DefaultProbability", number(probability)),
                ("ForecastCategory", text(category)),
                ("ForecastCategoryName", text(category_name)),
            ]));
            self.put("OpportunityStage", fields)?;
        }
        Ok(())
    }

    fn picklist(&self, object: &str, field: &str) -> Vec<(i64, String, bool)> {
        let field = self.tx.schema.object(object).and_then(|object| object.field(field));
        let values = field.map(|field| field.picklist.clone()).unwrap_or_default();
        (1..).zip(values).map(|(order, value)| (order, value.value, value.default_value)).collect()
    }

    fn rest(&mut self) -> Result<(), SaveError> {
        self.put(
            "Pricebook2",
            row([
                ("Name", text("Standard Price Book")),
                ("IsActive", Input::Bool(true)),
                ("IsStandard", Input::Bool(true)),
            ]),
        )?;
        let hours = row([
            ("Name", text("Default")),
            ("IsActive", Input::Bool(true)),
            ("IsDefault", Input::Bool(true)),
            ("TimeZoneSidKey", text("GMT")),
        ]);
        self.put("BusinessHours", hours)?;
        let queue =
            row([("Name", text("Support Queue")), ("DeveloperName", text("Support_Queue")), ("Type", text("Queue"))]);
        let queue = self.put("Group", queue)?;
        for object in ["Case", "Lead", "Project__c"] {
            self.put("QueueSobject", row([("QueueId", text(&queue)), ("SobjectType", text(object))]))?;
        }
        self.put(
            "Group",
            row([("Name", text("All Sales")), ("DeveloperName", text("All_Sales")), ("Type", text("Regular"))]),
        )?;
        for (name, country, rate) in [("North", "NO", 25), ("South", "IT", 22)] {
            let fields = row([
                ("DeveloperName", text(name)),
                ("MasterLabel", text(name)),
                ("Label", text(name)),
                ("QualifiedApiName", text(name)),
                ("Language", text("en_US")),
                ("Country__c", text(country)),
                ("Rate__c", number(rate)),
            ]);
            self.put("Region_Rule__mdt", fields)?;
        }
        Ok(())
    }
}

fn status(order: i64, value: &str, default: bool) -> Fields {
    row([
        ("MasterLabel", text(value)),
        ("ApiName", text(value)),
        ("SortOrder", number(order)),
        ("IsDefault", Input::Bool(default)),
    ])
}

fn status_code(status: &str) -> &'static str {
    match status {
        "Draft" => "Draft",
        "In Approval Process" => "InApproval",
        _ => "Activated",
    }
}

/// Probability in percent and forecast category of the standard stages.
fn stage(name: &str) -> (i64, &'static str, &'static str) {
    match name {
        "Prospecting" | "Qualification" => (10, "Pipeline", "Pipeline"),
        "Needs Analysis" => (20, "Pipeline", "Pipeline"),
        "Value Proposition" => (50, "Pipeline", "Pipeline"),
        "Id. Decision Makers" => (60, "Pipeline", "Pipeline"),
        "Perception Analysis" => (70, "Pipeline", "Pipeline"),
        "Proposal/Price Quote" => (75, "Forecast", "Commit"),
        "Negotiation/Review" => (90, "Forecast", "Commit"),
        "Closed Won" => (100, "Closed", "Closed"),
        "Closed Lost" => (0, "Omitted", "Omitted"),
        _ => (50, "Pipeline", "Pipeline"),
    }
}
