//! Joins two kinds of events by their user, and streams of that join.
//!
//! `cargo run -p laminar-db --example correlation`

use std::io::{self, Write};

use laminar_db::{FromRow, LaminarDB, Record};

#[derive(Record)]
struct Login {
    ts: i64,
    user_id: &'static str,
    ip: &'static str,
}

#[derive(Record)]
struct Purchase {
    ts: i64,
    user_id: &'static str,
    amount: f64,
}

#[derive(FromRow)]
struct Activity {
    user_id: String,
    ip: String,
    amount: f64,
}

pub fn run(out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let db = LaminarDB::open()?;
    let logins = db.create_source_blocking::<Login>("logins")?;
    let purchases = db.create_source_blocking::<Purchase>("purchases")?;
    db.execute_blocking(
        "CREATE STREAM user_activity AS
         SELECT l.user_id, l.ip, p.amount, p.ts AS purchase_ts
         FROM logins l JOIN purchases p ON l.user_id = p.user_id",
    )?;
    db.execute_blocking(
        "CREATE STREAM large_purchases AS
         SELECT user_id, amount FROM user_activity WHERE amount > 500.0",
    )?;
    let mut large = db.subscribe::<(String, f64)>("large_purchases")?;
    db.start_blocking()?;

    logins.push_batch(&[
        Login { ts: 1, user_id: "alice", ip: "1.2.3.4" },
        Login { ts: 2, user_id: "bob", ip: "5.6.7.8" },
    ])?;
    purchases.push_batch(&[
        Purchase { ts: 3, user_id: "alice", amount: 29.99 },
        Purchase { ts: 4, user_id: "bob", amount: 999.0 },
        Purchase { ts: 5, user_id: "alice", amount: 750.0 },
    ])?;

    let activity = "SELECT * FROM user_activity ORDER BY purchase_ts";
    for Activity { user_id, ip, amount } in db.query_as_blocking(activity)? {
        writeln!(out, "{user_id} at {ip} paid {amount}")?;
    }
    while let Some((user_id, amount)) = large.poll()? {
        writeln!(out, "large: {user_id}, {amount}")?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run(&mut io::stdout())
}
