// SPDX-License-Identifier: Apache-2.0
//! Images inside rich text.
//!
//! A rich text area holds `<img src="https://…/servlet/rtaImage?eid=<record>&amp;feoid=<field>&amp;refid=<reference>">`
//! (`salesforce-api.md` 6.8; REST API guide, "sObject Rich Text Image Get"): the image itself lies in a store of its own, under the content
//! reference Id (`0EM…`), and never changes there. A backup keeps its body and a row in the table [`IMAGES`], which is no object of the org:
//! its Id is the reference, and the other columns say of which record and field it is and which body it has. So an image is found from a
//! record by the references in its text.

use crate::backup::hash_of;
use crate::error::Result;
use crate::id;
use futures::stream::TryStreamExt;
use orgkeep_vault::{Column, ColumnType, OrgVault, Scan, Schema};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The table that says of each image which body it has.
pub(crate) const IMAGES: &str = "RichTextImage";
/// Its column that refers to the body.
pub(crate) const BODY: &str = "Body";
/// Its column that says of which record an image is.
pub(crate) const RECORD: &str = "RecordId";
/// Ids of content references begin so.
const PREFIX: &str = "0EM";

/// An image in the text of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    pub field: String,
    /// The content reference Id.
    pub reference: String,
    /// BLAKE3 of the body as the vault keeps it; none where it holds no body of this image.
    pub hash: Option<String>,
    pub bytes: Option<u64>,
}

/// Columns of the table of images.
pub(crate) fn schema() -> Result<Schema> {
    let text = |name: &str| Column::new(name, ColumnType::Text);
    let bytes = Column::new("Bytes", ColumnType::Integer);
    Ok(Schema::new(vec![text("Id"), text("Object"), text(RECORD), text("Field"), text(BODY), bytes])?)
}

/// The references of the images in a text, in its order, as Ids of 18 characters.
pub(crate) fn references(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, _) in html.match_indices("rtaImage?") {
        // The address ends with its attribute.
        let address = html[place..].split(['"', '\'', '<', '>', ' ']).next().unwrap_or_default();
        let parameters = address.split(['?', '&', ';']);
        let given = parameters.filter_map(|parameter| parameter.strip_prefix("refid="));
        let ids = given.filter(|id| id.starts_with(PREFIX)).filter_map(|id| id::normalize(id).ok());
        found.extend(ids.filter(|id| !found.contains(id)).collect::<Vec<_>>());
    }
    found
}

/// The images in fields of a record, with their bodies as far as the vault holds them.
///
/// # Errors
/// Those of reading the vault.
pub(crate) async fn images(vault: &OrgVault, fields: &[(String, Option<String>)]) -> Result<Vec<Image>> {
    let mut images = Vec::new();
    for (field, value) in fields {
        let references = value.as_deref().map(references).unwrap_or_default();
        images.extend(references.into_iter().map(|reference| (field.clone(), reference)));
    }
    let wanted = images.iter().map(|(_, reference)| reference.clone()).collect();
    let held = held(vault, wanted).await?;
    let image = |(field, reference): (String, String)| {
        let body = held.get(&reference);
        Image { field, hash: body.map(|body| body.0.clone()), bytes: body.and_then(|body| body.1), reference }
    };
    Ok(images.into_iter().map(image).collect())
}

/// Hash and bytes of the images among these that the newest backup has.
pub(crate) async fn held(
    vault: &OrgVault,
    references: BTreeSet<String>,
) -> Result<BTreeMap<String, (String, Option<u64>)>> {
    let mut held = BTreeMap::new();
    if references.is_empty() || vault.columns(IMAGES).await?.is_none() {
        return Ok(held);
    }
    let Some(newest) = vault.newest().await? else { return Ok(held) };
    let scan = Scan { ids: Some(references.into_iter().collect()), ..Scan::default() };
    let mut batches = vault.scan(IMAGES, newest.sequence, scan).await?;
    while let Some(batch) = batches.try_next().await? {
        let (body, bytes) = (batch.column_index(BODY), batch.column_index("Bytes"));
        for row in 0..batch.len() {
            let text = |column: Option<usize>| column.and_then(|column| batch.text(row, column));
            if let Some(hash) = text(body).as_deref().and_then(hash_of) {
                let bytes = text(bytes).and_then(|bytes| bytes.parse().ok());
                held.insert(batch.id(row).to_owned(), (hash.to_owned(), bytes));
            }
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_in_either_writing_of_an_address() {
        let html = r#"a <img alt="x" src="https://a.file.force.com/servlet/rtaImage?eid=00QRM000003ZfDb&amp;feoid=00NRM000001E73j&amp;refid=0EMRM00000002Ip"></img>
            <img src='https://a/servlet/rtaImage?refid=0EMRM00000002Iq&eid=001'> <a href="/x?refid=0EMRM00000002Ir">no image</a>
            <img src="https://a/servlet/rtaImage?eid=1&amp;refid=0EMRM00000002Ip">"#;
        let found = references(html);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("0EMRM00000002Ip") && found[0].len() == 18);
        assert!(found[1].starts_with("0EMRM00000002Iq"));
        assert!(references("nothing here, rtaImage?refid=001000000000001 either").is_empty());
        assert!(references("").is_empty());
    }
}
