// SPDX-License-Identifier: Apache-2.0
//! What pages and APIs an object has, as far as it follows from its flags: read off the addresses in a recorded describeGlobal
//! (`salesforce-api.md` 2.4). The exceptions are recorded ones.

use super::Object;

/// Standard objects with list views; custom objects with pages have them too.
const WITH_LIST_VIEWS: [&str; 16] = [
    "Account",
    "Asset",
    "Campaign",
    "Case",
    "Contact",
    "Contract",
    "Event",
    "Lead",
    "Opportunity",
    "Order",
    "Pricebook2",
    "Product2",
    "Quote",
    "Solution",
    "Task",
    "WorkOrder",
];

impl Object {
    /// Layouts for records; settings have a page without one.
    fn has_layouts(&self) -> bool {
        self.layoutable && !self.custom_setting
    }

    /// Badges and thanks are laid out without compact layouts and actions.
    fn is_badge(&self) -> bool {
        matches!(self.name.as_str(), "WorkBadge" | "WorkThanks")
    }

    pub fn compact_layoutable(&self) -> bool {
        (self.has_layouts() && !self.is_badge()) || self.name == "UserRole"
    }

    pub fn search_layoutable(&self) -> bool {
        self.layoutable
    }

    /// Whether approval processes can be made for it.
    pub fn approvable(&self) -> bool {
        self.has_layouts() && self.undeletable && !self.is_badge()
    }

    pub fn has_quick_actions(&self) -> bool {
        let page = self.mru_enabled && self.createable && !self.is_badge();
        self.has_layouts() && (page || self.name == "OpportunityContactRole")
    }

    pub fn has_list_views(&self) -> bool {
        self.mru_enabled && (self.custom || WITH_LIST_VIEWS.contains(&self.name.as_str()))
    }

    /// Record types can be made for it, so there is the master one.
    pub fn has_master_record_type(&self) -> bool {
        self.has_layouts()
    }

    /// Platform events, streamed events of monitoring and change events: they have a schema on the bus and no rows.
    pub fn is_event(&self) -> bool {
        self.name.ends_with("__e")
            || self.name.ends_with("EventStream")
            || self.associate_entity_type.as_deref() == Some("ChangeEvent")
    }
}
