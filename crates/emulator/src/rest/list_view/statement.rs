// SPDX-License-Identifier: Apache-2.0
//! From the metadata of a list view to a statement in SOQL (Metadata API Developer Guide, "ListView").
//!
//! Columns are named as the older user interface called them: `NAME`, `ACCOUNT.PHONE1`, `CORE.USERS.ALIAS`. What is not in the
//! table of such names is a field's name, or a field's name in capitals with underscores after that of its object.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::metadata::xml::Node;
use crate::org::Tx;
use crate::schema::{Field, FieldType, Object};
use crate::soql::ast::Literal;

/// What is called after no field.
const NAMES: [(&str, &str); 25] = [
    ("ACCOUNT.PHONE1", "Phone"),
    ("ACCOUNT.PHONE2", "Fax"),
    ("ACCOUNT.URL", "Website"),
    ("ACCOUNT.EMPLOYEES", "NumberOfEmployees"),
    ("ACCOUNT.SALES", "AnnualRevenue"),
    ("SALES.ACCOUNT.NAME", "Account.Name"),
    ("CONTACT.PHONE1", "Phone"),
    ("CONTACT.PHONE2", "Fax"),
    ("CONTACT.PHONE3", "MobilePhone"),
    ("CONTACT.PHONE4", "HomePhone"),
    ("LEAD.PHONE", "Phone"),
    ("FULL_NAME", "Name"),
    ("CASES.CASE_NUMBER", "CaseNumber"),
    ("CASES.CREATED_DATE", "CreatedDate"),
    ("OPPORTUNITY.STAGE_NAME", "StageName"),
    ("CORE.USERS.ALIAS", "Owner.Alias"),
    ("CORE.USERS.FULL_NAME", "Owner.Name"),
    ("OWNER.ALIAS", "Owner.Alias"),
    ("OWNER_NAME", "Owner.Name"),
    ("CREATED_DATE", "CreatedDate"),
    ("LAST_UPDATE", "LastModifiedDate"),
    ("CREATEDBY_USER", "CreatedBy.Name"),
    ("UPDATEDBY_USER", "LastModifiedBy.Name"),
    ("RECORDTYPE", "RecordType.Name"),
    ("OBJECT_ID", "Id"),
];
/// Always there, and not shown unless they are columns.
const HIDDEN: [&str; 4] = ["Id", "CreatedDate", "LastModifiedDate", "SystemModstamp"];
const ADDRESSES: [(&str, &str); 2] = [("ADDRESS1_", "Billing"), ("ADDRESS2_", "Shipping")];

/// One column.
pub struct Column {
    pub path: String,
    pub label: String,
    pub field: Arc<Field>,
    pub hidden: bool,
}

impl Column {
    pub fn select_list_item(&self) -> String {
        match self.field.kind {
            FieldType::Picklist | FieldType::Multipicklist => format!("toLabel({})", self.path),
            _ => self.path.clone(),
        }
    }

    /// How the user interface calls sorting up and down.
    pub fn directions(&self) -> (Option<&'static str>, Option<&'static str>) {
        if self.hidden || !self.field.sortable {
            return (None, None);
        }
        let (up, down) = match self.field.kind {
            FieldType::Phone => ("9-0", "0-9"),
            FieldType::Picklist | FieldType::Multipicklist => ("Low to High", "High to Low"),
            FieldType::Date | FieldType::Datetime | FieldType::Time => ("New to Old", "Old to New"),
            kind if kind.is_number() => ("High to Low", "Low to High"),
            _ => ("Z-A", "A-Z"),
        };
        (Some(up), Some(down))
    }
}

/// What records are shown.
pub enum Condition {
    One { path: String, operator: &'static str, sign: &'static str, values: Vec<String>, negated: bool },
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    /// As describe writes it.
    pub fn json(&self) -> Value {
        match self {
            Condition::One { path, operator, values, .. } => {
                json!({"field": path, "operator": operator, "values": values})
            }
            Condition::All(all) => {
                json!({"conditions": all.iter().map(Condition::json).collect::<Vec<_>>(), "conjunction": "and"})
            }
            Condition::Any(all) => {
                json!({"conditions": all.iter().map(Condition::json).collect::<Vec<_>>(), "conjunction": "or"})
            }
            Condition::Not(one) => json!({"condition": one.json()}),
        }
    }

    fn text(&self) -> String {
        let joined = |all: &[Condition], word: &str| {
            format!("({})", all.iter().map(Condition::text).collect::<Vec<_>>().join(&format!(" {word} ")))
        };
        match self {
            Condition::One { path, sign, values, negated, .. } => {
                let one = match (*sign, values.as_slice()) {
                    ("IN" | "INCLUDES" | "EXCLUDES", values) => format!("{path} {sign} ({})", values.join(", ")),
                    ("LIKE", [value]) => format!("{path} LIKE {value}"),
                    ("LIKE", values) => {
                        let each: Vec<String> = values.iter().map(|value| format!("{path} LIKE {value}")).collect();
                        format!("({})", each.join(" OR "))
                    }
                    (sign, values) => format!("{path} {sign} {}", values.first().map_or("null", String::as_str)),
                };
                if *negated { format!("(NOT {one})") } else { one }
            }
            Condition::All(all) => joined(all, "AND"),
            Condition::Any(all) => joined(all, "OR"),
            Condition::Not(one) => format!("(NOT {})", one.text()),
        }
    }
}

/// A list view in SOQL.
pub struct Statement {
    pub object: Object,
    pub columns: Vec<Column>,
    pub scope: Option<&'static str>,
    pub condition: Option<Condition>,
    pub order: Vec<String>,
}

impl Statement {
    pub fn text(&self, object: &Object) -> String {
        let columns: Vec<String> = self.columns.iter().map(Column::select_list_item).collect();
        let mut text = format!("SELECT {} FROM {}", columns.join(", "), object.name);
        if let Some(scope) = self.scope {
            text += &format!(" USING SCOPE {scope}");
        }
        if let Some(condition) = &self.condition {
            text += &format!(" WHERE {}", condition.text());
        }
        let order: Vec<String> = self.order.iter().map(|path| format!("{path} ASC NULLS FIRST")).collect();
        text + &format!(" ORDER BY {}", order.join(", "))
    }
}

/// Translates a view.
///
/// # Errors
/// A sentence on what of it is not known.
pub fn of(tx: &Tx<'_>, object: &Arc<Object>, view: &Node) -> Result<Statement, String> {
    let mut columns: Vec<Column> = Vec::new();
    for name in view.all("columns") {
        let column = column(tx, object, &name.text)?;
        if !columns.iter().any(|known| known.path == column.path) {
            columns.push(column);
        }
    }
    for name in HIDDEN.iter().filter(|name| object.has(name)) {
        if !columns.iter().any(|known| known.path == *name) {
            columns.push(Column { hidden: true, ..column(tx, object, name)? });
        }
    }
    let scope = match view.text_of("filterScope") {
        "" | "Everything" => None,
        "Mine" => Some("mine"),
        other => return Err(format!("The scope {other} of a list view is not emulated")),
    };
    let filters: Vec<Condition> =
        view.all("filters").map(|filter| condition(tx, object, filter)).collect::<Result<_, _>>()?;
    let condition = match view.text_of("booleanFilter") {
        "" if filters.len() > 1 => Some(Condition::All(filters)),
        "" => filters.into_iter().next(),
        logic => Some(logic_of(logic, filters)?),
    };
    let first = columns.iter().find(|column| !column.hidden && column.field.sortable).map(|column| column.path.clone());
    let mut order: Vec<String> = first.into_iter().collect();
    if !order.iter().any(|path| path == "Id") {
        order.push("Id".to_owned());
    }
    Ok(Statement { object: Object::clone(object), columns, scope, condition, order })
}

fn column(tx: &Tx<'_>, object: &Arc<Object>, name: &str) -> Result<Column, String> {
    let unknown = || format!("The column {name} of a list view is not known");
    let path = path(object, name).ok_or_else(unknown)?;
    let (field, label) = match path.split_once('.') {
        None => {
            let field = object.field(&path).ok_or_else(unknown)?.clone();
            let label = field.label.clone();
            (field, label)
        }
        Some((relationship, below)) => {
            let reference = object.relationship(relationship).ok_or_else(unknown)?;
            let parents = reference.reference_to.iter().rev().filter_map(|parent| tx.schema.object(parent));
            let field = parents.filter_map(|parent| parent.field(below)).next().ok_or_else(unknown)?.clone();
            let whose = reference.label.trim_end_matches(" ID");
            let label = if relationship == "Owner" { format!("{} Owner", object.label) } else { whose.to_owned() };
            let label = format!("{label} {}", field.label);
            (field, label)
        }
    };
    Ok(Column { path, label, field, hidden: false })
}

/// The field or path that a column's name means.
fn path(object: &Object, name: &str) -> Option<String> {
    if let Some(field) = object.field(name) {
        return Some(field.name.clone());
    }
    if name == "NAME" || name.ends_with(".NAME") && name.split('.').count() == 2 && !name.starts_with("SALES") {
        return object.name_field().map(|field| field.name.clone());
    }
    if let Some((_, path)) = NAMES.iter().find(|(known, _)| *known == name) {
        let first = path.split('.').next().unwrap_or_default();
        return (object.has(first) || object.relationship(first).is_some()).then(|| (*path).to_owned());
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    for (prefix, word) in ADDRESSES {
        if let Some(part) = last.strip_prefix(prefix) {
            let wanted = format!("{word}{}", part.replace("ZIP", "PostalCode"));
            return object.field(&wanted).map(|field| field.name.clone());
        }
    }
    let wanted = last.replace('_', "");
    object.field(&wanted).or_else(|| object.field(&format!("{wanted}Id"))).map(|field| field.name.clone())
}

fn condition(tx: &Tx<'_>, object: &Arc<Object>, filter: &Node) -> Result<Condition, String> {
    let column = column(tx, object, filter.text_of("field"))?;
    let operation = filter.text_of("operation");
    let given = filter.text_of("value");
    let parts: Vec<&str> = if given.is_empty() { Vec::new() } else { given.split(',').map(str::trim).collect() };
    let multiple = column.field.kind == FieldType::Multipicklist;
    let literal = |around: (&str, &str)| -> Result<Vec<String>, String> {
        parts.iter().map(|part| self::literal(&column.field, part, around)).collect()
    };
    let one =
        |operator, sign, values, negated| Condition::One { path: column.path.clone(), operator, sign, values, negated };
    Ok(match operation {
        "equals" if multiple && !parts.is_empty() => one("equals", "INCLUDES", literal(("", ""))?, false),
        "equals" if parts.len() > 1 => one("equals", "IN", literal(("", ""))?, false),
        "equals" => one("equals", "=", literal(("", ""))?, false),
        "notEqual" if parts.len() > 1 => one("notEqual", "IN", literal(("", ""))?, true),
        "notEqual" => one("notEqual", "!=", literal(("", ""))?, false),
        "lessThan" => one("lessThan", "<", literal(("", ""))?, false),
        "greaterThan" => one("greaterThan", ">", literal(("", ""))?, false),
        "lessOrEqual" => one("lessThanOrEqualTo", "<=", literal(("", ""))?, false),
        "greaterOrEqual" => one("greaterThanOrEqualTo", ">=", literal(("", ""))?, false),
        "contains" if multiple => one("includes", "INCLUDES", literal(("", ""))?, false),
        "contains" => one("like", "LIKE", literal(("%", "%"))?, false),
        "notContain" if multiple => one("excludes", "EXCLUDES", literal(("", ""))?, false),
        "notContain" => one("like", "LIKE", literal(("%", "%"))?, true),
        "startsWith" => one("like", "LIKE", literal(("", "%"))?, false),
        "includes" => one("includes", "INCLUDES", literal(("", ""))?, false),
        "excludes" => one("excludes", "EXCLUDES", literal(("", ""))?, false),
        other => return Err(format!("The operation {other} of a list view is not emulated")),
    })
}

/// A value as SOQL writes it for a field.
fn literal(field: &Field, text: &str, (before, after): (&str, &str)) -> Result<String, String> {
    let wrong = || format!("{text} is no value of {} for a list view", field.name);
    let day = || {
        let day = chrono::NaiveDate::parse_from_str(text, "%m/%d/%Y");
        day.or_else(|_| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d")).map(|day| day.format("%Y-%m-%d"))
    };
    match field.kind {
        FieldType::Boolean => match text {
            "1" | "true" | "True" | "TRUE" => Ok("TRUE".to_owned()),
            "0" | "false" | "False" | "FALSE" => Ok("FALSE".to_owned()),
            _ => Err(wrong()),
        },
        FieldType::Date | FieldType::Datetime => match (day(), field.kind) {
            (Ok(day), FieldType::Date) => Ok(day.to_string()),
            (Ok(day), _) => Ok(format!("{day}T00:00:00Z")),
            // `LAST_N_DAYS:30`, `THIS_WEEK`
            _ if soql_knows(text) => Ok(text.to_owned()),
            _ => Err(wrong()),
        },
        kind if kind.is_number() => text.parse::<f64>().map(|_| text.to_owned()).map_err(|_| wrong()),
        _ => {
            let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
            let escaped = if before.is_empty() && after.is_empty() {
                escaped
            } else {
                escaped.replace('%', "\\%").replace('_', "\\_")
            };
            Ok(format!("'{before}{escaped}{after}'"))
        }
    }
}

/// Whether a word is a date literal.
fn soql_knows(word: &str) -> bool {
    let probe = crate::soql::parse(&format!("SELECT Id FROM Account WHERE CreatedDate = {word}"));
    let relative = |query: &crate::soql::Query| {
        matches!(&query.filter, Some(crate::soql::ast::Condition::Compare { right: Literal::Relative(..), .. }))
    };
    probe.is_ok_and(|query| relative(&query))
}

/// `1 AND (2 OR 3)` over the filters.
fn logic_of(text: &str, filters: Vec<Condition>) -> Result<Condition, String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Logic { words: &words, filters: filters.into_iter().map(Some).collect() };
    let whole = reader.any()?;
    if reader.words.is_empty() { Ok(whole) } else { Err(format!("The filter logic {text} cannot be read")) }
}

struct Logic<'a> {
    words: &'a [&'a str],
    /// Each is used once.
    filters: Vec<Option<Condition>>,
}

impl Logic<'_> {
    fn accept(&mut self, word: &str) -> bool {
        match self.words {
            [first, rest @ ..] if first.eq_ignore_ascii_case(word) => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn any(&mut self) -> Result<Condition, String> {
        let mut all = vec![self.all()?];
        while self.accept("OR") {
            all.push(self.all()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::Any(all) })
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut all = vec![self.one()?];
        while self.accept("AND") {
            all.push(self.one()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::All(all) })
    }

    fn one(&mut self) -> Result<Condition, String> {
        if self.accept("NOT") {
            return self.one().map(|one| Condition::Not(Box::new(one)));
        }
        if self.accept("(") {
            let inside = self.any()?;
            return if self.accept(")") { Ok(inside) } else { Err("The filter logic lacks a parenthesis".to_owned()) };
        }
        let [number, rest @ ..] = self.words else { return Err("The filter logic ends too early".to_owned()) };
        let at = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let filter = at.and_then(|at| self.filters.get_mut(at)).and_then(Option::take);
        self.words = rest;
        filter.ok_or_else(|| format!("The filter logic names {number}, which is no filter, or twice"))
    }
}
