"""Marks of the tests that follow from what they use."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tiny" in getattr(item, "fixturenames", ()):  # a sweep that a real Ray carries out
            item.add_marker(pytest.mark.ray)
