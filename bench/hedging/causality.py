"""The test that a policy knows only the past: what comes later is replaced, and earlier decisions must not change."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from bench.hedging.black_box import SIMULATE, Setting, simulate, write_rows
from bench.hedging.populations import Population, Rows
from bench.judge_hedging import Answered, Asked, answered, asked, reasons

AFTER = 2_000  # rows kept behind a cut


class Decisions(NamedTuple):
    """What a run decided, and its words for that."""

    answers: Answered
    reasons: list[str]


def leaks(
    population: Population, setting: Setting, seed: int, count: int, command: tuple[str, ...] = SIMULATE
) -> dict[int, int]:
    """Return, for each of three cuts in *count* requests, how many earlier decisions changed with what came later."""
    chance = np.random.default_rng(seed)
    rows = population.rows(chance, count)
    cuts = [int(chance.integers(count * third // 3 + 1, count * (third + 1) // 3)) for third in range(3)]
    with tempfile.TemporaryDirectory() as folder:
        first, second, out = (Path(folder, name) for name in ("in.csv", "other.csv", "out.csv"))
        write_rows(first, rows)
        simulate(first, out, setting, seed, command)
        questions = asked(first)
        before = Decisions(answered(out, questions), reasons(out))
        found = {}
        for cut in cuts:
            write_rows(second, replaced(rows, before.answers, cut, population, chance))
            simulate(second, out, setting, seed, command)
            after = Decisions(answered(out, asked(second)), reasons(out))
            found[cut] = changed(questions, before, after, cut)
        return found


def replaced(rows: Rows, answers: Answered, cut: int, population: Population, chance: Generator) -> Rows:
    """Return *rows* up to *cut* with other requests behind it, and another future for those under way at that instant.

    A lane that runs then has told only its age, so it gets another time above that; one that has not begun, any.
    """
    others = population.rows(chance, min(len(rows), cut + AFTER))
    now = rows.arrival[cut]
    arrival = np.concatenate((rows.arrival[:cut], now + others.arrival[cut:] - others.arrival[cut]))
    open_still = rows.arrival[:cut] + answers.latency[:cut] > now
    lanes = []
    for lane, (times, other) in enumerate(zip(rows.lanes, others.lanes, strict=True)):
        begun = rows.arrival[:cut] + (lane * np.nan_to_num(answers.delay[:cut], nan=np.inf) if lane else 0.0)
        age = np.where((answers.hedged[:cut] >= lane) & (begun < now), now - begun, 0.0)
        lanes.append(np.concatenate((np.where(open_still, age + other[:cut], times[:cut]), other[cut:])))
    tokens = np.concatenate((rows.tokens[:cut], others.tokens[cut:]))
    return Rows(np.round(arrival, 9), tokens, tuple(np.round(times, 9) for times in lanes))


def changed(questions: Asked, before: Decisions, after: Decisions, cut: int) -> int:
    """Count the decisions before request *cut* that differ.

    A delay is decided when its request arrives; whether hedges start, when they are due or the request is answered;
    reasons are compared once it is.
    """
    now, arrival = questions.arrival[cut], questions.arrival[:cut]
    one, other = before.answers.delay[:cut], after.answers.delay[:cut]
    plans = ~((one == other) | (np.isnan(one) & np.isnan(other)))
    last = np.nan_to_num(one, nan=0.0) * (len(questions.lanes) - 1)
    ended = arrival + before.answers.latency[:cut]
    due = np.minimum(arrival + last, ended) < now
    starts = (before.answers.hedged[:cut] != after.answers.hedged[:cut]) & due
    pairs = zip(before.reasons[:cut], after.reasons[:cut], strict=True)
    words = np.fromiter((left != right for left, right in pairs), bool, cut) & (ended < now)
    return int(np.sum(plans | starts | words))
