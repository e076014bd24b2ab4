"""``python -m metahp_cluster`` is the command ``metahp``."""

from metahp_cluster.cli import main

main()
