"""Draws sections side by side, a process each: compiling kernels keeps one core busy for long.

Figures that measure time wait until nothing else runs. A process that dies loses its own section
and no other.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from drivetrain.core.progress import Advance
from drivetrain.gallery.page.section import Drawn
from drivetrain.gallery.page.sections import draw

Results = dict[tuple[str, str], Drawn]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to draw of a method: figures beside those of others, then figures alone."""

    method: str
    together: tuple[str, ...]
    alone: tuple[str, ...]
    seed: int


def draw_here(orders: Sequence[Order], advance: Advance) -> Results:
    """Draw everything in this process, one figure after the other."""
    results = {}
    for order in orders:
        for name in (*order.together, *order.alone):
            advance(f"{order.method}, {name}")
            results[order.method, name] = draw(order.method, name, order.seed)
    return results


def draw_side_by_side(orders: Sequence[Order], advance: Advance, workers: int) -> Results:
    """Draw with at most ``workers`` processes at a time, then the timed figures one by one."""
    results: Results = {}
    with _crews(orders) as crews:
        idle = list(crews)
        busy: list[_Crew] = []
        while idle or busy:
            while idle and len(busy) < workers:
                busy.append(idle.pop(0))
                busy[-1].start()
            ready = wait([crew.connection for crew in busy])
            for crew in [crew for crew in busy if crew.connection in ready]:
                if crew.listen(results, advance) != "working":
                    busy.remove(crew)
        for crew in crews:
            crew.go_on()
            while crew.listen(results, advance) == "working":
                pass
    return results


class _Crew:
    """The process that draws one section, seen from the parent."""

    def __init__(self, order: Order) -> None:
        context = get_context("spawn")
        self.order, self.state = order, "working"
        self.connection, self._far = context.Pipe()
        self.process = context.Process(target=serve, args=(self._far, order), daemon=True)

    def start(self) -> None:
        self.process.start()
        # With the far end closed here, a dead process reads as the end of the stream.
        self._far.close()

    def listen(self, results: Results, advance: Advance) -> str:
        """Take in one message; return ``working``, ``waiting`` or ``ended``."""
        if self.state == "ended":
            return self.state
        try:
            kind, word = self.connection.recv()
        except (EOFError, OSError):
            self._blame(results)
            kind, word = "ended", ""
        if kind == "begins":
            advance(f"{self.order.method}, {word}")
        elif kind == "drawn":
            results[self.order.method, word.name] = word
        else:
            self.state = kind
        return self.state

    def go_on(self) -> None:
        if self.state == "waiting":
            self.state = "working"
            self.connection.send("go on")

    def _blame(self, results: Results) -> None:
        self.process.join(timeout=5)
        error = f"its process ended with exit code {self.process.exitcode}"
        for name in (*self.order.together, *self.order.alone):
            results.setdefault((self.order.method, name), Drawn(name=name, error=error))


@contextmanager
def _crews(orders: Sequence[Order]) -> Iterator[list[_Crew]]:
    crews = [_Crew(order) for order in orders]
    try:
        yield crews
    finally:
        for crew in crews:
            if crew.process.is_alive() and crew.state != "ended":
                crew.process.terminate()
            if crew.process.pid is not None:
                crew.process.join()
            crew.connection.close()


def serve(connection: "Connection[Any, Any]", order: Order) -> None:
    """Draw an order and send what is drawn; the main function of a worker."""
    # Ctrl-C reaches the whole process group; the parent ends its workers by itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in order.together:
        connection.send(("begins", name))
        connection.send(("drawn", draw(order.method, name, order.seed)))
    if order.alone:
        connection.send(("waiting", ""))
        connection.recv()
    for name in order.alone:
        connection.send(("begins", name))
        connection.send(("drawn", draw(order.method, name, order.seed)))
    connection.send(("ended", ""))
