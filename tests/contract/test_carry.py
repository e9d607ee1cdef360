"""The carry file: comes back as it was written, and a torn or altered one is known as such."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.carry import (
    CarriedBatch,
    CarryError,
    CarryHeader,
    is_carry,
    read_carry,
    read_header,
    verify_carry,
    write_carry,
)

BATCHES = [CarriedBatch(seq, "metric", bytes([seq]) * (100 * seq)) for seq in range(1, 6)]


def header(count=5, **changes):
    return CarryHeader(**{
        "site": "site-a", "device": "car-1", "epoch": "e1", "count": count, "taken": 9, "written_ns": 1, **changes
    })  # fmt: skip


def whole(batches=BATCHES, head=None):
    file = io.BytesIO()
    size = write_carry(file, head or header(len(batches)), batches)
    assert size == len(file.getvalue())
    return file.getvalue()


@pytest.fixture
def path(tmp_path):
    """Where the file lies."""
    return tmp_path / "a.jissho"


def test_a_file_comes_back_as_it_was_written(path):
    """Header and records are the same, and the first bytes tell what it is."""
    path.write_bytes(whole())

    assert is_carry(path)
    assert verify_carry(path) == read_header(path) == header()
    assert list(read_carry(path)) == BATCHES


def test_an_empty_outbox_makes_a_file_without_records(path):
    """No batches are a whole file too."""
    path.write_bytes(whole([]))

    assert verify_carry(path).count == 0
    assert list(read_carry(path)) == []


@pytest.mark.parametrize("content", [b"", b"PING 192.0.2.1", b'{"v":1}', b'{"jissho_carry":'])
def test_other_files_are_not_taken_for_one(path, content):
    """An empty file, a ping log, a JSON payload and a bare magic are refused in one line."""
    path.write_bytes(content)

    with pytest.raises(CarryError, match="a.jissho"):
        verify_carry(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"jissho_carry": 2}, "update jissho"), ({"site": "../x"}, "damaged"), ({"device": "a/b"}, "damaged")],
)
def test_headers_of_another_version_or_with_names_unfit_for_a_topic_are_refused(path, change, words):
    """A header may not steer a batch to a foreign topic."""
    path.write_bytes(whole(head=header(**change)))

    with pytest.raises(CarryError, match=words):
        verify_carry(path)


@given(data=st.data())
def test_every_tear_is_found_and_the_records_before_it_are_whole(tmp_path_factory, data):
    """Cut anywhere: refused as a whole, and what is read from it is a beginning of what was written."""
    content = whole()
    cut = data.draw(st.integers(0, len(content) - 1))
    path = tmp_path_factory.mktemp("carry") / "a.jissho"
    path.write_bytes(content[:cut])

    with pytest.raises(CarryError):
        verify_carry(path)
    if b"\n" in content[:cut]:
        read = list(read_carry(path))
        assert read == BATCHES[: len(read)]


@given(data=st.data())
def test_every_altered_byte_is_found(tmp_path_factory, data):
    """Change any one byte: refused as a whole, and no changed record is ever read from it."""
    content = bytearray(whole())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("carry") / "a.jissho"
    path.write_bytes(content)

    with pytest.raises(CarryError):
        verify_carry(path)
    if place > whole().index(b"\n"):
        read = list(read_carry(path))
        assert read == BATCHES[: len(read)]


def test_bytes_behind_the_end_are_an_alteration(path):
    """A file that was added to is not the file that was written."""
    path.write_bytes(whole() + b"x")

    with pytest.raises(CarryError, match="altered"):
        verify_carry(path)


def test_the_message_says_how_much_of_a_torn_file_is_whole(path):
    """Whoever holds the stick hears how many batches are whole, and of --partial."""
    path.write_bytes(whole()[:-32][:-10])

    with pytest.raises(CarryError, match="after 4 of 5 batches.*--partial"):
        verify_carry(path)


def test_a_count_that_does_not_hold_is_an_error_of_the_writer():
    """The header is written first, so what follows must keep its word."""
    with pytest.raises(ValueError, match="5 batches where the header says 4"):
        write_carry(io.BytesIO(), header(4), BATCHES)
