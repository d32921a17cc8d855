//! Ids of nodes: a topological order, and used again.

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};

use super::*;
use crate::operators::{Map, Union};

fn traits() -> Traits {
    let field = Field::new("v", DataType::Int64, false);
    Traits::append_only(Arc::new(Schema::new(vec![field])))
}

fn pass(graph: &mut Graph, input: NodeId) -> NodeId {
    let map = Map::new(traits().schema, Vec::new(), Vec::new());
    graph.add_operator(Box::new(map), traits(), vec![input], None)
}

fn both(graph: &mut Graph, inputs: [NodeId; 2]) -> NodeId {
    let union = Union::new(traits().schema, vec![Vec::new(), Vec::new()]);
    graph.add_operator(Box::new(union), traits(), inputs.to_vec(), None)
}

/// The values that a push gives at the tapped nodes, by tag.
fn pushed(graph: &mut Graph, source: NodeId, value: i64) -> Vec<(u32, Vec<i64>)> {
    let column = Arc::new(Int64Array::from(vec![value]));
    let rows = RecordBatch::try_new(traits().schema, vec![column]).unwrap();
    graph.push(source, &Delta::insert(rows), Audience::Running);
    let mut output = StepOutput::default();
    graph.run(1, &mut output);
    let mut told: Vec<(u32, Vec<i64>)> = Vec::new();
    for (tag, change) in output.deltas {
        let batch = change.into_delta().unwrap().batch;
        told.push((tag, batch.column(0).as_primitive::<Int64Type>().values().to_vec()));
    }
    told.sort();
    told
}

fn is_in_order(graph: &Graph) -> bool {
    let nodes = graph.nodes.iter().enumerate();
    let inputs = nodes.flat_map(|(index, node)| {
        node.iter().flat_map(move |node| node.inputs.iter().map(move |i| (index, i.node)))
    });
    inputs.into_iter().all(|(index, input)| input.index() < index)
}

#[test]
fn nodes_that_come_and_go_take_no_new_ids() {
    let mut graph = Graph::new();
    let source = graph.add_source(traits());
    let stays = pass(&mut graph, source);
    graph.tap(stays, 0);
    for turn in 0..5_000 {
        let a = pass(&mut graph, source);
        let b = both(&mut graph, [stays, a]);
        graph.tap(b, 1);
        if turn % 1_000 == 0 {
            let (one, two) = (vec![turn], vec![turn, turn]);
            assert_eq!(pushed(&mut graph, source, turn), [(0, one), (1, two)]);
        }
        graph.remove(b);
        graph.remove(a);
    }
    assert_eq!(graph.nodes.len(), 4);
}

#[test]
fn an_id_that_is_free_before_an_input_is_not_taken() {
    let mut graph = Graph::new();
    let (gone, source) = (graph.add_source(traits()), graph.add_source(traits()));
    graph.remove(gone);
    let map = pass(&mut graph, source);
    assert!(source < map);
    assert_eq!(graph.add_source(traits()), gone);
}

#[test]
fn nodes_in_the_place_of_others_take_no_new_ids_and_stay_in_order() {
    let mut graph = Graph::new();
    let source = graph.add_source(traits());
    let mut from = pass(&mut graph, source);
    let mut reader = pass(&mut graph, from);
    let mut diamond = both(&mut graph, [from, reader]);
    graph.tap(diamond, 7);
    for turn in 0..2_000 {
        let to = pass(&mut graph, source);
        for (before, now) in graph.redirect(from, to, None, |_, _| true) {
            let renamed = [&mut reader, &mut diamond].into_iter();
            renamed.filter(|id| **id == before).for_each(|id| *id = now);
        }
        graph.remove(from);
        from = to;
        assert!(is_in_order(&graph), "turn {turn}");
        assert_eq!(pushed(&mut graph, source, turn), [(7, vec![turn, turn])]);
    }
    assert!(graph.nodes.len() < 10, "{} ids", graph.nodes.len());
}

#[test]
fn a_reader_may_stay_where_it_is() {
    let mut graph = Graph::new();
    let (source, other) = (graph.add_source(traits()), graph.add_source(traits()));
    let reader = both(&mut graph, [source, source]);
    graph.tap(reader, 0);
    // The second port alone moves.
    graph.redirect(source, other, None, |_, port| port == 1);
    assert_eq!(pushed(&mut graph, source, 1), [(0, vec![1])]);
    assert_eq!(pushed(&mut graph, other, 2), [(0, vec![2])]);
}
