"""Triton kernels: exact scans of all rows for few hits, which are appended to arrays.

Every program holds a block of rows and goes through all queries, so that a row is read from memory once,
however large the batch is. Hits are rare: a program first tests a whole group of queries, and writes only
where the group has a hit. The order of hits is not fixed; the caller sorts them.
"""

import triton
import triton.language as tl


@triton.jit
def bits_set(words, HAS_POPC: tl.constexpr):
    """How many bits of each int32 are set."""
    if HAS_POPC:
        return tl.inline_asm_elementwise(
            "popc.b32 $0, $1;", "=r,r", [words], dtype=tl.int32, is_pure=True, pack=1
        )
    words = words - ((words >> 1) & 0x55555555)
    words = (words & 0x33333333) + ((words >> 2) & 0x33333333)
    words = (words + (words >> 4)) & 0x0F0F0F0F
    return (words * 0x01010101) >> 24 & 0xFF


@triton.jit
def write_hits(is_hit, distances, rows, query, hit_rows, hit_queries, hit_distances, counter, room):
    """Append the hits of one query; `counter` goes on counting when there is no more room."""
    flags = is_hit.to(tl.int32)
    count = tl.sum(flags, axis=0)
    first = tl.atomic_add(counter, count)
    places = first + tl.cumsum(flags, axis=0) - 1
    fits = is_hit & (places < room)
    tl.store(hit_rows + places, rows, mask=fits)
    tl.store(hit_queries + places, tl.zeros_like(rows) + query, mask=fits)
    tl.store(hit_distances + places, distances, mask=fits)


@triton.jit
def hamming_within(
    codes,  # int32 (WORDS, stride): word-major, so that the first words of many rows lie together
    stride,
    alive,  # int8 (rows,)
    count,  # rows
    queries,  # int32 (n_queries, WORDS)
    radii,  # int32 (n_queries,)
    n_queries,  # a multiple of GROUP
    hit_rows,  # int32 (room,)
    hit_queries,  # int32 (room,)
    hit_distances,  # int32 (room,)
    counter,  # int32 (1,)
    room,
    WORDS: tl.constexpr,
    FIRST: tl.constexpr,  # words that show of most rows that they are too far
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
    HAS_POPC: tl.constexpr,
):
    """Rows at most `radii` bits from a query. The first words alone rule out nearly every row, exactly."""
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = rows < count
    at = codes + rows
    w0 = tl.load(at, mask=inside, other=0)
    w1 = tl.load(at + stride, mask=inside, other=0)
    w2 = w0
    w3 = w0
    w4 = w0
    w5 = w0
    w6 = w0
    w7 = w0
    if FIRST > 2:
        w2 = tl.load(at + 2 * stride, mask=inside, other=0)
    if FIRST > 3:
        w3 = tl.load(at + 3 * stride, mask=inside, other=0)
    if FIRST > 4:
        w4 = tl.load(at + 4 * stride, mask=inside, other=0)
    if FIRST > 5:
        w5 = tl.load(at + 5 * stride, mask=inside, other=0)
    if FIRST > 6:
        w6 = tl.load(at + 6 * stride, mask=inside, other=0)
    if FIRST > 7:
        w7 = tl.load(at + 7 * stride, mask=inside, other=0)
    for start in range(0, n_queries, GROUP):
        nearest = tl.full([BLOCK], 512, tl.int32)
        for place in tl.static_range(GROUP):
            query = queries + (start + place) * WORDS
            bits = bits_set(w0 ^ tl.load(query), HAS_POPC)
            bits += bits_set(w1 ^ tl.load(query + 1), HAS_POPC)
            if FIRST > 2:
                bits += bits_set(w2 ^ tl.load(query + 2), HAS_POPC)
            if FIRST > 3:
                bits += bits_set(w3 ^ tl.load(query + 3), HAS_POPC)
            if FIRST > 4:
                bits += bits_set(w4 ^ tl.load(query + 4), HAS_POPC)
            if FIRST > 5:
                bits += bits_set(w5 ^ tl.load(query + 5), HAS_POPC)
            if FIRST > 6:
                bits += bits_set(w6 ^ tl.load(query + 6), HAS_POPC)
            if FIRST > 7:
                bits += bits_set(w7 ^ tl.load(query + 7), HAS_POPC)
            nearest = tl.minimum(nearest, bits - tl.load(radii + start + place))
        if tl.min(tl.where(inside, nearest, 512), axis=0) <= 0:
            is_live = tl.load(alive + rows, mask=inside, other=0) != 0
            for member in range(GROUP):
                member_query = queries + (start + member) * WORDS
                exact = tl.zeros([BLOCK], tl.int32)
                for word in tl.static_range(WORDS):
                    row_word = tl.load(at + word * stride, mask=inside, other=0)
                    exact += bits_set(row_word ^ tl.load(member_query + word), HAS_POPC)
                is_hit = is_live & (exact <= tl.load(radii + start + member))
                if tl.max(is_hit.to(tl.int32), axis=0) > 0:
                    write_hits(
                        is_hit,
                        exact,
                        rows,
                        start + member,
                        hit_rows,
                        hit_queries,
                        hit_distances,
                        counter,
                        room,
                    )


@triton.jit
def hamming_within_by_products(
    codes,  # int32 (WORDS, stride)
    stride,
    alive,
    count,
    signs,  # int8 (n_queries, 32 * WORDS): the queries' bits as -1 and 1, bit 0 of word 0 first
    queries,  # int32 (n_queries, WORDS)
    radii,
    n_queries,  # a multiple of GROUP
    hit_rows,
    hit_queries,
    hit_distances,
    counter,
    room,
    WORDS: tl.constexpr,
    FIRST: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
    HAS_POPC: tl.constexpr,
):
    """As `hamming_within`, by products of signs, for large batches: distance = (bits - product) / 2."""
    FIRST_BITS: tl.constexpr = FIRST * 32
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = rows < count
    bit = tl.arange(0, FIRST_BITS)
    words = tl.load(codes + (bit // 32)[None, :] * stride + rows[:, None], mask=inside[:, None], other=0)
    row_signs = (((words >> (bit % 32)[None, :]) & 1) * 2 - 1).to(tl.int8)
    for start in range(0, n_queries, GROUP):
        group = start + tl.arange(0, GROUP)
        query_signs = tl.load(signs + group[None, :] * (32 * WORDS) + bit[:, None])
        # The product of a row at the radius is FIRST_BITS - 2 * radius: larger products are not ruled out.
        excess = tl.zeros([BLOCK, GROUP], tl.int32) + (2 * tl.load(radii + group) - FIRST_BITS)[None, :]
        excess = tl.dot(row_signs, query_signs, excess, out_dtype=tl.int32)
        if tl.max(tl.where(inside, tl.max(excess, axis=1), -1), axis=0) >= 0:
            is_live = tl.load(alive + rows, mask=inside, other=0) != 0
            per_query = tl.max(tl.where(inside[:, None], excess, -1), axis=0)
            for place in range(GROUP):
                if tl.sum(tl.where(tl.arange(0, GROUP) == place, per_query, 0), axis=0) >= 0:
                    query = queries + (start + place) * WORDS
                    exact = tl.zeros([BLOCK], tl.int32)
                    for word in tl.static_range(WORDS):
                        row_word = tl.load(codes + word * stride + rows, mask=inside, other=0)
                        exact += bits_set(row_word ^ tl.load(query + word), HAS_POPC)
                    is_hit = is_live & (exact <= tl.load(radii + start + place))
                    if tl.max(is_hit.to(tl.int32), axis=0) > 0:
                        write_hits(
                            is_hit,
                            exact,
                            rows,
                            start + place,
                            hit_rows,
                            hit_queries,
                            hit_distances,
                            counter,
                            room,
                        )


@triton.jit
def products_tile(
    rows,
    vectors,
    count,
    queries,
    group,
    n_queries,
    SIZE: tl.constexpr,
    STEP: tl.constexpr,
    BLOCK: tl.constexpr,
    GROUP: tl.constexpr,
):
    """float32 (BLOCK, GROUP) inner products of a block of rows and a group of queries."""
    total = tl.zeros([BLOCK, GROUP], tl.float32)
    for start in range(0, SIZE, STEP):
        part = start + tl.arange(0, STEP)
        row_part = tl.load(
            vectors + rows[:, None].to(tl.int64) * SIZE + part[None, :],
            mask=(rows < count)[:, None],
            other=0.0,
        )
        query_part = tl.load(
            queries + group[None, :] * SIZE + part[:, None], mask=(group < n_queries)[None, :], other=0.0
        )
        total = tl.dot(row_part, query_part, total)
    return total


@triton.jit
def best_products(
    vectors,  # float16 (capacity, SIZE)
    alive,  # int8 (capacity,)
    count,
    queries,  # float16 (n_queries, SIZE)
    n_queries,
    best,  # float32 (n_queries, blocks): the largest product in each block of rows
    blocks,
    SIZE: tl.constexpr,
    STEP: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The largest inner product in each block of rows, for every query."""
    groups = tl.cdiv(n_queries, GROUP)
    block = tl.program_id(0) // groups  # programs that run together share the rows: memory is read once
    rows = block * BLOCK + tl.arange(0, BLOCK)
    group = tl.program_id(0) % groups * GROUP + tl.arange(0, GROUP)
    total = products_tile(rows, vectors, count, queries, group, n_queries, SIZE, STEP, BLOCK, GROUP)
    is_live = tl.load(alive + rows, mask=rows < count, other=0) != 0
    total = tl.where(is_live[:, None], total, -4.0)
    tl.store(best + group.to(tl.int64) * blocks + block, tl.max(total, axis=0), mask=group < n_queries)


@triton.jit
def products_above(
    vectors,
    alive,
    count,
    blocks,  # int32: numbers of the blocks of rows to scan
    queries,
    n_queries,
    floors,  # float32 (n_queries,): the least product that is written out
    hit_rows,
    hit_queries,
    hit_products,  # float32 (room,)
    counter,
    room,
    SIZE: tl.constexpr,
    STEP: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Rows whose inner product with a query is at least its floor."""
    groups = tl.cdiv(n_queries, GROUP)
    rows = tl.load(blocks + tl.program_id(0) // groups) * BLOCK + tl.arange(0, BLOCK)
    group = tl.program_id(0) % groups * GROUP + tl.arange(0, GROUP)
    total = products_tile(rows, vectors, count, queries, group, n_queries, SIZE, STEP, BLOCK, GROUP)
    floor = tl.load(floors + group, mask=group < n_queries, other=8.0)
    is_hit = total >= floor[None, :]
    if tl.max(tl.max(is_hit.to(tl.int32), axis=1), axis=0) > 0:
        is_live = tl.load(alive + rows, mask=rows < count, other=0) != 0
        is_hit = is_hit & is_live[:, None]
        flags = tl.reshape(is_hit.to(tl.int32), [BLOCK * GROUP])
        found = tl.sum(flags, axis=0)
        if found > 0:
            first = tl.atomic_add(counter, found)
            places = first + tl.cumsum(flags, axis=0) - 1
            fits = (flags > 0) & (places < room)
            tl.store(
                hit_rows + places,
                tl.reshape(tl.broadcast_to(rows[:, None], [BLOCK, GROUP]), [BLOCK * GROUP]),
                mask=fits,
            )
            tl.store(
                hit_queries + places,
                tl.reshape(tl.broadcast_to(group[None, :], [BLOCK, GROUP]), [BLOCK * GROUP]),
                mask=fits,
            )
            tl.store(hit_products + places, tl.reshape(total, [BLOCK * GROUP]), mask=fits)
