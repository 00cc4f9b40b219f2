// SPDX-License-Identifier: Apache-2.0
//! The addresses that go with an object. Which there are, and their order, is recorded (`salesforce-api.md` 2.4, 2.5): the
//! fewest are `rowTemplate`, `describe` and `sobject`; layouts, list views, pages and articles come with what the object has.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::View;
use crate::schema::Object;

/// Names and addresses in the order of the answer.
#[derive(Debug)]
pub struct Urls(Vec<(&'static str, String)>);

impl Serialize for Urls {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(self.0.len()))?;
        for (name, url) in &self.0 {
            map.serialize_entry(name, url)?;
        }
        map.end()
    }
}

impl Urls {
    /// Those of describeGlobal.
    pub(super) fn line(view: View<'_>, object: &Object) -> Urls {
        urls(view, object, false)
    }

    /// Those of describe, which adds pages.
    pub(super) fn whole(view: View<'_>, object: &Object) -> Urls {
        urls(view, object, true)
    }

    /// The layout of a record type.
    pub(super) fn layout(view: View<'_>, object: &Object, record_type: &str) -> Urls {
        Urls(vec![("layout", format!("{}/describe/layouts/{record_type}", base(view, object)))])
    }

    /// The names and addresses.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, url)| (*name, url.as_str()))
    }
}

fn base(view: View<'_>, object: &Object) -> String {
    format!("/services/data/v{}/sobjects/{}", view.version, object.name)
}

fn urls(view: View<'_>, object: &Object, pages: bool) -> Urls {
    let base = base(view, object);
    let mut urls = Vec::with_capacity(12);
    let mut add = |applies: bool, name: &'static str, path: String| {
        if applies {
            urls.push((name, path));
        }
    };
    let name = object.name.as_str();
    let page = |path: &str| format!("{}{path}", view.base_url);
    let pages = pages && object.layoutable && !object.custom_setting;
    let prefix = object.key_prefix.as_deref();
    add(object.compact_layoutable(), "compactLayouts", format!("{base}/describe/compactLayouts"));
    add(true, "rowTemplate", format!("{base}/{{ID}}"));
    add(object.approvable(), "approvalLayouts", format!("{base}/describe/approvalLayouts"));
    add(name == "Case", "caseArticleSuggestions", format!("{base}/suggestedArticles"));
    add(name == "Case", "caseRowArticleSuggestions", format!("{base}/{{ID}}/suggestedArticles"));
    add(name == "WorkOrder", "workOrderRowArticleSuggestions", format!("{base}/{{ID}}/suggestedArticles"));
    add(name == "WorkOrder", "workOrderArticleSuggestions", format!("{base}/suggestedArticles"));
    add(
        name == "WorkOrderLineItem",
        "workOrderLineItemRowArticleSuggestions",
        format!("{base}/{{ID}}/suggestedArticles"),
    );
    add(name == "User", "namedLayouts", format!("{base}/describe/namedLayouts/{{LayoutName}}"));
    add(name == "User", "passwordUtilities", format!("{base}/{{ID}}/password"));
    add(pages, "uiDetailTemplate", page("/{ID}"));
    add(pages, "uiEditTemplate", page("/{ID}/e"));
    add(
        pages && matches!(name, "Account" | "Case"),
        "defaultValues",
        format!("{base}/defaultValues?recordTypeId&fields"),
    );
    add(object.has_list_views(), "listviews", format!("{base}/listviews"));
    add(object.is_event(), "eventSchema", format!("{base}/eventSchema"));
    add(true, "describe", format!("{base}/describe"));
    if let Some(prefix) = prefix {
        add(pages, "uiNewRecord", page(&format!("/{prefix}/e")));
    }
    add(object.has_quick_actions(), "quickActions", format!("{base}/quickActions"));
    add(object.layoutable, "layouts", format!("{base}/describe/layouts"));
    add(name == "WorkOrderLineItem", "workOrderLineItemArticleSuggestions", format!("{base}/suggestedArticles"));
    add(true, "sobject", base.clone());
    Urls(urls)
}
