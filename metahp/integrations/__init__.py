"""Bridges to other libraries' ways of writing a search space; none of them is needed for MetaHP itself.

================  =============================================================================
`configspace`     a ConfigSpace ``ConfigurationSpace`` as a `metahp.space.SearchSpace`
`hypermodel`      a function ``build(hp)`` in KerasTuner's style as something that can be swept
`optuna_sampler`  an Optuna sampler that asks MetaHP's predictor; imports Optuna
`flat`            flat names with conditions, as these libraries have them, and our tree
================  =============================================================================
"""
