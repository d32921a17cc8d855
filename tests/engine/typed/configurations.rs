//! Options made structs, and back.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use laminar_db::{ConnectorConfig, code};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    Earliest,
    Latest,
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            _ => Err("only earliest and latest".to_string()),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Earliest { "earliest" } else { "latest" })
    }
}

#[derive(ConnectorConfig, Debug, PartialEq)]
struct Security {
    /// Who connects.
    #[config(key = "security.user", env = "FEED_USER")]
    user: String,
    #[config(key = "security.password", env = "FEED_PASSWORD", secret)]
    password: Option<String>,
}

#[derive(ConnectorConfig, Debug, PartialEq)]
#[config(rename_all = "dotted.case", validate = "checked")]
struct Feed {
    /// The brokers,
    /// host and port.
    #[config(required)]
    bootstrap_servers: Vec<SocketAddr>,
    #[config(alias = "batch", default = "1000")]
    batch_size: usize,
    #[config(key = "timeout.ms", default = "30000", duration_ms)]
    timeout: Duration,
    #[config(duration_s)]
    idle: Option<Duration>,
    #[config(default = "500ms")]
    retry: Duration,
    #[config(default = "latest", from_str)]
    start: Start,
    #[config(default)]
    tls: bool,
    #[config(flatten)]
    security: Security,
}

fn checked(feed: &Feed) -> Result<(), String> {
    match feed.retry < feed.timeout {
        true => Ok(()),
        false => Err("`retry` must be less than `timeout.ms`".to_string()),
    }
}

fn options(given: &[(&str, &str)]) -> HashMap<String, String> {
    given.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn read(given: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Feed, laminar_db::Error> {
    let env = options(env);
    Feed::from_options_with(&options(given), &|name| env.get(name).cloned())
}

const LEAST: [(&str, &str); 2] =
    [("bootstrap.servers", "127.0.0.1:9092, [::1]:9093"), ("security.user", "me")];

#[test]
fn options_are_read_with_their_defaults() {
    let feed = read(&LEAST, &[]).unwrap();
    let expected = Feed {
        bootstrap_servers: vec!["127.0.0.1:9092".parse().unwrap(), "[::1]:9093".parse().unwrap()],
        batch_size: 1_000,
        timeout: Duration::from_secs(30),
        idle: None,
        retry: Duration::from_millis(500),
        start: Start::Latest,
        tls: false,
        security: Security { user: "me".to_string(), password: None },
    };
    assert_eq!(feed, expected);
}

#[test]
fn options_come_back_as_they_went_in() {
    let given = [
        ("bootstrap.servers", "10.0.0.1:1"),
        ("batch", "7"),
        ("timeout.ms", "90000"),
        ("idle", "5"),
        ("retry", "1m"),
        ("start", "earliest"),
        ("tls", "true"),
        ("security.user", "it's me"),
        ("security.password", "secret"),
    ];
    let feed = read(&given, &[]).unwrap();
    let mut expected = options(&given);
    let batch = expected.remove("batch").unwrap();
    expected.insert("batch.size".to_string(), batch);
    assert_eq!(feed.to_options(), expected);
    assert_eq!(Feed::from_options(&feed.to_options()).unwrap(), feed);
    let described = feed.describe();
    assert!(described.contains("security.user = 'it''s me'"), "{described}");
    assert!(described.contains("security.password = ***") && !described.contains("secret'"));
}

/// What is given counts before the environment, and that before the default.
#[test]
fn the_environment_stands_in_for_options() {
    let env = [("FEED_USER", "env"), ("FEED_PASSWORD", "pass"), ("BATCH", "9")];
    let feed = read(&LEAST, &env).unwrap();
    assert_eq!(feed.security.user, "me");
    assert_eq!(feed.security.password.as_deref(), Some("pass"));
    assert_eq!(read(&LEAST[..1], &env).unwrap().security.user, "env");
    assert_eq!(feed.batch_size, 1_000);
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let error = read(
        &[
            ("batch.size", "many"),
            ("timeout.ms", "30s"),
            ("retry", "5"),
            ("start", "middle"),
            ("tls", "maybe"),
            ("batch.sise", "1"),
            ("zzzzzzzzzz", "1"),
        ],
        &[],
    )
    .unwrap_err();
    assert_eq!(error.code(), code::OPTION);
    for said in [
        "the option `bootstrap.servers` is missing: give values between commas",
        "the option `batch.size` cannot be `many`: give a whole number that is not negative",
        "the option `timeout.ms` cannot be `30s`: give a number of milliseconds",
        "the option `retry` cannot be `5`: give a duration like 500ms, 30s, 5m or 2h",
        "the option `start` cannot be `middle` (only earliest and latest)",
        "the option `tls` cannot be `maybe`: give true or false",
        "the option `security.user` is missing: give a text, or set $FEED_USER",
        "there is no option `batch.sise`: did you mean `batch.size`?",
        "there is no option `zzzzzzzzzz`: there are batch, batch.size, bootstrap.servers, idle",
    ] {
        assert!(error.message().contains(said), "{said}\n{error}");
    }
    let mut twice = LEAST.to_vec();
    twice.extend([("batch", "1"), ("batch.size", "1")]);
    let error = read(&twice, &[]).unwrap_err();
    assert!(error.message().contains("are the same option: give one"), "{error}");
    let mut invalid = LEAST.to_vec();
    invalid.push(("timeout.ms", "500"));
    let error = read(&invalid, &[]).unwrap_err();
    assert_eq!(error.message(), "`retry` must be less than `timeout.ms`");
    let mut address = LEAST.to_vec();
    address[0].1 = "127.0.0.1:9092,somewhere";
    let error = read(&address, &[]).unwrap_err();
    assert!(error.message().contains("`somewhere` is not an address with a port"), "{error}");
}

#[test]
fn a_secret_is_shown_to_nobody() {
    #[derive(ConnectorConfig)]
    struct Pin {
        #[config(secret)]
        pin: u16,
    }
    let error = Pin::from_options(&options(&[("pin", "12x4")])).err().unwrap();
    assert!(error.message().contains("`***`") && !error.message().contains("12x4"), "{error}");
    assert_eq!(Pin::from_options(&options(&[("pin", "1234")])).unwrap().describe(), "pin = ***");
    assert_eq!(Pin::from_options(&options(&[("pin", "1234")])).unwrap().pin, 1_234);
}

#[test]
fn the_rest_is_kept_where_a_field_takes_it() {
    #[derive(ConnectorConfig, Debug, PartialEq)]
    struct Open {
        topic: String,
        #[config(rest)]
        more: BTreeMap<String, String>,
    }
    let given = options(&[("topic", "t"), ("linger.ms", "5"), ("acks", "all")]);
    let open = Open::from_options(&given).unwrap();
    assert_eq!(open.more.keys().collect::<Vec<_>>(), ["acks", "linger.ms"]);
    assert_eq!(open.to_options(), given);
}

#[test]
fn options_are_documented() {
    let table = Feed::documentation();
    for row in [
        "| `bootstrap.servers` | values between commas | required | The brokers, host and port. |",
        "| `batch.size` | a whole number that is not negative | `1000` |  |",
        "| `idle` | a number of seconds | none |  |",
        "| `security.user` (or `$FEED_USER`) | a text | required | Who connects. |",
    ] {
        assert!(table.lines().any(|line| line == row), "{row}\n{table}");
    }
}
