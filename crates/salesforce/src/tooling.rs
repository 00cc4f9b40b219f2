// SPDX-License-Identifier: Apache-2.0
//! The Tooling API, as far as a backup reads it: which fields an org has, whether this user may see them or not
//! (`salesforce-api.md` 4.4, 6.10).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::call::Call;
use crate::error::Result;
use crate::org::Org;
use crate::soql;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    records: Vec<FieldDefinition>,
    next_records_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FieldDefinition {
    qualified_api_name: String,
    entity_definition: EntityDefinition,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EntityDefinition {
    qualified_api_name: String,
}

impl Org {
    /// The names of all fields of these objects, by object, also of those that field-level security hides from this user. Parts of
    /// compound fields are not among them.
    ///
    /// # Errors
    ///
    /// `Invalid` where the user may not see the org's setup.
    pub async fn field_definitions(&self, objects: &[&str]) -> Result<BTreeMap<String, Vec<String>>> {
        let doing = "asking which fields the org has";
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if objects.is_empty() {
            return Ok(found);
        }
        let condition = soql::is_in("EntityDefinition.QualifiedApiName", objects);
        let columns = ["EntityDefinition.QualifiedApiName", "QualifiedApiName"];
        let mut url = self.client.url(&["tooling", "query"]);
        url.query_pairs_mut().append_pair("q", &soql::select(&columns, "FieldDefinition", Some(&condition)));
        let mut next = Some(url);
        while let Some(url) = next {
            let page: Page = self.client.read_json(&Call::get("tooling", url, doing)).await?;
            for field in page.records {
                found.entry(field.entity_definition.qualified_api_name).or_default().push(field.qualified_api_name);
            }
            next = page.next_records_url.map(|next| self.client.follow(&next, doing)).transpose()?;
        }
        Ok(found)
    }
}
