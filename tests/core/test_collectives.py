"""Collectives: nothing happens in one process, and the same bits arrive in two."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core import collectives

ALONE = """
import sys
import numpy as np
from drivetrain.core import collectives
array = np.arange(3.0)
total = collectives.all_sum(array)
collectives.barrier()
assert total is not array and total.tolist() == [0, 1, 2]
assert collectives.broadcast({"a": 1}) == {"a": 1}
assert (collectives.rank(), collectives.world_size(), collectives.is_main()) == (0, 1, True)
print("torch" in sys.modules)
"""
WORKER = """
import datetime, json, sys
import numpy as np
import torch.distributed as dist
from drivetrain.core import collectives

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group(
    "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2,
    timeout=datetime.timedelta(seconds=60),
)
rng = np.random.default_rng(rank)
floats = rng.normal(size=(3, 4))
kept = floats.copy()
summed = collectives.all_sum(floats)
# The same shape, laid out differently in each process.
fortran = np.array(np.arange(6.0).reshape(2, 3) * (rank + 1), order="CF"[rank])
answer = {
    "rank": collectives.rank(),
    "size": collectives.world_size(),
    "main": collectives.is_main(),
    "floats": summed.tobytes().hex(),
    "unchanged": bool((floats == kept).all()),
    "fortran": collectives.all_sum(fortran).tolist(),
    "reversed": collectives.all_sum(np.arange(3)[::-1]).tolist(),
    "integers": collectives.all_sum(np.array([2**62 * rank, 1])).tolist(),
    "scalar": float(collectives.all_sum(np.array(1.5))),
    "empty": collectives.all_sum(np.empty(0)).tolist(),
    "first": collectives.broadcast({"from": rank}),
    "second": collectives.broadcast({"from": rank}, source=1),
}
collectives.barrier()
with open(f"{folder}/{rank}.json", "w") as file:
    json.dump(answer, file)
dist.destroy_process_group()
"""


def test_alone_without_torch() -> None:
    out = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"


def test_alone_with_torch_imported() -> None:
    pytest.importorskip("torch.distributed")
    array = np.arange(3.0)
    total = collectives.all_sum(array)
    assert total.tolist() == [0.0, 1.0, 2.0]
    assert not np.shares_memory(total, array)
    assert collectives.world_size() == 1
    collectives.barrier()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    folder = tmp_path_factory.mktemp("processes")
    run = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(rank), str(folder)])
        for rank in range(2)
    ]
    assert [child.wait(120) for child in run] == [0, 0]
    return [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(2)]


def test_each_process_knows_its_place(answers: list[dict[str, object]]) -> None:
    assert [a["rank"] for a in answers] == [0, 1]
    assert [a["size"] for a in answers] == [2, 2]
    assert [a["main"] for a in answers] == [True, False]


def test_sums_are_the_same_bits_on_each(answers: list[dict[str, object]]) -> None:
    drawn = [np.random.default_rng(rank).normal(size=(3, 4)) for rank in range(2)]
    # Two addends have one order only: IEEE addition commutes.
    assert {a["floats"] for a in answers} == {(drawn[0] + drawn[1]).tobytes().hex()}
    assert all(a["unchanged"] for a in answers)


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("fortran", [[0.0, 3.0, 6.0], [9.0, 12.0, 15.0]]),
        ("reversed", [4, 2, 0]),
        ("integers", [2**62, 2]),
        ("scalar", 3.0),
        ("empty", []),
        ("first", {"from": 0}),
        ("second", {"from": 1}),
    ],
)
def test_what_arrives(answers: list[dict[str, object]], name: str, total: object) -> None:
    assert [a[name] for a in answers] == [total, total]
