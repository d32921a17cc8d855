package io.laminardb;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * The native methods; what they do stands in {@code native/src}. A {@code long} is a handle, text is
 * UTF-8, errors are thrown as {@link LaminarException}.
 */
final class Native {
    static {
        NativeLibrary.load();
    }

    private Native() {}

    /** A text as the native part takes it. */
    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** A text from the native part. */
    static String text(byte[] utf8) {
        return new String(utf8, StandardCharsets.UTF_8);
    }

    static native byte[] version();

    static native long open(byte @Nullable [] config);

    static native void shutdown(long db);

    static native void freeDatabase(long db);

    static native void start(long db);

    static native byte[] execute(long db, byte[] sql);

    static native long query(long db, byte[] sql);

    static native byte[] explain(long db, byte[] sql);

    static native long source(long db, byte[] name);

    static native long subscribe(long db, byte[] name, byte @Nullable [] options);

    static native long insertRows(long db, byte[] name, long schema, byte[] rows, int length);

    static native long insertArray(long db, byte[] name, long array, long schema);

    static native long insertStream(long db, byte[] name, long stream);

    static native long insertEncoded(
            long db, byte[] name, int form, byte @Nullable [] options, byte[] rows);

    static native long insertDirect(
            long db,
            byte[] name,
            int form,
            byte @Nullable [] options,
            ByteBuffer rows,
            int from,
            int length);

    static native boolean cancelQuery(long db, long id);

    static native void registerScalar(
            long db,
            byte[] name,
            long arguments,
            long result,
            byte[] options,
            HostFunction function);

    static native void registerAggregate(
            long db,
            byte[] name,
            long arguments,
            long state,
            long result,
            byte[] options,
            HostFunction function);

    static native void setLog(long db, int level, @Nullable LogHook hook);

    static native long checkpoint(long db);

    static native long noColumns();

    static native byte[] describeSchema(long schema);

    static native void exportSchema(long schema, long address);

    static native void freeSchema(long schema);

    static native long cursorSchema(long cursor);

    static native long cursorNext(long cursor);

    static native byte[] cursorIpc(long cursor);

    static native long cursorId(long cursor);

    static native void cancelCursor(long cursor);

    static native void freeCursor(long cursor);

    static native int batchRows(long batch);

    static native long @Nullable [] batchWeights(long batch);

    static native byte @Nullable [] pack(long batch, int first, int end);

    static native ByteBuffer batchValues(long batch, int column, long[] owner);

    static native void exportBatch(long batch, long address);

    static native void freeBatch(long batch);

    static native long sourceSchema(long source);

    static native long cloneSource(long source);

    static native long pushRows(long source, byte[] rows, int length, boolean wait);

    static native long pushEncoded(
            long source, int form, byte @Nullable [] options, byte[] rows);

    static native long pushDirect(
            long source,
            int form,
            byte @Nullable [] options,
            ByteBuffer rows,
            int from,
            int length);

    static native long gatherRows(long source, byte[] rows, int length, int batchRows);

    static native long gathered(long source);

    static native long flush(long source);

    static native long pushArray(long source, long array, long schema);

    static native long pushStream(long source, long stream);

    static native void watermark(long source, long tsMs);

    static native void endOfInput(long source);

    static native long pending(long source);

    static native long capacity(long source);

    static native void freeSource(long source);

    static native long subscriptionSchema(long subscription);

    static native long poll(long subscription, long timeoutMs, long[] out);

    static native void cancel(long subscription);

    static native long lagged(long subscription);

    static native void onReady(long subscription, long ready, long key);

    static native void freeSubscription(long subscription);

    static native long newReady();

    static native void noteReady(long ready, long key);

    static native long[] awaitReady(long ready, long timeoutMs);

    static native void freeReady(long ready);
}
