"""Draws faults by a seed and strikes the running line with them, one by one; checks the promises after each."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.e2e.faults.catalogue import FAULTS, Fault
from tests.e2e.faults.invariants import Proof
from tests.e2e.faults.stage import Stage


@dataclass
class Outcome:
    """What was survived. `failure` names fault and promise where one was broken."""

    seed: int
    survived: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    rows: int = 0
    dropped_by_quota: int = 0
    seconds: float = 0.0
    failure: str = ""


def draw(random: Random, count: int | None) -> list[Fault]:
    """Return `count` faults: every kind once in random order, then by weight. None: one round of them."""
    first = random.sample(FAULTS, len(FAULTS))
    if count is None:
        return first
    more = random.choices(FAULTS, [fault.weight for fault in FAULTS], k=max(count - len(first), 0))
    return [*first, *more][:count]


def drive(
    folder: Path, seed: int, *, count: int | None = None, until_s: float | None = None,
    report: Callable[[str], None] = lambda _text: None, server_url: str = "",
) -> Outcome:  # fmt: skip
    """Strike with `count` faults, or as many as fit before `until_s` (monotonic). Stops at the first broken promise."""
    random = Random(seed)
    outcome = Outcome(seed)
    started = time.monotonic()
    with Stage(folder, server_url) as stage:
        proof = Proof(stage)
        proof.check()
        rounds = [draw(random, count)]
        while rounds[-1]:
            for number, fault in enumerate(rounds[-1], start=1):
                if until_s is not None and time.monotonic() > until_s:
                    rounds.append([])
                    break
                began = time.monotonic()
                try:
                    fault.strike(stage, proof, random)
                    stage.revive()
                    proof.check()
                except (AssertionError, TimeoutError, OSError) as error:
                    outcome.failure = f"seed {seed}, fault {number} ({fault.name}): {type(error).__name__}: {error}"
                    break
                outcome.survived[fault.name] += 1
                report(f"{number:4d} {fault.name}: {time.monotonic() - began:.2f} s, {proof.rows} rows")
            rounds.append([] if until_s is None or outcome.failure or not rounds[-1] else draw(random, None))
        outcome.batches, outcome.rows, outcome.dropped_by_quota = proof.batches, proof.rows, proof.dropped
    outcome.seconds = time.monotonic() - started
    return outcome
