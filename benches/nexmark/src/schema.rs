//! The three relations.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Someone who registers, to sell or to bid.
    Person,
    /// Something that is put up for auction.
    Auction,
    /// What a person offers at an auction.
    Bid,
}

impl Relation {
    pub const ALL: [Self; 3] = [Self::Person, Self::Auction, Self::Bid];

    /// The name of its source.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Auction => "auction",
            Self::Bid => "bid",
        }
    }

    /// Its columns. Prices are in cents, times in milliseconds since 1970.
    pub fn schema(self) -> SchemaRef {
        let columns: &[(&str, DataType)] = match self {
            Self::Person => &[
                ("id", DataType::Int64),
                ("name", DataType::Utf8),
                ("email_address", DataType::Utf8),
                ("credit_card", DataType::Utf8),
                ("city", DataType::Utf8),
                ("state", DataType::Utf8),
                ("date_time", TIME),
                ("extra", DataType::Utf8),
            ],
            Self::Auction => &[
                ("id", DataType::Int64),
                ("item_name", DataType::Utf8),
                ("description", DataType::Utf8),
                ("initial_bid", DataType::Int64),
                ("reserve", DataType::Int64),
                ("date_time", TIME),
                ("expires", TIME),
                ("seller", DataType::Int64),
                ("category", DataType::Int64),
                ("extra", DataType::Utf8),
            ],
            Self::Bid => &[
                ("auction", DataType::Int64),
                ("bidder", DataType::Int64),
                ("price", DataType::Int64),
                ("channel", DataType::Utf8),
                ("url", DataType::Utf8),
                ("date_time", TIME),
                ("extra", DataType::Utf8),
            ],
        };
        let field = |(name, kind): &(&str, DataType)| Field::new(*name, kind.clone(), false);
        Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// `CREATE SOURCE` with these columns, then `more` (nothing, or columns with a comma before each).
    pub fn create_source(self, more: &str) -> String {
        let columns = self
            .schema()
            .fields()
            .iter()
            .map(|field| {
                let kind = match field.data_type() {
                    DataType::Int64 => "BIGINT",
                    DataType::Utf8 => "VARCHAR",
                    _ => "TIMESTAMP(3)",
                };
                format!("{} {kind} NOT NULL", field.name())
            })
            .collect::<Vec<_>>()
            .join(", ");
        format!(
            "CREATE SOURCE {} ({columns}{more}, \
             WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND)",
            self.name()
        )
    }
}

const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);
