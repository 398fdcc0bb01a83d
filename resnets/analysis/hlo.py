"""A compiled HLO module as plain data, read from its serialised form.

jaxlib's binding of a module gives opcodes and operands of instructions, but neither shapes nor
scope paths; the protocol buffer has everything, on every backend, and its field numbers are for
ever. What is needed of `xla/service/hlo.proto` and `xla/xla_data.proto` is declared here; other
fields are carried along unread.
"""

import dataclasses
import functools
import json
import math
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from resnets.analysis.symbols import AnalysisError

_FIELDS = {
    "Module": "name=1 entry_computation_name=2 computations=3*Computation "
    "host_program_shape=4:Program entry_computation_id=6# schedule=7:Schedule",
    "Computation": "name=1 instructions=2*Instruction program_shape=4:Program id=5# root_id=6#",
    "Instruction": "name=1 opcode=2 shape=3:Shape metadata=7:Metadata parameter_number=9# "
    "fusion_kind=11 tuple_index=13# window=15:Window custom_call_target=28 id=35# operand_ids=36*# "
    "called_computation_ids=38*# control_predecessor_ids=37*# backend_config=43",
    "Shape": "element_type=2# dimensions=3*# tuple_shapes=4*Shape layout=5:Layout",
    "Layout": "minor_to_major=1*# tiles=6*Tile element_size_in_bits=7# memory_space=8#",
    "Tile": "dimensions=1*#",
    "Window": "dimensions=1*Side",
    "Side": "size=1#",
    "Metadata": "op_name=2",
    "Program": "parameters=1*Shape result=2:Shape parameter_names=3*",
    "Schedule": "sequences=1*Entry",
    "Entry": "key=1# value=2:Sequence",
    "Sequence": "instruction_ids=1*#",
}
"""`name=number`, then `*` if repeated and `#` for whole numbers or a message; bytes otherwise."""

_TUPLE = 13
_BITS = {
    **dict.fromkeys((1, 2, 6, 19, 20, 23, 24, 25, 28, 29, 33), 8),  # pred, s8, u8, the f8s
    **dict.fromkeys((3, 7, 10, 16), 16),
    **dict.fromkeys((4, 8, 11), 32),
    **dict.fromkeys((5, 9, 12, 15), 64),
    **dict.fromkeys((18,), 128),
    **dict.fromkeys((21, 22, 26, 27, 30, 31, 32), 8),  # narrow types, unless the layout packs them
    **dict.fromkeys((14, 17), 0),  # opaque values and tokens
}
"""Stored bits by `PrimitiveType`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
      id: unlike any other in the module.
      name: unlike any other in the module.
      opcode: as in HLO text.
      detail: kind of a fusion or target of a custom call.
      sizes: bytes of the arrays of its result, the padding of tiled layouts included.
      operands: identities.
      op_name: the scope path that JAX gave it.
      called: identities of the computations that it names.
      rounds: of a loop, where the compiler knows them.
      place: of a parameter among its computation's, of an element in its tuple.
      taps: positions of its window; 1 without one.
      spaces: of memory that the arrays of its result lie in; 0 is the device's main memory.
      config: remarks of the backend, JSON on most.
    """

    id: int
    name: str
    opcode: str
    detail: str
    sizes: tuple[int, ...]
    operands: tuple[int, ...]
    op_name: str
    called: tuple[int, ...]
    rounds: int | None
    place: int = 0
    taps: int = 1
    spaces: tuple[int, ...] = ()
    config: bytes = b""

    @property
    def bytes(self) -> int:
        """Of all arrays of the result."""
        return sum(self.sizes)


@dataclasses.dataclass(frozen=True)
class Computation:
    """Instructions by identity, in the order of the schedule, and the one that gives the result."""

    instructions: dict[int, Instruction]
    root: int


class Module:
    """Computations by identity; the program begins at `entry`."""

    def __init__(self, serialised: bytes) -> None:
        """Read what `as_serialized_hlo_module_proto` gives.

        Raises:
          AnalysisError: an array has an element type that is not known here.
        """
        proto = _messages()["Module"].FromString(serialised)
        order = {entry.key: entry.value.instruction_ids for entry in proto.schedule.sequences}
        self.computations: dict[int, Computation] = {}
        self._protos: dict[int, Any] = {}
        self._nodes: dict[int, dict[int, Any]] = {}
        for computation in proto.computations:
            self._protos[computation.id] = computation
            nodes = self._nodes[computation.id] = {i.id: i for i in computation.instructions}
            read = {number: _instruction(node) for number, node in nodes.items()}
            scheduled = {number: read[number] for number in order.get(computation.id, read)}
            self.computations[computation.id] = Computation(scheduled, computation.root_id)
        self.entry: int = proto.entry_computation_id

    def fused(self, instruction: Instruction) -> Iterator[Instruction]:
        """All instructions inside a fusion, and inside fusions in it; itself if it is none."""
        if instruction.opcode != "fusion":
            yield instruction
            return
        for number in instruction.called:
            for inner in self.computations[number].instructions.values():
                yield from self.fused(inner)

    def alone(self, where: int, number: int) -> bytes:
        """A module of one instruction, its operands being parameters; serialised.

        Args:
          where: identity of the computation that it is in.
          number: its identity.
        """
        around = self._nodes[where]
        instruction = around[number]
        name = self._protos[where].name
        module = _messages()["Module"](name=name, entry_computation_name=name)
        for needed in self._reached(instruction.called_computation_ids):
            module.computations.add().CopyFrom(self._protos[needed])
        entry = module.computations.add(name=name, id=1 + max(self._protos), root_id=number)
        program = entry.program_shape
        for place, operand in enumerate(dict.fromkeys(instruction.operand_ids)):
            name, shape = around[operand].name, around[operand].shape
            parameter = entry.instructions.add(name=name, opcode=b"parameter", id=operand)
            parameter.parameter_number = place
            parameter.shape.CopyFrom(shape)
            program.parameters.add().CopyFrom(shape)
            program.parameter_names.append(name)
        entry.instructions.add().CopyFrom(instruction)
        program.result.CopyFrom(instruction.shape)
        module.entry_computation_id = entry.id
        module.host_program_shape.CopyFrom(program)
        for computation in module.computations:
            for inner in computation.instructions:
                inner.ClearField("metadata")  # it points into the tables of the whole module
                del inner.control_predecessor_ids[:]
        return module.SerializeToString()

    def _reached(self, numbers: Any) -> list[int]:
        """Computations that these call and they themselves, callees first."""
        found: dict[int, None] = {}
        for number in numbers:
            for inner in self._nodes[number].values():
                found.update(dict.fromkeys(self._reached(inner.called_computation_ids)))
            found[number] = None
        return list(found)


def without_unread(serialised: bytes) -> bytes:
    """The same module with what is read here only: no source files, no stack frames."""
    proto = _messages()["Module"].FromString(serialised)
    proto.DiscardUnknownFields()
    return bytes(proto.SerializeToString())


@functools.cache
def _messages() -> dict[str, Any]:
    """Classes of the messages in `_FIELDS`, by name."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="hlo.proto", package="hlo", syntax="proto3")
    for message, declared in _FIELDS.items():
        described = file.message_type.add(name=message)
        for text in declared.split():
            name, _, rest = text.partition("=")
            digits = "".join(filter(str.isdigit, rest))
            kind = rest[len(digits) :].lstrip("*:")
            added = described.field.add(name=name, number=int(digits))
            added.label = field.LABEL_REPEATED if "*" in rest else field.LABEL_OPTIONAL
            added.type = {"": field.TYPE_BYTES, "#": field.TYPE_INT64}.get(kind, field.TYPE_MESSAGE)
            if added.type == field.TYPE_MESSAGE:
                added.type_name = f".hlo.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        message: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"hlo.{message}"))
        for message in _FIELDS
    }


def _instruction(proto: Any) -> Instruction:
    name, opcode = proto.name.decode(), proto.opcode.decode()
    return Instruction(
        proto.id,
        name,
        opcode,
        (proto.fusion_kind or proto.custom_call_target).decode(),
        tuple(_sizes(proto.shape, name)),
        tuple(proto.operand_ids),
        proto.metadata.op_name.decode(),
        tuple(proto.called_computation_ids),
        _rounds(proto.backend_config) if opcode == "while" else None,
        proto.tuple_index if opcode == "get-tuple-element" else proto.parameter_number,
        math.prod(side.size for side in proto.window.dimensions),
        tuple(shape.layout.memory_space for shape in _arrays(proto.shape)),
        proto.backend_config,
    )


def _arrays(shape: Any) -> Iterator[Any]:
    if shape.element_type == _TUPLE:
        for element in shape.tuple_shapes:
            yield from _arrays(element)
    else:
        yield shape


def _sizes(shape: Any, name: str) -> Iterator[int]:
    for array in _arrays(shape):
        if array.element_type not in _BITS:
            raise AnalysisError(f"{name}: element type {array.element_type} has no known size")
        bits = array.layout.element_size_in_bits or _BITS[array.element_type]
        yield (_places(array) * bits + 7) // 8


def _places(array: Any) -> int:
    """Elements that an array has room for: whole tiles of its minor dimensions."""
    dimensions = [array.dimensions[axis] for axis in reversed(array.layout.minor_to_major)]
    if not dimensions or not array.layout.tiles:
        return math.prod(array.dimensions)
    tile = array.layout.tiles[0].dimensions  # the others lie inside it
    dimensions = [1] * (len(tile) - len(dimensions)) + dimensions
    whole = len(dimensions) - len(tile)
    tiled = (-(-size // side) * side for size, side in zip(dimensions[whole:], tile, strict=True))
    return math.prod(dimensions[:whole]) * math.prod(tiled)


def _rounds(config: bytes) -> int | None:
    """Rounds of a loop, from the backend's remarks on it, which need not be JSON."""
    try:
        return int(json.loads(config)["known_trip_count"]["n"])
    except (ValueError, KeyError, TypeError):
        return None
