"""What a network costs, read from the program that JAX lowers; nothing is allocated or run."""

from resnets.analysis.account import Account, cost, training_cost
from resnets.analysis.costs import Cost
from resnets.analysis.layers import Layer, fold
from resnets.analysis.symbols import AnalysisError

__all__ = ["Account", "AnalysisError", "Cost", "Layer", "cost", "fold", "training_cost"]
