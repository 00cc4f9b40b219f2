// SPDX-License-Identifier: Apache-2.0
//! What the running transaction touched, and what it makes known when it commits.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::bus::{self, Kept};
use super::change::{Change, ChangeType, Commit, put_nullable, put_value};
use super::shape::{Form, Shape};
use super::topic;
use crate::org::{Row, Tx};
use crate::schema::{Object, Schema};
use crate::user::Caller;
use crate::value::Value;

/// Changes of one transaction beyond which only overflow events are made (Change Data Capture Developer Guide, "Overflow
/// Events").
const OVERFLOW_CHANGES: usize = 100_000;
/// A larger event is sent as a gap event (`salesforce-api.md` 5.2).
const EVENT_MAX_BYTES: usize = 1 << 20;
/// What an overflow event names instead of records.
const NO_RECORD: &str = "000000000000000AAA";
/// What the numbers of commits start above.
const FIRST_COMMIT: i64 = 1_100_000_000_000;

/// How events are made, and what the running transaction has touched.
pub(crate) struct Capture {
    is_on: Cell<bool>,
    overflow_changes: Cell<usize>,
    /// So many transactions make gap events instead of change events.
    gap_transactions: Cell<u32>,
    running: RefCell<Running>,
}

impl Default for Capture {
    fn default() -> Capture {
        Capture {
            is_on: Cell::new(false),
            overflow_changes: Cell::new(OVERFLOW_CHANGES),
            gap_transactions: Cell::new(0),
            running: RefCell::default(),
        }
    }
}

/// The transaction that is open, and the shapes of the schema it runs under.
#[derive(Default)]
struct Running {
    schema: Arc<Schema>,
    /// By object; none for objects without change events.
    shapes: HashMap<String, Option<Arc<Shape>>>,
    touched: Vec<Touched>,
    /// Where in `touched` a record stands: by its event object's schema and its Id.
    places: HashMap<(usize, String), usize>,
    /// Platform events that were published.
    messages: Vec<Message>,
    /// Whether some of them were written already.
    has_written: bool,
    author: Option<Author>,
}

struct Touched {
    shape: Arc<Shape>,
    id: String,
    /// As it was before the transaction; none for a new record.
    before: Option<Row>,
    /// What is told of it instead of what changed.
    gap: Option<ChangeType>,
}

struct Message {
    shape: Arc<Shape>,
    payload: Vec<u8>,
}

impl Message {
    fn into_kept(self) -> Kept {
        Kept { shape: self.shape, payload: self.payload }
    }
}

#[derive(Clone)]
struct Author {
    user_id: String,
    origin: Option<Arc<str>>,
}

impl Capture {
    pub fn set_on(&self, is_on: bool) {
        self.is_on.set(is_on);
        self.forget_shapes();
    }

    pub fn is_on(&self) -> bool {
        self.is_on.get()
    }

    /// Objects may have been selected or changed.
    pub fn forget_shapes(&self) {
        self.running.borrow_mut().shapes.clear();
    }

    pub fn set_overflow_changes(&self, changes: usize) {
        self.overflow_changes.set(changes);
    }

    pub fn set_gap_transactions(&self, transactions: u32) {
        self.gap_transactions.set(transactions);
    }

    /// A transaction begins; what an abandoned one touched is forgotten.
    pub fn begin(&self) {
        let running = &mut *self.running.borrow_mut();
        running.touched.clear();
        running.places.clear();
        running.messages.clear();
        running.has_written = false;
        running.author = None;
    }

    /// Who writes. The first caller of a transaction is its author; the platform acts for somebody.
    pub fn author(&self, caller: &Caller) {
        let author = &mut self.running.borrow_mut().author;
        if author.is_none() {
            *author = Some(Author { user_id: caller.user_id.clone(), origin: caller.origin.clone() });
        }
    }

    /// A record is about to be written or removed.
    pub fn touch(&self, tx: &Tx<'_>, object: &Object, id: &str) {
        if let Some(shape) = self.shape(tx, object).filter(|shape| !self.knows(shape, id)) {
            self.note(shape, id, tx.row(object, id), None);
        }
    }

    /// A record is changed outside of what saves do, and only that it was is told.
    pub fn touch_gap(&self, tx: &Tx<'_>, object: &Object, id: &str, gap: ChangeType) {
        if let Some(shape) = self.shape(tx, object).filter(|shape| !self.knows(shape, id)) {
            self.note(shape, id, None, Some(gap));
        }
    }

    /// A record is made.
    pub fn touch_new(&self, tx: &Tx<'_>, object: &Object, values: &[Value]) {
        let Some(shape) = self.shape(tx, object) else { return };
        let Some(id) = object.position("Id").and_then(|at| values[at].as_str()) else { return };
        if !self.knows(&shape, id) {
            self.note(shape, id, None, None);
        }
    }

    fn shape(&self, tx: &Tx<'_>, object: &Object) -> Option<Arc<Shape>> {
        let running = &mut *self.running.borrow_mut();
        if !Arc::ptr_eq(&running.schema, &tx.schema) {
            running.schema = tx.schema.clone();
            running.shapes.clear();
        }
        if let Some(known) = running.shapes.get(&object.name) {
            return known.clone();
        }
        let shape = topic::selected(tx, &object.name)
            .then(|| Shape::of_changes(&tx.schema, tx.schema.object(&object.name)?))
            .flatten()
            .map(Arc::new);
        running.shapes.insert(object.name.clone(), shape.clone());
        shape
    }

    fn knows(&self, shape: &Arc<Shape>, id: &str) -> bool {
        self.running.borrow().places.contains_key(&(place(shape), id.to_owned()))
    }

    fn note(&self, shape: Arc<Shape>, id: &str, before: Option<Row>, gap: Option<ChangeType>) {
        let running = &mut *self.running.borrow_mut();
        running.places.insert((place(&shape), id.to_owned()), running.touched.len());
        running.touched.push(Touched { shape, id: id.to_owned(), before, gap });
    }

    /// How many platform events the transaction has published so far.
    pub fn messages(&self) -> usize {
        self.running.borrow().messages.len()
    }

    /// Takes back the platform events that were published since there were so many.
    pub fn take_back_messages(&self, count: usize) {
        self.running.borrow_mut().messages.truncate(count);
    }

    /// Publishes a platform event with the values of a row that is never written.
    pub fn publish(&self, tx: &Tx<'_>, object: &Arc<Object>, values: &[Value]) {
        let shape = Arc::new(Shape::of_platform_event(object));
        let mut payload = Vec::new();
        for member in &shape.members {
            let Form::Plain(part) = &member.form else {
                avro_null(&mut payload);
                continue;
            };
            match member.name.as_str() {
                "CreatedDate" => {
                    put_value(&mut payload, &Value::Int(tx.now), part.kind);
                }
                "CreatedById" => {
                    put_value(&mut payload, &values[part.at], part.kind);
                }
                _ => put_nullable(&mut payload, &values[part.at], part.kind),
            }
        }
        self.running.borrow_mut().messages.push(Message { shape, payload });
    }

    /// Writes the platform events that the transaction has published so far, and answers their replay ids in order. They are
    /// seen when it commits.
    pub fn commit_messages(&self, tx: &Tx<'_>) -> rusqlite::Result<Vec<i64>> {
        let messages = std::mem::take(&mut self.running.borrow_mut().messages);
        let events: Vec<Kept> = messages.into_iter().map(Message::into_kept).collect();
        let replays = bus::append(tx, &events)?;
        self.running.borrow_mut().has_written |= !replays.is_empty();
        Ok(replays)
    }

    /// Writes what the transaction makes known. True when there is anything.
    pub fn commit(&self, tx: &Tx<'_>) -> rusqlite::Result<bool> {
        let (touched, author) = {
            let running = &mut *self.running.borrow_mut();
            if running.touched.is_empty() && running.messages.is_empty() {
                return Ok(running.has_written);
            }
            running.places.clear();
            let author = running.author.take().unwrap_or_else(|| Author { user_id: tx.first_user_id(), origin: None });
            (std::mem::take(&mut running.touched), author)
        };
        self.commit_messages(tx)?;
        let events = self.change_events(tx, touched, &author);
        bus::append(tx, &events)?;
        Ok(self.running.borrow().has_written || !events.is_empty())
    }

    fn change_events(&self, tx: &Tx<'_>, touched: Vec<Touched>, author: &Author) -> Vec<Kept> {
        let told = self.told(tx, touched);
        if told.is_empty() {
            return Vec::new();
        }
        let number = FIRST_COMMIT + tx.next_number("commit").cast_signed();
        let key = bus::uuid(&format!("{} {number}", tx.first_user_id()), true);
        let event = |(sequence, told): (i64, Told)| {
            let commit = Commit {
                entity: &told.shape.entity.name,
                record_ids: &told.ids,
                origin: author.origin.as_deref().unwrap_or_default(),
                key: &key,
                sequence,
                at_ms: tx.now.div_euclid(1000) * 1000,
                number,
                user: &author.user_id,
            };
            let mut payload = told.change.payload(&commit);
            if payload.len() > EVENT_MAX_BYTES {
                payload = Change::bare(told.change.kind.as_gap(), &told.shape).payload(&commit);
            }
            Kept { shape: told.shape, payload }
        };
        (1..).zip(told).map(event).collect()
    }

    /// The changes, those that are alike joined, and what lies beyond the limit as overflows.
    fn told(&self, tx: &Tx<'_>, touched: Vec<Touched>) -> Vec<Told> {
        let is_gap = self.gap_transactions.get() > 0;
        let limit = self.overflow_changes.get();
        let mut told: Vec<Told> = Vec::new();
        let mut alike: HashMap<(usize, Change), usize> = HashMap::new();
        let mut overflown: Vec<Told> = Vec::new();
        let mut counted = 0;
        for Touched { shape, id, before, gap } in touched {
            let change = match gap {
                Some(kind) => Some((Change::bare(kind, &shape), 1)),
                None => Change::between(&shape, before.as_ref(), tx.row(&shape.entity, &id).as_ref()),
            };
            let Some((mut change, changes)) = change else { continue };
            counted += changes;
            if counted > limit {
                if !overflown.iter().any(|known| Arc::ptr_eq(&known.shape, &shape)) {
                    let change = Change::bare(ChangeType::GapOverflow, &shape);
                    overflown.push(Told { shape, ids: vec![NO_RECORD.to_owned()], change });
                }
                continue;
            }
            if is_gap {
                change = Change::bare(change.kind.as_gap(), &shape);
            }
            if change.kind == ChangeType::Create {
                told.push(Told { shape, ids: vec![id], change });
                continue;
            }
            match alike.get(&(place(&shape), change.clone())) {
                Some(&at) => told[at].ids.push(id),
                None => {
                    alike.insert((place(&shape), change.clone()), told.len());
                    told.push(Told { shape, ids: vec![id], change });
                }
            }
        }
        told.append(&mut overflown);
        if is_gap && !told.is_empty() {
            self.gap_transactions.set(self.gap_transactions.get() - 1);
        }
        told
    }
}

/// A change of one or more records.
struct Told {
    shape: Arc<Shape>,
    ids: Vec<String>,
    change: Change,
}

/// What tells the shapes of a transaction apart.
fn place(shape: &Arc<Shape>) -> usize {
    Arc::as_ptr(shape).addr()
}

fn avro_null(out: &mut Vec<u8>) {
    super::avro::put_long(out, 0);
}
