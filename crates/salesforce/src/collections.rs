// SPDX-License-Identifier: Apache-2.0
//! Many records in one call (`salesforce-api.md` 2.8, Collections): reading up to 2,000 by Id, and creating, updating
//! or deleting up to 200, each of which succeeds or fails by itself.
//!
//! Creates and updates switch off what would change the rows behind our back or refuse them without need: assignment
//! rules and duplicate alerts (`salesforce-api.md` 2.1, 6.5). Validation rules, triggers and flows run.

use http::Method;
use http::header::HeaderName;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::call::{Call, from_json};
use crate::error::{Error, Kind, Result};
use crate::org::Org;
use crate::records::Shape;
use crate::rows::Rows;
use crate::write::{RowResult, Writer};

/// Rows of one writing call.
pub const MOST_ROWS_WRITTEN: usize = 200;
/// Rows of one reading call.
pub const MOST_ROWS_RETRIEVED: usize = 2_000;

impl Org {
    /// The rows that have these Ids, in the order of the Ids. Those that are not there, deleted or hidden, are left
    /// out.
    pub async fn retrieve(&self, object: &str, ids: &[String], columns: &[String]) -> Result<Rows> {
        let shape = Shape::of(columns);
        let mut rows = Rows::empty(shape.columns.clone());
        for ids in ids.chunks(MOST_ROWS_RETRIEVED) {
            let doing = format!("retrieving {} records of {object}", ids.len());
            let body = json!({"ids": ids, "fields": columns}).to_string().into_bytes();
            let url = self.client.url(&["composite", "sobjects", object]);
            let call = Call::json("composite", Method::POST, url, body, doing).repeatable();
            let body = self.client.whole(&call).await?;
            let records: &RawValue = from_json(&body, &call.doing)?;
            rows.append(&self.read_records(records, &shape, &call.doing).await?);
        }
        Ok(rows)
    }
}

impl Writer {
    /// Creates up to 200 rows in one call.
    ///
    /// # Errors
    ///
    /// It is not repeated after a lost answer, since there is no way to tell the org that it is the same call: the
    /// error then says `sent`, and the org must be asked what became of it.
    pub async fn create(&self, object: &str, rows: &[Map<String, Value>]) -> Result<Vec<RowResult>> {
        let doing = format!("creating {} records of {object}", rows.len());
        self.write(Method::POST, object, rows, doing).await
    }

    /// Updates up to 200 rows, each with its `Id`. Writing the same twice changes nothing, so it is repeated freely.
    pub async fn update(&self, object: &str, rows: &[Map<String, Value>]) -> Result<Vec<RowResult>> {
        let doing = format!("updating {} records of {object}", rows.len());
        self.write(Method::PATCH, object, rows, doing).await
    }

    /// Deletes up to 200 records of one object or several. Where it had to be repeated after a lost answer, a record
    /// that the first try deleted is reported as `ENTITY_IS_DELETED`.
    pub async fn delete(&self, ids: &[String]) -> Result<Vec<RowResult>> {
        let doing = format!("deleting {} records", ids.len());
        within(ids.len(), &doing)?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let client = &self.org().client;
        let mut url = client.url(&["composite", "sobjects"]);
        url.set_query(Some(&format!("ids={}&allOrNone=false", ids.join(","))));
        let mut call = Call::get("composite", url, doing);
        call.method = Method::DELETE;
        self.results(&call, ids.len()).await
    }

    async fn write(
        &self,
        method: Method,
        object: &str,
        rows: &[Map<String, Value>],
        doing: String,
    ) -> Result<Vec<RowResult>> {
        within(rows.len(), &doing)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let attributes = json!({"type": object});
        let records: Vec<Value> = rows
            .iter()
            .map(|row| {
                let mut record = Map::with_capacity(row.len() + 1);
                record.insert("attributes".to_owned(), attributes.clone());
                record.extend(row.iter().map(|(name, value)| (name.clone(), value.clone())));
                Value::Object(record)
            })
            .collect();
        let body = json!({"allOrNone": false, "records": records}).to_string().into_bytes();
        let url = self.org().client.url(&["composite", "sobjects"]);
        let mut call = without_side_effects(Call::json("composite", method, url, body, doing));
        if call.method == Method::PATCH {
            call = call.repeatable();
        }
        self.results(&call, rows.len()).await
    }

    async fn results(&self, call: &Call, expected: usize) -> Result<Vec<RowResult>> {
        let results: Vec<RowResult> = self.org().client.read_json(call).await?;
        if results.len() == expected {
            return Ok(results);
        }
        let what = format!("the org answered for {} of {expected} records", results.len());
        let mut error = Error::new(Kind::Corrupt, call.doing.as_str(), what);
        error.sent = true;
        Err(error)
    }
}

fn within(rows: usize, doing: &str) -> Result<()> {
    if rows <= MOST_ROWS_WRITTEN {
        return Ok(());
    }
    Err(Error::new(Kind::Bug, doing, format!("one call takes at most {MOST_ROWS_WRITTEN} records")))
}

/// Without these headers active assignment rules would change owners, and duplicate alerts would refuse rows.
pub(crate) fn without_side_effects(call: Call) -> Call {
    call.header(HeaderName::from_static("sforce-auto-assign"), "FALSE")
        .header(HeaderName::from_static("sforce-duplicate-rule-header"), "allowSave=true")
}
