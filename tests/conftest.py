"""Marks of the tests that follow from what they use, and which of them keep to one process."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tiny" in getattr(item, "fixturenames", ()):  # a sweep that a real Ray carries out
            item.add_marker(pytest.mark.ray)
        if item.get_closest_marker("ray"):  # two at a time would share the cores
            item.add_marker(pytest.mark.xdist_group("ray"))
