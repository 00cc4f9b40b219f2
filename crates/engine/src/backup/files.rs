// SPDX-License-Identifier: Apache-2.0
//! The bodies of files: ContentVersion, Attachment, Document.
//!
//! A body is one API call, so it is fetched only when its content is not held yet. A version of a file never changes its body:
//! what the vault holds for its Id is taken over. Where the org tells an MD5 (ContentVersion.Checksum), the same content under
//! another record is recognised too and read once. An attachment has no MD5: its body is fetched again when its stamp moved.
//!
//! A body that cannot be read leaves its row without one, and a gap that says which and why.

use super::Run;
use super::read::refusal;
use crate::browse::cell;
use crate::error::Result;
use crate::event::{Event, Gap};
use crate::note::{CONTENT_OF, Note};
use crate::spec::{Body, Spec};
use futures::stream::{StreamExt, TryStreamExt};
use orgkeep_salesforce::Rows;
use orgkeep_vault::{BlobError, BlobRef, BlobWriter};
use std::collections::HashMap;

/// Bodies fetched at the same time.
const PARALLEL_BODIES: usize = 4;

/// What stands before the hash in the column of a body.
pub(crate) const REFERENCE: &str = "blob:";

/// The hash in the column of a body.
pub(crate) fn hash_of(cell: &str) -> Option<&str> {
    cell.strip_prefix(REFERENCE)
}

/// Fetches what is new among the bodies of an object's rows.
pub(super) struct Bodies<'a> {
    run: &'a Run<'a>,
    spec: &'a Spec,
    body: &'a Body,
    writer: BlobWriter,
    /// Hash of the content of each MD5 that the vault holds for this object.
    known: HashMap<String, String>,
}

/// One row that needs a body.
struct Wanted {
    row: usize,
    id: String,
    checksum: Option<String>,
}

impl<'a> Bodies<'a> {
    pub async fn new(run: &'a Run<'a>, spec: &'a Spec, body: &'a Body) -> Result<Bodies<'a>> {
        let mut known = HashMap::new();
        if let Some(checksum) = &body.checksum {
            let mut batches = run.held_rows(&spec.object, &["Id", checksum, &body.field], None).await?;
            while let Some(batch) = batches.try_next().await? {
                for row in 0..batch.len() {
                    if let (Some(md5), Some(reference)) = (cell(&batch, row, checksum), cell(&batch, row, &body.field))
                    {
                        known.insert(md5.to_ascii_lowercase(), reference);
                    }
                }
            }
        }
        let writer = run.unfinished.blobs().await?;
        Ok(Bodies { run, spec, body, writer, known })
    }

    /// The reference of each row's body, in the order of the rows.
    pub async fn of(&mut self, rows: &Rows, note: &mut Note) -> Result<Vec<Option<String>>> {
        let held = self.held(rows).await?;
        let mut references: Vec<Option<String>> = vec![None; rows.len()];
        let (mut wanted, mut twins) = (Vec::new(), Vec::new());
        let mut first_with: HashMap<String, usize> = HashMap::new();
        for (row, reference) in references.iter_mut().enumerate() {
            let cell = |name: &str| self.spec.position(name).and_then(|column| rows.cell(row, column));
            if cell("IsDeleted") == Some("true")
                || self.body.length.as_deref().and_then(cell) == Some("0") && self.is_link(&cell)
            {
                continue;
            }
            let id = cell("Id").unwrap_or_default().to_owned();
            if self.run.unfinished.erasures().of(&self.spec.object).is_some_and(|erased| erased.contains(&id)) {
                continue;
            }
            let checksum = self.body.checksum.as_deref().and_then(cell).map(str::to_ascii_lowercase);
            if let Some((stamp, known)) = held.get(&id)
                && (checksum.is_some() || stamp.as_deref() == self.spec.stamp.as_deref().and_then(cell))
            {
                *reference = Some(known.clone());
            } else if let Some(known) = checksum.as_deref().and_then(|md5| self.known.get(md5)) {
                *reference = Some(known.clone());
            } else if let Some(first) = checksum.as_ref().and_then(|md5| first_with.get(md5)) {
                twins.push((row, *first));
            } else {
                first_with.extend(checksum.clone().map(|md5| (md5, row)));
                wanted.push(Wanted { row, id, checksum });
            }
        }
        // What was missing before is asked for anew, and missing only if it fails again.
        note.gaps.retain(|gap| wanted.iter().all(|wanted| gap.what != content_of(&self.spec.object, &wanted.id)));
        self.fetch(wanted, &mut references, note).await?;
        for (row, first) in twins {
            references[row] = references[first].clone();
        }
        Ok(references)
    }

    /// A ContentVersion that is a link has a URL and no body.
    fn is_link<'r>(&self, cell: &dyn Fn(&str) -> Option<&'r str>) -> bool {
        cell("ContentUrl").is_some()
    }

    async fn fetch(&mut self, wanted: Vec<Wanted>, references: &mut [Option<String>], note: &mut Note) -> Result<()> {
        let (org, writer, object, field) = (self.run.org, &self.writer, &self.spec.object, &self.body.field);
        let mut fetched = futures::stream::iter(wanted)
            .map(|wanted| async move {
                let answer = match org.blob(object, &wanted.id, field).await {
                    Ok(body) => body,
                    Err(error) => match refusal(&error) {
                        Some(reason) => return Ok((wanted, Err(reason))),
                        None => return Err(crate::Error::from(error)),
                    },
                };
                match writer.put(answer.body).await {
                    Ok(blob) => Ok((wanted, Ok(blob))),
                    Err(BlobError::Vault(error)) => Err(error.into()),
                    Err(BlobError::Body(error)) => Err(error.into()),
                }
            })
            .buffered(PARALLEL_BODIES);
        while let Some((wanted, blob)) = fetched.try_next().await? {
            let reason = match blob {
                Ok(blob) => match differs(&wanted, &blob) {
                    None => {
                        note.files += 1;
                        note.file_bytes += blob.length;
                        let reference = format!("{REFERENCE}{}", blob.hash);
                        if let Some(md5) = &wanted.checksum {
                            self.known.insert(md5.clone(), reference.clone());
                        }
                        references[wanted.row] = Some(reference);
                        self.run.say(Event::FileProgress { files: note.files, bytes: note.file_bytes });
                        continue;
                    }
                    Some(reason) => reason,
                },
                Err(reason) => reason,
            };
            note.gaps.push(Gap { what: content_of(object, &wanted.id), reason });
        }
        Ok(())
    }

    /// Stamp and reference that the vault holds for these rows.
    async fn held(&self, rows: &Rows) -> Result<HashMap<String, (Option<String>, String)>> {
        let Some(id) = self.spec.position("Id") else { return Ok(HashMap::new()) };
        let ids: Vec<String> = (0..rows.len()).filter_map(|row| rows.cell(row, id)).map(str::to_owned).collect();
        let stamp = self.spec.stamp.as_deref().unwrap_or("Id");
        let mut held = HashMap::new();
        let mut batches = self.run.held_rows(&self.spec.object, &["Id", stamp, &self.body.field], Some(ids)).await?;
        while let Some(batch) = batches.try_next().await? {
            let (stamp, body) = (batch.column_index(stamp), batch.column_index(&self.body.field));
            for row in 0..batch.len() {
                if let Some(reference) = body.and_then(|column| batch.text(row, column)) {
                    let stamp = stamp.and_then(|column| batch.text(row, column)).map(|text| text.into_owned());
                    held.insert(batch.id(row).to_owned(), (stamp, reference.into_owned()));
                }
            }
        }
        Ok(held)
    }

    /// Makes the bodies durable; their rows refer to them afterwards.
    pub async fn commit(self) -> Result<()> {
        Ok(self.writer.commit().await?)
    }
}

/// How a gap names the body of a record.
fn content_of(object: &str, id: &str) -> String {
    format!("{CONTENT_OF}{object} {id}")
}

/// Why what came is not what the org announced.
fn differs(wanted: &Wanted, blob: &BlobRef) -> Option<String> {
    let announced = wanted.checksum.as_deref()?;
    (announced != blob.md5).then(|| format!("the org announced MD5 {announced} and sent content of MD5 {}", blob.md5))
}
