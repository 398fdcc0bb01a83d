"""The schedule that this machine's compiler chose: its kernels as steps, its buffers as tensors."""

from resnets.analysis.compiled import Compiled
from resnets.analysis.costs import Cost
from resnets.analysis.hlo import Instruction, Module
from resnets.analysis.kernels import FREE, Kernel
from resnets.analysis.schedule import Schedule, Step, Work
from resnets.analysis.symbols import AnalysisError

_Buffers = tuple[int, ...]


def compiled_schedule(compiled: Compiled) -> Schedule:
    """Make the schedule of a compiled program.

    What a kernel reads and writes is what `kernels` says of it, shared out over its buffers; its
    arithmetic is XLA's count, which leaves padded taps out. Products are not tiled: XLA did that.

    Raises:
      AnalysisError: the program has a loop or a branch; one step cannot stand for many rounds.
    """
    follower = _Follower(Module(compiled.module), {k.name: k for k in compiled.kernels})
    outputs = follower.run(follower.module.entry, [])
    made = {tensor for step in follower.steps for tensor in step.writes}
    read = {tensor for step in follower.steps for tensor, _ in step.reads}
    return Schedule(
        tuple(follower.steps),
        {tensor: follower.sizes[tensor] for tensor in read | made},
        frozenset(read - made),
        frozenset(made.intersection(outputs)),
        (*compiled.warnings, *follower.warnings),
    )


class _Follower:
    """Follows buffers from the kernels that write them to those that read them."""

    def __init__(self, module: Module, kernels: dict[str, Kernel]) -> None:
        self.module, self.kernels = module, kernels
        self.sizes: dict[int, int] = {}
        self.steps: list[Step] = []
        self.warnings: list[str] = []

    def run(self, where: int, arguments: list[_Buffers]) -> _Buffers:
        """Follow one computation; `arguments` are the buffers of its parameters."""
        buffers: dict[int, _Buffers] = {}
        computation = self.module.computations[where]
        for instruction in computation.instructions.values():
            operands = [buffers[number] for number in instruction.operands]
            buffers[instruction.id] = self._buffers(instruction, operands, arguments)
        return buffers[computation.root]

    def _buffers(
        self, instruction: Instruction, operands: list[_Buffers], arguments: list[_Buffers]
    ) -> _Buffers:
        opcode = instruction.opcode
        if opcode == "parameter" and arguments:
            return arguments[instruction.place]
        if opcode == "get-tuple-element":
            return operands[0][instruction.place : instruction.place + 1]
        if opcode == "tuple":
            return tuple(buffer for operand in operands for buffer in operand)
        if opcode in ("bitcast", "opt-barrier", "copy-done", "async-done", "add-dependency"):
            return operands[0]
        if opcode in ("call", "async-start"):
            return self.run(instruction.called[0], operands)
        if opcode in ("while", "conditional"):
            raise AnalysisError(
                f"{instruction.name}: the compiled program has a {opcode}, whose rounds are no "
                "steps; take a network without scanned blocks, or --fusion=epilogue"
            )
        fresh = tuple(range(len(self.sizes), len(self.sizes) + len(instruction.sizes)))
        self.sizes.update(zip(fresh, instruction.sizes, strict=True))
        if opcode not in FREE:
            self._step(instruction, operands, fresh)
        return fresh

    def _step(self, instruction: Instruction, operands: list[_Buffers], results: _Buffers) -> None:
        kernel = self.kernels[instruction.name]
        read = dict.fromkeys(buffer for operand in operands for buffer in operand)
        whole = sum(self.sizes[buffer] for buffer in read)
        share = min(1.0, kernel.operand_bytes / whole) if whole else 0.0
        shares = max(kernel.shares, key=lambda part: part.bytes)
        if kernel.flops is None and kernel.products:
            self.warnings.append(f"{kernel.name}: XLA does not count its operations; taken as none")
        self.steps.append(
            Step(
                shares.layer,
                kernel.phase,
                "convolution" if kernel.products else "elementwise",
                tuple(sorted({part.layer for part in kernel.shares} - {shares.layer})),
                tuple((buffer, round(self.sizes[buffer] * share)) for buffer in read),
                results,
                _work(kernel),
                Cost(),
            )
        )


def _work(kernel: Kernel) -> Work:
    if not kernel.flops:
        return ()
    return (("convolution" if kernel.products else "elementwise", "float32", kernel.flops),)
