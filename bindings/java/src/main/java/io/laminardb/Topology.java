package io.laminardb;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The objects of a database and what reads what: {@code laminar_topology}.
 *
 * @param nodes the objects
 * @param edges what reads what
 */
public record Topology(List<Node> nodes, List<Edge> edges) {

    /**
     * An object.
     *
     * @param name its name
     * @param type for example {@code source} or {@code stream}
     * @param sql the statement or query that made it; null where there is none
     */
    public record Node(String name, String type, @Nullable String sql) {}

    /**
     * One object reads another.
     *
     * @param from the one that is read
     * @param to the one that reads
     */
    public record Edge(String from, String to) {}

    static Topology of(List<Map<String, @Nullable Object>> rows) {
        List<Node> nodes = new ArrayList<>();
        List<Edge> edges = new ArrayList<>();
        for (Map<String, @Nullable Object> row : rows) {
            if ("node".equals(row.get("kind"))) {
                nodes.add(
                        new Node(
                                String.valueOf(row.get("name")),
                                String.valueOf(row.get("node_type")),
                                (String) row.get("sql")));
            } else {
                edges.add(
                        new Edge(
                                String.valueOf(row.get("from_node")),
                                String.valueOf(row.get("to_node"))));
            }
        }
        return new Topology(List.copyOf(nodes), List.copyOf(edges));
    }
}
