from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest

from accounts.dashboard.chart import FOOT, HEIGHT, STROKED, Level, draw

MONDAY = date(2026, 11, 16)
WEEKS = [MONDAY - timedelta(weeks=back) for back in range(19, -1, -1)]


@pytest.mark.parametrize("largest", [1, 2, 3, 7, 26, 60, 999, 12_345])
def test_a_chart_of_any_height_fits_and_has_few_lines(largest):
    chart = draw(WEEKS, {MONDAY: {Level.VERIFIED: largest}}, 5)
    assert 2 <= len(chart.lines) <= 5
    assert all(rect.y > 16 and rect.y + rect.height <= FOOT <= HEIGHT for rect in chart.rects)


def test_levels_are_stacked_strongest_at_the_foot_with_a_gap():
    counts = dict.fromkeys(Level, 10)
    rects = draw(WEEKS, {MONDAY: counts}, 5).rects
    assert [rect.level for rect in rects] == [1, 2, 3, 4]
    edges = [
        (rect.y - inset, rect.y + rect.height + inset)
        for rect in rects
        for inset in [0.5 if rect.level in STROKED else 0]
    ]
    gaps = [below[0] - above[1] for below, above in pairwise(edges)]
    assert gaps == [1, 1, 1]


def test_a_single_copy_among_many_can_still_be_seen():
    rects = draw(WEEKS, {MONDAY: {Level.VERIFIED: 5000, Level.PLAIN: 1}}, 5).rects
    assert min(rect.height for rect in rects) >= 2


def test_weeks_are_named_by_their_first_day_and_the_running_one_is_now():
    labels = [label.text for label in draw(WEEKS, {}, 5).labels]
    assert labels[0] == "6 Jul"
    assert labels[4] == "3 Aug"
    assert labels[-2:] == ["9", "Now"]
