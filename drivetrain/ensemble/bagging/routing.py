"""Where a bag sends the metadata its methods are given."""

from collections.abc import Mapping
from typing import Any

from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)

from drivetrain.ensemble.copies import offers


def router(owner: Any, prototype: Any) -> MetadataRouter:
    """Return the routes from a bag's methods to those of its members.

    Args:
        owner: The bag.
        prototype: What its members are copies of.
    """
    shares = "predict_proba" if offers(prototype, "predict_proba") else "predict"
    logs = "predict_log_proba" if offers(prototype, "predict_log_proba") else shares
    mapping = MethodMapping()
    for caller, callee in (
        ("fit", "fit"),
        ("decision_function", "decision_function"),
        ("predict", shares),
        ("predict_proba", shares),
        ("predict_log_proba", logs),
    ):
        mapping.add(caller=caller, callee=callee)
    return MetadataRouter(owner=owner).add(estimator=prototype, method_mapping=mapping)


def routed(owner: Any, method: str, given: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return what each method of the members is given.

    Args:
        owner: The bag.
        method: Which of its methods was called.
        given: With what.

    Raises:
        ValueError: Something was given while routing is off.
    """
    _raise_for_params(given, owner, method)
    if not _routing_enabled():
        return {}
    ways: Mapping[str, Mapping[str, Any]] = process_routing(owner, method, **given).estimator
    return ways


def enabled() -> bool:
    """Return whether scikit-learn's routing of metadata is on."""
    return bool(_routing_enabled())
