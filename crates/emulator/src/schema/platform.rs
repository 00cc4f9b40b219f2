// SPDX-License-Identifier: Apache-2.0
//! Objects of the platform that no describe we have holds, made from what the Object Reference says of them.

use std::sync::Arc;

use super::{Field, FieldType, Object, Schema};

impl Schema {
    /// This schema with `DeleteEvent`, unless it has one: read-only, queryable, one row per record in the recycle bin
    /// (`salesforce-api.md` 2.7). Its key prefix is a guess.
    pub fn with_platform_objects(self) -> Schema {
        if self.object("DeleteEvent").is_some() {
            return self;
        }
        let mut objects = self.to_objects();
        objects.push(delete_event());
        self.rebuilt(objects)
    }
}

fn delete_event() -> Object {
    let mut object = read_only("DeleteEvent", "Delete Event", "Delete Events", "0DE");
    let mut who = system("DeletedById", "Deleted By ID", FieldType::Reference, 18);
    who.reference_to = vec!["User".to_owned()];
    who.relationship_name = Some("DeletedBy".to_owned());
    let mut record = system("Record", "Record", FieldType::String, 18);
    // Found by it when the record comes back; describe shows it as an ordinary field.
    (record.case_sensitive, record.id_lookup) = (true, false);
    object.fields.extend(
        [
            system("Id", "Delete Event ID", FieldType::Id, 18),
            who,
            system("DeletedDate", "Deleted Date", FieldType::Datetime, 0),
            record,
            system("RecordName", "Record Name", FieldType::String, 255),
            system("SobjectName", "Sobject Name", FieldType::String, 80),
        ]
        .map(Arc::new),
    );
    object
}

/// An object that can be queried and nothing else.
pub(super) fn read_only(name: &str, label: &str, plural: &str, prefix: &str) -> Object {
    Object {
        name: name.to_owned(),
        label: label.to_owned(),
        label_plural: plural.to_owned(),
        key_prefix: Some(prefix.to_owned()),
        queryable: true,
        retrieveable: true,
        bulk: true,
        ..Object::default()
    }
}

/// A field that the server alone writes.
pub(super) fn system(name: &str, label: &str, kind: FieldType, length: u32) -> Field {
    let mut field = Field::usual(name, label, kind, length);
    (field.nillable, field.createable, field.updateable, field.defaulted_on_create) = (false, false, false, true);
    field.id_lookup = kind == FieldType::Id;
    field
}
