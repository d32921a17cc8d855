// Data from nanoarrow into Laminar and back, by Arrow's C structs alone: batches, streams, functions.
#include <laminar.hpp>

#include <nanoarrow/nanoarrow.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1); \
        } \
    } while (0)
#define DONE(call) REQUIRE((call) == NANOARROW_OK)

namespace {

struct Trade {
    std::int64_t id;
    const char* symbol; // or null
    double price;
    std::vector<std::int64_t> fills;
};

// (id BIGINT, symbol VARCHAR, price DOUBLE, at TIMESTAMP(3), fills BIGINT[])
nanoarrow::UniqueSchema trades_schema() {
    nanoarrow::UniqueSchema schema;
    ArrowSchemaInit(schema.get());
    DONE(ArrowSchemaSetTypeStruct(schema.get(), 5));
    ArrowSchema** columns = schema->children;
    DONE(ArrowSchemaSetType(columns[0], NANOARROW_TYPE_INT64));
    DONE(ArrowSchemaSetType(columns[1], NANOARROW_TYPE_STRING));
    DONE(ArrowSchemaSetType(columns[2], NANOARROW_TYPE_DOUBLE));
    DONE(ArrowSchemaSetTypeDateTime(columns[3], NANOARROW_TYPE_TIMESTAMP,
                                    NANOARROW_TIME_UNIT_MILLI, nullptr));
    DONE(ArrowSchemaSetType(columns[4], NANOARROW_TYPE_LIST));
    DONE(ArrowSchemaSetType(columns[4]->children[0], NANOARROW_TYPE_INT64));
    const char* names[] = {"id", "symbol", "price", "at", "fills"};
    for (int column = 0; column < 5; ++column) {
        DONE(ArrowSchemaSetName(columns[column], names[column]));
    }
    return schema;
}

nanoarrow::UniqueArray trades(const ArrowSchema* schema, const std::vector<Trade>& rows) {
    nanoarrow::UniqueArray array;
    DONE(ArrowArrayInitFromSchema(array.get(), schema, nullptr));
    DONE(ArrowArrayStartAppending(array.get()));
    ArrowArray** columns = array->children;
    for (const Trade& row : rows) {
        DONE(ArrowArrayAppendInt(columns[0], row.id));
        DONE(row.symbol == nullptr
                 ? ArrowArrayAppendNull(columns[1], 1)
                 : ArrowArrayAppendString(columns[1], ArrowCharView(row.symbol)));
        DONE(ArrowArrayAppendDouble(columns[2], row.price));
        DONE(ArrowArrayAppendInt(columns[3], row.id * 1000));
        for (const std::int64_t fill : row.fills) {
            DONE(ArrowArrayAppendInt(columns[4]->children[0], fill));
        }
        DONE(ArrowArrayFinishElement(columns[4]));
        DONE(ArrowArrayFinishElement(array.get()));
    }
    DONE(ArrowArrayFinishBuildingDefault(array.get(), nullptr));
    return array;
}

// The rows of a batch of Laminar's, read and checked by nanoarrow.
std::string text(const ArrowSchema* schema, const ArrowArray* batch) {
    nanoarrow::UniqueArrayView view;
    ArrowError error;
    DONE(ArrowArrayViewInitFromSchema(view.get(), schema, &error));
    DONE(ArrowArrayViewSetArray(view.get(), batch, &error));
    DONE(ArrowArrayViewValidate(view.get(), NANOARROW_VALIDATION_LEVEL_FULL, &error));
    std::string all;
    for (std::int64_t row = 0; row < batch->length; ++row) {
        for (std::int64_t column = 0; column < view->n_children; ++column) {
            const ArrowArrayView* cells = view->children[column];
            all += column == 0 ? "" : "|";
            if (ArrowArrayViewIsNull(cells, row) != 0) {
                all += "NULL";
            } else if (cells->storage_type == NANOARROW_TYPE_STRING) {
                const ArrowStringView cell = ArrowArrayViewGetStringUnsafe(cells, row);
                all.append(cell.data, static_cast<std::size_t>(cell.size_bytes));
            } else if (cells->storage_type == NANOARROW_TYPE_LIST) {
                const std::int64_t end = ArrowArrayViewListChildOffset(cells, row + 1);
                for (std::int64_t at = ArrowArrayViewListChildOffset(cells, row); at < end; ++at) {
                    all += "," + std::to_string(ArrowArrayViewGetIntUnsafe(cells->children[0], at));
                }
            } else if (cells->storage_type == NANOARROW_TYPE_DOUBLE) {
                char number[32];
                std::snprintf(number, sizeof number, "%g",
                              ArrowArrayViewGetDoubleUnsafe(cells, row));
                all += number;
            } else {
                all += std::to_string(ArrowArrayViewGetIntUnsafe(cells, row));
            }
        }
        all += "\n";
    }
    return all;
}

void check(const std::string& got, const std::string& wanted) {
    if (got != wanted) {
        std::fprintf(stderr, "got\n%sinstead of\n%s", got.c_str(), wanted.c_str());
        std::exit(1);
    }
}

void batches_cross(const laminar::Database& db) {
    const nanoarrow::UniqueSchema schema = trades_schema();
    auto source = db.source("trades");
    auto dear = db.subscribe("dear");
    nanoarrow::UniqueArray batch =
        trades(schema.get(), {{1, "A", 99.5, {1, 2}}, {2, nullptr, 101, {}}, {3, "C", 102.5, {3}}});
    source.push(batch.get(), schema.get());
    REQUIRE(batch->release == nullptr); // moved

    laminar::Change change = dear.poll();
    REQUIRE(change);
    const laminar::Schema columns = dear.schema();
    nanoarrow::UniqueArray taken;
    change.batch.move_to(taken.get());
    REQUIRE(!change.batch);
    check(text(columns.get(), taken.get()), "2|NULL|101|2000|\n3|C|102.5|3000|,3\n");
}

void streams_cross(const laminar::Database& db) {
    const nanoarrow::UniqueSchema schema = trades_schema();
    nanoarrow::UniqueSchema moved = trades_schema();
    nanoarrow::UniqueArrayStream stream;
    DONE(ArrowBasicArrayStreamInit(stream.get(), moved.get(), 2));
    nanoarrow::UniqueArray first = trades(schema.get(), {{4, "D", 1, {4}}});
    nanoarrow::UniqueArray second = trades(schema.get(), {{5, "E", 2, {}}, {6, "F", 3, {5, 6}}});
    ArrowBasicArrayStreamSetArray(stream.get(), 0, first.get());
    ArrowBasicArrayStreamSetArray(stream.get(), 1, second.get());
    db.source("trades").push_stream(stream.get());
    REQUIRE(stream->release == nullptr);

    laminar::Stream result;
    db.execute("SELECT id, fills FROM trades WHERE id >= 4 ORDER BY id", result);
    nanoarrow::UniqueArrayStream rows;
    result.move_to(rows.get());
    nanoarrow::UniqueSchema columns;
    DONE(ArrowArrayStreamGetSchema(rows.get(), columns.get(), nullptr));
    std::string all;
    for (;;) {
        nanoarrow::UniqueArray batch;
        DONE(ArrowArrayStreamGetNext(rows.get(), batch.get(), nullptr));
        if (batch->release == nullptr) {
            break;
        }
        all += text(columns.get(), batch.get());
    }
    check(all, "4|,4\n5|\n6|,5,6\n");
}

// A function whose arguments nanoarrow reads and whose results it builds.
void functions_use_it(const laminar::Database& db) {
    db.register_scalar(
        "shouted", laminar::rows_type({{"text", "u"}}), laminar::column_type("u"),
        [](const laminar::Rows& arguments) {
            nanoarrow::UniqueArrayView view;
            DONE(ArrowArrayViewInitFromSchema(view.get(), arguments.schema(), nullptr));
            DONE(ArrowArrayViewSetArray(view.get(), arguments.array(), nullptr));
            nanoarrow::UniqueArray results;
            DONE(ArrowArrayInitFromType(results.get(), NANOARROW_TYPE_STRING));
            DONE(ArrowArrayStartAppending(results.get()));
            const ArrowArrayView* texts = view->children[0];
            for (std::int64_t row = 0; row < arguments.size(); ++row) {
                if (ArrowArrayViewIsNull(texts, row) != 0) {
                    DONE(ArrowArrayAppendNull(results.get(), 1));
                    continue;
                }
                const ArrowStringView text = ArrowArrayViewGetStringUnsafe(texts, row);
                std::string louder(text.data, static_cast<std::size_t>(text.size_bytes));
                louder += "!";
                DONE(ArrowArrayAppendString(results.get(), ArrowCharView(louder.c_str())));
            }
            DONE(ArrowArrayFinishBuildingDefault(results.get(), nullptr));
            return laminar::Array(results.get());
        });
    auto query = db.query("SELECT shouted(symbol) FROM trades WHERE id < 4 ORDER BY id");
    const laminar::Schema columns = query.schema();
    std::string all;
    for (laminar::Array& batch : query) {
        all += text(columns.get(), batch.get());
    }
    check(all, "A!\nNULL\nC!\n");
}

} // namespace

int main() {
    try {
        const auto db = laminar::Database::open();
        db.execute("CREATE SOURCE trades (id BIGINT, symbol VARCHAR, price DOUBLE, "
                   "at TIMESTAMP(3), fills BIGINT[])");
        db.execute("CREATE STREAM dear AS SELECT * FROM trades WHERE price > 100");
        db.start();
        batches_cross(db);
        streams_cross(db);
        functions_use_it(db);
        std::printf("nanoarrow %s: the answer is the same both ways\n", ArrowNanoarrowVersion());
        return 0;
    } catch (const laminar::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
