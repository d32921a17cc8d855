// Runs contract scenarios through laminar.hpp: `driver scenario.json...`; see ../README.md.
#include "functions.hpp"
#include "json.hpp"
#include "waits.hpp"
#include "values.hpp"

#include <laminar.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

// One row as it came, with its weight.
struct Came {
    Json row;
    std::int64_t weight = 1;
};

std::vector<Came> rows_of(const ArrowSchema* schema, const ArrowArray* batch) {
    std::vector<Came> rows(static_cast<std::size_t>(batch->length));
    for (std::size_t at = 0; at < rows.size(); ++at) {
        rows[at].row.kind = Json::list;
        for (std::int64_t column = 0; column < batch->n_children; ++column) {
            rows[at].row.items.push_back(cell(schema->children[column], batch->children[column],
                                              batch->offset + static_cast<std::int64_t>(at)));
        }
    }
    return rows;
}

std::string shown(const std::vector<Came>& rows) {
    std::string out;
    for (const Came& came : rows) out += " " + came.row.dump() + (came.weight < 0 ? "-" : "");
    return "[" + out + " ]";
}

// In any order unless `ordered`, as SQL promises none.
void compare(const Json& step, std::vector<Came> got) {
    const Json* weights = step.find("weights");
    const Json* ordered = step.find("ordered");
    const std::vector<Json>& wanted = step["rows"].items;
    const std::string all = shown(got);
    for (std::size_t at = 0; at < wanted.size(); ++at) {
        const std::int64_t weight = weights == nullptr ? 1 : weights->items.at(at).integer();
        const auto same = [&](const Came& came) {
            return came.weight == weight && equal(wanted[at], came.row);
        };
        const auto end = ordered != nullptr && !got.empty() ? got.begin() + 1 : got.end();
        const auto found = std::find_if(got.begin(), end, same);
        if (found == end) fail("row " + wanted[at].dump() + " is not in " + all);
        got.erase(found);
    }
    if (!got.empty()) fail("there are more rows than expected: " + all);
}

bool has_nested(const Json& row) {
    for (const auto& [name, value] : row.members) {
        const bool tagged = value.kind == Json::object && value.members.size() == 1 &&
                            value.members[0].first[0] == '@';
        if (value.kind == Json::list || (value.kind == Json::object && !tagged)) return true;
    }
    return false;
}

// A source, or a writer over one: in C++ an appender gathers.
struct Producer {
    laminar::Source source;
    std::optional<laminar::Appender> gathered;
};

class Session {
public:
    explicit Session(const Json& scenario) {
        open(scenario);
        const Json* started = scenario.find("started");
        if (started == nullptr || started->truth) db_->start();
    }

    void step(Json step) {
        const std::string text = fill(step.dump());
        step = Json::parse(text);
        const Json* error = step.find("error");
        try {
            run(step);
        } catch (const laminar::Error& thrown) {
            if (error == nullptr) fail(std::string("it failed: ") + thrown.what());
            check_error(*error, thrown);
            return;
        }
        if (error != nullptr) fail("it did not fail");
    }

private:
    void open(const Json& step) {
        const Json* config = step.find("config");
        db_.emplace(
            laminar::Database::open(config == nullptr ? std::string("{}") : config->dump()));
    }

    void run(const Json& step) {
        const std::string& call = step["call"].words;
        if (call == "open") return open(step);
        if (call == "start") return db_->start();
        if (call == "close") return db_->shutdown();
        if (call == "execute") return execute(step);
        if (call == "query") return query(step);
        if (call == "cancelled_query") {
            laminar::Query query = db_->query(step["sql"].words);
            query.cancel();
            query.next();
            return;
        }
        if (call == "explain") {
            const std::string plan = db_->explain(step["sql"].words);
            for (const Json& part : step["says"].items) {
                if (plan.find(part.words) == std::string::npos) fail("the plan is " + plan);
            }
            return;
        }
        if (call == "insert") {
            laminar::Source source = db_->source(step["into"].words);
            return count(step, push(source, step["rows"]));
        }
        if (call == "insert_json" || call == "insert_csv") return insert_text(step);
        if (call == "copy") return copy(step);
        if (call == "source" || call == "writer") {
            laminar::Source source = db_->source(step["of"].words);
            std::optional<laminar::Appender> gathered;
            if (call == "writer") gathered = source.appender();
            producers_.insert_or_assign(step["as"].words,
                                        Producer{std::move(source), std::move(gathered)});
            return;
        }
        if (call == "subscribe") return subscribe(step);
        if (call == "poll") return poll(step);
        if (call == "cancel") return subscriptions_.at(step["by"].words).cancel();
        if (call == "listen") {
            subscribe(step);
            return watch(step["as"].words, step["as"].words);
        }
        if (call == "heard") return poll(step, &wakes_.at(step["by"].words));
        if (call == "watch") return watch(step["by"].words, step["as"].words);
        if (call == "woken") return count(step, wakes_.at(step["by"].words).count());
        if (call == "listen_ipc") return subscribe(step);
        if (call == "forward") return forward(step);
        if (call == "checkpoint") return static_cast<void>(db_->checkpoint());
        if (call == "metrics") return metrics(step);
        if (call == "list") return list(step);
        if (call == "schema") return columns(step);
        if (call == "forked_query") return forked_query(step);
        if (call == "listen_log") return log_.listen(*db_, step["level"].words);
        if (call == "logged") return log_.find(step["level"].words, step["says"].items);
        if (call == "register") return register_function(*db_, step["function"].words);
        Producer& producer = producers_.at(step["by"].words);
        if (call == "clone") {
            producers_.insert_or_assign(step["as"].words,
                                        Producer{producer.source.clone(), std::nullopt});
        } else if (call == "push") {
            count(step, push(producer.source, step["rows"]));
        } else if (call == "try_push") {
            laminar::Appender appender = producer.source.appender();
            const std::uint64_t rows = append(appender, producer.source.schema(), step["rows"]);
            count(step, appender.try_flush() ? rows : 0);
        } else if (call == "push_copy") {
            const laminar::Bytes ipc = db_->query(step["sql"].words).ipc();
            count(step, producer.source.push_ipc(ipc.data(), ipc.size()));
        } else if (call == "write") {
            count(step, append(*producer.gathered, producer.source.schema(), step["rows"]));
        } else if (call == "flush") {
            const std::size_t rows = producer.gathered->rows();
            producer.gathered->flush();
            count(step, rows);
        } else if (call == "watermark") {
            if (producer.gathered) producer.gathered->flush();
            producer.source.watermark(step["ts_ms"].integer());
        } else if (call == "end_of_input") {
            if (producer.gathered) producer.gathered->flush();
            producer.source.end_of_input();
        } else if (call == "pending") {
            count(step, producer.source.pending());
        } else if (call == "capacity") {
            count(step, producer.source.capacity());
        } else if (call == "release") {
            if (producer.gathered) producer.gathered->flush();
            producers_.erase(step["by"].words);
        } else {
            fail("there is no call " + call);
        }
    }

    void execute(const Json& step) {
        laminar::Stream rows;
        db_->execute(step["sql"].words, rows);
        const laminar::Schema schema = rows.schema();
        std::string statement, object;
        std::int64_t affected = 0;
        const bool made_up = schema.columns() == 3 && schema.name(0) == "statement" &&
                             schema.name(2) == "rows_affected";
        for (laminar::Array batch = rows.next(); batch; batch = rows.next()) {
            if (!made_up) {
                affected += batch.rows();
                continue;
            }
            const Json row = rows_of(schema.get(), batch.get()).at(0).row;
            statement = row.items[0].words;
            object = row.items[1].words;
            affected = row.items[2].integer();
        }
        const std::string word = statement.substr(0, statement.find(' '));
        const std::string kind = !made_up                                                ? "query"
                                 : word == "CREATE" || word == "DROP" || word == "ALTER" ? "ddl"
                                 : word == "INSERT" || word == "UPDATE" || word == "DELETE"
                                     ? "dml"
                                     : "utility";
        if (const Json* wanted = step.find("kind"); wanted != nullptr && wanted->words != kind)
            fail("its kind is " + kind);
        if (const Json* wanted = step.find("object"); wanted != nullptr && wanted->words != object)
            fail("its object is " + object);
        count(step, static_cast<std::uint64_t>(affected));
    }

    void query(const Json& step) {
        laminar::Query query = db_->query(step["sql"].words);
        const laminar::Schema schema = query.schema();
        std::vector<Came> rows;
        for (laminar::Array& batch : query) {
            for (Came& came : rows_of(schema.get(), batch.get())) rows.push_back(std::move(came));
        }
        if (const Json* columns = step.find("columns")) {
            for (std::size_t i = 0; i < columns->items.size(); ++i) {
                const auto at = static_cast<std::int64_t>(i);
                if (at >= schema.columns() || schema.name(at) != columns->items[i].words)
                    fail("the columns differ");
            }
            if (schema.columns() != static_cast<std::int64_t>(columns->items.size()))
                fail("there are more columns");
        }
        if (const Json* name = step.find("save"))
            saved_[name->words] = rows.at(0).row.items.at(0).words;
        else
            compare(step, std::move(rows));
    }

    // Rows of the language: an appender's. It has no nested columns, which go as JSON.
    std::uint64_t push(laminar::Source& source, const Json& rows) {
        if (std::any_of(rows.items.begin(), rows.items.end(), has_nested)) {
            return source.push_json(rows.dump());
        }
        laminar::Appender appender = source.appender();
        const std::uint64_t taken = append(appender, source.schema(), rows);
        appender.flush();
        return taken;
    }

    static std::uint64_t append(laminar::Appender& appender, const laminar::Schema& schema,
                                const Json& rows) {
        for (const Json& row : rows.items) {
            for (const auto& [name, value] : row.members) {
                std::int64_t column = 0;
                while (column < schema.columns() && schema.name(column) != name) ++column;
                const ArrowSchema* of =
                    column < schema.columns() ? schema.get()->children[column] : schema.get();
                set_cell(appender, static_cast<std::size_t>(column), of, value);
            }
            appender.end_row();
        }
        return rows.items.size();
    }

    void insert_text(const Json& step) {
        const std::string &into = step["into"].words, &text = step["text"].words;
        const Json* options = step.find("options");
        const std::string json = options == nullptr ? "{}" : options->dump();
        const auto insert =
            step["call"].words == "insert_json" ? laminar_insert_json : laminar_insert_csv;
        std::uint64_t rows = 0;
        laminar::detail::Slot slot;
        slot.check(
            insert(db_->capi(), into.c_str(), text.data(), text.size(), json.c_str(), &rows, slot));
        count(step, rows);
    }

    void copy(const Json& step) {
        const laminar::Query query = db_->query(step["sql"].words);
        std::uint8_t* bytes = nullptr;
        std::size_t length = 0;
        std::uint64_t rows = 0;
        laminar::detail::Slot slot;
        slot.check(laminar_query_ipc(query.capi(), &bytes, &length, slot));
        const laminar_status status =
            laminar_insert_ipc(db_->capi(), step["into"].words.c_str(), bytes, length, &rows, slot);
        laminar_bytes_free(bytes, length);
        slot.check(status);
        count(step, rows);
    }

    void subscribe(const Json& step) {
        const Json* options = step.find("options");
        const std::string json = options == nullptr ? "{}" : options->dump();
        const std::string& to = step["to"].words;
        laminar_subscription* handle = nullptr;
        laminar::detail::Slot slot;
        slot.check(laminar_subscribe(
            db_->capi(), laminar::Text(to).c_str(LAMINAR_SUBSCRIPTION_FAILED, "LDB-5001"),
            json.c_str(), &handle, slot));
        subscriptions_.insert_or_assign(step["as"].words, laminar::Subscription(handle));
    }

    void watch(const std::string& subscription, const std::string& as) {
        Wake& wake = wakes_[as];
        subscriptions_.at(subscription).on_ready([&wake] { wake.tell(); });
    }

    void forward(const Json& step) {
        const laminar::IpcChange change = subscriptions_.at(step["by"].words).poll_ipc();
        if (!change) fail("nothing has come");
        count(step, db_->insert_ipc(step["into"].words, change.ipc.data(), change.ipc.size()));
    }

    // Metrics are SQL here.
    void metrics(const Json& step) {
        Json wanted = step;
        const std::string row =
            "[" + step["ingested"].dump() + "," + step["emitted"].dump() + "]";
        wanted.members.emplace_back(
            "sql", Json::parse("\"SELECT total_rows_ingested, total_rows_emitted "
                               "FROM laminar_metrics\""));
        wanted.members.emplace_back("rows", Json::parse("[" + row + "]"));
        query(wanted);
    }

    // And so is the catalogue.
    void list(const Json& step) {
        Json wanted = step;
        std::string rows;
        for (const Json& name : step["names"].items)
            rows += (rows.empty() ? "[" : ",[") + name.dump() + "]";
        wanted.members.emplace_back(
            "sql", Json::parse("\"SELECT name FROM laminar_" + step["of"].words + "\""));
        wanted.members.emplace_back("rows", Json::parse("[" + rows + "]"));
        query(wanted);
    }

    void columns(const Json& step) {
        const laminar::Schema schema =
            db_->query("SELECT * FROM " + step["of"].words + " LIMIT 0").schema();
        const std::vector<Json>& wanted = step["columns"].items;
        bool same = schema.columns() == static_cast<std::int64_t>(wanted.size());
        for (std::size_t at = 0; same && at < wanted.size(); ++at)
            same = schema.name(static_cast<std::int64_t>(at)) == wanted[at].words;
        if (!same) fail("the columns differ");
    }

    void forked_query(const Json& step) {
        int ends[2];
        if (pipe(ends) != 0) fail("there is no pipe");
        const pid_t child = fork();
        if (child == 0) {
            std::string said;
            try {
                db_->query(step["sql"].words);
            } catch (const laminar::Error& error) {
                said = std::to_string(error.code()) + "\n" + error.ldb_code() + "\n" + error.what();
            }
            const bool written =
                write(ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size());
            // Nothing of the parent's is ended here.
            _exit(written ? 0 : 1);
        }
        close(ends[1]);
        std::string code, ldb_code, message;
        {
            std::string said;
            char part[256];
            for (ssize_t size; (size = read(ends[0], part, sizeof part)) > 0;)
                said.append(part, static_cast<std::size_t>(size));
            close(ends[0]);
            waitpid(child, nullptr, 0);
            std::istringstream lines(said);
            std::getline(lines, code);
            std::getline(lines, ldb_code);
            std::getline(lines, message, '\0');
        }
        if (!code.empty()) throw laminar::Error(std::stoi(code), ldb_code.c_str(), message.c_str());
    }

    // With `wake` what has not come yet is waited for, and no longer than for the last answer.
    void poll(const Json& step, Wake* wake = nullptr) {
        laminar::Subscription& subscription = subscriptions_.at(step["by"].words);
        const laminar::Schema schema = subscription.schema();
        const std::vector<Json>& wanted = step["answers"].items;
        std::size_t at = 0;
        const auto next = [&](const std::string& what) -> const Json& {
            if (at == wanted.size()) fail("there is more than expected: " + what);
            return wanted[at++];
        };
        const Json* wait = step.find("timeout_ms");
        std::chrono::milliseconds timeout(wait == nullptr ? 0 : wait->integer());
        for (bool reset = false;;) {
            const laminar::Change change = subscription.poll(timeout);
            timeout = std::chrono::milliseconds(0);
            if (change.outcome == laminar::Outcome::again) {
                if (wake != nullptr && at < wanted.size() && wake->wait()) continue;
                break;
            }
            if (change.outcome == laminar::Outcome::end) {
                if (next("the end").find("end") == nullptr) fail("it is at its end");
                break;
            }
            if (change.outcome == laminar::Outcome::lagged) {
                const auto lagged = static_cast<long long>(subscription.lagged());
                const Json* rows = next("a lag").find("lagged");
                if (rows == nullptr || rows->integer() != lagged)
                    fail("it lagged by " + std::to_string(lagged));
                continue;
            }
            if (change.outcome == laminar::Outcome::reset) {
                reset = true;
                continue;
            }
            std::vector<Came> rows = rows_of(schema.get(), change.batch.get());
            const laminar::Weights weights = subscription.weights();
            for (std::size_t row = 0; row < rows.size(); ++row) rows[row].weight = weights[row];
            const Json& event = next(shown(rows));
            if (event.find("rows") == nullptr) fail("rows came: " + shown(rows));
            if ((event.find("reset") != nullptr) != reset)
                fail(reset ? "it was reset" : "it was not reset");
            compare(event, std::move(rows));
            reset = false;
            if (const Json* name = step.find("save"))
                saved_[name->words] = std::to_string(change.epoch);
        }
        if (at != wanted.size()) fail("it did not answer " + wanted[at].dump());
    }

    static void count(const Json& step, std::uint64_t got) {
        const Json* wanted = step.find("count");
        if (wanted != nullptr && static_cast<std::uint64_t>(wanted->integer()) != got)
            fail("the count is " + std::to_string(got));
    }

    static void check_error(const Json& wanted, const laminar::Error& error) {
        const std::string message = error.what();
        bool same =
            wanted["code"].integer() == error.code() && wanted["ldb"].words == error.ldb_code();
        if (const Json* line = wanted.find("line")) {
            same = same && static_cast<std::uint64_t>(line->integer()) == error.line() &&
                   static_cast<std::uint64_t>(wanted["column"].integer()) == error.column();
        }
        if (const Json* says = wanted.find("says")) {
            for (const Json& part : says->items)
                same = same && message.find(part.words) != std::string::npos;
        }
        if (!same) {
            fail("it failed otherwise: " + std::to_string(error.code()) + " " + message + " (" +
                 std::to_string(error.line()) + ":" + std::to_string(error.column()) + ")");
        }
    }

    // Puts saved values in place of {{name}}.
    std::string fill(std::string text) const {
        for (const auto& [name, value] : saved_) {
            const std::string mark = "{{" + name + "}}";
            for (const std::string& whole : {"\"" + mark + "\"", mark}) {
                for (std::size_t at; (at = text.find(whole)) != std::string::npos;)
                    text.replace(at, whole.size(), value);
            }
        }
        return text;
    }

    std::optional<laminar::Database> db_;
    std::map<std::string, Producer> producers_;
    // Behind what calls them.
    std::map<std::string, Wake> wakes_;
    Log log_;
    std::map<std::string, laminar::Subscription> subscriptions_;
    std::map<std::string, std::string> saved_;
};

} // namespace

int main(int count, char** files) {
    int passed = 0;
    for (int i = 1; i < count; ++i) {
        std::size_t at = 0;
        try {
            std::ifstream file(files[i]);
            const Json scenario = Json::parse((std::stringstream() << file.rdbuf()).str());
            Session session(scenario);
            for (const Json& step : scenario["steps"].items) {
                ++at;
                session.step(step);
            }
            ++passed;
        } catch (const std::exception& error) {
            std::cout << "FAILED " << files[i] << ", step " << at << ": " << error.what() << "\n";
        }
    }
    std::cout << passed << " passed, " << count - 1 - passed << " failed\n";
    return passed == count - 1 ? 0 : 1;
}
