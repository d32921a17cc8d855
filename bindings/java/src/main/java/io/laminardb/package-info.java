/**
 * Laminar for Java: an embedded streaming SQL database.
 *
 * <p>{@link io.laminardb.LaminarDB} opens a database. Rows go in through {@link
 * io.laminardb.LaminarDB#insert insert}, a {@link io.laminardb.Source} or a {@link
 * io.laminardb.Writer}; when such a call returns, every view and subscription has what it brought
 * about. Results come out of {@link io.laminardb.LaminarDB#query query} and of a {@link
 * io.laminardb.Subscription}. Rows are Java records, whose components are columns by name, or maps.
 *
 * <p>Unless a page says otherwise a parameter must not be null, a result is never null, and an
 * object may be used by several threads at once.
 */
@NullMarked
package io.laminardb;

import org.jspecify.annotations.NullMarked;
