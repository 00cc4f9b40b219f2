// SPDX-License-Identifier: Apache-2.0
//! `/composite/graph`: up to 75 graphs of up to 500 subrequests together (`salesforce-api.md` 2.8). Each graph is a transaction of
//! its own, and counts for nothing beyond the one call.
//!
//! Within a graph a subrequest may use what any other answers, also one that is written after it: they run in an order in
//! which each comes after what it refers to. The answer keeps the order of the request. The first failure undoes its graph,
//! whose other subrequests say so; after 14 failed graphs the rest is not tried.
//!
//! The codes of the refusals are Salesforce's, their texts are guesses: no refused graph has been recorded.

use std::collections::{BTreeSet, HashMap};

use http::Method;
use serde_json::{Map, Value};

use crate::answer::{Answer, write_json};
use crate::ctx::Ctx;
use crate::error::ApiError;
use crate::org::Tx;

use super::chain::{Chain, Subrequest, write_results};
use super::invalid_input;

const GRAPHS_MAX: usize = 75;
const NODES_MAX: usize = 500;
const DEPTH_MAX: usize = 15;
const KINDS_MAX: usize = 15;
const FAILURES_MAX: usize = 14;

/// A request for graphs.
pub struct Graphs(Vec<Graph>);

struct Graph {
    id: String,
    chain: Chain,
    /// For each place in the order of running, the place in the request.
    order: Vec<usize>,
}

impl Graphs {
    /// Reads the request.
    ///
    /// # Errors
    /// 400 for more than fits, for a graph without Id, and for references that go in a circle.
    pub fn read(mut body: Map<String, Value>) -> Result<Graphs, ApiError> {
        let Some(Value::Array(items)) = body.remove("graphs") else {
            return Err(ApiError::json_parser("The member 'graphs' is missing"));
        };
        if items.len() > GRAPHS_MAX {
            return Err(too_many("graphs", GRAPHS_MAX));
        }
        let graphs: Result<Vec<Graph>, ApiError> = items.into_iter().map(graph).collect();
        let graphs = graphs?;
        let nodes = || graphs.iter().flat_map(|graph| graph.chain.subrequests());
        if nodes().count() > NODES_MAX {
            return Err(too_many("nodes", NODES_MAX));
        }
        if nodes().map(kind).collect::<BTreeSet<_>>().len() > KINDS_MAX {
            return Err(too_many("different kinds of nodes", KINDS_MAX));
        }
        let mut known = BTreeSet::new();
        if let Some(twice) = graphs.iter().find(|graph| !known.insert(graph.id.as_str())) {
            return Err(invalid_input(format!("Duplicate graphId provided in the request: {}", twice.id)));
        }
        Ok(Graphs(graphs))
    }

    /// Answers it: each graph in a savepoint of its own.
    pub fn answer(&self, ctx: &Ctx, tx: &mut Tx<'_>) -> Answer {
        let mut failures = 0;
        let mut text = b"{\"graphs\":[".to_vec();
        for (place, graph) in self.0.iter().enumerate() {
            let (results, successful) =
                if failures < FAILURES_MAX { graph.chain.results(ctx, tx) } else { (graph.chain.halted(), false) };
            failures += usize::from(!successful);
            let mut placed = vec![Vec::new(); results.len()];
            for (result, place) in results.into_iter().zip(&graph.order) {
                placed[*place] = result;
            }
            text.extend_from_slice(if place > 0 { b",{\"graphId\":" } else { b"{\"graphId\":" });
            write_json(&graph.id, &mut text);
            text.extend_from_slice(b",\"graphResponse\":");
            write_results(&placed, &mut text);
            text.extend_from_slice(format!(",\"isSuccessful\":{successful}}}").as_bytes());
        }
        text.extend_from_slice(b"]}");
        Answer::text(text)
    }
}

fn graph(item: Value) -> Result<Graph, ApiError> {
    let Value::Object(mut item) = item else { return Err(ApiError::json_parser("A graph is no object")) };
    let id = match item.remove("graphId") {
        Some(Value::String(id)) if !id.is_empty() => id,
        _ => return Err(invalid_input("A graphId must be provided for each graph")),
    };
    let Some(Value::Array(nodes)) = item.remove("compositeRequest") else {
        return Err(ApiError::json_parser("The member 'compositeRequest' of a graph is missing"));
    };
    let mut subrequests = Chain::subrequests_of(nodes)?;
    for subrequest in &subrequests {
        check_resource(subrequest)?;
    }
    let order = running_order(&subrequests)?;
    let mut places: Vec<Option<Subrequest>> = subrequests.drain(..).map(Some).collect();
    let ordered = order.iter().filter_map(|place| places[*place].take()).collect();
    Ok(Graph { id, chain: Chain::all_or_none(ordered), order })
}

/// Records are all that a graph may touch.
fn check_resource(subrequest: &Subrequest) -> Result<(), ApiError> {
    let method = subrequest.method();
    let fits = match subrequest.below_version()[..] {
        ["sobjects", _] => method == Method::POST,
        ["sobjects", _, _] => matches!(*method, Method::GET | Method::PATCH | Method::DELETE),
        ["sobjects", _, _, _] => matches!(*method, Method::GET | Method::PATCH | Method::DELETE | Method::POST),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(invalid_input(format!("{method} {} is not supported in a composite graph", subrequest.url())))
}

/// What makes nodes of one kind: object and version.
fn kind(subrequest: &Subrequest) -> (String, String) {
    let version = subrequest.url().split('/').nth(3).unwrap_or_default().to_owned();
    let object = subrequest.below_version().get(1).map(|name| name.to_ascii_lowercase());
    (object.unwrap_or_default(), version)
}

/// An order in which each subrequest comes after all it refers to; otherwise as written.
fn running_order(subrequests: &[Subrequest]) -> Result<Vec<usize>, ApiError> {
    let place: HashMap<&str, usize> =
        subrequests.iter().enumerate().map(|(place, one)| (one.reference_id(), place)).collect();
    let needs: Vec<Vec<usize>> = subrequests
        .iter()
        .map(|one| one.references().iter().filter_map(|name| place.get(name.as_str()).copied()).collect())
        .collect();
    let mut depth: Vec<Option<usize>> = vec![None; subrequests.len()];
    let mut order = Vec::with_capacity(subrequests.len());
    while order.len() < subrequests.len() {
        let ready = (0..subrequests.len())
            .find(|&one| depth[one].is_none() && needs[one].iter().all(|&other| depth[other].is_some()));
        let Some(one) = ready else {
            return Err(invalid_input("The subrequests of a graph refer to each other in a circle"));
        };
        let below = needs[one].iter().filter_map(|&other| depth[other]).max().unwrap_or(0);
        if below == DEPTH_MAX {
            return Err(too_many("levels", DEPTH_MAX));
        }
        depth[one] = Some(below + 1);
        order.push(one);
    }
    Ok(order)
}

fn too_many(what: &str, most: usize) -> ApiError {
    ApiError::new(400, "LIMIT_EXCEEDED", format!("The request exceeded the maximum of {most} {what}"))
}
