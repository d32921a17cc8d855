/**
 * laminar.hpp: Laminar for C++17, header-only, over laminar.h.
 *
 *     auto db = laminar::Database::open();
 *     db.execute("CREATE SOURCE readings (sensor VARCHAR, celsius DOUBLE)");
 *     db.execute("CREATE STREAM alerts AS SELECT * FROM readings WHERE celsius > 90");
 *     auto alerts = db.subscribe("alerts");
 *     db.start();
 *     auto rows = db.source("readings").appender();
 *     rows.set(0, "boiler").set(1, 91.5).end_row();
 *     rows.flush();
 *     for (laminar::Change& change : alerts) { ... change.batch ... }   // until the end
 *
 * This header is the whole interface; each noun has a file of its own in the folder `laminar`.
 *
 * The classes mirror the nouns of the C header, and its chapters on ownership, threads and errors
 * hold here too. What this header adds:
 *
 * - **Ownership.** Every class is move-only and frees its handle when it is destroyed, in any
 *   order. A moved-from object may only be assigned to or destroyed. `capi()` is the C handle,
 *   still owned by the object.
 * - **Errors.** Whatever the C function answers as an error is thrown as `laminar::Error`. Outcomes
 *   that are part of the work (nothing yet, the end, rows missed) are values.
 * - **Arrow.** `Array`, `Schema` and `Stream` own the structs of Arrow's C Data Interface and
 *   release them. Anything that speaks it (Arrow C++, nanoarrow, ...) takes `get()` or `move_to()`
 *   and fills `out()`.
 * - **Threads.** `const` member functions may run concurrently, the others are exclusive. A call
 *   into an exclusive object that another thread is using is `Outcome::busy` in a poll and an
 *   `Error` with code LAMINAR_CONNECTION_IN_USE elsewhere.
 */
#ifndef LAMINAR_HPP
#define LAMINAR_HPP

#include <laminar/appender.hpp>
#include <laminar/arrow.hpp>
#include <laminar/bytes.hpp>
#include <laminar/column.hpp>
#include <laminar/column_builder.hpp>
#include <laminar/database.hpp>
#include <laminar/error.hpp>
#include <laminar/functions.hpp>
#include <laminar/log.hpp>
#include <laminar/query.hpp>
#include <laminar/source.hpp>
#include <laminar/subscribe_options.hpp>
#include <laminar/subscription.hpp>
#include <laminar/typed_functions.hpp>
#include <laminar/types.hpp>
#include <laminar/version.hpp>
#include <laminar/writer.hpp>

#endif // LAMINAR_HPP
