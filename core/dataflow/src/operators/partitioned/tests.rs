use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::Int64Array;
use arrow::datatypes::{DataType, Field, Schema};

use super::*;
use crate::Metrics;
use crate::graph::Audience;
use crate::{Graph, StepOutput, Traits};

/// Gives the rows that it got, each as a row that came, in their order.
struct Echo {
    rows: Vec<Delta>,
    panics_on: Option<i64>,
}

impl crate::Operator for Echo {
    fn input(&mut self, _port: usize, delta: Delta, _cx: &mut Context<'_>) -> Result<()> {
        let keys = delta.batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        assert!(!keys.iter().any(|key| key == self.panics_on && key.is_some()), "on purpose");
        self.rows.push(delta);
        Ok(())
    }

    fn finish(&mut self, _cx: &mut Context<'_>) -> Result<Option<Delta>> {
        unreachable!("a partition is asked for places")
    }

    fn finish_placed(
        &mut self,
        _cx: &mut Context<'_>,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        let Some(delta) = self.rows.pop() else { return Ok(None) };
        places.extend(ordinals::of(&delta.batch).unwrap().iter().map(|at| Place::came(0, *at)));
        let batch = ordinals::without(&delta.batch).into_owned();
        Ok(Some(Delta { batch, weights: delta.weights }))
    }

    fn parts(&mut self, _parts: &mut Parts<'_>) -> Result<()> {
        Ok(())
    }
}

/// Runs each job on a thread of its own, the last first.
#[derive(Default)]
struct Threads {
    jobs: AtomicUsize,
}

impl Workers for Threads {
    fn least_rows(&self) -> usize {
        3
    }

    fn run(&self, jobs: Vec<Job>) {
        self.jobs.fetch_add(jobs.len(), Ordering::Relaxed);
        for job in jobs.into_iter().rev() {
            std::thread::spawn(job).join().unwrap();
        }
    }

    fn thread_time_ns(&self) -> u64 {
        1
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true)]))
}

/// The one input, and its key.
fn key() -> Vec<(SchemaRef, Vec<Expr>)> {
    vec![(schema(), vec![Expr::column("k", 0)])]
}

fn delta(keys: &[i64]) -> Delta {
    let keys = Int64Array::from(keys.to_vec());
    Delta::insert(RecordBatch::try_new(schema(), vec![Arc::new(keys)]).unwrap())
}

/// A graph of a source and a divided operator, and their nodes.
fn divided(
    workers: Arc<dyn Workers>,
    partitions: usize,
    panics_on: Option<i64>,
) -> (Graph, crate::NodeId, crate::NodeId) {
    let mut graph = Graph::with_workers(workers);
    let source = graph.add_source(Traits::append_only(schema()));
    let echo = || Box::new(Echo { rows: Vec::new(), panics_on }) as Box<dyn Operator>;
    let operators = (0..partitions).map(|_| echo()).collect();
    let operator = Partitioned::new(operators, key()).unwrap();
    let traits = Traits::append_only(schema());
    let node = graph.add_operator(Box::new(operator), traits, vec![source], None);
    graph.tap(node, 0);
    (graph, source, node)
}

fn run(graph: &mut Graph, source: crate::NodeId, keys: &[i64]) -> StepOutput {
    let mut out = StepOutput::default();
    graph.push(source, &delta(keys), Audience::Running);
    graph.run(1, &mut out);
    out
}

fn keys_of(out: StepOutput) -> Vec<i64> {
    let batches = out.deltas.into_iter().map(|(_, change)| change.into_delta().unwrap().batch);
    batches
        .flat_map(|batch| {
            batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
        })
        .collect()
}

#[test]
fn rows_come_out_in_the_order_in_which_they_came() {
    let keys: Vec<i64> = (0..200).map(|n| n * 7 % 31).collect();
    for partitions in [1, 2, 3, 8] {
        let workers = Arc::new(Threads::default());
        let (mut graph, source, node) = divided(workers.clone(), partitions, None);
        for _ in 0..3 {
            assert_eq!(keys_of(run(&mut graph, source, &keys)), keys);
        }
        assert_eq!(keys_of(run(&mut graph, source, &[5, 6])), [5, 6]);
        // Three steps are handed over, where there is more than one partition; two rows are not.
        let handed_over = if partitions == 1 { 0 } else { 3 * partitions };
        assert_eq!(workers.jobs.load(Ordering::Relaxed), handed_over);
        let told = graph.partitions(node);
        let rows: u64 = told.iter().map(|partition| partition.work.rows_in).sum();
        assert_eq!((told.len(), rows), (partitions, 602));
    }
}

#[test]
fn a_panic_in_a_partition_fails_the_operator_alone() {
    for workers in [Arc::new(Threads::default()) as Arc<dyn Workers>, Arc::new(Inline)] {
        let (mut graph, source, node) = divided(workers, 4, Some(11));
        assert_eq!(keys_of(run(&mut graph, source, &[1, 2, 3, 4])), [1, 2, 3, 4]);
        let out = run(&mut graph, source, &[9, 10, 11, 12]);
        assert!(out.deltas.is_empty());
        assert_eq!(out.failures.len(), 1);
        assert!(out.failures[0].1.to_string().contains("on purpose"), "{:?}", out.failures);
        assert!(graph.failure(node).is_some());
        assert!(run(&mut graph, source, &[1]).deltas.is_empty());
    }
}

#[test]
fn what_cannot_be_a_partition_says_so() {
    struct Alone;
    impl crate::Operator for Alone {
        fn input(&mut self, _: usize, _: Delta, _: &mut Context<'_>) -> Result<()> {
            Ok(())
        }
        fn finish(&mut self, _: &mut Context<'_>) -> Result<Option<Delta>> {
            Ok(None)
        }
        fn parts(&mut self, _: &mut Parts<'_>) -> Result<()> {
            Ok(())
        }
        fn metrics(&self) -> Metrics {
            Metrics::default()
        }
    }
    let operators: Vec<Box<dyn Operator>> = vec![Box::new(Alone), Box::new(Alone)];
    let operator = Partitioned::new(operators, key()).unwrap();
    let mut graph = Graph::new();
    let source = graph.add_source(Traits::append_only(schema()));
    graph.add_operator(Box::new(operator), Traits::append_only(schema()), vec![source], None);
    let out = run(&mut graph, source, &[1]);
    assert!(out.failures[0].1.to_string().contains("Alone cannot be a partition"));
}
