// As check.c, through the C++ wrapper.
#include <laminar.hpp>

#include <cstdio>

int main() {
    try {
        const auto db = laminar::Database::open();
        auto query = db.query("SELECT 6 * 7 AS answer");
        const laminar::Array batch = query.next();
        const auto answer = static_cast<const std::int64_t*>(batch->children[0]->buffers[1])[0];
        std::printf("%s: the answer is %lld\n", laminar::build_info().data(),
                    static_cast<long long>(answer));
        return answer == 42 ? 0 : 1;
    } catch (const laminar::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
