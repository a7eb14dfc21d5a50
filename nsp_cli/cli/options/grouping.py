"""Options that belong together are the fields of one dataclass, which several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Command as Typer needs it: a parameter whose type is a dataclass becomes one parameter per field.

    Typer reads the signature and passes every option by name. The original command gets the dataclasses.
    """
    parameters = list(signature(command, eval_str=True).parameters.values())
    groups: dict[str, Any] = {
        each.name: each.annotation for each in parameters if is_dataclass(each.annotation)
    }

    @wraps(command)
    def ungrouped(**values: Any) -> None:
        filled = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**filled, **values)

    flat = [
        single.replace(kind=Parameter.KEYWORD_ONLY)
        for each in parameters
        for single in (_parameters(each.annotation) if each.name in groups else [each])
    ]
    ungrouped.__signature__ = Signature(flat)  # type: ignore[attr-defined]  # what inspect.signature reads
    ungrouped.__annotations__ = {each.name: each.annotation for each in flat}
    return ungrouped


def _parameters(group: type) -> list[Parameter]:
    types = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=types[field.name],
        )
        for field in fields(group)
    ]
