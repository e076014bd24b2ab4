"""Really trained small models: what was trained on, which models, and the recorder of their learning curves.

``python -m benchmarks record-keras`` trains them again; what it once recorded ships as `metahp.starter`.
"""
