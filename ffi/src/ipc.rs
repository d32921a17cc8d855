//! Arrow IPC, streams and files: batches as bytes.

use std::io::Cursor;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::ipc::writer::StreamWriter;
use laminar_types::error::code;
use laminar_types::{Error, Result};

use crate::guard;

/// The first bytes of a file, which a stream never begins with.
const FILE_MAGIC: &[u8] = b"ARROW1";

/// Batches as one stream.
pub(crate) fn encode(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>> {
    let write = || {
        let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
        batches.iter().try_for_each(|batch| writer.write(batch))?;
        writer.finish()?;
        writer.into_inner()
    };
    write().map_err(|error: ArrowError| {
        Error::internal(format!("rows cannot be written as Arrow IPC: {error}"))
    })
}

/// The batches of a stream or a file, with their content checked.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<RecordBatch>> {
    let read = || -> std::result::Result<Vec<RecordBatch>, ArrowError> {
        match bytes.starts_with(FILE_MAGIC) {
            true => FileReader::try_new(Cursor::new(bytes), None)?.collect(),
            false => StreamReader::try_new(Cursor::new(bytes), None)?.collect(),
        }
    };
    // A reader that stumbles over bytes in a way of its own refuses them as well.
    let read = guard::caught(|| Ok(read()))
        .unwrap_or_else(|panic| Err(ArrowError::IpcError(panic.message().to_string())));
    read.map_err(|error| {
        Error::new(code::MALFORMED_TEXT, format!("the bytes are no Arrow IPC stream: {error}"))
    })
}
