package io.laminardb;

import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What a statement did. */
public final class ExecuteResult {
    private final @Nullable QueryResult rows;
    private final @Nullable String statement;
    private final @Nullable String object;
    private final long rowsAffected;

    private ExecuteResult(
            @Nullable QueryResult rows,
            @Nullable String statement,
            @Nullable String object,
            long rowsAffected) {
        this.rows = rows;
        this.statement = statement;
        this.object = object;
        this.rowsAffected = rowsAffected;
    }

    /** What kind of statement it was. */
    public enum ResultType {
        /** {@code CREATE}, {@code DROP}, {@code ALTER}. */
        DDL,
        /** {@code INSERT}, {@code UPDATE}, {@code DELETE}. */
        DML,
        /** It answered rows. */
        QUERY,
        /** All else. */
        UTILITY
    }

    /** From what the native part answers. */
    static ExecuteResult of(LaminarDB db, List<?> answer) {
        Long cursor = (Long) answer.get(0);
        return new ExecuteResult(
                cursor == null ? null : new QueryResult(db, cursor),
                (String) answer.get(1),
                (String) answer.get(2),
                (Long) Objects.requireNonNull(answer.get(3)));
    }

    /**
     * What kind of statement it was.
     *
     * @return its kind
     */
    public ResultType resultType() {
        if (statement == null) {
            return ResultType.QUERY;
        }
        return switch (statement.split(" ", 2)[0].toUpperCase(Locale.ROOT)) {
            case "CREATE", "DROP", "ALTER" -> ResultType.DDL;
            case "INSERT", "UPDATE", "DELETE" -> ResultType.DML;
            default -> ResultType.UTILITY;
        };
    }

    /**
     * Whether it answered rows.
     *
     * @return true for a query
     */
    public boolean isQuery() {
        return rows != null;
    }

    /**
     * Rows inserted, updated or deleted; the rows answered by a query.
     *
     * @return the number
     */
    public long rowsAffected() {
        return rowsAffected;
    }

    /**
     * The words of the statement.
     *
     * @return for example {@code "CREATE SOURCE"}; null for a query
     */
    public @Nullable String statement() {
        return statement;
    }

    /**
     * The words of a definition.
     *
     * @return for example {@code "CREATE SOURCE"}; null for other statements
     */
    public @Nullable String ddlType() {
        return resultType() == ResultType.DDL ? statement : null;
    }

    /**
     * The name of what was defined.
     *
     * @return the name; null for other statements
     */
    public @Nullable String ddlObject() {
        return resultType() == ResultType.DDL ? object : null;
    }

    /**
     * The rows of a query.
     *
     * @return the rows, the same object every time
     * @throws QueryException for other statements
     */
    public QueryResult toQueryResult() {
        if (rows == null) {
            throw LaminarException.of(
                    ErrorCode.QUERY_FAILED, "LDB-4001", statement + " has no rows");
        }
        return rows;
    }

    /** What it did. */
    @Override
    public String toString() {
        String what = object == null ? rowsAffected + " rows" : object;
        return (statement == null ? "QUERY" : statement) + " " + what;
    }
}
