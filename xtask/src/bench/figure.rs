// SPDX-License-Identifier: Apache-2.0
//! A figure that was measured: whether it holds what it has to, and how it is shown.

mod kind;

use serde_json::{Value, json};

pub use kind::*;

use crate::say;

/// One measured: medians of several rounds. `other` is absent where the other program is not on this machine.
pub struct Figure {
    pub kind: &'static Kind,
    pub ours: f64,
    pub other: Option<f64>,
}

impl Figure {
    fn ratio(&self) -> Option<f64> {
        self.other.filter(|other| *other > 0.0).map(|other| self.ours / other)
    }

    /// Nothing where there is no bar, or nothing to compare with.
    pub fn holds(&self) -> Option<bool> {
        match self.kind.bar {
            Bar::Ratio(bar) => self.ratio().map(|ratio| ratio <= bar),
            Bar::Ours(bar) => Some(self.ours <= bar),
            Bar::Least(bar) => Some(self.ours >= bar),
            Bar::None => None,
        }
    }

    /// One line of `--json`. `bar` limits `ratio`, and `ours` where the name ends with `megabytes`; of the emulator's figures it
    /// limits `ours`, from below where the name says `per`.
    pub fn json(&self) -> Value {
        let bar = match self.kind.bar {
            Bar::Ratio(bar) | Bar::Ours(bar) | Bar::Least(bar) => Some(bar),
            Bar::None => None,
        };
        json!({
            "name": self.kind.name,
            "ours": rounded(self.ours),
            "other": self.other.map(rounded),
            "ratio": self.ratio().map(rounded),
            "bar": bar,
            "holds": self.holds(),
        })
    }

    fn cells(&self) -> [String; 7] {
        let bar = match self.kind.bar {
            Bar::Ratio(bar) => format!("ratio ≤ {bar}"),
            Bar::Ours(bar) => format!("ours ≤ {bar}"),
            Bar::Least(bar) => format!("ours ≥ {bar}"),
            Bar::None => "–".to_owned(),
        };
        let missing = || "–".to_owned();
        [
            self.kind.name.to_owned(),
            number(self.ours),
            self.other.map_or_else(missing, number),
            self.ratio().map_or_else(missing, |ratio| format!("{ratio:.3}")),
            bar,
            self.holds().map_or_else(missing, |holds| if holds { "yes" } else { "NO" }.to_owned()),
            self.kind.what.to_owned(),
        ]
    }
}

/// Prints all figures as a table.
pub fn table(figures: &[Figure]) {
    let head = ["name", "ours", "other", "ratio", "bar", "holds", "ours / other"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(figures.iter().map(Figure::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                1..=3 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            })
            .collect();
        say(cells.join("  ").trim_end());
    }
}

pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Seconds and megabytes with two decimals, bytes with none.
fn number(value: f64) -> String {
    if value >= 100_000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_limits_the_ratio_or_what_is_ours() {
        let figure = |kind, ours, other| Figure { kind, ours, other };
        assert_eq!(figure(&BACKUP, 4.0, Some(5.0)).holds(), Some(true));
        assert_eq!(figure(&BACKUP, 6.0, Some(5.0)).holds(), Some(false));
        assert_eq!(figure(&BACKUP, 6.0, None).holds(), None);
        assert_eq!(figure(&MEMORY, 299.0, None).holds(), Some(true));
        assert_eq!(figure(&CURL, 1.0, Some(2.0)).holds(), None);
        const SPEED: Kind = Kind { name: "rows_per_second", what: "", bar: Bar::Least(20.0) };
        assert_eq!(figure(&SPEED, 21.0, None).holds(), Some(true));
        assert_eq!(figure(&SPEED, 19.0, Some(1.0)).holds(), Some(false));
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
