//! [`Query`]: q0 to q22.
//!
//! Each is written twice: as a stream, and over all rows as plain SQL for DataFusion, in which `bid`
//! has two columns more, `arrival` (its place among the bids) and `p` (the clock when it came). Ties
//! that a query leaves open break by arrival, as the dialect says.

/// A question, in both engines' words. The columns are the same, in the same order.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// `q0` to `q22`.
    pub name: &'static str,
    /// What is asked.
    pub about: &'static str,
    /// What is made before the stream, besides the sources.
    pub setup: &'static [&'static str],
    /// Columns of the source `bid` that only this query needs.
    pub bid_columns: &'static str,
    /// The query of the stream.
    pub stream: &'static str,
    /// The query over all rows.
    pub reference: &'static str,
    /// Rows wait until they cannot change: the answers are equal when all input has ended.
    pub waits: bool,
}

/// What most queries have in common.
const PLAIN: Query = Query {
    name: "",
    about: "",
    setup: &[],
    bid_columns: "",
    stream: "",
    reference: "",
    waits: false,
};

/// Every query, in order.
pub const ALL: [Query; 23] = [
    same("q0", "every bid as it is", "SELECT auction, bidder, price, date_time, extra FROM bid"),
    same(
        "q1",
        "prices in another currency",
        "SELECT auction, bidder, 0.908 * price AS price, date_time, extra FROM bid",
    ),
    same("q2", "bids at some auctions", "SELECT auction, price FROM bid WHERE auction % 123 = 0"),
    same(
        "q3",
        "who sells in some states what belongs to a category",
        "SELECT p.name, p.city, p.state, a.id FROM auction AS a JOIN person AS p ON a.seller = p.id
            WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')",
    ),
    same(
        "q4",
        "the average of what the auctions of a category fetched",
        "SELECT category, avg(final) AS average FROM
            (SELECT max(b.price) AS final, a.category FROM auction AS a JOIN bid AS b ON a.id = b.auction
                WHERE b.date_time BETWEEN a.date_time AND a.expires GROUP BY a.id, a.category) AS q
            GROUP BY category",
    ),
    Query {
        name: "q5",
        about: "the auctions with the most bids in ten seconds, every two seconds",
        stream: "WITH counts AS (SELECT auction, count(*) AS num, window_start, window_end FROM
                HOP(bid, date_time, INTERVAL '2' SECOND, INTERVAL '10' SECOND)
                GROUP BY auction, window_start, window_end),
            most AS (SELECT max(num) AS num, window_start, window_end FROM counts
                GROUP BY window_start, window_end)
            SELECT c.auction, c.num FROM counts AS c JOIN most AS m
                ON c.window_start = m.window_start AND c.window_end = m.window_end
                WHERE c.num >= m.num",
        reference: "WITH counts AS (SELECT auction, count(*) AS num, w FROM
                (SELECT auction, CAST(date_time AS BIGINT) / 2000 - step AS w FROM bid
                    CROSS JOIN (VALUES (0), (1), (2), (3), (4)) AS steps (step)) AS each
                GROUP BY auction, w),
            most AS (SELECT max(num) AS num, w FROM counts GROUP BY w)
            SELECT c.auction, c.num FROM counts AS c JOIN most AS m ON c.w = m.w
                WHERE c.num >= m.num",
        waits: true,
        ..PLAIN
    },
    Query {
        name: "q6",
        about: "the average of what a seller's last ten auctions fetched",
        stream: "WITH won AS (SELECT * FROM (SELECT a.id, a.seller, b.price, b.date_time,
                    row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) AS place
                FROM auction AS a JOIN bid AS b ON a.id = b.auction
                WHERE b.date_time BETWEEN a.date_time AND a.expires) AS q WHERE place = 1)
            SELECT seller, id, avg(price) OVER (PARTITION BY seller ORDER BY date_time, id
                ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS average FROM won",
        reference: "WITH won AS (SELECT * FROM (SELECT a.id, a.seller, b.price, b.date_time,
                    row_number() OVER (PARTITION BY a.id
                        ORDER BY b.price DESC, b.date_time, b.arrival) AS place
                FROM auction AS a JOIN bid AS b ON a.id = b.auction
                WHERE b.date_time BETWEEN a.date_time AND a.expires) AS q WHERE place = 1)
            SELECT seller, id, avg(price) OVER (PARTITION BY seller ORDER BY date_time, id
                ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS average FROM won",
        ..PLAIN
    },
    Query {
        name: "q7",
        about: "the highest bids of every ten seconds",
        stream: "SELECT b.auction, b.price, b.bidder, b.date_time, b.extra FROM bid AS b JOIN
                (SELECT max(price) AS price, window_start, window_end
                    FROM TUMBLE(bid, date_time, INTERVAL '10' SECOND)
                    GROUP BY window_start, window_end) AS m
                ON b.price = m.price AND b.date_time >= m.window_start AND b.date_time < m.window_end",
        reference: "SELECT b.auction, b.price, b.bidder, b.date_time, b.extra FROM bid AS b JOIN
                (SELECT max(price) AS price, CAST(date_time AS BIGINT) / 10000 AS w FROM bid
                    GROUP BY w) AS m
                ON b.price = m.price AND CAST(b.date_time AS BIGINT) / 10000 = m.w",
        waits: true,
        ..PLAIN
    },
    Query {
        name: "q8",
        about: "who registered and began to sell within the same ten seconds",
        stream: "SELECT p.id, p.name, p.window_start FROM
                (SELECT id, name, window_start, window_end
                    FROM TUMBLE(person, date_time, INTERVAL '10' SECOND)
                    GROUP BY id, name, window_start, window_end) AS p JOIN
                (SELECT seller, window_start, window_end
                    FROM TUMBLE(auction, date_time, INTERVAL '10' SECOND)
                    GROUP BY seller, window_start, window_end) AS a
                ON p.id = a.seller AND p.window_start = a.window_start
                    AND p.window_end = a.window_end",
        reference: "SELECT p.id, p.name, p.w FROM
                (SELECT DISTINCT id, name, date_bin(INTERVAL '10 seconds', date_time) AS w
                    FROM person) AS p JOIN
                (SELECT DISTINCT seller, date_bin(INTERVAL '10 seconds', date_time) AS w
                    FROM auction) AS a ON p.id = a.seller AND p.w = a.w",
        waits: true,
        ..PLAIN
    },
    Query {
        name: "q9",
        about: "the winning bid of every auction",
        stream: "SELECT id, item_name, description, initial_bid, reserve, date_time, expires, seller,
                category, extra, auction, bidder, price, bid_date_time, bid_extra FROM
                (SELECT a.*, b.auction, b.bidder, b.price, b.date_time AS bid_date_time,
                    b.extra AS bid_extra,
                    row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) AS place
                FROM auction AS a JOIN bid AS b ON a.id = b.auction
                WHERE b.date_time BETWEEN a.date_time AND a.expires) AS q WHERE place = 1",
        reference: "SELECT id, item_name, description, initial_bid, reserve, date_time, expires,
                seller, category, extra, auction, bidder, price, bid_date_time, bid_extra FROM
                (SELECT a.*, b.auction, b.bidder, b.price, b.date_time AS bid_date_time,
                    b.extra AS bid_extra, row_number() OVER (PARTITION BY a.id
                        ORDER BY b.price DESC, b.date_time, b.arrival) AS place
                FROM auction AS a JOIN bid AS b ON a.id = b.auction
                WHERE b.date_time BETWEEN a.date_time AND a.expires) AS q WHERE place = 1",
        ..PLAIN
    },
    same(
        "q10",
        "bids with the partition of a log that they belong to",
        "SELECT auction, bidder, price, date_time, extra, to_char(date_time, '%Y-%m-%d') AS dt,
            to_char(date_time, '%H:%M') AS hm FROM bid",
    ),
    Query {
        name: "q11",
        about: "bids of each bidder's sessions",
        stream: "SELECT bidder, count(*) AS bid_count, window_start, window_end FROM bid
                GROUP BY bidder, session(date_time, INTERVAL '10' SECOND)",
        reference: "SELECT bidder, count(*) AS bid_count, min(date_time) AS window_start,
                max(date_time) + INTERVAL '10 seconds' AS window_end FROM
                (SELECT bidder, date_time, sum(starts) OVER (PARTITION BY bidder
                        ORDER BY date_time, arrival) AS session FROM
                    (SELECT *, CASE WHEN date_time - lag(date_time) OVER (PARTITION BY bidder
                            ORDER BY date_time, arrival) < INTERVAL '10 seconds' THEN 0 ELSE 1 END
                        AS starts FROM bid) AS each) AS numbered
                GROUP BY bidder, session",
        waits: true,
        ..PLAIN
    },
    Query {
        name: "q12",
        about: "bids of each bidder in ten seconds by the clock",
        bid_columns: ", p TIMESTAMP(3) AS proctime()",
        stream: "SELECT bidder, count(*) AS bid_count, window_start, window_end FROM bid
                GROUP BY bidder, tumble(p, INTERVAL '10' SECOND)",
        reference: "SELECT bidder, count(*) AS bid_count, w, w + INTERVAL '10 seconds' FROM
                (SELECT bidder, date_bin(INTERVAL '10 seconds', p) AS w FROM bid) AS each
                GROUP BY bidder, w",
        waits: true,
        ..PLAIN
    },
    Query {
        name: "q13",
        about: "bids beside what a table says of them when they come",
        setup: &[
            SIDE_TABLE,
            "INSERT INTO side_input SELECT value, 'side ' || CAST(value AS VARCHAR)
                FROM generate_series(0, 9999)",
        ],
        stream: "SELECT b.auction, b.bidder, b.price, b.date_time, s.value FROM bid AS b
                JOIN side_input FOR SYSTEM_TIME AS OF proctime() AS s ON b.auction % 10000 = s.key",
        reference: "SELECT auction, bidder, price, date_time,
                'side ' || CAST(auction % 10000 AS VARCHAR) AS value FROM bid",
        ..PLAIN
    },
    same(
        "q14",
        "dear bids, by the time of day, with a function over their text",
        "SELECT auction, bidder, 0.908 * price AS price,
            CASE WHEN date_part('hour', date_time) BETWEEN 8 AND 18 THEN 'dayTime'
                WHEN date_part('hour', date_time) <= 6 OR date_part('hour', date_time) >= 20
                    THEN 'nightTime'
                ELSE 'otherTime' END AS bid_time_type,
            date_time, extra, length(extra) - length(replace(extra, 'c', '')) AS c_counts FROM bid
            WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000",
    ),
    same(
        "q15",
        "a day's bids, bidders and auctions, by rank of price",
        "SELECT to_char(date_time, '%Y-%m-%d') AS day, count(*) AS total_bids,
            count(*) FILTER (WHERE price < 10000) AS rank1_bids,
            count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
            count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
            count(DISTINCT bidder) AS total_bidders,
            count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
            count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
            count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
            count(DISTINCT auction) AS total_auctions,
            count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
            count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000)
                AS rank2_auctions,
            count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
            FROM bid GROUP BY day",
    ),
    same(
        "q16",
        "the same by channel, with the minute of the last bid",
        "SELECT channel, to_char(date_time, '%Y-%m-%d') AS day,
            max(to_char(date_time, '%H:%M')) AS minute, count(*) AS total_bids,
            count(*) FILTER (WHERE price < 10000) AS rank1_bids,
            count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
            count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
            count(DISTINCT bidder) AS total_bidders,
            count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
            count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
            count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
            count(DISTINCT auction) AS total_auctions,
            count(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
            count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000)
                AS rank2_auctions,
            count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
            FROM bid GROUP BY channel, day",
    ),
    same(
        "q17",
        "the bids of an auction and day, by rank of price",
        "SELECT auction, to_char(date_time, '%Y-%m-%d') AS day, count(*) AS total_bids,
            count(*) FILTER (WHERE price < 10000) AS rank1_bids,
            count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
            count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
            min(price) AS min_price, max(price) AS max_price, avg(price) AS avg_price,
            sum(price) AS sum_price FROM bid GROUP BY auction, day",
    ),
    Query {
        name: "q18",
        about: "the last bid of each bidder at each auction",
        stream: "SELECT auction, bidder, price, channel, url, date_time, extra FROM
                (SELECT *, row_number() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC)
                    AS place FROM bid) AS q WHERE place <= 1",
        reference: "SELECT auction, bidder, price, channel, url, date_time, extra FROM
                (SELECT *, row_number() OVER (PARTITION BY bidder, auction
                    ORDER BY date_time DESC, arrival) AS place FROM bid) AS q WHERE place <= 1",
        ..PLAIN
    },
    Query {
        name: "q19",
        about: "the ten highest bids of each auction",
        stream: "SELECT auction, bidder, price, channel, url, date_time, extra, place FROM
                (SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS place
                    FROM bid) AS q WHERE place <= 10",
        reference: "SELECT auction, bidder, price, channel, url, date_time, extra, place FROM
                (SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, arrival)
                    AS place FROM bid) AS q WHERE place <= 10",
        ..PLAIN
    },
    same(
        "q20",
        "bids with the auctions of a category",
        "SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.date_time, b.extra, a.item_name,
            a.description, a.initial_bid, a.reserve, a.date_time AS auction_date_time, a.expires, a.seller,
            a.category, a.extra AS auction_extra FROM bid AS b JOIN auction AS a ON b.auction = a.id WHERE a.category = 10",
    ),
    same(
        "q21",
        "bids with the number of their channel",
        "SELECT auction, bidder, price, channel,
            CASE WHEN lower(channel) = 'apple' THEN '0' WHEN lower(channel) = 'google' THEN '1'
                WHEN lower(channel) = 'facebook' THEN '2' WHEN lower(channel) = 'baidu' THEN '3'
                ELSE regexp_match(url, '(&|^)channel_id=([^&]*)')[2] END AS channel_id FROM bid
            WHERE regexp_match(url, '(&|^)channel_id=([^&]*)')[2] IS NOT NULL
                OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu')",
    ),
    same(
        "q22",
        "bids with the folders of their address",
        "SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1,
            split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3 FROM bid",
    ),
];

const SIDE_TABLE: &str = "CREATE TABLE side_input (key BIGINT PRIMARY KEY, value VARCHAR NOT NULL)";

/// A query that both engines read alike.
const fn same(name: &'static str, about: &'static str, query: &'static str) -> Query {
    Query { name, about, stream: query, reference: query, ..PLAIN }
}
