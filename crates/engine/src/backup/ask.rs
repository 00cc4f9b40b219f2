// SPDX-License-Identifier: Apache-2.0
//! The rows of a query, by whichever way the org gives them.
//!
//! - A Bulk job that is refused, fails or loses its results is followed by REST. A query that is too long for a URL is sent as a Bulk job
//!   whatever it finds, and as several of fewer fields where that is refused (`Org::query_in_parts`).
//! - What takes the org too long, or is more than it gives at once, is asked for in two ranges of Ids, and each of these again, down to a
//!   single record. The Id in the middle comes from the first and the last of the range, which the org finds in no time. The
//!   ranges are `Id <= m` and `Id > m` within what they were cut from, the outermost have no bounds: together they are everything,
//!   whatever order the org gives its Ids, and whatever comes or goes meanwhile.
//! - Each way that was found is learned (see `detours.rs`).
//!
//! Counts are cut into ranges in the same way, and added up.
//!
//! Where the org fails in the middle of its rows, those that came are given again by what is asked instead. Whoever captures them keeps
//! the last of each record. What changes between two ranges has a stamp later than the beginning of the reading, so that the next backup
//! asks for it.

use super::read::{refusal, scope};
use crate::detours::{Learned, Wanted};
use crate::spec::Spec;
use futures::stream::{self, StreamExt, TryStreamExt};
use orgkeep_salesforce::{Error, Kind, Org, Query, Result, RowStream, Rows, Scope, fits_a_url, id, soql};

/// A range is cut in two so many times; what the org still refuses then, it refuses whatever its size.
const MOST_HALVINGS: u32 = 24;

/// What is asked of an object.
#[derive(Clone)]
pub(super) struct Question {
    pub object: String,
    pub fields: Vec<String>,
    pub condition: Option<String>,
    pub scope: Scope,
    /// Where it is worth to learn how it is to be asked.
    pub wanted: Option<Wanted>,
}

impl Question {
    /// Rows of an object, with all their fields.
    pub fn rows(spec: &Spec, condition: Option<String>, wanted: Option<Wanted>) -> Question {
        Question { object: spec.object.clone(), fields: spec.fields.clone(), condition, scope: scope(spec), wanted }
    }

    pub fn select(&self) -> String {
        self.soql(&Range::default())
    }

    /// As one of several that are asked together.
    pub fn query(self) -> Query {
        Query { soql: self.select(), columns: self.fields, scope: self.scope }
    }

    fn soql(&self, range: &Range) -> String {
        soql::select(&self.fields, &self.object, self.within(range).as_deref())
    }

    /// The condition in a range.
    fn within(&self, range: &Range) -> Option<String> {
        let conditions: Vec<String> = [self.condition.clone(), range.condition()].into_iter().flatten().collect();
        (!conditions.is_empty()).then(|| conditions.join(" AND "))
    }

    /// An Id that parts what the org has in a range. `None` where there are not two records.
    async fn middle(&self, org: &Org, range: &Range) -> Result<Option<String>> {
        let (first, last) = (self.end(org, range, "").await?, self.end(org, range, " DESC").await?);
        Ok(first.zip(last).and_then(|(first, last)| id::between(&first, &last)))
    }

    /// The first Id of a range, or the last. `None` also where the org does not say.
    async fn end(&self, org: &Org, range: &Range, order: &str) -> Result<Option<String>> {
        let question = Question { fields: vec!["Id".to_owned()], condition: None, ..self.clone() };
        let soql = format!("{} ORDER BY Id{order} LIMIT 1", question.soql(range));
        match org.query(&soql, &question.fields, question.scope).try_next().await {
            Ok(rows) => Ok(rows.and_then(|rows| rows.cell(0, 0).map(str::to_owned))),
            Err(error) if refusal(&error).is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Ids from one on, which is not among them, to another, which is.
#[derive(Clone, Debug, Default, PartialEq)]
struct Range {
    after: Option<String>,
    upto: Option<String>,
}

impl Range {
    fn condition(&self) -> Option<String> {
        let after = self.after.as_ref().map(|id| format!("Id > '{id}'"));
        let upto = self.upto.as_ref().map(|id| format!("Id <= '{id}'"));
        let bounds: Vec<String> = [after, upto].into_iter().flatten().collect();
        (!bounds.is_empty()).then(|| bounds.join(" AND "))
    }

    fn cut(&self, at: &str) -> (Range, Range) {
        let at = Some(at.to_owned());
        (Range { after: self.after.clone(), upto: at.clone() }, Range { after: at, upto: self.upto.clone() })
    }
}

/// The ranges between these Ids, the last one first.
fn ranges(cuts: &[String]) -> Vec<Range> {
    let mut ranges = Vec::with_capacity(cuts.len() + 1);
    let mut rest = Range::default();
    for cut in cuts {
        let (low, high) = rest.cut(cut);
        ranges.push(low);
        rest = high;
    }
    ranges.push(rest);
    ranges.reverse();
    ranges
}

struct Step {
    bulk: bool,
    range: Range,
    halvings: u32,
}

struct Asking {
    org: Org,
    question: Question,
    learned: Learned,
    /// What is still to be asked for, the next one last.
    open: Vec<Step>,
    current: Option<(Step, RowStream)>,
}

/// Asks, and gives the rows once the first of them have come; also whether they come by a Bulk job. `bulk` prefers one.
///
/// # Errors
/// As the org refuses it whatever way it is asked.
pub(super) async fn ask(org: &Org, question: Question, bulk: bool, learned: &Learned) -> Result<(bool, RowStream)> {
    let open = {
        let known = learned.known();
        let cuts = question.wanted.and_then(|wanted| known.cuts.get(&wanted)).map_or(&[][..], Vec::as_slice);
        let ranges = ranges(cuts);
        let bulk = (bulk || !fits_a_url(&question.soql(&ranges[0]))) && !known.no_bulk;
        ranges.into_iter().map(|range| Step { bulk, range, halvings: 0 }).collect()
    };
    let mut asking = Asking { org: org.clone(), question, learned: learned.clone(), open, current: None };
    let first = asking.next().await?;
    let by_bulk = asking.current.as_ref().is_some_and(|(step, _)| step.bulk);
    let rest = stream::try_unfold(asking, |mut asking| async move {
        Ok::<_, Error>(asking.next().await?.map(|rows| (rows, asking)))
    });
    Ok((by_bulk, stream::iter(first.map(Ok)).chain(rest).boxed()))
}

impl Asking {
    async fn next(&mut self) -> Result<Option<Rows>> {
        loop {
            let (step, mut rows) = if let Some(current) = self.current.take() {
                current
            } else {
                let Some(step) = self.open.pop() else { return Ok(None) };
                match self.start(&step).await {
                    Ok(rows) => (step, rows),
                    Err(error) => {
                        self.around(step, error).await?;
                        continue;
                    }
                }
            };
            match rows.next().await {
                Some(Ok(batch)) => {
                    self.current = Some((step, rows));
                    return Ok(Some(batch));
                }
                Some(Err(error)) => self.around(step, error).await?,
                None => {}
            }
        }
    }

    // `&mut`, since a stream of rows is not to be shared between threads.
    async fn start(&mut self, step: &Step) -> Result<RowStream> {
        let Question { fields, scope, .. } = &self.question;
        let soql = self.question.soql(&step.range);
        match step.bulk {
            true => self.org.bulk_rows(&soql, *scope).await,
            false if fits_a_url(&soql) => Ok(self.org.query(&soql, fields, *scope)),
            false => Ok(self.org.query_in_parts(&soql, fields, *scope)),
        }
    }

    /// Finds what to ask instead, or gives the error back.
    async fn around(&mut self, step: Step, error: Error) -> Result<()> {
        if error.was_too_much()
            && step.halvings < MOST_HALVINGS
            && let Some(middle) = self.question.clone().middle(&self.org.clone(), &step.range).await?
        {
            if let Some(wanted) = self.question.wanted {
                self.learned.known().cut(wanted, &middle);
            }
            let (low, high) = step.range.cut(&middle);
            let halvings = step.halvings + 1;
            self.open.extend([high, low].map(|range| Step { bulk: step.bulk, range, halvings }));
            return Ok(());
        }
        if step.bulk && error.is_of_bulk() {
            // What was said of this job only may be otherwise with the next.
            if !matches!(error.kind, Kind::Unreachable | Kind::Busy | Kind::Limited) && !error.was_too_much() {
                self.learned.known().no_bulk = true;
                self.open.iter_mut().for_each(|step| step.bulk = false);
            }
            self.open.push(Step { bulk: false, ..step });
            return Ok(());
        }
        Err(error)
    }
}

/// How many rows of an object satisfy a condition, in ranges of Ids where it takes the org too long to count them all.
///
/// # Errors
/// As the org refuses it whatever way it is asked.
pub(super) async fn count(
    org: &Org,
    object: &str,
    condition: Option<&str>,
    scope: Scope,
    learned: &Learned,
) -> Result<u64> {
    let condition = condition.map(str::to_owned);
    let question = Question { object: object.to_owned(), fields: Vec::new(), condition, scope, wanted: None };
    let cuts = learned.known().cuts.get(&Wanted::Count).cloned().unwrap_or_default();
    let mut open: Vec<(Range, u32)> = ranges(&cuts).into_iter().map(|range| (range, 0)).collect();
    let mut rows = 0;
    while let Some((range, halvings)) = open.pop() {
        let error = match org.count(object, question.within(&range).as_deref(), scope).await {
            Ok(some) => {
                rows += some;
                continue;
            }
            Err(error) if !error.was_too_much() || halvings >= MOST_HALVINGS => return Err(error),
            Err(error) => error,
        };
        let Some(middle) = question.middle(org, &range).await? else { return Err(error) };
        learned.known().cut(Wanted::Count, &middle);
        let (low, high) = range.cut(&middle);
        open.extend([high, low].map(|range| (range, halvings + 1)));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_side_by_side_and_are_open_at_both_ends() {
        let ranges = ranges(&["b".into(), "d".into()]);
        let conditions: Vec<Option<String>> = ranges.iter().map(Range::condition).collect();
        let expected = [Some("Id > 'd'"), Some("Id > 'b' AND Id <= 'd'"), Some("Id <= 'b'")];
        assert_eq!(conditions, expected.map(|condition| condition.map(str::to_owned)));
        assert_eq!(super::ranges(&[]), [Range::default()]);
        let (low, high) = ranges[1].cut("c");
        assert_eq!((low.after.as_deref(), low.upto.as_deref()), (Some("b"), Some("c")));
        assert_eq!((high.after.as_deref(), high.upto.as_deref()), (Some("c"), Some("d")));
    }
}
