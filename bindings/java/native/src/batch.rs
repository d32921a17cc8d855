//! Batches.

use jni::objects::{JByteArray, JByteBuffer, JLongArray};
use jni::sys::{jint, jlong};
use laminar_client::sys::LAMINAR_SCHEMA_MISMATCH;
use laminar_client::{Batch, Error, fixed_values};

use crate::bytes::packed;
use crate::handle::{give, lend, pointer, take};
use crate::native;

/// A batch and, when it is a change that takes rows back, the weights of its rows.
pub struct Held {
    pub batch: Batch,
    pub weights: Option<Vec<i64>>,
}

native! {
    fn Java_io_laminardb_Native_batchRows<'local>(_env, batch: jlong) -> jint {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Held>(batch) }.batch.num_rows() as jint)
    }

    /// The weights of the rows; null when each is one.
    fn Java_io_laminardb_Native_batchWeights<'local>(env, batch: jlong) -> JLongArray<'local> {
        // SAFETY: Java keeps the handle alive through the call.
        let Some(weights) = &unsafe { lend::<Held>(batch) }.weights else {
            return Ok(JLongArray::null());
        };
        let array = env.new_long_array(weights.len())?;
        array.set_region(env, 0, weights)?;
        Ok(array)
    }

    /// The columns from `first` to before `end` in one piece; null when they are too large for one.
    fn Java_io_laminardb_Native_pack<'local>(
        env,
        batch: jlong,
        first: jint,
        end: jint,
    ) -> JByteArray<'local> {
        // SAFETY: Java keeps the handle alive through the call.
        let held = unsafe { lend::<Held>(batch) };
        packed(env, &held.batch, first as usize..end as usize)
    }

    /// The values of a column of fixed width where they lie, as a direct `ByteBuffer`; `owner` gets
    /// a batch that must be kept as long as the buffer is.
    fn Java_io_laminardb_Native_batchValues<'local>(
        env,
        batch: jlong,
        column: jint,
        owner: JLongArray<'local>,
    ) -> JByteBuffer<'local> {
        // SAFETY: Java keeps the handle alive through the call.
        let held = unsafe { lend::<Held>(batch) };
        let Some(values) = fixed_values(&held.batch, column as usize) else {
            let field = &held.batch.schema().fields()[column as usize];
            let (name, data_type) = (field.name(), field.data_type());
            let words = format!("column `{name}` of {data_type} has no values of one width");
            return Err(Error::new(LAMINAR_SCHEMA_MISMATCH, 2201, words).into());
        };
        let (start, length) = (values.as_ptr().cast_mut(), values.len());
        // SAFETY: the owner keeps the values alive, and Java keeps the owner and only shows them.
        let buffer = unsafe { env.new_direct_byte_buffer(start, length) }?;
        let kept = give(Held { batch: held.batch.clone(), weights: None });
        if let Err(error) = owner.set_region(env, 0, &[kept]) {
            // SAFETY: Java has not heard of it.
            drop(unsafe { take::<Held>(kept) });
            return Err(error.into());
        }
        Ok(buffer)
    }

    /// Writes the batch into an empty `ArrowArray`; the buffers are shared.
    fn Java_io_laminardb_Native_exportBatch<'local>(_env, batch: jlong, address: jlong) -> () {
        // SAFETY: Java keeps the handle alive through the call.
        let array = unsafe { lend::<Held>(batch) }.batch.export().into_raw();
        // SAFETY: Java gives the address of a struct that is empty.
        unsafe { pointer::<laminar_client::sys::ArrowArray>(address).write(array) };
        Ok(())
    }

    fn Java_io_laminardb_Native_freeBatch<'local>(_env, batch: jlong) -> () {
        // SAFETY: Java frees a handle once, when nobody is in it.
        drop(unsafe { take::<Held>(batch) });
        Ok(())
    }
}
