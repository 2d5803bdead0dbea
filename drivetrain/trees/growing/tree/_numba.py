"""One tree grown in one kernel, which every thread enters once and where they meet.

A round splits a few nodes: one thread chooses them and sets out the work; all threads part the
rows, add the smaller children's histograms, and find splits, piece by piece. Whatever a thread
adds is whole numbers, and what it finds for some features is set beside the others' in their
order: so the tree is the same bits for any number of threads.

Few arrays with named columns, and None for what a table does not need (categories, drawn
features): each array given to a kernel costs a hundredth of a second of compiling.

    nodes    (nodes, NODE_COLUMNS) int64: see below
    records  (nodes, RECORD) float64: see ``growing._numba``
    flags    (nodes, 2, F) uint8: features that a node may use; those on the way to it, where
             the root's are what the tree may use. None where all may use any.
    tables   (nodes, codes) uint8: codes that go left where a node is split by category, or None
    state    int64: the threads' counters, then the numbers below
    board    (batch, BOARD + threads) int64: the round's nodes, and which threads added to each
    free     (slots,) int64: numbers of free rows of the pool
    pieces   (pieces, PIECE) int64: the round's work
    rows     (2, m) uint32: row numbers, those of a node side by side; and room for as many
    pool     ((threads - 1) * batch + slots, F << shift) int64: partial histograms, then whole
    found    (batch, 2, groups, RECORD) float64: the best split of each child in each group
    found_tables  (batch, 2, groups, codes) uint8: their tables of categories, or None
    kinds    (3, F) int64: numerical bins, categories, monotone direction of each feature
    meeting  (groups, F) uint8: features that may meet on a path
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from drivetrain.trees.growing._numba import (
    FEATURE,
    GAIN,
    GAMMA,
    GL,
    HIGH,
    HL,
    INNER,
    L1,
    L2,
    LEVEL,
    LOW,
    MAX_DEPTH,
    NODE_SHARE,
    STEP,
    WEIGHT,
    G,
    H,
    add_rows,
    leaf_sums,
    partition,
    sides,
    weigh,
)
from drivetrain.trees.growing.drawing._numba import draw, fold
from drivetrain.trees.growing.splits._numba import better, find_categories, find_split, total
from drivetrain.trees.growing.team._numba import (
    FIRST,
    SECOND,
    SHARED,
    THIRD,
    fetch_add,
    meet,
    publish,
)

# Columns of the nodes: left child (-1 for none), depth, when it was chosen to be, its slot of the
# pool, its rows' begin and end, the way to it; then lists: of leaves that may yet be split, of
# those that may not, and a copy of the first to return to.
LEFT, DEPTH, BORN, SLOT, START, STOP, PLACE, FRONT, CLOSED, KEPT = range(10)
NODE_COLUMNS = 10
# Positions in the state.
STAGE, ASKS, NODES, FREE, FOUND, PIECES, HEAD, TAIL, GROWN, SHUT, HELD = range(SHARED, SHARED + 11)
STATE = SHARED + 11
# What the kernel asks of its caller when it returns.
NOTHING, MORE_ROOM = 1, 2
# Columns of the board: the node to split, a free slot, the child whose rows are added (-1 where
# neither's are needed), the other child (-1 for none).
PENDING, FRESH, SMALL, OTHER = range(4)
BOARD = 4
# Columns of a piece of work: the place of its node on the board, its rows' begin and end, how
# many go left, where to, where the others, whether it is all of its node.
SPOT, BEGIN, END, LEFTS, TO_LEFT, TO_RIGHT, ALONE = range(7)
PIECE = 7
# Rows of the kinds of features.
BINS, CATEGORIES, DIRECTION = range(3)
# Features whose split is found by one thread at a time. Fixed, for any number of threads:
# gains so near that they tie are decided within these groups first.
GROUP = 4
# Rows of a piece: fewer are not worth a thread's asking for them.
SHORTEST = 1024

Array = NDArray[np.generic]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.uint8]


class Table(NamedTuple):
    """What all trees share: bins by row, flattened, each row ``stride`` long; bins by feature,
    (F, n); bits of a code; and, as above, the features' kinds, constraints and the rules."""

    flat: Array
    stride: int
    columns: Array
    shift: int
    kinds: Ints
    meeting: Flags
    rules: Floats


class Space(NamedTuple):
    """The memory a tree grows in."""

    nodes: Ints
    records: Floats
    state: Ints
    board: Ints
    free: Ints
    pieces: Ints
    rows: NDArray[np.uint32]
    pool: Ints
    found: Floats


@njit(**INNER)
def replay(
    nodes: Ints, records: Floats, state: Ints, board: Ints, leaves: int, depthwise: bool, batch: int
) -> int:
    """Replay growth on what is known; write the chosen nodes not yet split, at most ``batch``.

    Best-first takes the leaf of greatest gain, level-wise the oldest. The replay goes on from
    what an earlier one made sure of: all it chose before the first node not yet split. What was
    split ahead and is not chosen drops out, so looking ahead does not change the tree.
    """
    head, tail, grown, shut = state[HEAD], state[TAIL], state[GROWN], state[SHUT]
    for i in range(state[HELD]):
        nodes[head + i, FRONT] = nodes[i, KEPT]
    state[HELD] = 0
    most = batch
    found = 0
    while head < tail and grown < leaves:
        pick = head
        x = nodes[pick, FRONT]
        if not depthwise:
            for i in range(head + 1, tail):
                y = nodes[i, FRONT]
                gain, held = records[y, GAIN], records[x, GAIN]
                if gain > held or (gain == held and nodes[y, BORN] < nodes[x, BORN]):
                    pick = i
                    x = y
        if nodes[x, LEFT] < 0:
            if found == 0:
                state[HEAD], state[TAIL], state[GROWN], state[SHUT] = head, tail, grown, shut
                if not depthwise and batch > 1:
                    # Near the last leaf a look ahead is wasted.
                    most = min(batch, max(1, (leaves - grown) // 2))
                    state[HELD] = tail - head
                    for i in range(tail - head):
                        nodes[i, KEPT] = nodes[head + i, FRONT]
            board[found, PENDING] = x
            found += 1
            if found == most:
                break
        nodes[pick, FRONT] = nodes[head, FRONT]
        head += 1
        if nodes[x, LEFT] >= 0:
            for child in (nodes[x, LEFT], nodes[x, LEFT] + 1):
                nodes[child, BORN] = 2 * grown + child - nodes[x, LEFT]
                if records[child, GAIN] > 0.0:
                    nodes[tail, FRONT] = child
                    tail += 1
                else:
                    nodes[shut, CLOSED] = child
                    shut += 1
        grown += 1
    if found == 0:
        for i in range(head, tail):
            nodes[shut, CLOSED] = nodes[i, FRONT]
            shut += 1
        state[HEAD], state[TAIL], state[GROWN], state[SHUT] = head, head, grown, shut
    return found


@njit(**INNER)
def inherit(node: int, nodes: Ints, records: Floats, kinds: Ints, rules: Floats) -> None:
    """Give a split node's children their sums, depth and weight bounds."""
    a = nodes[node, LEFT]
    record = records[node]
    low, high = record[LOW], record[HIGH]
    for child in (a, a + 1):
        nodes[child, DEPTH] = nodes[node, DEPTH] + 1
        records[child, LOW] = low
        records[child, HIGH] = high
        records[child, GAIN] = 0.0
    records[a, G] = record[GL]
    records[a, H] = record[HL]
    records[a + 1, G] = record[G] - record[GL]
    records[a + 1, H] = record[H] - record[HL]
    d = kinds[DIRECTION, np.int64(record[FEATURE])]
    if d != 0:
        l2, l1, step = rules[L2], rules[L1], rules[STEP]
        wl = weigh(records[a, G], records[a, H], l2, l1, step, low, high)
        wr = weigh(records[a + 1, G], records[a + 1, H], l2, l1, step, low, high)
        middle = (wl + wr) / 2.0
        lower, upper = (a, a + 1) if d > 0 else (a + 1, a)
        records[lower, HIGH] = middle
        records[upper, LOW] = middle


@njit(**INNER)
def allow(node: int, nodes: Ints, flags: Flags, meeting: Flags, rules: Floats, seed: int) -> None:
    """Write which features a node may use: drawn for its level, then for its place."""
    features = flags.shape[2]
    own = flags[node, 0]
    used = flags[node, 1]
    key = np.uint64(seed)
    level_key = fold(fold(key, np.uint64(1)), np.uint64(nodes[node, DEPTH]))
    # Drawn in place: the level's features from the tree's, then the node's from the level's.
    for f in range(features):
        own[f] = flags[0, 1, f]
    draw(own, rules[LEVEL], level_key)
    draw(own, rules[NODE_SHARE], fold(fold(key, np.uint64(2)), np.uint64(nodes[node, PLACE])))
    if node == 0 or len(meeting) == 0:
        return
    for f in range(features):
        may = used[f] != 0
        for k in range(len(meeting)):
            if meeting[k, f] != 0 and not may:
                may = True
                for e in range(features):
                    may = may and (used[e] == 0 or meeting[k, e] != 0)
        if not may:
            own[f] = 0


@njit(**INNER)
def settle(
    node: int,
    k: int,
    side: int,
    found: Floats,
    found_tables: Flags | None,
    records: Floats,
    tables: Flags | None,
    rules: Floats,
) -> None:
    """Take the best of what was found for a node in its groups of features."""
    record = records[node]
    if node == 0:
        # Others have their part of their parent's, whether or not they may be split.
        record[G] = found[k, side, 0, G]
        record[H] = found[k, side, 0, H]
    best = 0.0
    for j in range(found.shape[2]):
        candidate = found[k, side, j]
        if better(candidate, rules, best):
            best = candidate[GAIN]
            for c in range(HL + 1):
                record[c] = candidate[c]
            if tables is not None and found_tables is not None:
                for b in range(tables.shape[1]):
                    tables[node, b] = found_tables[k, side, j, b]
    # hist and approx expand a node only for a gain above 1e-6 and of at least gamma.
    record[GAIN] = best if best > 1e-6 and best >= rules[GAMMA] else 0.0


@njit(**INNER)
def _set_out(found: int, longest: int, nodes: Ints, board: Ints, pieces: Ints, state: Ints) -> None:
    """Cut the pending nodes' rows into pieces, none longer than ``longest``."""
    p = 0
    for k in range(found):
        begin, end = nodes[board[k, PENDING], START], nodes[board[k, PENDING], STOP]
        count = max(1, (end - begin + longest - 1) // longest)
        for c in range(count):
            pieces[p, SPOT] = k
            pieces[p, BEGIN] = begin + (end - begin) * c // count
            pieces[p, END] = begin + (end - begin) * (c + 1) // count
            pieces[p, ALONE] = count == 1
            p += 1
    state[FOUND] = found
    state[PIECES] = p


@njit(**INNER)
def _plan(
    threads: int,
    leaves: int,
    depthwise: bool,
    batch: int,
    seed: int,
    flags: Flags | None,
    tables: Flags | None,
    found_tables: Flags | None,
    table: Table,
    space: Space,
) -> None:
    """Settle the last round's nodes, choose what to split next, and give the children numbers."""
    nodes, records, state, board = space.nodes, space.records, space.state, space.board
    free, rules = space.free, table.rules
    for k in range(state[FOUND]):
        for side in range(2):
            child = board[k, SMALL + side]
            if child >= 0:
                settle(child, k, side, space.found, found_tables, records, tables, rules)
                if records[child, GAIN] <= 0.0:
                    free[state[FREE]] = nodes[child, SLOT]
                    state[FREE] += 1
    state[FOUND] = 0
    if state[STAGE] == 0:
        state[STAGE] = 1
        open_root = records[0, GAIN] > 0.0
        nodes[0, FRONT] = 0
        nodes[0, CLOSED] = 0
        state[TAIL] = 1 if open_root else 0
        state[SHUT] = 0 if open_root else 1
        state[GROWN] = 1
    found = replay(nodes, records, state, board, leaves, depthwise, batch)
    if found == 0:
        state[ASKS] = NOTHING
        return
    if state[NODES] + 2 * found > len(nodes) or state[FREE] < found:
        state[ASKS] = MORE_ROOM
        return
    # The children of the last node of all, or of the last level's, will not be split.
    last = state[GROWN] + found >= leaves and (depthwise or found == 1)
    size = 0
    for k in range(found):
        x = board[k, PENDING]
        a = state[NODES]
        state[NODES] = a + 2
        size += nodes[x, STOP] - nodes[x, START]
        nodes[x, LEFT] = a
        board[k, SMALL] = -1
        board[k, OTHER] = -1
        if last or nodes[x, DEPTH] + 1 >= rules[MAX_DEPTH]:
            free[state[FREE]] = nodes[x, SLOT]
            state[FREE] += 1
        else:
            board[k, SMALL] = a
            board[k, OTHER] = a + 1
            state[FREE] -= 1
            board[k, FRESH] = free[state[FREE]]
        for side in range(2):
            child = a + side
            nodes[child, LEFT] = -1
            nodes[child, DEPTH] = nodes[x, DEPTH] + 1
            nodes[child, PLACE] = 2 * nodes[x, PLACE] + side
            if flags is not None:
                for f in range(flags.shape[2]):
                    flags[child, 1, f] = flags[x, 1, f] if x > 0 else 0
                flags[child, 1, np.int64(records[x, FEATURE])] = 1
                allow(child, nodes, flags, table.meeting, rules, seed)
    longest = size if threads == 1 else max(SHORTEST, size // (6 * threads))
    _set_out(found, longest, nodes, board, space.pieces, state)


@njit(**INNER)
def _lay_out(
    nodes: Ints,
    records: Floats,
    state: Ints,
    board: Ints,
    pieces: Ints,
    kinds: Ints,
    rules: Floats,
) -> None:
    """Give the children their rows, now that it is known how many go left."""
    p = 0
    for k in range(state[FOUND]):
        x = board[k, PENDING]
        a = nodes[x, LEFT]
        middle = nodes[x, START]
        q = p
        while q < state[PIECES] and pieces[q, SPOT] == k:
            pieces[q, TO_LEFT] = middle
            middle += pieces[q, LEFTS]
            q += 1
        right = middle
        while p < q:
            pieces[p, TO_RIGHT] = right
            right += pieces[p, END] - pieces[p, BEGIN] - pieces[p, LEFTS]
            p += 1
        nodes[a, START] = nodes[x, START]
        nodes[a, STOP] = middle
        nodes[a + 1, START] = middle
        nodes[a + 1, STOP] = nodes[x, STOP]
        inherit(x, nodes, records, kinds, rules)
        for t in range(BOARD, board.shape[1]):
            board[k, t] = 0
        if board[k, SMALL] >= 0:
            if 2 * (middle - nodes[x, START]) > nodes[x, STOP] - nodes[x, START]:
                board[k, SMALL] = a + 1
                board[k, OTHER] = a
            nodes[board[k, SMALL], SLOT] = board[k, FRESH]
            nodes[board[k, OTHER], SLOT] = nodes[x, SLOT]


@njit(**INNER)
def _part(
    column: Array, goes_left: Flags, rows: NDArray[np.uint32], spare: NDArray[np.uint32]
) -> np.int64:
    """Copy rows to ``spare``: those that go left from the front, the others from the end."""
    low = np.uint64(0)
    high = np.uint64(len(rows) - 1)
    one = np.uint64(1)
    for i in range(np.uint64(len(rows))):
        row = rows[i]
        yes = np.uint64(goes_left[np.uint64(column[np.uint64(row)])])
        spare[low] = row
        spare[high] = row
        low += yes
        high -= one - yes
    return np.int64(low)


@njit(**INNER)
def _part_piece(
    piece: Ints, alone: bool, column: Array, goes_left: Flags, rows: NDArray[np.uint32]
) -> None:
    """Part a piece's rows; a node all in one piece is left in its final order."""
    begin, end = piece[BEGIN], piece[END]
    here, spare = rows[0, begin:end], rows[1, begin:end]
    if not alone:
        piece[LEFTS] = _part(column, goes_left, here, spare)
        return
    count = partition(column, goes_left, here, spare)
    for i in range(end - begin - count):
        here[count + i] = spare[i]
    piece[LEFTS] = count


@njit(**INNER)
def _own(thread: int, k: int, board: Ints, pool: Ints) -> Ints:
    """Return where a thread adds what it has of a node's histogram, cleared before its first."""
    own = pool[board[k, FRESH] if thread == 0 else (thread - 1) * len(board) + k]
    if board[k, BOARD + thread] == 0:
        board[k, BOARD + thread] = 1
        for i in range(len(own)):
            own[i] = 0
    return own


@njit(**INNER)
def _place_piece(piece: Ints, rows: NDArray[np.uint32]) -> None:
    """Bring a piece's rows to their children's."""
    begin, end, lefts = piece[BEGIN], piece[END], piece[LEFTS]
    to_left, to_right = piece[TO_LEFT], piece[TO_RIGHT]
    for i in range(lefts):
        rows[0, to_left + i] = rows[1, begin + i]
    for i in range(end - begin - lefts):
        rows[0, to_right + i] = rows[1, end - 1 - i]


@njit(**INNER)
def _complete(k: int, low: int, high: int, nodes: Ints, board: Ints, pool: Ints) -> None:
    """Sum the threads' parts of some bins, and take them from the parent's: the other child's."""
    own = pool[nodes[board[k, SMALL], SLOT]]
    if board[k, BOARD] == 0:
        for i in range(low, high):
            own[i] = 0
    for t in range(board.shape[1] - BOARD - 1):
        if board[k, BOARD + 1 + t]:
            part = pool[t * len(board) + k]
            for i in range(low, high):
                own[i] += part[i]
    if board[k, OTHER] >= 0:
        rest = pool[nodes[board[k, OTHER], SLOT]]
        for i in range(low, high):
            rest[i] -= own[i]


@njit(**INNER)
def _find_group(
    task: int,
    units: Floats,
    scratch: Floats,
    flags: Flags | None,
    found_tables: Flags | None,
    table: Table,
    space: Space,
) -> None:
    """Complete both children's histograms of a group of features, and find their splits."""
    nodes, board, pool, rules = space.nodes, space.board, space.pool, table.rules
    kinds, shift = table.kinds, table.shift
    groups = space.found.shape[2]
    k, j = task // groups, task % groups
    if board[k, SMALL] < 0:
        return
    first = j * GROUP
    last = min(first + GROUP, kinds.shape[1])
    _complete(k, first << shift, last << shift, nodes, board, pool)
    for side in range(2):
        child = board[k, SMALL + side]
        if child < 0:
            continue
        histogram = pool[nodes[child, SLOT]]
        record = space.found[k, side, j]
        record[LOW] = space.records[child, LOW]
        record[HIGH] = space.records[child, HIGH]
        total(histogram, first, shift, units, record)
        record[GAIN] = 0.0
        for f in range(first, last):
            # Nested: with ``and`` the kernel without flags would not compile.
            if flags is not None:  # noqa: SIM102
                if flags[child, 0, f] == 0:
                    continue
            own = histogram[f << shift : (f + 1) << shift]
            if kinds[BINS, f] > 0:
                find_split(
                    f, kinds[BINS, f], own, kinds[DIRECTION, f], units, rules, scratch, record
                )
            elif found_tables is not None:
                own_table = found_tables[k, side, j]
                count = kinds[CATEGORIES, f]
                find_categories(f, count, own, units, rules, scratch, record, own_table)


@njit(**INNER)
def _add_root(thread: int, every: bool, packed: Ints, table: Table, space: Space) -> None:
    """Add rows to the root's histogram, a step of them at a time; list them where all are used."""
    rows, state, board = space.rows, space.state, space.board
    stride, features = table.stride, table.kinds.shape[1]
    n = rows.shape[1]
    threads = board.shape[1] - BOARD
    step = max(1, n) if threads == 1 else max(SHORTEST, n // (12 * threads))
    while True:
        begin = fetch_add(state, FIRST, 1) * step
        if begin >= n:
            return
        end = min(begin + step, n)
        own = _own(thread, 0, board, space.pool)
        if every:
            for i in range(begin, end):
                rows[0, i] = i
            flat = table.flat[begin * stride : end * stride]
            none = rows[0, 0:0]
            add_rows(flat, stride, table.shift, features, packed[begin:end], none, own)
        else:
            chosen = rows[0, begin:end]
            add_rows(table.flat, stride, table.shift, features, packed, chosen, own)


@njit(**INNER)
def _add_pieces(thread: int, packed: Ints, table: Table, space: Space) -> None:
    """Bring pieces' rows to their places, and add those of the smaller children."""
    nodes, state, board, rows = space.nodes, space.state, space.board, space.rows
    while True:
        p = fetch_add(state, SECOND, 1)
        if p >= state[PIECES]:
            return
        piece = space.pieces[p]
        if not piece[ALONE]:
            _place_piece(piece, rows)
        k = piece[SPOT]
        small = board[k, SMALL]
        if small < 0:
            continue
        at, count = piece[TO_LEFT], piece[LEFTS]
        if small != nodes[board[k, PENDING], LEFT]:
            at, count = piece[TO_RIGHT], piece[END] - piece[BEGIN] - piece[LEFTS]
        if count:
            add_rows(
                table.flat,
                table.stride,
                table.shift,
                table.kinds.shape[1],
                packed,
                rows[0, at : at + count],
                _own(thread, k, board, space.pool),
            )


@njit(nogil=True, cache=True, error_model="numpy")
def grow(
    thread: int,
    threads: int,
    leaves: int,
    depthwise: bool,
    batch: int,
    every: bool,
    seed: int,
    scratch: Floats,
    goes_left: Flags,
    flags: Flags | None,
    tables: Flags | None,
    found_tables: Flags | None,
    packed: Ints,
    units: Floats,
    table: Table,
    space: Space,
) -> None:
    """Grow a tree, or go on with it; every thread calls this, each with its number from 0.

    Returns when ``state[ASKS]`` says that the tree is done, or that it needs more room.

    Args:
        thread: Number of this thread.
        threads: How many there are.
        leaves: Most leaves.
        depthwise: Whether the oldest leaf is split next, or the one of greatest gain.
        batch: Most nodes to split in one round.
        every: Whether the tree is grown on all rows, in order.
        seed: Draws features.
        scratch: Room of the thread's own, (4, codes).
        goes_left: Likewise, (codes,).
        flags: See above.
        tables: See above.
        found_tables: See above.
        packed: Gradient pairs, (n,).
        units: What one step of g and of h is worth.
        table: The data and the rules.
        space: Room for the tree.
    """
    nodes, records, state, board = space.nodes, space.records, space.state, space.board
    pieces = space.pieces
    begun = state[STAGE] != 0
    while True:
        if not begun:
            if state[STAGE] == 0:
                _add_root(thread, every, packed, table, space)
            else:
                _add_pieces(thread, packed, table, space)
            meet(state, threads)
            while True:
                task = fetch_add(state, THIRD, 1)
                if task >= state[FOUND] * space.found.shape[2]:
                    break
                _find_group(task, units, scratch, flags, found_tables, table, space)
            meet(state, threads)
        begun = False
        if thread == 0:
            _plan(
                threads,
                leaves,
                depthwise,
                batch,
                seed,
                flags,
                tables,
                found_tables,
                table,
                space,
            )
            publish(state, FIRST, 0)
            publish(state, THIRD, 0)
        meet(state, threads)
        if state[ASKS]:
            break
        while True:
            p = fetch_add(state, FIRST, 1)
            if p >= state[PIECES]:
                break
            x = board[pieces[p, SPOT], PENDING]
            of_node = goes_left if tables is None else tables[x]
            sides(records[x], table.shift, of_node, goes_left)
            column = table.columns[np.int64(records[x, FEATURE])]
            _part_piece(pieces[p], pieces[p, ALONE] != 0, column, goes_left, space.rows)
        meet(state, threads)
        if thread == 0:
            _lay_out(nodes, records, state, board, pieces, table.kinds, table.rules)
            publish(state, SECOND, 0)
        meet(state, threads)
    # Nobody looks at the state any more when the first has left.
    meet(state, threads)


@njit(nogil=True, cache=True, error_model="numpy")
def weigh_leaves(
    threads: int, g: Array, h: Array, fine: Floats, rules: Floats, space: Space
) -> None:
    """Give a grown tree's leaves their weights, from exact sums of the gradients as they were.

    A kernel of its own, for all threads: only it is compiled anew for gradients of another type.

    Args:
        threads: How many there are.
        g: First derivatives, (n,).
        h: Second derivatives, (n,) or (1,).
        fine: Whole units to a 1.0 in which leaves are summed exactly, (2,).
        rules: See the positions in ``growing._numba``.
        space: Where the tree was grown.
    """
    nodes, records, state, rows = space.nodes, space.records, space.state, space.rows
    while True:
        i = fetch_add(state, THIRD, 1)
        if i >= state[SHUT]:
            break
        leaf = nodes[i, CLOSED]
        own = rows[0, nodes[leaf, START] : nodes[leaf, STOP]]
        a, b = leaf_sums(g, h, own, fine[0], fine[1])
        record = records[leaf]
        record[WEIGHT] = weigh(
            a / fine[0], b / fine[1], rules[L2], rules[L1], rules[STEP], record[LOW], record[HIGH]
        )
    meet(state, threads)


# Compiled in here: drivetrain.trees.growing._numba fa985cd06b2d5664
# Compiled in here: drivetrain.trees.growing.drawing._numba b87b78d51c75f4f0
# Compiled in here: drivetrain.trees.growing.splits._numba 489cfe2aa407af13
# Compiled in here: drivetrain.trees.growing.team._numba 34f14c14d1396301
