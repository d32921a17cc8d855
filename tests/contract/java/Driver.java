import io.laminardb.Batch;
import io.laminardb.ChangeBatch;
import io.laminardb.Config;
import io.laminardb.CsvOptions;
import io.laminardb.ErrorCode;
import io.laminardb.ExecuteResult;
import io.laminardb.Field;
import io.laminardb.Interval;
import io.laminardb.LaminarDB;
import io.laminardb.LaminarException;
import io.laminardb.Metrics;
import io.laminardb.QueryResult;
import io.laminardb.Source;
import io.laminardb.SubscribeOptions;
import io.laminardb.Subscription;
import io.laminardb.Writer;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Runs contract scenarios: {@code Driver scenario.json...}; see ../README.md. */
public final class Driver {
    private static final DateTimeFormatter SECONDS = DateTimeFormatter.ofPattern("HH:mm:ss");

    /** A row as it came. */
    private record Came(List<Object> row, long weight) {}

    private final Map<String, Source<Map<String, Object>>> sources = new HashMap<>();
    private final Map<String, Writer<Map<String, Object>>> writers = new HashMap<>();
    private final Map<String, Subscription<ChangeBatch>> subscriptions = new HashMap<>();
    private final Map<String, Listener> listeners = new HashMap<>();
    private final Map<String, String> saved = new HashMap<>();
    private LaminarDB db;
    private Log log;

    public static void main(String[] files) throws Exception {
        int passed = 0;
        for (String file : files) {
            int at = 0;
            try {
                Map<String, Object> scenario = map(Json.parse(Files.readString(Path.of(file))));
                Driver driver = new Driver();
                driver.db = open(scenario);
                if (!Boolean.FALSE.equals(scenario.get("started"))) {
                    driver.db.start();
                }
                for (Object step : list(scenario.get("steps"))) {
                    at++;
                    driver.step(map(driver.fill(step)));
                }
                driver.db.close();
                passed++;
            } catch (Exception | AssertionError error) {
                System.out.println("FAILED " + file + ", step " + at + ": " + error);
            }
        }
        System.out.println(passed + " passed, " + (files.length - passed) + " failed");
        System.exit(passed == files.length ? 0 : 1);
    }

    private void step(Map<String, Object> step) throws InterruptedException {
        Map<String, Object> wanted = map(step.get("error"));
        Long counted;
        try {
            counted = call(step);
        } catch (LaminarException error) {
            if (wanted == null) {
                throw error;
            }
            check(number(wanted, "code") == error.code(), error.code() + " " + error.getMessage());
            check(wanted.get("ldb").equals(error.ldbCode()), error.getMessage());
            if (wanted.containsKey("line")) {
                LaminarException.Position place = error.position();
                boolean same = place != null && place.line() == number(wanted, "line")
                        && place.column() == number(wanted, "column");
                check(same, "at " + place + ": " + error.getMessage());
            }
            if (wanted.containsKey("says")) {
                for (Object part : list(wanted.get("says"))) {
                    check(error.getMessage().contains((String) part),
                            part + " is not in " + error.getMessage());
                }
            }
            return;
        }
        check(wanted == null, "it did not fail");
        check(!step.containsKey("count") || number(step, "count") == counted,
                "the count is " + counted);
    }

    private Long call(Map<String, Object> step) throws InterruptedException {
        String by = (String) step.get("by");
        String sql = (String) step.get("sql");
        String into = (String) step.get("into");
        switch ((String) step.get("call")) {
            case "open" -> db = open(step);
            case "start" -> db.start();
            case "close" -> db.close();
            case "execute" -> {
                ExecuteResult result = db.execute(sql);
                String kind = result.resultType().name().toLowerCase(Locale.ROOT);
                check(step.getOrDefault("kind", kind).equals(kind), "its kind is " + kind);
                String object = result.ddlObject();
                check(!step.containsKey("object") || step.get("object").equals(object),
                        "its object is " + object);
                return result.rowsAffected();
            }
            case "query" -> query(step);
            case "cancelled_query" -> {
                try (QueryResult query = db.query(sql)) {
                    query.cancel();
                    query.next();
                }
            }
            case "explain" -> {
                String plan = db.explain(sql);
                for (Object part : list(step.get("says"))) {
                    check(plan.contains((String) part), "the plan is " + plan);
                }
            }
            case "insert" -> {
                return db.insert(into, rows(step));
            }
            case "insert_json" -> {
                return db.insertJson(into, (String) step.get("text"));
            }
            case "insert_csv" -> {
                return db.insertCsv(
                        into, (String) step.get("text"), csvOptions(map(step.get("options"))));
            }
            case "copy" -> {
                try (QueryResult query = db.query(sql)) {
                    return db.insertIpc(into, query.toIpc());
                }
            }
            case "source" ->
                sources.put((String) step.get("as"), db.source((String) step.get("of")));
            case "writer" ->
                writers.put((String) step.get("as"), db.writer((String) step.get("of")));
            case "clone" -> sources.put((String) step.get("as"), sources.get(by).clone());
            case "push" -> {
                return sources.get(by).pushBatch(rows(step));
            }
            case "write" -> {
                return writers.get(by).insertAll(rows(step));
            }
            case "flush" -> {
                return writers.get(by).flush();
            }
            case "watermark" -> {
                if (writers.containsKey(by)) {
                    writers.get(by).watermark(number(step, "ts_ms"));
                } else {
                    sources.get(by).watermark(number(step, "ts_ms"));
                }
            }
            case "end_of_input" -> {
                if (writers.containsKey(by)) {
                    writers.get(by).endOfInput();
                } else {
                    sources.get(by).endOfInput();
                }
            }
            case "release" -> {
                if (writers.containsKey(by)) {
                    writers.remove(by).close();
                } else {
                    sources.remove(by).close();
                }
            }
            case "pending" -> {
                return sources.get(by).pending();
            }
            case "capacity" -> {
                return sources.get(by).capacity();
            }
            case "subscribe" -> {
                SubscribeOptions options = subscribeOptions(map(step.get("options")));
                subscriptions.put(
                        (String) step.get("as"), db.subscribe((String) step.get("to"), options));
            }
            case "cancel" -> {
                if (listeners.containsKey(by)) {
                    listeners.get(by).cancel();
                } else {
                    subscriptions.get(by).cancel();
                }
            }
            case "try_push" -> {
                List<Map<String, Object>> rows = rows(step);
                return sources.get(by).tryPushBatch(rows) ? (long) rows.size() : 0;
            }
            case "push_copy" -> {
                try (QueryResult query = db.query(sql)) {
                    return sources.get(by).pushIpc(query.toIpc());
                }
            }
            case "checkpoint" -> db.checkpoint();
            case "metrics" -> {
                Metrics metrics = db.metrics();
                check(metrics.totalRowsIngested() == number(step, "ingested")
                        && metrics.totalRowsEmitted() == number(step, "emitted"), "" + metrics);
            }
            case "list" -> list(step);
            case "schema" -> {
                String query = "SELECT * FROM " + step.get("of") + " LIMIT 0";
                try (QueryResult result = db.query(query)) {
                    List<String> names =
                            result.schema().fields().stream().map(Field::name).toList();
                    check(step.get("columns").equals(names), "the columns are " + names);
                }
            }
            case "listen" -> listeners.put((String) step.get("as"), new Listener(
                    db, (String) step.get("to"), subscribeOptions(map(step.get("options")))));
            case "heard" -> heard(step, listeners.get(by));
            case "listen_log" -> log = new Log(db, (String) step.get("level"));
            case "logged" -> check(
                    log.has((String) step.get("level"), list(step.get("says"))),
                    "the log is " + log);
            case "register" ->
                Functions.register(db, (String) step.get("function"), sources.get(by));
            case "poll" -> poll(step, subscriptions.get(by));
            default -> throw new AssertionError("there is no call " + step.get("call"));
        }
        return null;
    }

    private void list(Map<String, Object> step) {
        List<Map<String, Object>> found = switch ((String) step.get("of")) {
            case "sources" -> db.sources();
            case "streams" -> db.streams();
            default -> db.sinks();
        };
        List<Object> names = found.stream().map(each -> each.get("name")).toList();
        check(step.get("names").equals(names), "the names are " + names);
    }

    private static void heard(Map<String, Object> step, Listener listener)
            throws InterruptedException {
        for (Object answer : list(step.get("answers"))) {
            Map<String, Object> event = map(answer);
            if (event.containsKey("end")) {
                check(listener.hasEnded(), "it did not end");
            } else {
                ChangeBatch batch = listener.next();
                check(batch != null, "nothing was heard");
                List<Came> rows = new ArrayList<>();
                add(rows, batch);
                compare(event, rows);
            }
        }
        check(listener.isQuiet(), "it heard more: " + listener);
    }

    private void query(Map<String, Object> step) {
        try (QueryResult query = db.query((String) step.get("sql"))) {
            List<String> names = query.schema().fields().stream().map(Field::name).toList();
            check(!step.containsKey("columns") || step.get("columns").equals(names),
                    "the columns are " + names);
            List<Came> rows = new ArrayList<>();
            for (Batch batch : query) {
                add(rows, batch);
            }
            if (step.containsKey("save")) {
                saved.put((String) step.get("save"), String.valueOf(rows.get(0).row().get(0)));
            } else {
                compare(step, rows);
            }
        }
    }

    private void poll(Map<String, Object> step, Subscription<ChangeBatch> subscription)
            throws InterruptedException {
        List<Object> wanted = new ArrayList<>(list(step.get("answers")));
        Duration wait = step.containsKey("timeout_ms")
                ? Duration.ofMillis(number(step, "timeout_ms")) : null;
        while (true) {
            ChangeBatch change;
            try {
                change = wait == null ? subscription.poll() : subscription.next(wait);
                wait = null;
            } catch (LaminarException error) {
                if (error.errorCode() != ErrorCode.SUBSCRIPTION_LAGGED) {
                    throw error;
                }
                Map<String, Object> event = wanted.isEmpty() ? Map.of() : map(wanted.remove(0));
                boolean same = event.containsKey("lagged")
                        && number(event, "lagged") == subscription.lagged();
                check(same, "it lagged by " + subscription.lagged());
                continue;
            }
            if (change == null) {
                break;
            }
            Map<String, Object> event = wanted.isEmpty() ? Map.of() : map(wanted.remove(0));
            check(event.containsKey("rows"), "rows came: " + change.toMaps());
            check(event.getOrDefault("reset", false).equals(change.isReset()),
                    "reset: " + change.isReset());
            List<Came> rows = new ArrayList<>();
            add(rows, change);
            compare(event, rows);
            if (step.containsKey("save")) {
                saved.put((String) step.get("save"), Long.toString(change.epoch()));
            }
        }
        if (!subscription.isActive()) {
            check(!wanted.isEmpty() && map(wanted.remove(0)).containsKey("end"),
                    "it is at its end");
        }
        check(wanted.isEmpty(), "it did not answer " + wanted);
    }

    private static void add(List<Came> rows, Batch batch) {
        int at = 0;
        for (Map<String, Object> row : batch.toMaps()) {
            long weight = batch instanceof ChangeBatch change ? change.weight(at) : 1;
            List<Object> cells = new ArrayList<>();
            for (Field field : batch.schema().fields()) {
                cells.add(plain(row.get(field.name())));
            }
            rows.add(new Came(cells, weight));
            at++;
        }
    }

    /** In any order unless {@code ordered}, as SQL promises none. */
    private static void compare(Map<String, Object> step, List<Came> got) {
        List<Object> rows = list(step.get("rows"));
        String all = got.toString();
        for (int at = 0; at < rows.size(); at++) {
            Object wanted = rows.get(at);
            long weight = step.containsKey("weights")
                    ? ((BigDecimal) list(step.get("weights")).get(at)).longValueExact()
                    : 1;
            Came found = null;
            for (Came came :
                    step.containsKey("ordered") && !got.isEmpty() ? got.subList(0, 1) : got) {
                if (came.weight() == weight && equal(wanted, came.row())) {
                    found = came;
                    break;
                }
            }
            check(found != null, "row " + wanted + " is not in " + all);
            got.remove(found);
        }
        check(got.isEmpty(), "there are more rows than expected: " + all);
    }

    private static boolean equal(Object wanted, Object got) {
        if (wanted instanceof BigDecimal number) {
            return got instanceof BigDecimal exact
                    ? number.compareTo(exact) == 0
                    : got instanceof Double real && number.doubleValue() == real;
        }
        if (wanted instanceof String && got instanceof BigDecimal) {
            return wanted.equals(((BigDecimal) got).toPlainString());
        }
        if (wanted instanceof List<?> items && got instanceof List<?> others) {
            boolean same = items.size() == others.size();
            for (int at = 0; same && at < items.size(); at++) {
                same = equal(items.get(at), others.get(at));
            }
            return same;
        }
        if (wanted instanceof Map<?, ?> members && got instanceof Map<?, ?> others) {
            return members.keySet().equals(others.keySet())
                    && members.keySet().stream().allMatch(
                            name -> equal(members.get(name), others.get(name)));
        }
        return wanted == null ? got == null : wanted.equals(got);
    }

    /** A value of Java as scenarios expect it. */
    private static Object plain(Object value) {
        if (value instanceof Byte || value instanceof Short || value instanceof Integer
                || value instanceof Long) {
            return BigDecimal.valueOf(((Number) value).longValue());
        } else if (value instanceof BigInteger integer) {
            return new BigDecimal(integer);
        } else if (value instanceof Float || value instanceof Double) {
            double number = ((Number) value).doubleValue();
            return Double.isFinite(number) ? (Object) number : Double.toString(number);
        } else if (value instanceof BigDecimal decimal) {
            return decimal.toPlainString();
        } else if (value instanceof byte[] bytes) {
            return HexFormat.of().formatHex(bytes);
        } else if (value instanceof LocalTime time) {
            return time(time);
        } else if (value instanceof ZonedDateTime time) {
            return plain(time.withZoneSameInstant(ZoneOffset.UTC).toLocalDateTime());
        } else if (value instanceof Instant time) {
            return plain(time.atOffset(ZoneOffset.UTC).toLocalDateTime());
        } else if (value instanceof LocalDateTime time) {
            return time.toLocalDate() + "T" + time(time.toLocalTime());
        } else if (value instanceof LocalDate date) {
            return date.toString();
        } else if (value instanceof Interval interval) {
            return Map.of("months", plain(interval.months()), "days", plain(interval.days()),
                    "nanoseconds", plain(interval.nanoseconds()));
        } else if (value instanceof List<?> items) {
            List<Object> out = new ArrayList<>();
            items.forEach(item -> out.add(plain(item)));
            return out;
        } else if (value instanceof Map<?, ?> members) {
            Map<String, Object> out = new LinkedHashMap<>();
            members.forEach((name, item) -> out.put(name.toString(), plain(item)));
            return out;
        }
        return value;
    }

    private static String time(LocalTime time) {
        String text = SECONDS.format(time);
        String fraction = String.format("%09d", time.getNano()).replaceAll("0+$", "");
        return fraction.isEmpty() ? text : text + "." + fraction;
    }

    private static List<Map<String, Object>> rows(Map<String, Object> step) {
        return list(step.get("rows")).stream().map(row -> map(java(row))).toList();
    }

    /** A value of a scenario as Java has it. */
    private static Object java(Object value) {
        if (value instanceof BigDecimal number) {
            return number.scale() <= 0 && number.precision() - number.scale() < 19
                    ? (Object) number.longValueExact()
                    : number.doubleValue();
        } else if (value instanceof List<?> items) {
            List<Object> out = new ArrayList<>();
            items.forEach(item -> out.add(java(item)));
            return out;
        } else if (value instanceof Map<?, ?> members) {
            String tag = members.size() == 1 ? members.keySet().iterator().next().toString() : "";
            if (tag.startsWith("@")) {
                return tagged(tag, (String) members.get(tag));
            }
            Map<String, Object> out = new LinkedHashMap<>();
            members.forEach((name, item) -> out.put((String) name, java(item)));
            return out;
        }
        return value;
    }

    private static Object tagged(String tag, String text) {
        return switch (tag) {
            case "@int" -> new BigInteger(text);
            case "@float" -> Double.valueOf(text);
            case "@decimal" -> new BigDecimal(text);
            case "@bytes" -> HexFormat.of().parseHex(text);
            case "@date" -> LocalDate.parse(text);
            case "@time" -> LocalTime.parse(text);
            case "@timestamp" -> LocalDateTime.parse(text);
            case "@instant" -> LocalDateTime.parse(text).toInstant(ZoneOffset.UTC);
            default -> throw new AssertionError("there is no value " + tag);
        };
    }

    private static LaminarDB open(Map<String, Object> step) {
        Config.Builder builder = Config.builder();
        Map<String, Object> config = map(step.get("config"));
        for (String key : config == null ? List.<String>of() : List.copyOf(config.keySet())) {
            switch (key) {
                case "path" -> builder.path((String) config.get(key));
                case "buffer_size" -> builder.bufferSize((int) number(config, key));
                case "max_queued_bytes" -> builder.maxQueuedBytes(number(config, key));
                case "retain_history" -> builder.retainHistory(number(config, key));
                case "push_timeout_ms" ->
                    builder.pushTimeout(Duration.ofMillis(number(config, key)));
                case "variables" ->
                    map(config.get(key))
                            .forEach((name, text) -> builder.variable(name, (String) text));
                default -> throw new AssertionError("there is no setting " + key);
            }
        }
        return LaminarDB.open(builder.build());
    }

    private static SubscribeOptions subscribeOptions(Map<String, Object> given) {
        SubscribeOptions options = SubscribeOptions.defaults();
        for (String key : given == null ? List.<String>of() : List.copyOf(given.keySet())) {
            options = switch (key) {
                case "snapshot" -> options.snapshot((Boolean) given.get(key));
                case "capacity" -> options.capacity((int) number(given, key));
                case "on_full" ->
                    options.onFull(SubscribeOptions.OnFull.valueOf(
                            ((String) given.get(key)).toUpperCase(Locale.ROOT)));
                case "predicate" -> options.where((String) given.get(key));
                case "as_of_epoch" -> options.asOfEpoch(number(given, key));
                default -> throw new AssertionError("there is no option " + key);
            };
        }
        return options;
    }

    private static CsvOptions csvOptions(Map<String, Object> given) {
        CsvOptions options = CsvOptions.defaults();
        for (String key : given == null ? List.<String>of() : List.copyOf(given.keySet())) {
            options = switch (key) {
                case "header" -> options.header((Boolean) given.get(key));
                case "delimiter" -> options.delimiter(((String) given.get(key)).charAt(0));
                case "quote" -> options.quote(((String) given.get(key)).charAt(0));
                case "null" -> options.nullText((String) given.get(key));
                case "epoch" -> options.epochUnit((String) given.get(key));
                default -> throw new AssertionError("there is no option " + key);
            };
        }
        return options;
    }

    /** Puts saved values in place of {@code {{name}}}; an option that was one is a number. */
    private Object fill(Object value) {
        if (value instanceof String text) {
            for (Map.Entry<String, String> entry : saved.entrySet()) {
                text = text.replace("{{" + entry.getKey() + "}}", entry.getValue());
            }
            return text;
        } else if (value instanceof Map<?, ?> members) {
            Map<String, Object> out = new LinkedHashMap<>();
            members.forEach((name, item) -> out.put((String) name, fill(item)));
            return out;
        }
        return value;
    }

    private static long number(Map<String, Object> map, String name) {
        return new BigDecimal(map.get(name).toString()).longValueExact();
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> map(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    private static List<Object> list(Object value) {
        return (List<Object>) value;
    }

    private static void check(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }
}
