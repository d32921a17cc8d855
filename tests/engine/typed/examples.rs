//! The programs of `core/db/examples` print what follows from their numbers.

macro_rules! example {
    ($name:ident, $path:literal) => {
        #[path = $path]
        // The test does not call `main`, and the programs need not read every field.
        #[allow(dead_code, unreachable_pub)]
        mod $name;
    };
}
example!(correlation, "../../../core/db/examples/correlation.rs");
example!(dashboard, "../../../core/db/examples/dashboard.rs");
example!(iot, "../../../core/db/examples/iot.rs");
example!(producer_consumer, "../../../core/db/examples/producer_consumer.rs");
example!(timeseries, "../../../core/db/examples/timeseries.rs");

type Answer = Result<(), Box<dyn std::error::Error>>;

fn printed(run: impl FnOnce(&mut Vec<u8>) -> Answer) -> String {
    let mut out = Vec::new();
    run(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn iot_example() {
    let out = printed(iot::run);
    // Temperatures are 20 + 1.5 * (t % 50): past 80 from t % 50 = 41 on, four times.
    assert_eq!(out.matches("ALERT").count(), 9 * 4);
    // device_4 has t % 50 of 4, 9, ... 49, so 26 to 93.5 and 59.75 on average.
    assert!(out.contains("device_4: 40 readings, 26 to 93.5, 59.75 on average"), "{out}");
}

#[test]
fn timeseries_example() {
    let out = printed(timeseries::run);
    let whales = (0..1_000).filter(|t| 100 + (t * 7_919) % 15_000 > 10_000).count();
    assert!(out.contains("AAPL: 250 trades"), "{out}");
    assert!(out.contains(&format!("{whales} large trades")), "{out}");
    // The last trade is at 999 s; five seconds before it, sixteen minutes are over for four symbols.
    assert!(out.contains("64 bars are final"), "{out}");
    // AAPL trades at 0, 4, ... 56 s in the first minute, at 100 + (37 t % 200) / 10.
    let prices = || (0..60).step_by(4).map(|t| 100.0 + f64::from(t * 37 % 200) / 10.0);
    let (open, close) = (prices().next().unwrap(), prices().next_back().unwrap());
    let (high, low) = (prices().fold(0.0, f64::max), prices().fold(f64::MAX, f64::min));
    let first = format!("minute 0: open {open}, high {high}, low {low}, close {close}");
    assert!(out.contains(&first), "{first}\n{out}");
}

#[test]
fn correlation_example() {
    let out = printed(correlation::run);
    let expected = "alice at 1.2.3.4 paid 29.99\nbob at 5.6.7.8 paid 999\n\
                    alice at 1.2.3.4 paid 750\nlarge: bob, 999\nlarge: alice, 750\n";
    assert_eq!(out, expected);
}

#[test]
fn dashboard_example() {
    let mut out = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(dashboard::run(&mut out)).unwrap();
    let out = String::from_utf8(out).unwrap();
    // 173 t % 700 is past 500 first at t = 3 (519), 7 (511), 11 (503), 15 (495: not), 16 (668) ...
    let slow = (0..).map(|t| (t, t * 173 % 700)).filter(|(_, latency)| *latency > 500);
    let services = ["api", "web", "worker"];
    let lines = slow.take(5).map(|(t, latency)| {
        format!("Slow request: {} took {latency} ms\n", services[t as usize % 3])
    });
    let expected = lines.collect::<String>() + "Detected 5 slow requests\n";
    assert_eq!(out, expected);
}

#[test]
fn producer_consumer_example() {
    let out = printed(producer_consumer::run);
    let windows = (0..5).map(|window| format!("window {}: 100 events\n", window * 100));
    let expected = "SPSC producer\nMPSC producers\n".to_string()
        + &windows.collect::<String>()
        + "Consumed 500 events\n";
    assert_eq!(out, expected);
}
