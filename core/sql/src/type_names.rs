//! [`TypeNames`]: names of types that DataFusion does not know, for types that it does.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast;

/// What other databases call text, bytes, numbers and times. A length is accepted and not enforced,
/// as that of `VARCHAR` is.
#[derive(Debug)]
pub(crate) struct TypeNames;

impl TypePlanner for TypeNames {
    fn plan_type_field(&self, name: &ast::DataType) -> Result<Option<FieldRef>> {
        use ast::DataType as Name;
        let data_type = match name {
            Name::Character(_)
            | Name::CharacterVarying(_)
            | Name::CharVarying(_)
            | Name::Nvarchar(_)
            | Name::Clob(_)
            | Name::CharacterLargeObject(_)
            | Name::CharLargeObject(_)
            | Name::TinyText
            | Name::MediumText
            | Name::LongText => DataType::Utf8,
            Name::Binary(_)
            | Name::Varbinary(_)
            | Name::Bytes(_)
            | Name::Blob(_)
            | Name::TinyBlob
            | Name::MediumBlob
            | Name::LongBlob => DataType::Binary,
            Name::UTinyInt | Name::UInt8 => DataType::UInt8,
            Name::USmallInt | Name::UInt16 => DataType::UInt16,
            Name::MediumInt(_) | Name::Int32 => DataType::Int32,
            Name::UInt32 => DataType::UInt32,
            Name::Int16 => DataType::Int16,
            Name::Int64 => DataType::Int64,
            Name::UBigInt | Name::UInt64 => DataType::UInt64,
            Name::Float32 => DataType::Float32,
            Name::Float64 => DataType::Float64,
            Name::Datetime(None) | Name::TimestampNtz(None) => {
                DataType::Timestamp(TimeUnit::Nanosecond, None)
            }
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}
