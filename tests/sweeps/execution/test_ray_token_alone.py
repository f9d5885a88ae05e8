"""Token of a cluster without a Ray: what is sent, and what is said, whatever the head answers."""

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from objectives import InputError
from sweeps.execution.ray_token import use_token

Heads = Callable[..., None]

pytestmark = pytest.mark.skipif(
    not hasattr(ray.exceptions, "AuthenticationError"), reason="this Ray has no tokens"
)


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Heads:
    """Let the raylet be one of a head that asks for a token, or for none."""

    def set_head(
        *, here: str | None, wanted: str | None, mode: str = "", gone: bool = False
    ) -> None:
        loaded = set[str]()

        def has_token(ignore_auth_mode: bool) -> bool:
            assert ignore_auth_mode
            loaded.add("token")
            if here == "missing file":
                raise ray.exceptions.AuthenticationError("no such file")
            return here is not None

        def connect(address: str) -> None:
            assert not loaded  # it would be asked for of the head, too
            assert address == "127.0.0.1:1"
            sent = here if os.environ.get("RAY_AUTH_MODE") == "token" else None
            if gone:
                raise ray.exceptions.RpcError("nothing there")
            if wanted not in (None, sent):
                raise ray.exceptions.AuthenticationError("refused")

        loader = SimpleNamespace(reset_cache=lambda: loaded.clear(), has_token=has_token)
        raylet = SimpleNamespace(
            AuthenticationTokenLoader=SimpleNamespace(instance=lambda: loader),
            Config=SimpleNamespace(initialize=lambda _: None),
            GcsClient=connect,
        )
        monkeypatch.setattr(ray, "_raylet", raylet)
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
        if not mode:
            monkeypatch.delenv("RAY_AUTH_MODE")

    return set_head


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({"here": None, "wanted": None}, None),
        ({"here": "a", "wanted": None}, None),  # sent only where it is asked for
        ({"here": "a", "wanted": "a"}, "token"),
        ({"here": "a", "wanted": "a", "mode": "token"}, "token"),
    ],
)
def test_a_cluster_lets_in(head: Heads, settings: dict[str, Any], mode: str | None) -> None:
    head(**settings)
    use_token("127.0.0.1:1")
    assert os.environ.get("RAY_AUTH_MODE") == mode


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"here": None, "wanted": "a"}, "asks for a token, and there is none here: set RAY_AUTH_M"),
        ({"here": "missing file", "wanted": "a"}, "asks for a token, and there is none here: set"),
        ({"here": "b", "wanted": "a"}, "asks for a token, and refuses the one that is here: set "),
        (
            {"here": "a", "wanted": "a", "mode": "disabled"},
            "token, and RAY_AUTH_MODE is 'disabled'",
        ),
        ({"here": None, "wanted": None, "mode": "token"}, "is 'token', and there is no token here"),
        ({"here": None, "wanted": None, "gone": True}, "no Ray at '127.0.0.1:1' "),
    ],
)
def test_a_cluster_that_does_not_is_said_in_a_sentence(
    head: Heads, settings: dict[str, Any], said: str
) -> None:
    head(**settings)
    with pytest.raises(InputError, match=said):
        use_token("127.0.0.1:1")
    assert os.environ.get("RAY_AUTH_MODE") == settings.get("mode")


def test_a_ray_without_tokens_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "_raylet", SimpleNamespace())
    use_token("127.0.0.1:1")
