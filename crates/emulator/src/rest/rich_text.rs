// SPDX-License-Identifier: Apache-2.0
//! Images inside rich text: `/sobjects/T/{id}/richTextImageFields/{field}/{contentReferenceId}` (`salesforce-api.md` 2.2).
//!
//! An image belongs to its record's field and is gone with the record. The text names it in an address of the org's content
//! domain, `…/servlet/rtaImage?eid=<record>&feoid=<field>&refid=<reference>`; who uploads images is the web interface, so here
//! [`Org::attach_rich_text_image`] does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::answer::Answer;
use crate::error::{ApiError, SaveError};
use crate::org::{Org, Tx, seed};
use crate::record::{self, Input};
use crate::rest::{object, rows};
use crate::store::body::Body;

/// References to images begin with this.
const REFERENCE_PREFIX: &str = "0EM";

/// The bytes of an image, with the type that their beginning shows.
pub fn get(tx: &Tx<'_>, name: &str, id: &str, field: &str, reference: &str) -> Result<Answer, ApiError> {
    let object = object(tx, name)?;
    let row = rows::find(tx, &object, id)?;
    let field = object.field(field).filter(|field| field.extra_type_info.as_deref() == Some("richtextarea"));
    let field = field.ok_or_else(ApiError::not_found)?;
    let reference = crate::id::to18(reference).ok_or_else(ApiError::not_found)?;
    let bytes = tx.side_blob(row.id(), &place(&field.name, &reference)).ok_or_else(ApiError::not_found)?;
    let kind = match &bytes[..] {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, ..] => "image/jpeg",
        [b'G', b'I', b'F', ..] => "image/gif",
        _ => "application/octet-stream",
    };
    Ok(Answer::bytes(200, kind, bytes))
}

fn place(field: &str, reference: &str) -> String {
    format!("{field}/{reference}")
}

impl Org {
    /// Puts an image at the end of a rich text field, as the web interface does, and returns its content reference Id.
    ///
    /// # Errors
    /// What saving the record is refused for; `INVALID_FIELD` for a field that is no rich text.
    pub fn attach_rich_text_image(&self, id: &str, field: &str, image: &[u8]) -> Result<String, SaveError> {
        self.write(|tx| {
            let object = tx.object_of(id).ok_or_else(|| SaveError::malformed_id(id, "Id"))?;
            let row = tx.row(&object, id).ok_or_else(SaveError::not_found)?;
            let known = object.field(field).filter(|field| field.extra_type_info.as_deref() == Some("richtextarea"));
            let known = known.ok_or_else(|| SaveError::no_such_column(field, &object.name))?;
            let reference = tx.next_id_of(REFERENCE_PREFIX);
            let tag = format!(
                "<img src=\"https://emulated.file.force.com/servlet/rtaImage?eid={id}&amp;feoid={}&amp;refid={reference}\"></img>",
                STANDARD.encode(&known.name)
            );
            let text = Input::Text(format!("{}{tag}", row.text(&known.name)));
            tx.savepoint(|tx| {
                record::update(tx, &seed::platform(tx), &object, id, vec![(known.name.clone(), text)])?;
                tx.put_body(&object, id, &place(&known.name, &reference), &Body::Bytes(image.to_vec())).map_err(SaveError::from)
            })?;
            Ok(reference)
        })
    }
}
