//! [`Command`]: the statements that only scripts have. They stand for the calls of the API.

/// A call, read from the text of a statement.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `OPEN UNSTARTED`, before everything else: the database waits for `START`.
    OpenUnstarted,
    /// `START`.
    Start,
    /// `RESTART`: closes the database and opens it again.
    Restart,
    /// `FLUSH`: nothing to do, as a push returns when everything downstream has it.
    Flush,
    /// `OPEN PRODUCER name OF source`.
    OpenProducer { name: &'a str, source: &'a str },
    /// `CLOSE PRODUCER name`.
    CloseProducer { name: &'a str },
    /// `END PRODUCER name`: it sends nothing any more.
    EndProducer { name: &'a str },
    /// `ADVANCE CLOCK BY milliseconds`, of a database whose clock stands.
    AdvanceClock { by_ms: i64 },
    /// `PUSH INTO source [BY producer] [IN BATCHES OF n] VALUES ... | SELECT ...`.
    Push {
        source: &'a str,
        producer: Option<&'a str>,
        /// Rows of a batch, each batch being an epoch; `None` for all rows in one.
        batch_rows: Option<usize>,
        query: &'a str,
    },
    /// `WATERMARK source [BY producer] TO milliseconds`.
    Watermark { source: &'a str, producer: Option<&'a str>, ts_ms: i64 },
    /// `SUBSCRIBE name [WITH SNAPSHOT] TO stream | query`.
    Subscribe { name: &'a str, snapshot: Option<bool>, target: &'a str },
    /// `UNSUBSCRIBE name`.
    Unsubscribe { name: &'a str },
    /// `POLL name [ONCE]`: what waits, or the first batch of it.
    Poll { name: &'a str, once: bool },
}

/// The command that a statement is; `None` where it is SQL.
pub fn read(text: &str) -> Result<Option<Command<'_>>, String> {
    let mut words = Words(text.trim().trim_end_matches(';').trim_end());
    let command = match words.next().to_ascii_uppercase().as_str() {
        "START" => Command::Start,
        "RESTART" => Command::Restart,
        "FLUSH" => Command::Flush,
        "OPEN" if words.take("UNSTARTED") => Command::OpenUnstarted,
        "OPEN" if words.take("PRODUCER") => {
            let name = words.name("a producer's name")?;
            words.expect("OF")?;
            Command::OpenProducer { name, source: words.name("a source")? }
        }
        "CLOSE" if words.take("PRODUCER") => {
            Command::CloseProducer { name: words.name("a producer's name")? }
        }
        "END" if words.take("PRODUCER") => {
            Command::EndProducer { name: words.name("a producer's name")? }
        }
        "ADVANCE" if words.take("CLOCK") => {
            words.expect("BY")?;
            Command::AdvanceClock { by_ms: words.number("milliseconds")? }
        }
        "PUSH" => {
            words.expect("INTO")?;
            let source = words.name("a source")?;
            let producer = words.producer()?;
            let batch_rows = match words.take("IN") {
                false => None,
                true => {
                    words.expect("BATCHES")?;
                    words.expect("OF")?;
                    let rows = words.number("the rows of a batch")?;
                    Some(usize::try_from(rows.max(1)).map_err(|error| error.to_string())?)
                }
            };
            return Ok(Some(Command::Push { source, producer, batch_rows, query: words.0 }));
        }
        "WATERMARK" => {
            let source = words.name("a source")?;
            let producer = words.producer()?;
            words.expect("TO")?;
            Command::Watermark { source, producer, ts_ms: words.number("milliseconds")? }
        }
        "SUBSCRIBE" => {
            let name = words.name("a name for the subscription")?;
            let snapshot = words.take("WITH");
            if snapshot {
                words.expect("SNAPSHOT")?;
            } else if !words.is_at("TO") {
                // The statement of SQL.
                return Ok(None);
            }
            words.expect("TO")?;
            let snapshot = snapshot.then_some(true);
            return Ok(Some(Command::Subscribe { name, snapshot, target: words.0 }));
        }
        "UNSUBSCRIBE" => Command::Unsubscribe { name: words.name("a subscription")? },
        "POLL" => {
            let name = words.name("a subscription")?;
            Command::Poll { name, once: words.take("ONCE") }
        }
        _ => return Ok(None),
    };
    match words.0 {
        "" => Ok(Some(command)),
        rest => Err(format!("the command ends before `{rest}`")),
    }
}

/// What is left of a text, taken word by word.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn next(&mut self) -> &'a str {
        let end = self.0.find(char::is_whitespace).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest.trim_start();
        word
    }

    fn is_at(&self, keyword: &str) -> bool {
        Words(self.0).next().eq_ignore_ascii_case(keyword)
    }

    fn take(&mut self, keyword: &str) -> bool {
        let is_there = self.is_at(keyword);
        if is_there {
            self.next();
        }
        is_there
    }

    fn expect(&mut self, keyword: &str) -> Result<(), String> {
        match self.take(keyword) {
            true => Ok(()),
            false => Err(format!("expected {keyword} before `{}`", self.0)),
        }
    }

    fn name(&mut self, what: &str) -> Result<&'a str, String> {
        match self.next() {
            "" => Err(format!("expected {what}")),
            name => Ok(name),
        }
    }

    fn number(&mut self, what: &str) -> Result<i64, String> {
        let word = self.next();
        word.parse().map_err(|_| format!("expected {what}, a whole number, found `{word}`"))
    }

    fn producer(&mut self) -> Result<Option<&'a str>, String> {
        match self.take("BY") {
            true => self.name("a producer's name").map(Some),
            false => Ok(None),
        }
    }
}
