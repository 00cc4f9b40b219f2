// SPDX-License-Identifier: Apache-2.0
//! `Sforce-Call-Options: client=…; defaultNamespace=ns`: names of custom objects and fields without a prefix are those of a package
//! (`salesforce-api.md` 2.1).
//!
//! A name is completed when the schema knows it with the prefix and not without. It is done to the path, to the text of
//! queries and searches, to lists of fields and to the records of a body, before anything is looked up; answers show the full names.
//! The client's name has no effect.

use std::collections::HashSet;

use serde_json::Value;

use crate::ctx::Ctx;
use crate::request;
use crate::rest::Call;
use crate::schema::Schema;

/// Completes the names of a call that has a default namespace.
pub fn apply(ctx: &Ctx, call: &mut Call) {
    let Some(namespace) = default_namespace(call) else { return };
    let names = Names::of(&ctx.org.schema(), &namespace);
    for segment in call.path.iter_mut().skip(1) {
        *segment = names.complete(segment);
    }
    for (name, value) in &mut call.query.0 {
        if matches!(name.as_str(), "q" | "explain" | "fields" | "sObjects") {
            *value = names.complete(value);
        }
    }
    let is_json = matches!(request::media_type(&call.headers).as_str(), "" | "application/json");
    if is_json && let Ok(mut body) = serde_json::from_slice::<Value>(&call.body) {
        names.complete_members(&mut body);
        call.body = body.to_string().into();
    }
}

fn default_namespace(call: &Call) -> Option<String> {
    Some(super::call_option(&call.headers, "defaultNamespace").to_owned()).filter(|namespace| !namespace.is_empty())
}

struct Names {
    prefix: String,
    /// In lower case.
    known: HashSet<String>,
}

impl Names {
    fn of(schema: &Schema, namespace: &str) -> Names {
        let mut known = HashSet::new();
        for object in schema.objects() {
            known.insert(object.name.to_ascii_lowercase());
            for field in object.fields.iter().filter(|field| field.custom) {
                known.insert(field.name.to_ascii_lowercase());
                known.extend(field.relationship_name.as_ref().map(|name| name.to_ascii_lowercase()));
            }
            known.extend(
                object.children.iter().filter_map(|child| Some(child.relationship_name.as_ref()?.to_ascii_lowercase())),
            );
        }
        Names { prefix: format!("{namespace}__"), known }
    }

    /// A text with every name in it completed, outside of quotes.
    fn complete(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut quoted = false;
        while let Some(first) = rest.chars().next() {
            let is_name = |one: char| one.is_ascii_alphanumeric() || one == '_';
            let end = if is_name(first) && !quoted {
                let end = rest.find(|one| !is_name(one)).unwrap_or(rest.len());
                out.push_str(&self.name(&rest[..end]));
                end
            } else if first == '\\' && quoted {
                let end = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
                out.push_str(&rest[..end]);
                end
            } else {
                quoted ^= first == '\'';
                out.push(first);
                first.len_utf8()
            };
            rest = &rest[end..];
        }
        out
    }

    fn name(&self, name: &str) -> String {
        let lower = name.to_ascii_lowercase();
        let full = format!("{}{name}", self.prefix);
        let completes = !self.known.contains(&lower) && self.known.contains(&full.to_ascii_lowercase());
        if completes { full } else { name.to_owned() }
    }

    fn complete_members(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.complete_members(item)),
            Value::Object(members) => {
                let own = std::mem::take(members);
                for (name, mut value) in own {
                    self.complete_members(&mut value);
                    members.insert(self.name(&name), value);
                }
            }
            _ => {}
        }
    }
}
