//! [`Generator`]: the events. What event `n` is follows from `n` and the rate alone, so the same
//! events come however they are cut into batches.
//!
//! Of every 50 events the first is a person, the next 3 are auctions and 46 are bids. Half of the
//! bids go to the hot auction, which changes every hundred auctions, and three quarters come from the
//! hot bidder; three quarters of the auctions are the hot seller's. The rest spread over what was
//! made lately, and a little beyond it: a bid may come before its auction does.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Builder, RecordBatch, StringBuilder, TimestampMillisecondBuilder,
};
use arrow::datatypes::DataType;

use crate::random::Random;
use crate::schema::Relation;

/// Events of a round, and how many of each kind are in it.
const ROUND: u64 = 50;
const PERSONS: u64 = 1;
const AUCTIONS: u64 = 3;

const FIRST_PERSON: i64 = 1_000;
const FIRST_AUCTION: i64 = 1_000;
const FIRST_CATEGORY: i64 = 10;
const CATEGORIES: i64 = 5;

/// Persons that still take part, and how far ahead of the last one an event may look.
const ACTIVE_PERSONS: i64 = 1_000;
const PERSON_LEAD: i64 = 10;
/// Auctions that are under way, and how far ahead of the last one a bid may look.
const AUCTIONS_UNDER_WAY: i64 = 100;
const AUCTION_LEAD: i64 = 10;

/// One event in so many is not about the hot auction, seller, bidder, channel.
const COLD_AUCTION: i64 = 2;
const COLD_SELLER: i64 = 4;
const COLD_BIDDER: i64 = 4;
const COLD_CHANNEL: i64 = 2;
/// The hot ones change each time so many were made.
const HOT_FOR: i64 = 100;
const CHANNELS: i64 = 10_000;

/// About how many bytes a record has.
const PERSON_BYTES: usize = 200;
const AUCTION_BYTES: usize = 500;
const BID_BYTES: usize = 100;

const FIRST_NAMES: [&str; 11] = [
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter",
];
const LAST_NAMES: [&str; 9] =
    ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const CITIES: [&str; 10] = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];

/// 2015-07-15 00:00:00, in milliseconds since 1970.
const START_MS: i64 = 1_436_918_400_000;

/// Makes events one after another.
#[derive(Debug, Clone)]
pub struct Generator {
    next: u64,
    events_per_second: u64,
}

/// Some events, by kind, in their order.
#[derive(Debug, Clone)]
pub struct Events {
    pub persons: RecordBatch,
    pub auctions: RecordBatch,
    pub bids: RecordBatch,
}

impl Events {
    /// The rows of one kind.
    pub fn of(&self, relation: Relation) -> &RecordBatch {
        match relation {
            Relation::Person => &self.persons,
            Relation::Auction => &self.auctions,
            Relation::Bid => &self.bids,
        }
    }
}

impl Generator {
    /// From the first event on; so many of them in a second of event time.
    pub fn new(events_per_second: u64) -> Self {
        Self { next: 0, events_per_second }
    }

    /// The next `count` events.
    pub fn events(&mut self, count: u64) -> Events {
        let mut persons = Columns::new(Relation::Person);
        let mut auctions = Columns::new(Relation::Auction);
        let mut bids = Columns::new(Relation::Bid);
        for event in self.next..self.next + count {
            let made = Made::before(event);
            let mut random = Random::of(event);
            match event % ROUND {
                0 => self.person(event, &made, &mut random, &mut persons),
                1..=AUCTIONS => self.auction(event, &made, &mut random, &mut auctions),
                _ => self.bid(event, &made, &mut random, &mut bids),
            }
        }
        self.next += count;
        Events { persons: persons.finish(), auctions: auctions.finish(), bids: bids.finish() }
    }

    fn time_ms(&self, event: u64) -> i64 {
        START_MS + (event * 1_000 / self.events_per_second) as i64
    }

    fn person(&self, event: u64, made: &Made, random: &mut Random, into: &mut Columns) {
        let name = format!("{} {}", random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES));
        let mut email = String::new();
        random.word(7, &mut email);
        email.push('@');
        random.word(5, &mut email);
        email.push_str(".com");
        let mut card = String::new();
        for group in 0..4 {
            if group > 0 {
                card.push(' ');
            }
            random.digits(4, &mut card);
        }
        let (city, state) = (random.pick(&CITIES), random.pick(&STATES));
        let bytes = 16 + name.len() + email.len() + card.len() + city.len() + state.len();
        into.number(FIRST_PERSON + made.last_person);
        into.text(&name);
        into.text(&email);
        into.text(&card);
        into.text(city);
        into.text(state);
        into.time(self.time_ms(event));
        into.filling(random, bytes, PERSON_BYTES);
        into.end();
    }

    fn auction(&self, event: u64, made: &Made, random: &mut Random, into: &mut Columns) {
        let hot = random.but_one_in(COLD_SELLER);
        let seller = if hot { made.last_person / HOT_FOR * HOT_FOR } else { made.a_person(random) };
        let category = FIRST_CATEGORY + random.below(CATEGORIES);
        let initial_bid = random.price();
        let time_ms = self.time_ms(event);
        let length_ms = self.auction_length_ms(event, random);
        let (mut name, mut description) = (String::new(), String::new());
        random.word(20, &mut name);
        random.word(100, &mut description);
        let reserve = initial_bid + random.price();
        into.number(FIRST_AUCTION + made.last_auction);
        into.text(&name);
        into.text(&description);
        into.number(initial_bid);
        into.number(reserve);
        into.time(time_ms);
        into.time(time_ms + length_ms);
        into.number(FIRST_PERSON + seller);
        into.number(category);
        into.filling(random, 56 + name.len() + description.len(), AUCTION_BYTES);
        into.end();
    }

    /// At most twice as long as it takes for the auctions that are under way to be followed by as many.
    fn auction_length_ms(&self, event: u64, random: &mut Random) -> i64 {
        let events = AUCTIONS_UNDER_WAY as u64 * ROUND / AUCTIONS;
        let horizon_ms = self.time_ms(event + events) - self.time_ms(event);
        1 + random.below((2 * horizon_ms).max(1))
    }

    fn bid(&self, event: u64, made: &Made, random: &mut Random, into: &mut Columns) {
        let hot = random.but_one_in(COLD_AUCTION);
        let auction =
            if hot { made.last_auction / HOT_FOR * HOT_FOR } else { made.an_auction(random) };
        let hot = random.but_one_in(COLD_BIDDER);
        let bidder =
            if hot { made.last_person / HOT_FOR * HOT_FOR + 1 } else { made.a_person(random) };
        let price = random.price();
        let (channel, url) = channel(random);
        into.number(FIRST_AUCTION + auction);
        into.number(FIRST_PERSON + bidder);
        into.number(price);
        into.text(&channel);
        into.text(&url);
        into.time(self.time_ms(event));
        into.filling(random, 32 + channel.len() + url.len(), BID_BYTES);
        into.end();
    }
}

/// Where a bid came from. The address of a channel is always the same.
fn channel(random: &mut Random) -> (String, String) {
    if random.but_one_in(COLD_CHANNEL) {
        let channel = random.pick(&HOT_CHANNELS);
        let place = HOT_CHANNELS.iter().position(|hot| *hot == channel);
        // Numbers that no event has.
        let mut fixed = Random::of(u64::MAX - place.unwrap_or(0) as u64);
        (channel.to_string(), address(&mut fixed))
    } else {
        let number = random.below(CHANNELS);
        let mut fixed = Random::of(u64::MAX - (HOT_CHANNELS.len() as u64 + number as u64));
        let mut url = address(&mut fixed);
        if fixed.but_one_in(10) {
            let id = (number as i32).reverse_bits().unsigned_abs();
            url.push_str(&format!("&channel_id={id}"));
        }
        (format!("channel-{number}"), url)
    }
}

fn address(random: &mut Random) -> String {
    let mut url = "https://www.nexmark.com".to_string();
    for _ in 0..3 {
        url.push('/');
        random.word(5, &mut url);
    }
    url.push_str("/item.htm?query=1");
    url
}

/// The last person and the last auction up to an event, this one included; counted from 0.
struct Made {
    last_person: i64,
    last_auction: i64,
}

impl Made {
    fn before(event: u64) -> Self {
        let (round, place) = (event / ROUND, event % ROUND);
        let auctions = place.saturating_sub(PERSONS - 1).min(AUCTIONS);
        Self {
            last_person: (round * PERSONS) as i64,
            last_auction: ((round * AUCTIONS + auctions) as i64 - 1).max(0),
        }
    }

    /// One of those that still take part, or one that comes soon.
    fn a_person(&self, random: &mut Random) -> i64 {
        let persons = self.last_person + 1;
        let active = persons.min(ACTIVE_PERSONS);
        persons - active + random.below(active + PERSON_LEAD)
    }

    /// One that is under way, or one that comes soon.
    fn an_auction(&self, random: &mut Random) -> i64 {
        let oldest = (self.last_auction - AUCTIONS_UNDER_WAY).max(0);
        oldest + random.below(self.last_auction - oldest + 1 + AUCTION_LEAD)
    }
}

/// The columns of one relation, filled row by row in their order.
struct Columns {
    relation: Relation,
    columns: Vec<Column>,
    at: usize,
    scratch: String,
}

enum Column {
    Number(Int64Builder),
    Text(StringBuilder),
    Time(TimestampMillisecondBuilder),
}

impl Columns {
    fn new(relation: Relation) -> Self {
        let schema = relation.schema();
        let column = |field: &Arc<arrow::datatypes::Field>| match field.data_type() {
            DataType::Int64 => Column::Number(Int64Builder::new()),
            DataType::Utf8 => Column::Text(StringBuilder::new()),
            _ => Column::Time(TimestampMillisecondBuilder::new()),
        };
        let columns = schema.fields().iter().map(column).collect();
        Self { relation, columns, at: 0, scratch: String::new() }
    }

    fn next(&mut self) -> &mut Column {
        self.at += 1;
        &mut self.columns[self.at - 1]
    }

    fn number(&mut self, value: i64) {
        match self.next() {
            Column::Number(column) => column.append_value(value),
            _ => unreachable!("the fields are given in the order of the schema"),
        }
    }

    fn text(&mut self, value: &str) {
        match self.next() {
            Column::Text(column) => column.append_value(value),
            _ => unreachable!("the fields are given in the order of the schema"),
        }
    }

    fn time(&mut self, value_ms: i64) {
        match self.next() {
            Column::Time(column) => column.append_value(value_ms),
            _ => unreachable!("the fields are given in the order of the schema"),
        }
    }

    fn filling(&mut self, random: &mut Random, bytes: usize, wanted: usize) {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        random.filling(bytes, wanted, &mut text);
        self.text(&text);
        self.scratch = text;
    }

    fn end(&mut self) {
        assert_eq!(self.at, self.columns.len(), "every field of the row was given");
        self.at = 0;
    }

    fn finish(self) -> RecordBatch {
        let columns = self.columns.into_iter().map(|column| -> ArrayRef {
            match column {
                Column::Number(mut column) => Arc::new(column.finish()),
                Column::Text(mut column) => Arc::new(column.finish()),
                Column::Time(mut column) => Arc::new(column.finish()),
            }
        });
        RecordBatch::try_new(self.relation.schema(), columns.collect())
            .expect("columns of equal length and of the schema's types")
    }
}
