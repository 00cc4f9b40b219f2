// SPDX-License-Identifier: Apache-2.0
//! The platform's save logic, one place for every API.

use crate::error::SaveError;
use crate::schema::Object;
use crate::store::Tx;
use crate::user::Caller;

/// A value as a caller wrote it.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Null,
    Bool(bool),
    /// The digits as written, so that none are lost.
    Number(String),
    Text(String),
    /// A parent named by an external id: `{"Merchandise__r": {"ExtId__c": 123}}`, or a CSV column `Merchandise__r.ExtId__c`.
    Parent(Vec<(String, Input)>),
    Bytes(Vec<u8>),
}

/// What to write: names as the caller wrote them, in any case.
pub type Fields = Vec<(String, Input)>;

pub fn insert(tx: &mut Tx<'_>, _caller: &Caller, object: &Object, _fields: Fields) -> Result<String, SaveError> {
    Ok(tx.next_id(object))
}

pub fn update(_tx: &mut Tx<'_>, _caller: &Caller, _object: &Object, _id: &str, _fields: Fields) -> Result<(), SaveError> {
    Ok(())
}

/// The Id, and whether the record was created.
pub fn upsert(
    tx: &mut Tx<'_>,
    caller: &Caller,
    object: &Object,
    _external_field: &str,
    _external_value: &Input,
    fields: Fields,
) -> Result<(String, bool), SaveError> {
    insert(tx, caller, object, fields).map(|id| (id, true))
}

pub fn delete(_tx: &mut Tx<'_>, _caller: &Caller, _id: &str) -> Result<(), SaveError> {
    Ok(())
}

pub fn hard_delete(_tx: &mut Tx<'_>, _caller: &Caller, _id: &str) -> Result<(), SaveError> {
    Ok(())
}

pub fn undelete(_tx: &mut Tx<'_>, _caller: &Caller, _id: &str) -> Result<(), SaveError> {
    Ok(())
}

pub fn empty_from_recycle_bin(_tx: &mut Tx<'_>, _caller: &Caller, _id: &str) -> Result<(), SaveError> {
    Ok(())
}
