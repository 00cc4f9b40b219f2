// SPDX-License-Identifier: Apache-2.0
//! What Knowledge adds to the schema (`salesforce-api.md` 6.9; Object Reference): the article type every new org gets,
//! `Knowledge__kav` with its articles `Knowledge__ka`, and the views over all article types, `KnowledgeArticleVersion` and
//! `KnowledgeArticle`, which the Bulk API refuses (3.5).

use super::find;
use crate::schema::custom::{self, Kind};
use crate::schema::{Child, Field, FieldType, Object, PicklistValue};
use crate::value::Value;

pub fn complete(objects: &mut Vec<Object>) {
    if find(objects, "Knowledge__kav").is_some() {
        return;
    }
    objects.push(article("Knowledge__ka", "Knowledge", "kA0"));
    objects.push(version("Knowledge__kav", "Knowledge", "ka0", true));
    if find(objects, "KnowledgeArticle").is_none() {
        objects.push(article("KnowledgeArticle", "Knowledge Article", "kA0"));
    }
    if find(objects, "KnowledgeArticleVersion").is_none() {
        objects.push(version("KnowledgeArticleVersion", "Knowledge Article Version", "ka0", false));
    }
    for view in ["KnowledgeArticle", "KnowledgeArticleVersion"] {
        if let Some(object) = find(objects, view) {
            object.associate_entity_type = Some("View".to_owned());
            object.bulk = false;
        }
    }
    // Versions end with their article.
    if let Some(articles) = find(objects, "Knowledge__ka") {
        articles.children = vec![Child {
            object: "Knowledge__kav".to_owned(),
            field: "KnowledgeArticleId".to_owned(),
            relationship_name: None,
            cascade_delete: true,
            restricted_delete: false,
        }];
    }
}

fn base(name: &str, label: &str, prefix: &str) -> Object {
    let mut object = custom::object(name, label, &format!("{label}s"), Kind::Object, "Name", None);
    object.fields.retain(|field| !matches!(field.name.as_str(), "Name" | "OwnerId"));
    object.key_prefix = Some(prefix.to_owned());
    (object.custom, object.undeletable) = (false, false);
    object
}

fn article(name: &str, label: &str, prefix: &str) -> Object {
    let mut object = base(name, label, prefix);
    (object.createable, object.updateable) = (false, false);
    let mut number = text("ArticleNumber", "Article Number", 255);
    number.name_field = true;
    for field in [
        number,
        moment("FirstPublishedDate", "First Published Date"),
        moment("LastPublishedDate", "Last Published Date"),
        moment("ArchivedDate", "Archived Date"),
        text("MasterLanguage", "Master Language", 40),
    ] {
        push(&mut object, server(field));
    }
    object
}

fn version(name: &str, label: &str, prefix: &str, writable: bool) -> Object {
    let mut object = base(name, label, prefix);
    (object.createable, object.updateable, object.deletable) = (writable, writable, writable);
    let mut article = reference("KnowledgeArticleId", "Knowledge Article ID", "Knowledge__ka", "KnowledgeArticle");
    article.cascade_delete = writable;
    push(&mut object, server(article));
    let mut owner = reference("OwnerId", "Owner ID", "User", "Owner");
    (owner.nillable, owner.defaulted_on_create) = (false, true);
    push(&mut object, owner);
    let mut title = text("Title", "Title", 255);
    (title.nillable, title.name_field) = (false, true);
    let mut url = text("UrlName", "URL Name", 255);
    url.nillable = false;
    push(&mut object, title);
    push(&mut object, url);
    push(&mut object, Field::usual("Summary", "Summary", FieldType::Textarea, 1_000));
    push(&mut object, server(picklist("PublishStatus", "Publication Status", &["Draft", "Online", "Archived"])));
    let mut language = picklist("Language", "Language", &["en_US"]);
    (language.defaulted_on_create, language.updateable) = (true, false);
    language.default_value = Some(Value::from("en_US"));
    push(&mut object, language);
    for field in [
        text("ArticleNumber", "Article Number", 255),
        number("VersionNumber", "Version Number"),
        flag("IsLatestVersion", "Is Latest Version"),
        flag("IsMasterLanguage", "Is Master Language"),
        moment("FirstPublishedDate", "First Published Date"),
        moment("LastPublishedDate", "Last Published Date"),
        moment("ArchivedDate", "Archived Date"),
        reference("ArchivedById", "Archived By ID", "User", "ArchivedBy"),
    ] {
        push(&mut object, server(field));
    }
    for (name, label) in [
        ("IsVisibleInApp", "Visible In Internal App"),
        ("IsVisibleInPkb", "Visible In Public Knowledge Base"),
        ("IsVisibleInCsp", "Visible to Customer"),
        ("IsVisibleInPrm", "Visible to Partner"),
    ] {
        push(&mut object, flag(name, label));
    }
    object
}

fn push(object: &mut Object, field: Field) {
    object.fields.push(std::sync::Arc::new(field));
}

/// A field that the server alone writes.
fn server(mut field: Field) -> Field {
    (field.createable, field.updateable) = (false, false);
    field
}

fn text(name: &str, label: &str, length: u32) -> Field {
    Field::usual(name, label, FieldType::String, length)
}

fn moment(name: &str, label: &str) -> Field {
    Field::usual(name, label, FieldType::Datetime, 0)
}

fn number(name: &str, label: &str) -> Field {
    Field::usual(name, label, FieldType::Int, 0)
}

fn flag(name: &str, label: &str) -> Field {
    let mut field = Field::usual(name, label, FieldType::Boolean, 0);
    field.default_value = Some(Value::Bool(false));
    field
}

fn picklist(name: &str, label: &str, values: &[&str]) -> Field {
    let mut field = Field::usual(name, label, FieldType::Picklist, 40);
    field.restricted_picklist = true;
    let value = |value: &&str| PicklistValue {
        active: true,
        default_value: false,
        label: (*value).to_owned(),
        value: (*value).to_owned(),
        valid_for: None,
    };
    field.picklist = values.iter().map(value).collect();
    field
}

fn reference(name: &str, label: &str, target: &str, path: &str) -> Field {
    let mut field = Field::usual(name, label, FieldType::Reference, 18);
    field.reference_to = vec![target.to_owned()];
    field.relationship_name = Some(path.to_owned());
    field
}
