"""Kinds of StableHLO operations, by what they cost."""


def _kinds(names: str) -> frozenset[str]:
    return frozenset(names.split())


ARITHMETIC = _kinds("""
    abs add and ceil clamp compare complex count_leading_zeros divide floor imag is_finite maximum
    minimum multiply negate not or popcnt real remainder round_nearest_afz round_nearest_even select
    shift_left shift_right_arithmetic shift_right_logical sign subtract xor chlo.square chlo.is_inf
    chlo.is_neg_inf chlo.is_pos_inf chlo.next_after chlo.conj
""")
"""One operation an element of the result."""

TRANSCENDENTAL = _kinds("""
    atan2 cbrt cosine exponential exponential_minus_one log log_plus_one logistic power rsqrt sine
    sqrt tan tanh chlo.acos chlo.acosh chlo.asin chlo.asinh chlo.atan chlo.atanh chlo.bessel_i1e
    chlo.cosh chlo.digamma chlo.erf chlo.erf_inv chlo.erfc chlo.lgamma chlo.polygamma chlo.sinh
    chlo.tan chlo.zeta
""")
"""One transcendental function an element of the result; counted apart from operations."""

MOVEMENT = _kinds("""
    bitcast_convert concatenate convert dynamic_slice dynamic_update_slice gather pad
    reduce_precision reverse slice transpose
""")
"""Bytes are read and written, nothing is computed."""

ELEMENTWISE = ARITHMETIC | TRANSCENDENTAL | _kinds("convert bitcast_convert reduce_precision")
"""The result at a position depends on the operands at that position only."""

FREE = _kinds("""
    reshape broadcast_in_dim dynamic_reshape dynamic_broadcast_in_dim broadcast optimization_barrier
    sdy.sharding_constraint chlo.constant_like
""")
"""Another view of the same bytes: the consumer reads the operand itself."""

GENERATED = _kinds("constant iota dynamic_iota")
"""Made where it is used."""

FREE_TARGETS = _kinds("Sharding SPMDFullToShardShape SPMDShardToFullShape LayoutConstraint")
"""Custom calls that only annotate."""
