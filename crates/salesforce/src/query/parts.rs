// SPDX-License-Identifier: Apache-2.0
//! A query of more fields than a URL holds, in parts that are joined by Id: for objects that Bulk API 2.0, which takes a query of
//! any length, does not give.
//!
//! Each part asks for some of the fields, for Id and, where the query has one, for the stamp, in the order of the Ids. The parts are read
//! side by side, always on from the one that is furthest behind. Since the org sorts all of them alike, whatever its order is, a row
//! waits for its other parts for about a page, and no longer; that is all that is held in memory.
//!
//! The parts are not of one moment. A row whose stamps differ between them changed meanwhile, and one that is not in all of them came,
//! went, or began or ceased to fit the condition. Such rows are asked for again by their Ids, in all parts, until they agree; those that
//! are not there any more are left out. Of an object without a stamp it shows only that a row is not in all parts.

use std::collections::HashMap;
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};

use super::{Scope, fits_a_url, object_of};
use crate::error::{Error, Kind, Result};
use crate::org::Org;
use crate::rows::{RowStream, Rows, RowsBuilder};
use crate::soql::{is_in, select};

const STAMPS: [&str; 2] = ["SystemModstamp", "LastModifiedDate"];
/// Rows asked for again at once.
const AGAIN: usize = 50;
/// How often rows that change all the time are asked for again.
const MOST_ROUNDS: usize = 5;

/// Which fields are asked for together.
#[derive(Clone)]
struct Parts {
    columns: Arc<[String]>,
    /// Fields of each part: the first is Id, the second the stamp, if there is one.
    parts: Vec<Vec<String>>,
    /// Where the value of each column is: in which part, and there in which place.
    places: Vec<(usize, usize)>,
    has_stamp: bool,
    object: String,
}

impl Parts {
    /// `None` where the rows cannot be told apart, or one field alone is too much.
    fn of(columns: &[String], object: &str, rest: &str) -> Option<Parts> {
        let has = |name: &str| columns.iter().find(|column| column.eq_ignore_ascii_case(name));
        let stamp = STAMPS.iter().find_map(|name| has(name));
        let keys: Vec<String> = [Some(has("Id")?), stamp].into_iter().flatten().cloned().collect();
        // As long as the longest question: with the condition, or with the Ids of rows that are asked for again.
        let ids = is_in("Id", &[["0"; 18].concat(); 1]).repeat(AGAIN);
        let fits = |fields: &[String]| {
            fits_a_url(&format!("SELECT {} FROM {rest} ORDER BY Id", fields.join(", ")))
                && fits_a_url(&format!("SELECT {} FROM {object} WHERE {ids}", fields.join(", ")))
        };
        // Where the condition alone is too long, no choice of fields helps, and asking for the parts would end up here again.
        if !fits(&keys) {
            return None;
        }
        let mut parts = vec![keys.clone()];
        let mut places = Vec::with_capacity(columns.len());
        for column in columns {
            if let Some(place) = keys.iter().position(|key| key == column) {
                places.push((0, place));
                continue;
            }
            let last = parts.last_mut().expect("there is always one");
            last.push(column.clone());
            if !fits(last) {
                let alone = last.pop().into_iter();
                parts.push(keys.iter().cloned().chain(alone).collect());
                if !fits(&parts[parts.len() - 1]) {
                    return None;
                }
            }
            places.push((parts.len() - 1, parts[parts.len() - 1].len() - 1));
        }
        let (columns, object) = (columns.into(), object.to_owned());
        Some(Parts { columns, parts, places, has_stamp: stamp.is_some(), object })
    }
}

/// One part of a row, in the rows it came with.
type Piece = (Arc<Rows>, usize);

/// Rows of which not all parts have come.
struct Joining {
    parts: Parts,
    waiting: HashMap<String, Vec<Option<Piece>>>,
    /// Ids of rows that changed between their parts.
    torn: Vec<String>,
}

impl Joining {
    fn new(parts: Parts) -> Joining {
        Joining { parts, waiting: HashMap::new(), torn: Vec::new() }
    }

    /// Adds the rows of a part, and gives the rows that are whole by it.
    fn add(&mut self, part: usize, rows: Rows) -> Result<Rows> {
        let rows = Arc::new(rows);
        let mut whole = RowsBuilder::new(self.parts.columns.clone());
        for row in 0..rows.len() {
            let Some(id) = rows.cell(row, 0) else { continue };
            let count = self.parts.parts.len();
            let pieces = self.waiting.entry(id.to_owned()).or_insert_with(|| vec![None; count]);
            pieces[part] = Some((rows.clone(), row));
            if pieces.iter().all(Option::is_some)
                && let Some((id, pieces)) = self.waiting.remove_entry(id)
            {
                let pieces: Vec<Piece> = pieces.into_iter().flatten().collect();
                let stamp = |piece: &Piece| piece.0.cell(piece.1, 1).map(str::to_owned);
                if self.parts.has_stamp && pieces.iter().any(|piece| stamp(piece) != stamp(&pieces[0])) {
                    self.torn.push(id);
                    continue;
                }
                for (part, place) in &self.parts.places {
                    let (rows, row) = &pieces[*part];
                    whole.push_cell(rows.cell(*row, *place).unwrap_or_default());
                }
            }
        }
        whole.finish()
    }

    /// Rows that did not come whole.
    fn left(&mut self) -> Vec<String> {
        let mut left = std::mem::take(&mut self.torn);
        left.extend(self.waiting.drain().map(|(id, _)| id));
        left.sort_unstable();
        left
    }
}

/// A reading in parts, page after page.
struct Reading {
    org: Org,
    scope: Scope,
    doing: String,
    /// The pages of each part to come, and how many rows have come.
    streams: Vec<(RowStream, u64, bool)>,
    joining: Joining,
    again: Vec<String>,
    round: usize,
}

impl Org {
    /// Rows of a query, as [`Org::query`] gives them, with its fields spread over as many queries as they need. The query must select
    /// Id and have no ORDER BY and no LIMIT.
    ///
    /// # Errors
    ///
    /// As for a query; `Busy` where rows change faster than they can be read.
    pub fn query_in_parts(&self, soql: &str, columns: &[String], scope: Scope) -> RowStream {
        let object = object_of(soql);
        let doing = format!("querying {object} in parts");
        let rest = soql.split_once(" FROM ").map_or(object, |(_, rest)| rest);
        let Some(parts) = Parts::of(columns, object, rest) else {
            let what = "the query is too long, and cannot be asked in parts";
            return stream::iter([Err(Error::new(Kind::Invalid, doing, what))]).boxed();
        };
        let streams = parts.parts.iter().map(|fields| {
            let soql = format!("SELECT {} FROM {rest} ORDER BY Id", fields.join(", "));
            (self.query(&soql, fields, scope), 0, true)
        });
        let (streams, joining) = (streams.collect(), Joining::new(parts));
        let reading = Reading { org: self.clone(), scope, doing, streams, joining, again: Vec::new(), round: 0 };
        stream::try_unfold(reading, |mut reading| async move {
            Ok::<_, Error>(reading.next().await?.map(|rows| (rows, reading)))
        })
        .boxed()
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Rows>> {
        loop {
            let behind =
                self.streams.iter().enumerate().filter(|(_, stream)| stream.2).min_by_key(|(_, stream)| stream.1);
            let rows = match behind.map(|(part, _)| part) {
                Some(part) => match self.streams[part].0.try_next().await? {
                    Some(rows) => {
                        self.streams[part].1 += rows.len() as u64;
                        self.joining.add(part, rows)?
                    }
                    None => {
                        self.streams[part].2 = false;
                        continue;
                    }
                },
                None => match self.once_more().await? {
                    Some(rows) => rows,
                    None => return Ok(None),
                },
            };
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
    }

    /// Asks again for some rows that did not come whole.
    async fn once_more(&mut self) -> Result<Option<Rows>> {
        if self.again.is_empty() {
            self.again = self.joining.left();
            self.round += 1;
        }
        if self.again.is_empty() {
            return Ok(None);
        }
        if self.round > MOST_ROUNDS {
            let what = format!("{} rows change faster than they can be read", self.again.len());
            return Err(
                Error::new(Kind::Busy, self.doing.as_str(), what).hint("try again at a quieter time of the org")
            );
        }
        let ids = self.again.split_off(self.again.len().saturating_sub(AGAIN));
        let parts = self.joining.parts.clone();
        let mut joining = Joining::new(parts.clone());
        let mut whole = Rows::empty(parts.columns.clone());
        for (part, fields) in parts.parts.iter().enumerate() {
            let soql = select(fields, &parts.object, Some(&is_in("Id", &ids)));
            let rows: Vec<Rows> = self.org.query(&soql, fields, self.scope).try_collect().await?;
            for rows in rows {
                whole.append(&joining.add(part, rows)?);
            }
        }
        // What is in none of the parts is gone, and what is still torn waits for another round.
        self.joining.torn.extend(joining.left());
        Ok(Some(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Answer, connected, json};

    const ID: &str = "001000000000001AAA";
    const OTHER: &str = "001000000000002AAA";

    fn page(records: &[String]) -> Answer {
        json(&format!(r#"{{"totalSize":9,"done":true,"records":[{}]}}"#, records.join(",")))
    }

    fn record(id: &str, stamp: &str, field: &str, value: &str) -> String {
        format!(
            r#"{{"attributes":{{"type":"Account","url":"/x"}},"Id":"{id}","SystemModstamp":"{stamp}","{field}":"{value}"}}"#
        )
    }

    #[test]
    fn every_field_is_in_one_part_and_every_part_fits() {
        let mut columns: Vec<String> = vec!["Id".into(), "IsDeleted".into(), "SystemModstamp".into()];
        columns.extend((0..900).map(|n| format!("A_field_with_a_name_of_forty_chars_{n:03}_c__c")));
        let parts = Parts::of(&columns, "Account", "Account WHERE Id > '001000000000001AAA'").unwrap();
        assert!(parts.parts.len() > 2 && parts.parts.len() < 5, "{}", parts.parts.len());
        for (column, (part, place)) in columns.iter().zip(&parts.places) {
            assert_eq!(&parts.parts[*part][*place], column);
        }
        assert!(parts.parts.iter().all(|fields| fields[..2] == ["Id", "SystemModstamp"]));
        assert!(Parts::of(&columns[1..], "Account", "Account").is_none(), "without an Id nothing can be joined");
        let long = format!("Account WHERE Name IN ({}'')", "'',".repeat(2_000));
        assert!(Parts::of(&columns[..1], "Account", &long).is_none(), "the condition alone is too long");
    }

    /// One row changes between its parts, and one is gone before the second part is read.
    #[tokio::test(start_paused = true)]
    async fn a_row_that_changes_between_its_parts_is_asked_for_again() {
        let (first, second) = (format!("F{}__c", "a".repeat(9_000)), format!("F{}__c", "b".repeat(9_000)));
        let line = |field: &str, rest: &str| {
            format!("GET /services/data/v67.0/query?q=SELECT+Id%2C+SystemModstamp%2C+{field}+FROM+Account{rest}")
        };
        let again = |ids: &str| format!("+WHERE+Id+IN+%28{ids}%29");
        let both = again(&format!("%27{ID}%27%2C+%27{OTHER}%27"));
        let lines =
            [line(&first, "+ORDER+BY+Id"), line(&second, "+ORDER+BY+Id"), line(&first, &both), line(&second, &both)];
        let answers = [
            page(&[record(ID, "1", &first, "old"), record(OTHER, "1", &first, "gone")]),
            page(&[record(ID, "2", &second, "new")]),
            page(&[record(ID, "2", &first, "new")]),
            page(&[record(ID, "2", &second, "new")]),
        ];
        let script = lines.iter().map(|line| &*Box::leak(line.clone().into_boxed_str())).zip(answers).collect();
        let (org, script) = connected(script).await;
        let columns = vec!["Id".to_owned(), "SystemModstamp".into(), first.clone(), second.clone()];
        let soql = select(&columns, "Account", None);
        let rows: Vec<Rows> = org.query_in_parts(&soql, &columns, Scope::Live).try_collect().await.unwrap();
        let cells: Vec<Vec<_>> = rows.iter().flat_map(Rows::iter).map(Iterator::collect).collect();
        assert_eq!(cells, [[Some(ID), Some("2"), Some("new"), Some("new")]]);
        assert_eq!(script.lines().len(), 4);
    }
}
