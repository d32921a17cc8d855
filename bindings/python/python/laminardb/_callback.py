"""Subscriptions that call."""

import threading
from collections.abc import Callable

from laminardb import codes
from laminardb._errors import ConnectionError
from laminardb._laminardb import QueryResult, Subscription

OnData = Callable[[QueryResult], object]
OnError = Callable[[Exception], object]


class CallbackSubscription(threading.Thread):
    """A daemon thread that gives each batch of a subscription to a function.

    What goes wrong, in the subscription or in the function, is told to `on_error`, and it goes on
    while there is more to come. Without `on_error` the first error ends it, and `wait()` raises it.
    """

    def __init__(
        self, subscription: Subscription, on_data: OnData, on_error: OnError | None = None
    ) -> None:
        super().__init__(name=f"{subscription!r}", daemon=True)
        self._subscription = subscription
        self._on_data = on_data
        self._on_error = on_error
        self._failure: Exception | None = None
        self.start()

    @property
    def is_active(self) -> bool:
        """Whether more can come."""
        return self._subscription.is_active and self.is_alive()

    def cancel(self) -> None:
        """Ends it, from any thread. The function may still be running; `wait()` waits for it."""
        self._subscription.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it has ended, at most so many seconds; whether it has.

        Raises the error that ended it.
        """
        if threading.current_thread() is not self:
            self.join(timeout)
        if self.is_alive():
            return False
        if self._failure is not None:
            raise self._failure
        return True

    def run(self) -> None:
        """What the thread does."""
        while self._step():
            pass

    def _step(self) -> bool:
        try:
            batch = self._subscription.next()
            if batch is None:
                return False
            self._on_data(batch)
        except Exception as error:
            if isinstance(error, ConnectionError) and error.code == codes.CONNECTION_CLOSED:
                return False
            return self._tell(error)
        return True

    def _tell(self, error: Exception) -> bool:
        if self._on_error is not None:
            try:
                self._on_error(error)
            except Exception as failed:
                error = failed
            else:
                return self._subscription.is_active
        self._failure = error
        self._subscription.cancel()
        return False
