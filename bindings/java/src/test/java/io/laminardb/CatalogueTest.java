package io.laminardb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CatalogueTest {
    private final LaminarDB db = LaminarDB.open();

    @BeforeEach
    void define() {
        db.execute("CREATE SOURCE trades (symbol VARCHAR NOT NULL, price DOUBLE)");
        db.execute("CREATE STREAM dear AS SELECT symbol, price FROM trades WHERE price > 100");
        db.execute("CREATE SINK alarm FROM dear");
        db.start();
        db.execute("INSERT INTO trades VALUES ('A', 99), ('B', 101)");
    }

    @AfterEach
    void close() {
        db.close();
    }

    @Test
    void metricsCountWhatHappened() {
        Metrics metrics = db.metrics();
        assertEquals("running", metrics.state());
        assertEquals(2, metrics.totalRowsIngested());
        assertEquals(1, metrics.totalRowsEmitted());
        assertEquals(0, metrics.totalRowsDropped());
        assertEquals(1, metrics.sources());
        assertEquals(1, metrics.streams());
        assertEquals(1, metrics.sinks());
        assertNull(metrics.watermarkMs());
        SourceMetrics source = db.sourceMetrics("trades");
        assertNotNull(source);
        assertEquals(2, source.totalRows());
        assertEquals(1, source.batches());
        assertEquals("SPSC", source.channel());
        assertFalse(source.isBackpressured());
        StreamMetrics stream = db.streamMetrics("dear");
        assertNotNull(stream);
        assertEquals(1, stream.totalRows());
        assertEquals(0, stream.subscribers());
        assertEquals("running", stream.state());
        assertNull(stream.error());
        assertNull(db.sourceMetrics("nothing"));
        assertNull(db.streamMetrics("nothing"));
    }

    @Test
    void channelsAreChosenByWhoUsesThem() {
        try (Source<Map<String, Object>> first = db.source("trades");
                Source<Map<String, Object>> second = first.clone();
                Subscription<ChangeBatch> one = db.subscribe("dear")) {
            SourceMetrics source = db.sourceMetrics("trades");
            StreamMetrics stream = db.streamMetrics("dear");
            assertNotNull(source);
            assertNotNull(stream);
            assertEquals("MPSC", source.channel());
            assertEquals(2, source.producers());
            assertEquals("SPSC", stream.channel());
            try (Subscription<ChangeBatch> two = db.subscribe("dear")) {
                StreamMetrics both = db.streamMetrics("dear");
                assertNotNull(both);
                assertEquals("BROADCAST", both.channel());
                assertEquals(2, db.subscriptions().size());
                assertTrue(one.isActive() && two.isActive() && !second.isClosed());
            }
        }
    }

    @Test
    void theTopologyIsAGraph() {
        Topology topology = db.topology();
        assertEquals(
                List.of("trades source", "dear stream", "alarm sink"),
                topology.nodes().stream().map(node -> node.name() + " " + node.type()).toList());
        assertEquals(
                List.of(new Topology.Edge("trades", "dear"), new Topology.Edge("dear", "alarm")),
                topology.edges());
    }

    @Test
    void theCatalogueIsListed() {
        db.execute("CREATE TABLE prices (symbol VARCHAR PRIMARY KEY, price DOUBLE)");
        db.execute("CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM trades");
        assertEquals("trades", db.sources().get(0).get("name"));
        assertEquals("prices", db.tables().get(0).get("name"));
        assertEquals("dear", db.streams().get(0).get("name"));
        assertEquals("n", db.views().get(0).get("name"));
        assertEquals("alarm", db.sinks().get(0).get("name"));
        assertEquals(List.of(), db.queries());
    }

    @Test
    void queriesAndSubscriptionsAreCancelledByTheirNumber() throws InterruptedException {
        try (QueryResult result = db.query("SELECT * FROM trades");
                Subscription<ChangeBatch> rows = db.subscribe("dear")) {
            assertTrue(result.id() > 0);
            assertTrue(db.cancelQuery(result.id()));
            LaminarException cancelled = assertThrows(QueryException.class, result::next);
            assertEquals(ErrorCode.QUERY_CANCELLED, cancelled.errorCode());
            long id = (Long) Long.parseLong(String.valueOf(db.subscriptions().get(0).get("id")));
            assertTrue(db.cancelQuery(id));
            assertNull(rows.next());
            assertFalse(rows.isActive());
            assertFalse(db.cancelQuery(1_000_000));
        }
    }

    @Test
    void subscriptionsToSomeRowsAndFromAnEpoch() {
        record Trade(String symbol, double price) {}
        Subscription<ChangeBatch> all = db.subscribe("trades");
        Subscription<Trade> some =
                db.sink("trades", Trade.class)
                        .subscribe(SubscribeOptions.defaults().where("symbol = 'C'"));
        db.execute("INSERT INTO trades VALUES ('B', 1)");
        db.execute("INSERT INTO trades VALUES ('C', 2), ('D', 3)");
        ChangeBatch first = all.poll();
        assertNotNull(first);
        assertEquals(new Trade("C", 2), some.poll());
        assertNull(some.poll());
        Subscription<Trade> again =
                db.sink("trades", Trade.class)
                        .subscribe(SubscribeOptions.defaults().asOfEpoch(first.epoch()));
        assertEquals(new Trade("C", 2), again.poll());
        assertEquals(new Trade("D", 3), again.poll());
        assertNull(again.poll());
    }
}
