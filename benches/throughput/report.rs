//! [`Figure`]: what the runs of one workload say.

/// The processor seconds of each run.
pub(crate) struct Figure<'a> {
    pub(crate) name: &'a str,
    pub(crate) batch_rows: usize,
    pub(crate) rows: usize,
    pub(crate) streaming: Vec<f64>,
    /// Empty when it was left out.
    pub(crate) reference: Vec<f64>,
}

impl Figure<'_> {
    /// JSON to stdout, a line for people to stderr.
    pub(crate) fn print(&self) {
        let rate = |seconds: &[f64]| self.rows as f64 / median(seconds);
        let streaming = rate(&self.streaming);
        let reference = (!self.reference.is_empty()).then(|| rate(&self.reference));
        let line = serde_json::json!({
            "bench": "throughput",
            "name": self.name,
            "batch": self.batch_rows,
            "rows": self.rows,
            "runs": self.streaming.len(),
            "rows_per_cpu_second": streaming.round(),
            "datafusion_rows_per_cpu_second": reference.map(f64::round),
            "ratio": reference.map(|reference| (streaming / reference * 1e3).round() / 1e3),
        });
        println!("{line}");
        let beside = reference.map_or(String::new(), |reference| {
            format!("   DataFusion {:8.2}   ratio {:5.2}", reference / 1e6, streaming / reference)
        });
        eprintln!(
            "{:<22} batch {:>6}: {:8.2} million rows per CPU-second{beside}",
            self.name,
            self.batch_rows,
            streaming / 1e6
        );
    }
}

/// The middle one of some values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
