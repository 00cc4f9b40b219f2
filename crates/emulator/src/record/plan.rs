// SPDX-License-Identifier: Apache-2.0
//! What saving rows of an object needs to know of the schema, worked out once, so that a row costs no search.

use std::sync::Arc;

use super::formula::{self, Expression, Onlooker};
use super::rollup::{self, RollUp};
use crate::id;
use crate::schema::{Child, Field, FieldType, Object, Schema};
use crate::value::Value;

/// Positions are those of the object's fields.
#[derive(Debug)]
pub struct Plan {
    pub required: Vec<usize>,
    pub defaults: Vec<(usize, Value)>,
    pub unique: Vec<usize>,
    pub references: Vec<usize>,
    pub auto_numbers: Vec<(usize, String)>,
    /// In an order that computes what others use first.
    pub formulas: Vec<(usize, Arc<Expression>)>,
    /// Roll-up fields of this object's parents that its rows feed.
    pub feeds: Vec<RollUp>,
    /// Roll-up fields of this object itself.
    pub summaries: Vec<usize>,
    /// Formulas of other objects that look at this one.
    pub looked_at_by: Vec<Onlooker>,
    /// The child relationships that a delete looks into.
    pub below: Vec<Below>,
    pub created_date: Option<usize>,
    pub created_by: Option<usize>,
    pub modified_date: Option<usize>,
    pub modified_by: Option<usize>,
    pub modstamp: Option<usize>,
    pub owner: Option<usize>,
    pub record_type: Option<usize>,
    pub deleted: Option<usize>,
    pub id: usize,
    /// The record type that a new row gets.
    pub default_record_type: Option<String>,
    /// Custom objects name a row by its Id when nobody else does.
    pub name_by_id: Option<usize>,
}

/// One child relationship of an object.
#[derive(Debug)]
pub struct Below {
    pub object: Arc<Object>,
    pub field: Arc<Field>,
    /// Finds the live children's Ids; takes the parent's Id.
    pub sql: String,
    pub cascade: bool,
    pub restricted: bool,
}

fn below(schema: &Schema, child: &Child) -> Option<Below> {
    let object = schema.object(&child.object)?.clone();
    let field = object.field(&child.field)?.clone();
    let alive = if object.has("IsDeleted") { " AND \"IsDeleted\" = 0" } else { "" };
    let sql = format!("SELECT \"Id\" FROM \"{}\" WHERE \"{}\" = ?1{alive} ORDER BY \"Id\"", object.name, field.name);
    let has_rows = object.queryable || object.key_prefix.is_some();
    has_rows.then_some(Below { object, field, sql, cascade: child.cascade_delete, restricted: child.restricted_delete })
}

impl Plan {
    pub fn new(schema: &Schema, object: &Object) -> Plan {
        let at = |name: &str| object.position(name);
        let positions = |wanted: &dyn Fn(&Field) -> bool| -> Vec<usize> {
            (0..object.fields.len()).filter(|&at| wanted(&object.fields[at])).collect()
        };
        let standard_default = |field: &Field| match field.kind {
            FieldType::Boolean => Some(Value::Bool(field.default_value.as_ref().is_some_and(Value::is_true))),
            // Counts and totals that the server keeps start at 0.
            kind if kind.is_number() && !field.nillable && !field.createable && field.default_value.is_none() => {
                Some(Value::Int(0))
            }
            _ => field.default_value.clone(),
        };
        let defaults =
            object.fields.iter().enumerate().filter_map(|(at, field)| Some((at, standard_default(field)?))).collect();
        let numbers = object.fields.iter().enumerate();
        let auto_numbers =
            numbers.filter_map(|(at, field)| Some((at, field.auto_number_format.clone()?))).collect::<Vec<_>>();
        let named = object.custom && !object.is_custom_metadata() && auto_numbers.is_empty();
        Plan {
            required: positions(&|field| field.required_on_create() && !field.auto_number),
            defaults,
            unique: positions(&|field| field.unique),
            references: positions(&|field| field.is_reference()),
            auto_numbers,
            formulas: formula::in_order(schema, object),
            feeds: rollup::fed_by(schema, object),
            summaries: positions(&|field| field.summary.is_some()),
            looked_at_by: formula::looking_at(schema, object),
            below: object.children.iter().filter_map(|child| below(schema, child)).collect(),
            created_date: at("CreatedDate"),
            created_by: at("CreatedById"),
            modified_date: at("LastModifiedDate"),
            modified_by: at("LastModifiedById"),
            modstamp: at("SystemModstamp"),
            owner: at("OwnerId"),
            record_type: at("RecordTypeId"),
            deleted: at("IsDeleted"),
            id: at("Id").unwrap_or(0),
            default_record_type: object
                .record_types
                .iter()
                .find(|kind| kind.default && !kind.master)
                .map(|kind| kind.id.clone()),
            name_by_id: if named { at("Name") } else { None },
        }
    }
}

/// Whether an Id is that of the record type "Master", which stands for none.
pub fn is_master_record_type(id: &str) -> bool {
    id == id::MASTER_RECORD_TYPE
}
