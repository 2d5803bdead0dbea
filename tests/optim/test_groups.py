"""Which parameters decay: each trainable one exactly once."""

import pytest
import torch
from torch import nn

from drivetrain.optim.groups import no_decay_groups


class RootMeanSquareNorm(nn.Module):
    """A user's own norm, known by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))


class Net(nn.Module):
    """One of everything."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.conv = nn.Conv2d(1, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.gn = nn.GroupNorm(2, 4)
        self.own = RootMeanSquareNorm()
        self.lstm = nn.LSTM(4, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.head = nn.Linear(4, 10)
        self.pos_embed = nn.Parameter(torch.zeros(1, 4))


def names(net: nn.Module, groups: list) -> list[set[str]]:
    by_id = {id(p): name for name, p in net.named_parameters()}
    return [{by_id[id(p)] for p in group["params"]} for group in groups]


def test_golden_split() -> None:
    net = Net()
    groups = no_decay_groups(net, weight_decay=0.1)
    decayed, exempt = names(net, groups)
    assert decayed == {
        "embed.weight",
        "conv.weight",
        "lstm.weight_ih_l0",
        "lstm.weight_hh_l0",
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "head.weight",
        "pos_embed",
    }
    assert exempt == {name for name, _ in net.named_parameters()} - decayed
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]


def test_every_trainable_parameter_once() -> None:
    net = Net()
    net.embed.weight.requires_grad_(False)
    found = [id(p) for group in no_decay_groups(net, weight_decay=1) for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in net.parameters() if p.requires_grad)


def test_also_by_name() -> None:
    net = Net()
    decayed, exempt = names(net, no_decay_groups(net, weight_decay=1, also=["embed"]))
    assert {"embed.weight", "pos_embed"} <= exempt
    assert "head.weight" in decayed


def test_tied_weights_once() -> None:
    net = Net()
    net.head.weight = nn.Parameter(net.embed.weight.detach())
    net.embed.weight = net.head.weight
    sizes = [p for group in no_decay_groups(net, weight_decay=1) for p in group["params"]]
    assert sum(p is net.head.weight for p in sizes) == 1


def test_shared_with_a_norm_does_not_decay() -> None:
    net = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4))
    net[1].extra = net[0].weight
    _, exempt = no_decay_groups(net, weight_decay=1)
    assert any(p is net[0].weight for p in exempt["params"])


def test_empty_group_is_left_out() -> None:
    assert len(no_decay_groups(nn.Linear(2, 2, bias=False), weight_decay=1)) == 1
    assert no_decay_groups(nn.LayerNorm(2), weight_decay=1)[0]["weight_decay"] == 0


def test_an_optimizer_takes_them_and_only_weights_shrink() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    before = [p.detach().clone() for p in net.parameters()]
    optimizer = torch.optim.SGD(no_decay_groups(net, weight_decay=0.5), lr=1.0)
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    weight, *others = net.parameters()
    torch.testing.assert_close(weight, 0.5 * before[0])
    assert all(torch.equal(p, old) for p, old in zip(others, before[1:]))


@pytest.mark.parametrize(
    ("net", "decay", "error", "words"),
    [
        (nn.Flatten(), 0.1, ValueError, "no trainable parameter"),
        (nn.Linear(1, 1), -0.1, ValueError, "weight_decay must be >= 0"),
        (nn.Linear(1, 1), float("nan"), ValueError, "weight_decay"),
        ([nn.Linear(1, 1)], 0.1, TypeError, "model must be a torch.nn.Module"),
    ],
)
def test_bad_input_is_named(net, decay, error, words) -> None:
    with pytest.raises(error, match=words):
        no_decay_groups(net, weight_decay=decay)
