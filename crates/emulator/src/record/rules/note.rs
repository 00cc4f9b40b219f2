// SPDX-License-Identifier: Apache-2.0
//! Enhanced notes: a file whose latest version ends in `.snote` is shown as a `ContentNote` under the Id of its document, with its
//! text as `Content` (Object Reference, "ContentNote"; `salesforce-api.md` 2.9, 6.8).
//!
//! Not emulated: saving a `ContentNote` itself; a note is made as a version of a file.

use crate::error::SaveError;
use crate::record::Draft;
use crate::store::Tx;
use crate::store::body::Body;
use crate::value::Value;

const OBJECT: &str = "ContentNote";
/// The first characters of the text, without its tags.
const PREVIEW_CHARACTERS: usize = 255;

/// The note of a document follows its latest version.
pub fn follow(tx: &Tx<'_>, document: &str, version: &Draft) -> Result<(), SaveError> {
    let Some(notes) = tx.schema.object(OBJECT).cloned().filter(|_| version.text("FileType") == Some("SNOTE")) else {
        return Ok(());
    };
    let body = match version.blobs.first() {
        Some((_, body)) => body.clone(),
        None => Body::Bytes(tx.blob(&version.object, &version.id, "VersionData").unwrap_or_default()),
    };
    let preview = match &body {
        Body::Bytes(bytes) => plain(&String::from_utf8_lossy(bytes)),
        _ => String::new(),
    };
    let known = tx.row(&notes, document);
    let value = |name: &str| match name {
        "Id" => Value::from(document),
        "LatestPublishedVersionId" => Value::Text(version.id.clone()),
        "TextPreview" => Value::Text(preview.clone()),
        "IsReadOnly" | "IsDeleted" => Value::Bool(false),
        "CreatedById" | "CreatedDate" | "OwnerId" => {
            known.as_ref().map_or_else(|| version.get(name).clone(), |row| row.get(name).clone())
        }
        other => version.object.field(other).map_or(Value::Null, |_| version.get(other).clone()),
    };
    let values: Vec<Value> = notes.fields.iter().map(|field| value(&field.name)).collect();
    if known.is_some() {
        let stored: Vec<usize> = (0..values.len()).filter(|&at| notes.fields[at].stored()).collect();
        let columns: Vec<&str> = stored.iter().map(|&at| notes.fields[at].name.as_str()).collect();
        tx.update_row(&notes, document, &columns, &stored.iter().map(|&at| &values[at]).collect::<Vec<_>>())?;
    } else {
        tx.insert_row(&notes, &values)?;
    }
    tx.put_body(&notes, document, "Content", &body)?;
    Ok(())
}

/// Text without tags.
fn plain(html: &str) -> String {
    let mut inside = false;
    let letters = html.chars().filter(|letter| {
        let tag = inside || *letter == '<';
        inside = tag && *letter != '>';
        !tag
    });
    letters.take(PREVIEW_CHARACTERS).collect()
}

/// It goes to the bin and comes back with its document.
pub fn set_deleted(tx: &Tx<'_>, document: &str, deleted: bool) -> Result<(), SaveError> {
    if tx.schema.object(OBJECT).is_some() {
        tx.note("UPDATE \"ContentNote\" SET \"IsDeleted\" = ?2 WHERE \"Id\" = ?1", &[&document, &deleted])?;
    }
    Ok(())
}
