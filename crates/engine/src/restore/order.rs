// SPDX-License-Identifier: Apache-2.0
//! In which order records can be created: a record after everything it refers to.
//!
//! Records are levelled, not objects, so that a hierarchy of accounts needs no second pass: level 0 refers to nothing that is still to be
//! created, level n to records of lower levels only. Where a circle remains, lookups that may be empty are cut, as few as a
//! greedy choice finds, and set in a second pass; that second pass costs the record its LastModifiedDate, which is why it is avoided.
//! A circle of required references cannot be created at all and is reported.

use std::collections::{BTreeMap, HashMap};

/// A record to be created and its references to others to be created.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub object: String,
    pub id: String,
    pub references: Vec<Reference>,
}

#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub field: String,
    pub to: String,
    /// It cannot be left empty on creation.
    pub required: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Order {
    /// Per level, per object, places of the nodes.
    pub levels: Vec<BTreeMap<String, Vec<usize>>>,
    /// Lookups to be set in a second pass: place of the node, field.
    pub cut: Vec<(usize, String)>,
    /// Nodes in circles of required references, and what depends on them.
    pub impossible: Vec<usize>,
}

pub(crate) fn order(nodes: &[Node]) -> Order {
    let place: HashMap<&str, usize> = nodes.iter().enumerate().map(|(place, node)| (node.id.as_str(), place)).collect();
    // waits[n]: references of n that are not created yet; dependents[n]: who waits for n, by which reference.
    let mut waits = vec![0usize; nodes.len()];
    let mut dependents: Vec<Vec<(usize, usize)>> = vec![Vec::new(); nodes.len()];
    let mut cut_marks: Vec<Vec<bool>> = nodes.iter().map(|node| vec![false; node.references.len()]).collect();
    for (from, node) in nodes.iter().enumerate() {
        for (index, reference) in node.references.iter().enumerate() {
            if let Some(&to) = place.get(reference.to.as_str()) {
                waits[from] += 1;
                dependents[to].push((from, index));
            }
        }
    }
    let mut order = Order::default();
    let mut done = vec![false; nodes.len()];
    let mut dead = vec![false; nodes.len()];
    let mut ready: Vec<usize> = (0..nodes.len()).filter(|node| waits[*node] == 0).collect();
    let mut left = nodes.len();
    loop {
        while !ready.is_empty() {
            let mut level: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            let mut next = Vec::new();
            for node in std::mem::take(&mut ready) {
                done[node] = true;
                left -= 1;
                level.entry(nodes[node].object.clone()).or_default().push(node);
                for &(dependent, reference) in &dependents[node] {
                    if !cut_marks[dependent][reference] {
                        waits[dependent] -= 1;
                        if waits[dependent] == 0 {
                            next.push(dependent);
                        }
                    }
                }
            }
            next.sort_unstable();
            order.levels.push(level);
            ready = next;
        }
        if left == 0 {
            break;
        }
        // Whoever still waits is in a circle, or waits for somebody who is.
        match circle(nodes, &place, &done, &dead, &cut_marks) {
            Stuck::Cut { node, reference } => {
                cut_marks[node][reference] = true;
                waits[node] -= 1;
                order.cut.push((node, nodes[node].references[reference].field.clone()));
                if waits[node] == 0 {
                    ready.push(node);
                }
            }
            Stuck::Dead(all) => {
                left -= all.len();
                all.iter().for_each(|node| dead[*node] = true);
                order.impossible.extend(all);
            }
        }
    }
    order.impossible.sort_unstable();
    order
}

enum Stuck {
    /// A lookup that may be empty, in a circle.
    Cut { node: usize, reference: usize },
    /// A circle of required references, or a record that needs one of its members.
    Dead(Vec<usize>),
}

/// Walks from a waiting record along what it waits for until a record comes up again: that is a circle. In it the lookup is cut
/// whose record then waits for the least.
fn circle(
    nodes: &[Node],
    place: &HashMap<&str, usize>,
    done: &[bool],
    dead: &[bool],
    cut_marks: &[Vec<bool>],
) -> Stuck {
    let open = |node: usize| {
        nodes[node].references.iter().enumerate().filter_map(move |(index, reference)| {
            let to = *place.get(reference.to.as_str())?;
            (!cut_marks[node][index] && !done[to]).then_some((index, to))
        })
    };
    let start = (0..nodes.len()).find(|node| !done[*node] && !dead[*node]).expect("somebody waits");
    let mut path: Vec<(usize, usize)> = Vec::new();
    let mut node = start;
    loop {
        if let Some((index, _)) = open(node).find(|(_, to)| dead[*to]) {
            return match nodes[node].references[index].required {
                true => Stuck::Dead(vec![node]),
                false => Stuck::Cut { node, reference: index },
            };
        }
        if let Some(at) = path.iter().position(|(seen, _)| *seen == node) {
            let members = &path[at..];
            let optional = members.iter().filter(|(node, index)| !nodes[*node].references[*index].required);
            return match optional.min_by_key(|(node, _)| open(*node).count()) {
                Some((node, reference)) => Stuck::Cut { node: *node, reference: *reference },
                None => Stuck::Dead(members.iter().map(|(node, _)| *node).collect()),
            };
        }
        let (index, to) = open(node).next().expect("whoever waits has somebody to wait for");
        path.push((node, index));
        node = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(object: &str, id: &str, references: &[(&str, bool)]) -> Node {
        let references = references
            .iter()
            .map(|(to, required)| Reference { field: format!("{to}Id"), to: (*to).to_owned(), required: *required })
            .collect();
        Node { object: object.into(), id: id.into(), references }
    }

    #[test]
    fn a_hierarchy_needs_no_second_pass() {
        let nodes = [
            node("A", "leaf", &[("mid", false)]),
            node("A", "mid", &[("root", false)]),
            node("A", "root", &[("old", true)]),
        ];
        let order = order(&nodes);
        assert_eq!(
            order.levels.iter().map(|level| level["A"].clone()).collect::<Vec<_>>(),
            [vec![2], vec![1], vec![0]]
        );
        assert!(order.cut.is_empty());
    }

    #[test]
    fn a_circle_is_cut_where_a_lookup_may_be_empty() {
        let nodes = [node("A", "a", &[("b", true)]), node("B", "b", &[("a", false)])];
        let order = order(&nodes);
        assert_eq!(order.cut, [(1, "aId".to_owned())]);
        assert_eq!(order.levels.len(), 2);
    }

    #[test]
    fn a_record_that_is_its_own_parent_is_created_first() {
        let order = order(&[node("A", "a", &[("a", false)])]);
        assert_eq!((order.levels.len(), order.cut.len()), (1, 1));
    }

    #[test]
    fn a_circle_of_required_references_is_impossible() {
        let nodes = [
            node("A", "a", &[("b", true)]),
            node("B", "b", &[("a", true)]),
            node("C", "c", &[("a", true)]),
            node("C", "d", &[]),
        ];
        let order = order(&nodes);
        assert_eq!(order.impossible, [0, 1, 2]);
        assert_eq!(order.levels.len(), 1);
    }

    proptest! {
        /// Every record comes once, after all it refers to but for what was cut; nothing required is cut.
        #[test]
        fn each_record_follows_what_it_refers_to(edges in proptest::collection::vec((0usize..12, 0usize..12, any::<bool>()), 0..40)) {
            let nodes: Vec<Node> = (0..12).map(|n| Node {
                object: format!("O{}", n % 3),
                id: n.to_string(),
                references: edges.iter().enumerate().filter(|(_, (from, ..))| *from == n)
                    .map(|(field, (_, to, required))| Reference { field: field.to_string(), to: to.to_string(), required: *required }).collect(),
            }).collect();
            let order = order(&nodes);
            let mut level_of = HashMap::new();
            for (level, objects) in order.levels.iter().enumerate() {
                for node in objects.values().flatten() {
                    prop_assert!(level_of.insert(*node, level).is_none());
                }
            }
            prop_assert_eq!(level_of.len() + order.impossible.len(), nodes.len());
            for (at, node) in nodes.iter().enumerate() {
                let Some(level) = level_of.get(&at) else { continue };
                for reference in &node.references {
                    let cut = order.cut.contains(&(at, reference.field.clone()));
                    prop_assert!(!(cut && reference.required));
                    let to: usize = reference.to.parse().unwrap();
                    prop_assert!(cut || level_of.get(&to).is_some_and(|target| target < level));
                }
            }
        }
    }
}
