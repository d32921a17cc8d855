package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.ipc.ArrowReader;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;
import org.junit.jupiter.api.Test;

class ArrowTest {
    /** Three rows: id 1, 2, 3 and a name that is NULL in the second. */
    private static VectorSchemaRoot rows(BufferAllocator allocator) {
        Schema schema =
                new Schema(
                        List.of(
                                Field.nullable("name", new ArrowType.Utf8()),
                                Field.nullable("id", new ArrowType.Int(32, true))));
        VectorSchemaRoot root = VectorSchemaRoot.create(schema, allocator);
        VarCharVector names = (VarCharVector) root.getVector("name");
        IntVector ids = (IntVector) root.getVector("id");
        for (int row = 0; row < 3; row++) {
            ids.setSafe(row, row + 1);
            if (row == 1) {
                names.setNull(row);
            } else {
                names.setSafe(row, ("name " + row).getBytes(StandardCharsets.UTF_8));
            }
        }
        root.setRowCount(3);
        return root;
    }

    private static LaminarDB open() {
        LaminarDB db = LaminarDB.open();
        db.execute("CREATE SOURCE s (id BIGINT, name VARCHAR)");
        db.start();
        return db;
    }

    private static final List<Map<String, Object>> EXPECTED =
            List.of(Map.of("id", 1L, "n", "name 0"), Map.of("id", 2L, "n", ""),
                    Map.of("id", 3L, "n", "name 2"));

    private static final String READ = "SELECT id, coalesce(name, '') AS n FROM s ORDER BY id";

    @Test
    void batchesGoInByNameAndWiden() {
        try (BufferAllocator allocator = new RootAllocator();
                LaminarDB db = open()) {
            try (VectorSchemaRoot root = rows(allocator)) {
                assertEquals(3, LaminarArrow.insert(db, "s", root, allocator));
                assertEquals(EXPECTED, db.query(READ).toMaps());
                try (Source<Map<String, Object>> source = db.source("s")) {
                    assertEquals(3, LaminarArrow.push(source, root, allocator));
                }
                // The vectors are the caller's as before.
                assertEquals(2, ((IntVector) root.getVector("id")).get(1));
            }
            assertEquals(6L, db.query("SELECT count(*) AS n FROM s").toMaps().get(0).get("n"));
        }
    }

    @Test
    void whatDoesNotFitIsRefusedAndGivenBack() {
        try (BufferAllocator allocator = new RootAllocator();
                LaminarDB db = LaminarDB.open()) {
            db.execute("CREATE SOURCE s (id VARCHAR, name VARCHAR)");
            try (VectorSchemaRoot root = rows(allocator)) {
                LaminarException error =
                        assertThrows(
                                IngestionException.class,
                                () -> LaminarArrow.insert(db, "s", root, allocator));
                assertTrue(error.getMessage().contains("id"), error::getMessage);
                db.close();
                assertThrows(
                        ConnectionException.class,
                        () -> LaminarArrow.insert(db, "s", root, allocator));
            }
        }
    }

    @Test
    void batchesComeOutAndOutliveTheirDatabase() {
        try (BufferAllocator allocator = new RootAllocator()) {
            VectorSchemaRoot root;
            try (LaminarDB db = open()) {
                db.execute("INSERT INTO s VALUES (7, 'seven'), (8, NULL)");
                Batch batch = db.query("SELECT * FROM s ORDER BY id").next();
                assertNotNull(batch);
                root = LaminarArrow.toRoot(batch, allocator);
                batch.close();
                assertThrows(
                        IllegalStateException.class, () -> LaminarArrow.toRoot(batch, allocator));
            }
            try (root) {
                assertEquals(2, root.getRowCount());
                assertEquals(7, ((BigIntVector) root.getVector("id")).get(0));
                VarCharVector names = (VarCharVector) root.getVector("name");
                assertEquals("seven", new String(names.get(0), StandardCharsets.UTF_8));
                assertTrue(names.isNull(1));
            }
        }
    }

    @Test
    void changesComeOutToo() {
        try (BufferAllocator allocator = new RootAllocator();
                LaminarDB db = open();
                Subscription<ChangeBatch> changes = db.subscribe("s")) {
            db.execute("INSERT INTO s VALUES (7, 'seven')");
            ChangeBatch change = changes.poll();
            assertNotNull(change);
            try (change;
                    VectorSchemaRoot root = LaminarArrow.toRoot(change, allocator)) {
                assertEquals(7, ((BigIntVector) root.getVector("id")).get(0));
            }
        }
    }

    @Test
    void aReaderIsOneEpoch() {
        try (BufferAllocator allocator = new RootAllocator();
                LaminarDB db = open();
                Subscription<ChangeBatch> changes = db.subscribe("s");
                VectorSchemaRoot root = rows(allocator)) {
            assertEquals(6, LaminarArrow.insert(db, "s", new Twice(allocator, root), allocator));
            long epoch = 0;
            int rows = 0;
            for (ChangeBatch batch = changes.poll(); batch != null; batch = changes.poll()) {
                assertTrue(epoch == 0 || epoch == batch.epoch());
                epoch = batch.epoch();
                rows += batch.size();
            }
            assertEquals(6, rows);
            try (Source<Map<String, Object>> source = db.source("s")) {
                assertEquals(6, LaminarArrow.push(source, new Twice(allocator, root), allocator));
            }
        }
    }

    /** Reads the same three rows twice. */
    private static final class Twice extends ArrowReader {
        private final VectorSchemaRoot rows;
        private int left = 2;

        Twice(BufferAllocator allocator, VectorSchemaRoot rows) {
            super(allocator);
            this.rows = rows;
        }

        @Override
        public boolean loadNextBatch() throws java.io.IOException {
            prepareLoadNextBatch();
            if (left == 0) {
                return false;
            }
            left--;
            VectorSchemaRoot out = getVectorSchemaRoot();
            for (int column = 0; column < rows.getFieldVectors().size(); column++) {
                for (int row = 0; row < rows.getRowCount(); row++) {
                    out.getVector(column).copyFromSafe(row, row, rows.getVector(column));
                }
            }
            out.setRowCount(rows.getRowCount());
            return true;
        }

        @Override
        public long bytesRead() {
            return 0;
        }

        @Override
        protected void closeReadSource() {}

        @Override
        protected Schema readSchema() {
            return rows.getSchema();
        }
    }
}
