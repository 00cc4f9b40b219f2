// SPDX-License-Identifier: Apache-2.0
//! The patterns of REGEX, in Java's notation as far as rules use it: the whole text must match.
//!
//! Understood: alternatives, groups (`(…)`, `(?:…)`), `(?=…)`, `(?!…)`, a leading `(?i)`, classes with ranges and negation,
//! `\d \w \s` and their opposites, `\b \B`, `\p{L}` and a few more properties, `^ $ .`, `\1`, and repetitions, lazy ones too.
//! Possessive repetitions and unions of classes are outside of the subset.
//!
//! Matching goes back and tries again. A pattern that does so more than [`MOST_STEPS`] times, or that nests deeper than
//! [`MOST_DEPTH`], does not match; Salesforce refuses such a save as too complicated.

const MOST_STEPS: usize = 1_000_000;
const MOST_DEPTH: usize = 1_000;

/// A pattern, ready to be matched.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    root: Node,
    groups: usize,
    folds: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    One(Set),
    Start,
    End,
    /// Whether there must be a boundary of a word.
    Boundary(bool),
    Group(Box<Node>, Option<usize>),
    /// Whether what lies ahead must match.
    Ahead(bool, Box<Node>),
    Back(usize),
    All(Vec<Node>),
    Either(Vec<Node>),
    Repeat {
        node: Box<Node>,
        least: usize,
        most: usize,
        lazy: bool,
    },
}

/// Which characters fit.
#[derive(Clone, Debug, PartialEq)]
struct Set {
    items: Vec<Item>,
    negated: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Range(char, char),
    /// `d`, `w`, `s`, or a property's name, and whether it is the opposite.
    Kind(String, bool),
}

impl Item {
    fn fits(&self, c: char) -> bool {
        match self {
            Item::Range(first, last) => (*first..=*last).contains(&c),
            Item::Kind(name, opposite) => is_kind(name, c) != *opposite,
        }
    }
}

fn is_kind(name: &str, c: char) -> bool {
    match name {
        "d" | "Digit" => c.is_ascii_digit(),
        "w" => c.is_ascii_alphanumeric() || c == '_',
        "s" | "Space" => matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}'),
        "L" | "IsAlphabetic" => c.is_alphabetic(),
        "Lu" => c.is_uppercase(),
        "Ll" => c.is_lowercase(),
        "N" | "Nd" => c.is_numeric(),
        "Alpha" => c.is_ascii_alphabetic(),
        "Alnum" => c.is_ascii_alphanumeric(),
        "Upper" => c.is_ascii_uppercase(),
        "Lower" => c.is_ascii_lowercase(),
        "Punct" => c.is_ascii_punctuation(),
        "any" => !matches!(c, '\n' | '\r'),
        _ => false,
    }
}

const PROPERTIES: [&str; 13] =
    ["Digit", "Space", "L", "IsAlphabetic", "Lu", "Ll", "N", "Nd", "Alpha", "Alnum", "Upper", "Lower", "Punct"];

impl Set {
    fn kind(name: &str, opposite: bool) -> Set {
        Set { items: vec![Item::Kind(name.to_owned(), opposite)], negated: false }
    }

    fn fits(&self, c: char, folds: bool) -> bool {
        let one = |c: char| self.items.iter().any(|item| item.fits(c));
        let other = |c: char| if c.is_uppercase() { c.to_lowercase().next() } else { c.to_uppercase().next() };
        (one(c) || (folds && other(c).is_some_and(one))) != self.negated
    }
}

impl Pattern {
    /// None for what is outside of the subset.
    pub fn new(text: &str) -> Option<Pattern> {
        let folded = text.strip_prefix("(?i)");
        let mut reader = Reader { rest: folded.unwrap_or(text).chars().collect(), at: 0, groups: 0 };
        let root = reader.either()?;
        let done = reader.at == reader.rest.len();
        done.then_some(Pattern { root, groups: reader.groups, folds: folded.is_some() })
    }

    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let mut state = State { groups: vec![None; self.groups + 1], steps: 0, depth: 0 };
        let run = Run { text: &text, folds: self.folds };
        run.step(&self.root, 0, &mut state, &mut |at, _| at == text.len())
    }
}

struct Reader {
    rest: Vec<char>,
    at: usize,
    groups: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn take(&mut self, text: &str) -> bool {
        let fits = text.chars().enumerate().all(|(by, c)| self.rest.get(self.at + by) == Some(&c));
        if fits {
            self.at += text.chars().count();
        }
        fits
    }

    fn either(&mut self) -> Option<Node> {
        let mut alternatives = vec![self.all()?];
        while self.take("|") {
            alternatives.push(self.all()?);
        }
        if alternatives.len() == 1 { alternatives.pop() } else { Some(Node::Either(alternatives)) }
    }

    fn all(&mut self) -> Option<Node> {
        let mut nodes = Vec::new();
        while self.peek().is_some_and(|c| c != '|' && c != ')') {
            let node = self.single()?;
            nodes.push(self.repeated(node)?);
        }
        Some(Node::All(nodes))
    }

    fn single(&mut self) -> Option<Node> {
        match self.next()? {
            '^' => Some(Node::Start),
            '$' => Some(Node::End),
            '.' => Some(Node::One(Set::kind("any", false))),
            '[' => self.class().map(Node::One),
            '(' => {
                let ahead = if self.take("?=") {
                    Some(true)
                } else if self.take("?!") {
                    Some(false)
                } else {
                    None
                };
                let number = if ahead.is_some() || self.take("?:") {
                    None
                } else if self.peek() == Some('?') {
                    return None;
                } else {
                    self.groups += 1;
                    Some(self.groups)
                };
                let inner = Box::new(self.either()?);
                let closed = self.take(")");
                closed.then(|| {
                    ahead.map_or_else(|| Node::Group(inner.clone(), number), |must| Node::Ahead(must, inner.clone()))
                })
            }
            '\\' => match self.peek()? {
                'b' | 'B' => Some(Node::Boundary(self.next()? == 'b')),
                c @ '1'..='9' => {
                    self.at += 1;
                    Some(Node::Back(c.to_digit(10)? as usize))
                }
                _ => self.escaped().map(|item| Node::One(Set { items: vec![item], negated: false })),
            },
            '*' | '+' | '?' => None,
            c => Some(Node::One(Set { items: vec![Item::Range(c, c)], negated: false })),
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self) -> Option<Item> {
        let c = self.next()?;
        match c {
            'd' | 'w' | 's' => Some(Item::Kind(c.to_string(), false)),
            'D' | 'W' | 'S' => Some(Item::Kind(c.to_ascii_lowercase().to_string(), true)),
            'p' | 'P' => {
                let name: String = if self.take("{") {
                    let from = self.at;
                    while self.next()? != '}' {}
                    self.rest[from..self.at - 1].iter().collect()
                } else {
                    self.next()?.to_string()
                };
                PROPERTIES.contains(&name.as_str()).then_some(Item::Kind(name.clone(), c == 'P'))
            }
            'n' => Some(Item::Range('\n', '\n')),
            'r' => Some(Item::Range('\r', '\r')),
            't' => Some(Item::Range('\t', '\t')),
            c if c.is_ascii_alphanumeric() => None,
            c => Some(Item::Range(c, c)),
        }
    }

    fn class(&mut self) -> Option<Set> {
        let negated = self.take("^");
        let mut items = Vec::new();
        loop {
            let item = match self.next()? {
                ']' if !items.is_empty() => return Some(Set { items, negated }),
                '[' | '&' if self.peek() == Some('&') || self.rest[self.at - 1] == '[' => return None,
                '\\' => self.escaped()?,
                c => Item::Range(c, c),
            };
            let range =
                matches!(item, Item::Range(..)) && self.peek() == Some('-') && self.rest.get(self.at + 1) != Some(&']');
            if !range {
                items.push(item);
                continue;
            }
            self.at += 1;
            let last = match self.next()? {
                '\\' => self.escaped()?,
                c => Item::Range(c, c),
            };
            let (Item::Range(first, _), Item::Range(last, _)) = (item, last) else { return None };
            items.push(Item::Range(first, last));
        }
    }

    fn repeated(&mut self, node: Node) -> Option<Node> {
        let (least, most) = match self.peek() {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            Some('{') => {
                self.at += 1;
                let least = self.number()?;
                let most = match self.next()? {
                    '}' => least,
                    ',' if self.peek() == Some('}') => usize::MAX,
                    ',' => self.number()?,
                    _ => return None,
                };
                // The last sign is taken with those of the other repetitions.
                if self.rest[self.at - 1] == '}' {
                    self.at -= 1;
                }
                (least, most)
            }
            _ => return Some(node),
        };
        self.at += 1;
        let lazy = self.take("?");
        let possessive = self.peek() == Some('+');
        (!possessive).then(|| Node::Repeat { node: Box::new(node), least, most, lazy })
    }

    fn number(&mut self) -> Option<usize> {
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.rest[from..self.at].iter().collect::<String>().parse().ok()
    }
}

struct State {
    groups: Vec<Option<(usize, usize)>>,
    steps: usize,
    depth: usize,
}

struct Run<'a> {
    text: &'a [char],
    folds: bool,
}

type Next<'n> = &'n mut dyn FnMut(usize, &mut State) -> bool;

impl Run<'_> {
    fn step(&self, node: &Node, at: usize, state: &mut State, next: Next<'_>) -> bool {
        state.steps += 1;
        if state.steps > MOST_STEPS || state.depth > MOST_DEPTH {
            return false;
        }
        match node {
            Node::One(set) => self.fits(set, at) && next(at + 1, state),
            Node::Start => at == 0 && next(at, state),
            Node::End => at == self.text.len() && next(at, state),
            Node::Boundary(wanted) => {
                let word = |at: Option<usize>| at.and_then(|at| self.text.get(at)).is_some_and(|c| is_kind("w", *c));
                (word(at.checked_sub(1)) != word(Some(at))) == *wanted && next(at, state)
            }
            Node::Group(inner, None) => self.step(inner, at, state, next),
            Node::Group(inner, Some(number)) => self.step(inner, at, state, &mut |end, state| {
                let before = state.groups[*number].replace((at, end));
                let done = next(end, state);
                if !done {
                    state.groups[*number] = before;
                }
                done
            }),
            Node::Ahead(wanted, inner) => self.step(inner, at, state, &mut |_, _| true) == *wanted && next(at, state),
            Node::Back(number) => {
                let Some((from, to)) = state.groups.get(*number).copied().flatten() else { return false };
                let same = self.text.get(at..at + (to - from)) == self.text.get(from..to);
                same && next(at + (to - from), state)
            }
            Node::All(nodes) => self.all(nodes, at, state, next),
            Node::Either(nodes) => nodes.iter().any(|node| self.step(node, at, state, next)),
            Node::Repeat { node, least, most, lazy } => match &**node {
                Node::One(set) => self.run_of(set, *least..=*most, *lazy, at, state, next),
                node => self.repeat(node, (*least, *most), *lazy, at, state, next),
            },
        }
    }

    fn fits(&self, set: &Set, at: usize) -> bool {
        self.text.get(at).is_some_and(|c| set.fits(*c, self.folds))
    }

    fn all(&self, nodes: &[Node], at: usize, state: &mut State, next: Next<'_>) -> bool {
        match nodes.split_first() {
            None => next(at, state),
            Some((first, rest)) => self.step(first, at, state, &mut |at, state| self.all(rest, at, state, next)),
        }
    }

    /// Repetitions of a single character need no nesting.
    fn run_of(
        &self,
        set: &Set,
        times: std::ops::RangeInclusive<usize>,
        lazy: bool,
        at: usize,
        state: &mut State,
        next: Next<'_>,
    ) -> bool {
        let longest = (0..*times.end()).take_while(|by| self.fits(set, at + by)).count();
        let least = *times.start();
        let mut try_one = |count: usize| {
            state.steps += 1;
            state.steps <= MOST_STEPS && next(at + count, state)
        };
        if lazy { (least..=longest).any(&mut try_one) } else { (least..=longest).rev().any(&mut try_one) }
    }

    fn repeat(
        &self,
        node: &Node,
        (least, most): (usize, usize),
        lazy: bool,
        at: usize,
        state: &mut State,
        next: Next<'_>,
    ) -> bool {
        if lazy && least == 0 && next(at, state) {
            return true;
        }
        state.depth += 1;
        let rest = (least.saturating_sub(1), most.saturating_sub(1));
        let more = most > 0
            && self.step(node, at, state, &mut |end, state| {
                (end > at || least > 0) && self.repeat(node, rest, lazy, end, state, next)
            });
        state.depth -= 1;
        more || (!lazy && least == 0 && next(at, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_must_match() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            (r"\d{5}|\d{5}-\d{4}", &["12345", "12345-6789"], &["123456", "x12345", "12345-"]),
            (r"[A-Za-z0-9._%-]+@[\w.-]+\.[a-z]{2,4}", &["a.b@c-d.org"], &["a@b", "a b@c.org"]),
            (r"(a|bc)*d?", &["", "abcad", "d"], &["b", "dd"]),
            (r"(?=.*\d)(?!.*x)\w{3,}", &["ab1"], &["abc", "x1y", "a1"]),
            (r"(\w)\1", &["aa"], &["ab"]),
            (r"(?i)abc[^0-9]", &["ABCd"], &["ABC1"]),
            (r"^\(\d{3}\) \d{3}-\d{4}$", &["(555) 123-4567"], &["555 123-4567"]),
            (r"\p{Lu}\p{L}*\bx??", &["Äbc"], &["äbc"]),
            (r"(a*)*b", &["aaab"], &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaac"]),
            (r"[\]a-]+", &["]-a"], &["b"]),
        ];
        for (text, good, bad) in cases {
            let pattern = Pattern::new(text).unwrap_or_else(|| panic!("{text}"));
            good.iter().for_each(|one| assert!(pattern.matches(one), "{text} {one}"));
            bad.iter().for_each(|one| assert!(!pattern.matches(one), "{text} {one}"));
        }
        assert!(Pattern::new(".*").is_some_and(|pattern| pattern.matches(&"long ".repeat(20_000))));
    }

    #[test]
    fn what_is_outside_of_the_subset_is_no_pattern() {
        for text in ["a++", "[a&&b]", "[a[b]]", "(?<n>a)", "(a", "a)", "*a", r"\p{Greek}", r"\Qa\E"] {
            assert!(Pattern::new(text).is_none(), "{text}");
        }
    }
}
