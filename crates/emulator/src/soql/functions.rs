// SPDX-License-Identifier: Apache-2.0
//! What SOQL has and SQLite lacks: LIKE without case over all of Unicode, INCLUDES, distances on the globe, masks. They become SQL
//! functions of a connection when a statement first needs them.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection};

use super::plan::{Kind, Plan};
use crate::store::Database;

const EARTH_RADIUS_KM: f64 = 6371.0;
const KM_PER_MILE: f64 = 1.609_344;

/// A prepared statement, with the functions made known to the connection if it does not know them yet.
pub fn prepare<'c>(conn: &'c Database, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
    match conn.prepare_cached(sql) {
        Err(error) if error.to_string().contains("no such function: soql_") => {
            install(conn)?;
            conn.prepare_cached(sql)
        }
        prepared => prepared,
    }
}

/// As [`prepare`]; none where the plan's object never had a row, so that the answer is empty. Reading makes no tables.
pub fn if_used<'c>(conn: &'c Database, sql: &str, plan: &Plan) -> rusqlite::Result<Option<CachedStatement<'c>>> {
    // Of nothing there are no groups, but one sum.
    if plan.kind == Kind::Aggregate && plan.group.is_empty() {
        return prepare(conn, sql).map(Some);
    }
    match conn.unless_unused(sql, &plan.object.name) {
        Err(error) if error.to_string().contains("no such function: soql_") => {
            install(conn)?;
            conn.unless_unused(sql, &plan.object.name)
        }
        prepared => prepared,
    }
}

fn install(conn: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    conn.create_scalar_function("soql_like", 2, flags, |context| {
        let Some(text) = text(context, 0) else { return Ok(false) };
        let pattern = context.get_or_create_aux(1, |pattern: ValueRef<'_>| pattern.as_str().map(Pattern::new))?;
        Ok(pattern.matches(text))
    })?;
    conn.create_scalar_function("soql_includes", 2, flags, |context| {
        let (Some(selected), Some(wanted)) = (text(context, 0), text(context, 1)) else { return Ok(false) };
        Ok(includes(selected, wanted))
    })?;
    conn.create_scalar_function("soql_distance", 5, flags, |context| {
        let coordinate = |place: usize| context.get::<Option<f64>>(place);
        let (Some(latitude), Some(longitude)) = (coordinate(0)?, coordinate(1)?) else { return Ok(None) };
        let km = distance_km((latitude, longitude), (context.get(2)?, context.get(3)?));
        Ok(Some(if context.get::<bool>(4)? { km / KM_PER_MILE } else { km }))
    })?;
    conn.create_scalar_function("soql_mask", 3, flags, |context| {
        let Some(secret) = text(context, 0) else { return Ok(None) };
        let hidden = if context.get::<bool>(1)? { secret.chars().count().saturating_sub(4) } else { usize::MAX };
        let mask = text(context, 2).and_then(|mask| mask.chars().next()).unwrap_or('*');
        Ok(Some(
            secret
                .chars()
                .enumerate()
                .map(|(place, letter)| if place < hidden { mask } else { letter })
                .collect::<String>(),
        ))
    })
}

fn text<'c>(context: &'c Context<'_>, place: usize) -> Option<&'c str> {
    context.get_raw(place).as_str().ok()
}

/// Whether a multi-select value has all the values of the combination `a;b`.
fn includes(selected: &str, wanted: &str) -> bool {
    let same = |a: &str, b: &str| fold(a).eq(fold(b));
    wanted.split(';').all(|one| selected.split(';').any(|other| same(one.trim(), other.trim())))
}

fn fold(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// By the haversine formula.
fn distance_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    let half_sine = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
    let cosines = from.0.to_radians().cos() * to.0.to_radians().cos();
    2.0 * EARTH_RADIUS_KM * (half_sine(from.0, to.0) + cosines * half_sine(from.1, to.1)).sqrt().asin()
}

/// A LIKE pattern: `%` any text, `_` any character, a backslash before one that stands for itself.
struct Pattern(Vec<Piece>);

#[derive(PartialEq)]
enum Piece {
    Letter(char),
    Any,
    Run,
}

impl Pattern {
    fn new(pattern: &str) -> Pattern {
        let mut pieces = Vec::new();
        let mut letters = pattern.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '%' => pieces.push(Piece::Run),
                '_' => pieces.push(Piece::Any),
                '\\' => pieces.extend(letters.next().into_iter().flat_map(char::to_lowercase).map(Piece::Letter)),
                other => pieces.extend(other.to_lowercase().map(Piece::Letter)),
            }
        }
        Pattern(pieces)
    }

    /// Greedy with one point to come back to, the last run: linear in practice, at worst pattern times text.
    fn matches(&self, text: &str) -> bool {
        let letters: Vec<char> = fold(text).collect();
        let (mut at, mut piece) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while at < letters.len() {
            match self.0.get(piece) {
                Some(Piece::Run) => {
                    back = Some((at, piece));
                    piece += 1;
                    continue;
                }
                Some(Piece::Any) => {}
                Some(Piece::Letter(letter)) if *letter == letters[at] => {}
                _ => {
                    let Some((from, run)) = back else { return false };
                    back = Some((from + 1, run));
                    (at, piece) = (from + 1, run + 1);
                    continue;
                }
            }
            at += 1;
            piece += 1;
        }
        self.0[piece..].iter().all(|piece| *piece == Piece::Run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like() {
        for (pattern, text, expected) in [
            ("acme", "ACME", true),
            ("ac%", "Acme", true),
            ("%me", "Acme", true),
            ("%c%e", "Acme", true),
            ("a_me", "Acme", true),
            ("a_e", "Acme", false),
            ("%", "", true),
            ("", "", true),
            ("_", "", false),
            ("100\\%", "100%", true),
            ("100\\%", "1000", false),
            ("ä%", "Ärger", true),
            ("%a%b%c", "xxaxxbxxbxxc", true),
            ("%ab", "aab", true),
            ("a\nb", "A\nB", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{text} LIKE {pattern}");
        }
    }

    #[test]
    fn combinations() {
        assert!(includes("Red;Green", "green"));
        assert!(includes("Red;Green;Blue", "Blue;Red"));
        assert!(!includes("Red;Green", "Red;Blue"));
        assert!(!includes("Reddish", "Red"));
    }

    #[test]
    fn distances() {
        let (berlin, paris) = ((52.52, 13.405), (48.8566, 2.3522));
        assert!((distance_km(berlin, paris) - 877.5).abs() < 1.0);
        assert_eq!(distance_km(paris, paris), 0.0);
    }
}
