"""The same work for MetaHP and for its peers: recorded learning curves, simulated workers, unmodified Ray Tune objects.

``python -m benchmarks --help`` lists the commands; none needs the network, and all but the real runs need no Ray
cluster. This package lives beside the libraries and is not part of the wheel.

===================  =====================================================================================
`benchmarks.tasks`   what is swept: LCBench, TaskSet and synthetic tasks behind one interface
`simulator`          drives a ``Searcher`` and a ``TrialScheduler`` in the order of Tune's own controller
`methods`            MetaHP and its peers, each configured as its authors recommend
`history`            past sweeps for a store: what other tasks' truncated sweeps left behind
`replay`             the main table: tasks × methods × seeds, resumable, over several processes
`report`             tables and pictures from the files that `replay` wrote
`second_sweep`       does the second sweep start ahead of the first?
`overhead`           seconds per suggestion and per result
===================  =====================================================================================
"""
