"""Chunks give back what was put into them, to the last bit, and refuse what is none."""

import base64
import hashlib
import json
import math
import struct
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics import columns
from apps.metrics.chunks import HEAD, SUM, VERSION, Stretch, UnknownChunk, joined, pack, summed, unpack, unpack_all

START = 1_790_000_000_000
DECIMALS = st.integers(-(10**9), 10**9).flatmap(lambda n: st.sampled_from([n / 10**p for p in (0, 1, 2, 3, 4, 6, 9)]))
NUMBERS = st.one_of(st.floats(), DECIMALS, st.just(-0.0), st.just(math.nan), st.integers(0, 3).map(float))


@st.composite
def stretches(draw: st.DrawFn) -> Stretch:
    """Regular and irregular times, a few columns of every kind of number."""
    count = draw(st.integers(0, 60))
    step = st.just(10_000) if draw(st.booleans()) else st.integers(1, 10**10)
    steps = draw(st.lists(step, min_size=count, max_size=count))
    columns = draw(st.lists(st.lists(NUMBERS, min_size=count, max_size=count), min_size=1, max_size=5))
    times = START + np.cumsum(np.array(steps, np.int64))
    return Stretch(times, tuple(np.array(column, np.float64) for column in columns))


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal bits, but for NaN, of which there is only one here."""
    missing = np.isnan(one)
    return bool((missing == np.isnan(other)).all()) and one[~missing].tobytes() == other[~missing].tobytes()


@given(stretches())
def test_what_was_packed_comes_back_to_the_last_bit(stretch: Stretch) -> None:
    packed = pack(stretch)
    found = unpack(packed)
    assert (found.times == stretch.times).all()
    assert len(found.columns) == len(stretch.columns)
    assert all(map(same, stretch.columns, found.columns))
    assert pack(found) == packed  # sealing an hour again gives the same bytes


@given(stretches(), st.sets(st.integers(0, 4)))
def test_only_the_columns_that_are_wanted_are_unpacked(stretch: Stretch, wanted: set[int]) -> None:
    found = unpack(pack(stretch), wanted)
    there = [column for place, column in enumerate(stretch.columns) if place in wanted]
    assert len(found.columns) == len(there)
    assert all(map(same, there, found.columns))


@given(stretches(), st.integers(0, 200), st.integers(0, 60))
def test_a_part_that_is_put_in_again_replaces_itself(stretch: Stretch, first: int, length: int) -> None:
    if not len(stretch.times):
        return
    start = int(stretch.times[0]) + first * 10_000
    end = start + length * 10_000
    low, high = np.searchsorted(stretch.times, (start, end))
    part = Stretch(stretch.times[low:high], tuple(column[low:high] for column in stretch.columns))
    assert pack(joined(stretch, [part], start, end)) == pack(stretch)


@given(st.binary(max_size=80))
def test_bytes_that_are_no_chunk_are_refused(noise: bytes) -> None:
    with pytest.raises(UnknownChunk):
        unpack(struct.pack("<B", VERSION + 1) + noise)


@given(stretches(), st.data())
def test_a_damaged_chunk_is_refused(stretch: Stretch, data: st.DataObject) -> None:
    packed = bytearray(pack(stretch))
    if data.draw(st.booleans()):
        del packed[data.draw(st.integers(0, len(packed) - 1)) :]
    else:
        place = data.draw(st.integers(0, len(packed) - 1))
        packed[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(UnknownChunk):
        unpack(bytes(packed))


@given(stretches(), st.data())
def test_a_damaged_chunk_whose_sum_agrees_is_refused_or_read_but_breaks_nothing(
    stretch: Stretch, data: st.DataObject
) -> None:
    packed = bytearray(pack(stretch)[: -SUM.size])
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(UnknownChunk):
        unpack(summed(bytes(packed[: data.draw(st.integers(0, len(packed)))])))


def _bomb(kind: str) -> bytes:
    """A few kilobytes that say, or become, hundreds of megabytes."""
    squeezer = zlib.compressobj(wbits=-15)
    deflated, many = squeezer.compress(bytes(10**8)) + squeezer.flush(), zlib.compress(bytes(10**8))
    mask, number = struct.pack("<I", len(many)) + many, bytes(8)
    return {
        "planes": HEAD.pack(1, 0, 1, 10, 0, 10_000) + columns.HEAD.pack(1, 0, 1, len(deflated)) + deflated,
        "bits": summed(HEAD.pack(2, 0, 1, 10, 0, 10_000) + columns.HEAD.pack(16, 0, 8, len(mask) + 8) + mask + number),
        "columns": summed(HEAD.pack(2, 0, 90, 10**6, 0, 10_000) + (columns.HEAD.pack(0, 0, 8, 8) + number) * 90),
    }[kind]


@pytest.mark.parametrize("kind", ["planes", "bits", "columns"])
def test_bytes_that_would_become_very_many_are_refused_before_they_do(kind: str) -> None:
    bomb = _bomb(kind)
    tracemalloc.start()
    try:
        with pytest.raises(UnknownChunk):
            unpack(bomb)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_times_must_rise_and_columns_be_as_long() -> None:
    with pytest.raises(ValueError, match="rise"):
        pack(Stretch(np.array([2, 1], np.int64), (np.zeros(2),)))
    with pytest.raises(ValueError, match="as long"):
        pack(Stretch(np.array([1, 2], np.int64), (np.zeros(3),)))


def test_a_number_that_never_changes_costs_next_to_nothing() -> None:
    times = START + np.arange(2160, dtype=np.int64) * 10_000
    assert len(pack(Stretch(times, (np.full(2160, 0.123456789),)))) < 2 * HEAD.size + SUM.size
    counts = (np.arange(2160) % 4 + 100).astype(np.float64)
    assert len(pack(Stretch(times, (counts,)))) < 100


def test_noise_stands_as_it_is_and_comes_back_with_what_was_packed_before_that() -> None:
    rng = np.random.default_rng(5)
    times = START + np.arange(2160, dtype=np.int64) * 10_000
    noisy = Stretch(times, (np.where(rng.random(2160) < 0.3, np.nan, rng.random(2160)),))
    packed = pack(noisy)
    assert same(unpack(packed).columns[0], noisy.columns[0])
    assert packed[HEAD.size] == 3 | 16 | 32 | 64  # bits, with a mask, split, sparse
    quiet = Stretch(times, (np.where(times > START + 10**7, 1 / 3, 2 / 3),))
    assert same(unpack(pack(quiet)).columns[0], quiet.columns[0])
    assert len(pack(quiet)) < 120


OLD = json.loads(Path(__file__).with_name("chunks_of_version_1.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", OLD)
def test_chunks_that_were_deflated_are_read_alone_and_among_new_ones(name: str) -> None:
    packed, digest = base64.b64decode(OLD[name]["packed"]), OLD[name]["sha256"]
    assert packed[0] == 1
    alone = unpack(packed)
    assert len(alone.columns) == OLD[name]["columns"]
    for found in (alone, unpack_all([pack(alone), packed])[1], unpack(pack(alone))):
        parts = (found.times, *found.columns)
        assert hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest() == digest


@given(st.lists(stretches(), max_size=4), st.data())
def test_many_chunks_at_once_are_what_each_is_alone(many: list[Stretch], data: st.DataObject) -> None:
    packed = [pack(stretch) for stretch in many]
    wanted = data.draw(st.none() | st.sets(st.integers(0, 4)))
    found = unpack_all(packed, wanted)
    assert len(found) == len(many)
    for one, alone in zip(found, (unpack(each, wanted) for each in packed), strict=True):
        assert (one.times == alone.times).all()
        assert len(one.columns) == len(alone.columns)
        assert all(map(same, alone.columns, one.columns))


def test_of_many_chunks_the_damaged_one_is_named() -> None:
    times = START + np.arange(100, dtype=np.int64) * 10_000
    good = [pack(Stretch(times, (np.sin(times + n),))) for n in range(3)]
    cut = good[1][:-9]
    with pytest.raises(UnknownChunk, match=f"{len(cut)} bytes"):
        unpack_all([good[0], cut, good[2]])


def test_numbers_that_are_missing_or_repeat_the_one_before_are_not_written_again() -> None:
    rng = np.random.default_rng(6)
    numbers = rng.random(2160)
    lengths = (2160, 700, 1440)
    times = START + np.arange(2160, dtype=np.int64) * 10_000
    half = [np.where(rng.random(n) < 0.5, np.nan, numbers[:n]) for n in lengths]
    thrice = [np.repeat(numbers, 3)[:n] for n in lengths]
    packed = [pack(Stretch(times[: len(one)], (one,))) for one in (*half, *thrice)]
    for one, found in zip((*half, *thrice), unpack_all(packed), strict=True):
        assert same(found.columns[0], one)
    whole = len(pack(Stretch(times, (numbers,))))
    assert len(packed[0]) < 0.55 * whole
    assert len(packed[3]) < 0.38 * whole


def test_a_chunk_of_floats_that_was_packed_whole_is_read() -> None:
    numbers = np.array([1 / 3, 2 / 3, 1 / 7])
    bits = numbers.view(np.int64).copy()
    bits[1:] ^= numbers.view(np.int64)[:-1]
    planes = np.ascontiguousarray(bits.view(np.uint8).reshape(-1, 8).T).tobytes()
    body = zlib.compress(planes, 6, wbits=-15)
    packed = HEAD.pack(1, 0, 1, 3, START, 10_000) + columns.HEAD.pack(3, 0, 8, len(body)) + body
    assert same(unpack(packed).columns[0], numbers)
