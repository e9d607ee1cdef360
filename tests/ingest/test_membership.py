"""Places in a group of ingest processes: each process its own, and the next start gets the one that is free."""

import socket
import subprocess
import sys
import uuid

from ingest.membership import Membership

HOLDER = """
import sys
from ingest.membership import Membership
member = Membership(sys.argv[1])
print(member.name, flush=True)
input()
"""


def test_each_member_has_a_name_of_its_own_and_the_next_start_gets_it_again():
    """Places are counted from 0; the lowest that was given up is taken first, and groups do not mix."""
    group = f"g{uuid.uuid4().hex[:8]}"
    first, second, other = Membership(group), Membership(group), Membership(f"{group}-b")
    host = socket.gethostname()
    assert [f"{group}-{host}-0", f"{group}-{host}-1", f"{group}-b-{host}-0"] == [
        each.name for each in (first, second, other)
    ]
    first.leave()
    again = Membership(group)
    assert again.name == first.name
    for each in (second, other, again):
        each.leave()


def test_a_killed_process_gives_its_place_up():
    """However it ends: no lock is left behind, and while it lives nobody else gets its place."""
    group = f"g{uuid.uuid4().hex[:8]}"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, group], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        name = holder.stdout.readline().strip()
        beside = Membership(group)
        holder.kill()
        holder.wait(10)
    after = Membership(group)

    assert name != beside.name
    assert name == after.name
    beside.leave()
    after.leave()
