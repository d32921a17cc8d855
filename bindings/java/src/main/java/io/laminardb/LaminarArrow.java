package io.laminardb;

import java.util.function.LongBinaryOperator;
import org.apache.arrow.c.ArrowArray;
import org.apache.arrow.c.ArrowArrayStream;
import org.apache.arrow.c.ArrowSchema;
import org.apache.arrow.c.Data;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowReader;

/**
 * Batches of arrow-java in and out, without a copy, through Arrow's C data interface.
 *
 * <p>It needs {@code org.apache.arrow:arrow-c-data} and one of arrow-java's memory modules, which this
 * package does not bring along.
 */
public final class LaminarArrow {
    private LaminarArrow() {}

    /**
     * A batch in arrow-java's vectors. The memory is shared.
     *
     * @param batch the batch, which may be closed afterwards
     * @param allocator accounts for the memory
     * @return vectors that the caller closes
     */
    public static VectorSchemaRoot toRoot(Batch batch, BufferAllocator allocator) {
        try (ArrowArray array = ArrowArray.allocateNew(allocator);
                ArrowSchema schema = ArrowSchema.allocateNew(allocator)) {
            long columns = batch.schema().handle().tryEnter();
            try {
                Native.exportSchema(columns, schema.memoryAddress());
            } finally {
                batch.schema().handle().leave();
            }
            try {
                batch.export(array.memoryAddress());
            } catch (RuntimeException error) {
                schema.release();
                throw error;
            }
            return Data.importVectorSchemaRoot(allocator, array, schema, null);
        }
    }

    /**
     * Inserts a batch: all of it, or nothing.
     *
     * @param db the database
     * @param source the name of a source or a table
     * @param root the rows, whose memory is shared; columns are found by name
     * @param allocator accounts for what crosses
     * @return how many rows there were
     * @throws IngestionException when it does not fit; the message names the column
     */
    public static long insert(
            LaminarDB db, String source, VectorSchemaRoot root, BufferAllocator allocator) {
        return export(
                root,
                allocator,
                (array, schema) ->
                        db.call(
                                pointer ->
                                        Native.insertArray(
                                                pointer, Native.utf8(source), array, schema)));
    }

    /**
     * Inserts all batches of a reader as one epoch, or none of them.
     *
     * @param db the database
     * @param source the name of a source or a table
     * @param reader the batches; it is closed
     * @param allocator accounts for what crosses
     * @return how many rows there were
     * @throws IngestionException when one does not fit; the message names the column
     */
    public static long insert(
            LaminarDB db, String source, ArrowReader reader, BufferAllocator allocator) {
        try (ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator)) {
            Data.exportArrayStream(allocator, reader, stream);
            long address = stream.memoryAddress();
            try {
                return db.call(
                        pointer -> Native.insertStream(pointer, Native.utf8(source), address));
            } finally {
                release(stream);
            }
        }
    }

    /**
     * Pushes a batch: all of it, or nothing.
     *
     * @param source the producer
     * @param root the rows, whose memory is shared; columns are found by name
     * @param allocator accounts for what crosses
     * @return how many rows there were
     * @throws IngestionException when it does not fit; the message names the column
     */
    public static long push(
            Source<?> source, VectorSchemaRoot root, BufferAllocator allocator) {
        return export(
                root,
                allocator,
                (array, schema) ->
                        source.producer()
                                .call(pointer -> Native.pushArray(pointer, array, schema)));
    }

    /**
     * Pushes all batches of a reader as one epoch, or none of them.
     *
     * @param source the producer
     * @param reader the batches; it is closed
     * @param allocator accounts for what crosses
     * @return how many rows there were
     * @throws IngestionException when one does not fit; the message names the column
     */
    public static long push(Source<?> source, ArrowReader reader, BufferAllocator allocator) {
        try (ArrowArrayStream stream = ArrowArrayStream.allocateNew(allocator)) {
            Data.exportArrayStream(allocator, reader, stream);
            long address = stream.memoryAddress();
            try {
                return source.producer().call(pointer -> Native.pushStream(pointer, address));
            } finally {
                release(stream);
            }
        }
    }

    private static long export(
            VectorSchemaRoot root, BufferAllocator allocator, LongBinaryOperator send) {
        try (ArrowArray array = ArrowArray.allocateNew(allocator);
                ArrowSchema schema = ArrowSchema.allocateNew(allocator)) {
            Data.exportVectorSchemaRoot(allocator, root, null, array, schema);
            try {
                return send.applyAsLong(array.memoryAddress(), schema.memoryAddress());
            } finally {
                // What was not moved, because the call could not begin, is given back.
                if (array.snapshot().release != 0) {
                    array.release();
                }
                if (schema.snapshot().release != 0) {
                    schema.release();
                }
            }
        }
    }

    private static void release(ArrowArrayStream stream) {
        if (stream.snapshot().release != 0) {
            stream.release();
        }
    }
}
