import pytest
import ray

from objectives import InputError
from sweeps.execution.cluster import ray_cluster
from sweeps.spec import Resources


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (Resources(cpu=3), "resources.cpu: a trial needs 3, and this machine has 2"),
        (Resources(gpu=0.5), "resources.gpu: a trial needs 0.5, and this machine has 0"),
        (Resources(gpu="auto"), "resources.gpu: a trial needs 1, and this machine has 0"),
    ],
)
def test_more_than_this_machine_has_is_refused_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, resources: Resources, said: str
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(ray, "init", lambda *_, **__: None)
    with (
        pytest.raises(InputError, match=f"^{said}$"),
        ray_cluster(None, resources),
    ):
        pass
