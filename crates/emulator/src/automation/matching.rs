// SPDX-License-Identifier: Apache-2.0
//! Matching rules: which records are alike.
//!
//! `Exact` compares without case. The fuzzy methods are guesses at Salesforce's own, which are not public: names are alike without
//! case and accents' neighbours of one letter, or as an initial; companies without punctuation and legal forms; phones by their
//! last seven digits; streets with their usual abbreviations; post codes by what stands before a blank or hyphen. The standard
//! rules are guesses too ([`Matching::standard`]). The confidence is always 100.

use std::sync::Arc;

use super::Verdict;
use super::condition::{Logic, plain};
use super::validation::absent;
use crate::metadata::Node;
use crate::schema::{Object, Schema};
use crate::store::{Row, Tx};
use crate::value::Value;

/// A rule that can be asked.
#[derive(Clone, Debug)]
pub struct Matching {
    /// Its own name, without the object's.
    pub name: String,
    items: Vec<Item>,
    logic: Logic,
    /// Salesforce names another engine where all is exact.
    pub is_exact: bool,
}

#[derive(Clone, Debug)]
struct Item {
    field: String,
    method: Method,
    match_blanks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Exact,
    Name,
    Company,
    Phone,
    Words,
    Zip,
}

impl Method {
    fn named(name: &str) -> Option<Method> {
        Some(match name {
            "Exact" => Method::Exact,
            "FirstName" | "LastName" => Method::Name,
            "CompanyName" => Method::Company,
            "Phone" => Method::Phone,
            "Street" | "City" | "Title" => Method::Words,
            "Zip" => Method::Zip,
            _ => return None,
        })
    }
}

impl Matching {
    /// The fields that it compares.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|item| item.field.as_str())
    }

    /// # Errors
    /// What is wrong with it, or outside of the subset.
    pub fn read(object: &Arc<Object>, full_name: &str, node: &Node) -> Result<Matching, Verdict> {
        let item = |node: &Node| {
            let (field, method) = (node.text_of("fieldName"), node.text_of("matchingMethod"));
            if !object.has(field) {
                return Err(absent(field));
            }
            let method = Method::named(method)
                .ok_or_else(|| Verdict::Dormant(format!("the matching method {method} is not emulated")))?;
            Ok(Item {
                field: field.to_owned(),
                method,
                match_blanks: node.text_of("blankValueBehavior") == "MatchBlanks",
            })
        };
        let items = node.all("matchingRuleItems").map(item).collect::<Result<Vec<Item>, Verdict>>()?;
        let logic = node.text_of("booleanFilter");
        let logic = Logic::read(logic, items.len())
            .filter(|_| !items.is_empty())
            .ok_or_else(|| Verdict::Wrong(format!("Invalid filter logic: {logic}")))?;
        let name = full_name.split_once('.').map_or(full_name, |(_, own)| own).to_owned();
        Ok(Matching { is_exact: items.iter().all(|item| item.method == Method::Exact), name, items, logic })
    }

    /// A guess at one of the rules that every org has.
    pub fn standard(schema: &Schema, object: &Object, name: &str) -> Option<Matching> {
        let item = |field: &str, method| Item { field: field.to_owned(), method, match_blanks: false };
        let (items, logic) = match object.name.as_str() {
            "Account" => (
                vec![
                    item("Name", Method::Company),
                    item("BillingStreet", Method::Words),
                    item("BillingCity", Method::Words),
                    item("Phone", Method::Phone),
                    item("Website", Method::Exact),
                ],
                "1 AND (2 OR 3 OR 4 OR 5)",
            ),
            "Contact" | "Lead" => {
                let street = if object.name == "Lead" { "Street" } else { "MailingStreet" };
                (
                    vec![
                        item("FirstName", Method::Name),
                        item("LastName", Method::Name),
                        item("Email", Method::Exact),
                        item("Phone", Method::Phone),
                        item(street, Method::Words),
                    ],
                    "(1 AND 2 AND (3 OR 4 OR 5)) OR (2 AND 3)",
                )
            }
            _ => return None,
        };
        let there = schema.object(&object.name)?;
        let known = name.starts_with("Standard_") && items.iter().all(|item| there.has(&item.field));
        let logic = Logic::read(logic, items.len())?;
        known.then(|| Matching { name: name.to_owned(), items, logic, is_exact: false })
    }

    /// Whether one of its fields differs between these values.
    pub fn differs(&self, object: &Object, old: &[Value], new: &[Value], mapped: &dyn Fn(&str) -> String) -> bool {
        let at = |item: &Item| object.position(&mapped(&item.field));
        self.items.iter().filter_map(at).any(|at| old[at] != new[at])
    }

    /// The live records of `target` that are like these values of `object`.
    pub fn matches(
        &self,
        tx: &Tx<'_>,
        (object, values): (&Object, &[Value]),
        target: &Arc<Object>,
        mapped: &dyn Fn(&str) -> String,
    ) -> Vec<Row> {
        let own: Vec<String> = self
            .items
            .iter()
            .map(|item| {
                object
                    .position(&mapped(&item.field))
                    .map_or_else(String::new, |at| plain(&values[at], object.fields[at].kind))
            })
            .collect();
        let alive = if target.has("IsDeleted") { "\"IsDeleted\" = 0" } else { "1 = 1" };
        // An exact value that every match has narrows the search; what is fuzzy needs all rows.
        let key = (self.logic == Logic::All)
            .then(|| {
                self.items.iter().zip(&own).find(|(item, value)| item.method == Method::Exact && !value.is_empty())
            })
            .flatten();
        let rows = match key {
            Some((item, value)) => {
                let field = target.field(&item.field).map_or(item.field.as_str(), |field| field.name.as_str());
                tx.rows_where(target, &format!("\"{field}\" = ?1 AND {alive}"), &[value])
            }
            None => tx.rows_where(target, alive, &[]),
        };
        let like = |row: &Row| {
            self.logic.holds(self.items.len(), &|at| {
                let item = &self.items[at];
                let kind = target.field(&item.field).map_or(crate::schema::FieldType::String, |field| field.kind);
                let other = plain(row.get(&item.field), kind);
                match (own[at].is_empty(), other.is_empty()) {
                    (true, true) => item.match_blanks,
                    (false, false) => alike(item.method, &own[at], &other),
                    _ => false,
                }
            })
        };
        rows.into_iter().filter(like).collect()
    }
}

/// Words of a company's name that say nothing of which company it is.
const LEGAL_FORMS: [&str; 12] =
    ["inc", "incorporated", "ltd", "limited", "llc", "corp", "corporation", "co", "company", "gmbh", "ag", "the"];

fn alike(method: Method, a: &str, b: &str) -> bool {
    match method {
        Method::Exact => a.to_lowercase() == b.to_lowercase(),
        Method::Name => {
            let (a, b) = (letters(a), letters(b));
            let initial = |short: &str, long: &str| short.chars().count() == 1 && long.starts_with(short);
            a == b || initial(&a, &b) || initial(&b, &a) || (a.len().min(b.len()) >= 5 && one_apart(&a, &b))
        }
        Method::Company => words(a, &LEGAL_FORMS) == words(b, &LEGAL_FORMS),
        Method::Phone => {
            let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
            let (a, b) = (digits(a), digits(b));
            let tail = |text: &str| text[text.len().saturating_sub(7)..].to_owned();
            !a.is_empty() && tail(&a) == tail(&b)
        }
        Method::Words => words(a, &[]) == words(b, &[]),
        Method::Zip => {
            let first = |text: &str| text.split([' ', '-']).next().unwrap_or_default().to_lowercase();
            first(a) == first(b)
        }
    }
}

fn letters(text: &str) -> String {
    text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

fn words(text: &str, without: &[&str]) -> Vec<String> {
    let lower = text.to_lowercase();
    let all = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty() && !without.contains(word));
    let short = |word: &str| match word {
        "street" => "st".to_owned(),
        "avenue" => "ave".to_owned(),
        "road" => "rd".to_owned(),
        "boulevard" => "blvd".to_owned(),
        "saint" => "st".to_owned(),
        word => word.to_owned(),
    };
    all.map(short).collect()
}

/// Whether one letter more, less or other makes one of the other.
fn one_apart(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(long.iter()).take_while(|(a, b)| a == b).count();
    let rest = usize::from(short.len() == long.len());
    short[(same + rest).min(short.len())..] == long[(same + 1).min(long.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike() {
        let cases = [
            (Method::Name, "Meyer", "meyers", true),
            (Method::Name, "Ann", "A", true),
            (Method::Name, "Ann", "Amy", false),
            (Method::Company, "Acme, Inc.", "ACME Corporation", true),
            (Method::Company, "Acme East", "Acme West", false),
            (Method::Phone, "+1 (555) 123-4567", "555.123.4567", true),
            (Method::Words, "1 Main Street", "1 main st.", true),
            (Method::Zip, "12345-6789", "12345", true),
            (Method::Exact, "a@b.org", "A@B.org", true),
        ];
        for (method, a, b, same) in cases {
            assert_eq!(alike(method, a, b), same, "{method:?} {a} {b}");
        }
    }
}
