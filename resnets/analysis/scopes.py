"""From the scope paths that JAX writes into a program to layers and phases.

JAX names an operation by the functions, transformations and modules around it, such as
`jit(train_step)/transpose(jvp(ResNet))/stage1/block0/block0._branch/conv1/conv_general_dilated`.
"""

import dataclasses
import re
from collections.abc import Iterable

PHASES = ("forward", "backward", "optimizer", "other")

_WRAPPER = re.compile(
    r"(jvp|transpose|vmap|jit|pjit|checkpoint|remat|shard_map)\((.*)\)", re.DOTALL
)
_CONTROL = re.compile(
    r"while|body|cond|closed_call|core_call|branch_\d+_fun|remat2?|checkpoint|"
    r"rematted_computation|custom_[jv][vj]p_call\w*|pjit|scan|named_call"
)
OPTIMIZER = "optimizer"


@dataclasses.dataclass(frozen=True)
class Scope:
    """Where an operation comes from.

    Attributes:
      modules: the path of the module, or of named scopes; empty at the root.
      phase: one of `PHASES`.
      recomputed: it repeats forward work in the backward pass (rematerialisation).
      function: the innermost jitted function, or the primitive, for what has no module.
    """

    modules: tuple[str, ...]
    phase: str
    recomputed: bool
    function: str


def split(name: str) -> list[str]:
    """Split at slashes that are not inside parentheses."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(name):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "/" and not depth:
            parts.append(name[start:index])
            start = index + 1
    return [*parts, name[start:]]


class Scopes:
    """Resolves names; remembers those it has seen."""

    def __init__(self, root: str, modules: Iterable[tuple[str, ...]], training: bool) -> None:
        """Know the network.

        Args:
          root: the class name of the network.
          modules: paths of its modules; their names are never mistaken for JAX's own.
          training: the program has phases; otherwise everything is `forward`.
        """
        self._root, self._training = root, training
        self._modules = frozenset(modules)
        self._seen: dict[str, Scope] = {}

    def resolve(self, name: str) -> Scope:
        """Resolve the full name of an operation, whose last part is its primitive."""
        if name not in self._seen:
            self._seen[name] = self._resolve(name)
        return self._seen[name]

    def _resolve(self, name: str) -> Scope:
        *parts, primitive = split(name)
        path: list[str] = []
        wrappers: set[str] = set()
        function = primitive
        for place, part in enumerate(parts):
            inner = part
            jitted = False
            while match := _WRAPPER.fullmatch(inner):
                wrappers.add(match[1])
                jitted = match[1] in ("jit", "pjit")
                inner = match[2]
            if inner == "rematted_computation":
                wrappers.add(inner)
            if jitted:
                function = inner if place else function
            elif self._names_something(inner, path):
                path.append(inner)
        return Scope(
            tuple(path), self._phase(wrappers, path), "rematted_computation" in wrappers, function
        )

    def _names_something(self, part: str, path: list[str]) -> bool:
        if not part or (part == self._root and not path):
            return False
        if (*path, part) in self._modules:
            return True
        owner, dot, _ = part.partition(".")
        if dot and (owner == (path[-1] if path else self._root) or (*path, owner) in self._modules):
            return False  # a method of the module that we are in, or are about to enter
        return bool(part.isidentifier()) and not _CONTROL.fullmatch(part)

    def _phase(self, wrappers: set[str], path: list[str]) -> str:
        if not self._training:
            return "forward"
        if "transpose" in wrappers:
            return "backward"
        if "jvp" in wrappers:
            return "forward"
        return "optimizer" if path and path[0] == OPTIMIZER else "other"
