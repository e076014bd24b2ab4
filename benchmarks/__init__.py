"""The same work for MetaHP and for its peers: recorded learning curves, simulated workers, unmodified Ray Tune objects.

``python -m benchmarks --help`` lists the commands; none needs the network, and all but the real runs need no Ray
cluster. This package lives beside the libraries and is not part of the wheel.

===================  =====================================================================================
`benchmarks.tasks`   what is swept: LCBench, TaskSet, Keras and synthetic tasks behind one interface
`simulator`          drives a ``Searcher`` and a ``TrialScheduler`` in the order of Tune's own controller
`methods`            MetaHP and its peers, each configured as its authors recommend
`history`            past sweeps for a store: what other tasks' truncated sweeps left behind
`replay`             the main table: tasks × methods × seeds, resumable, over several processes
`report`             tables from the files that `replay` wrote; `pictures` draws them, `statistics` reckons
`second_sweep`       does the second sweep start ahead of the first?
`calibration`        are the predictions of a trial's last score honest?
`forecasts`          does the band that a running sweep shows hold how it ends?
`overhead`           seconds per suggestion, per result and per training of the predictor
`real`               networks that are really trained, on a local Ray, with every second counted
`turnover`           how long a real worker waits for its next trial
`idle`               for what share of a sweep the workers wait
`keras_tasks`        what was trained for the curves that ship with MetaHP, and the recorder
`publish`            puts the newest tables into ``README.md``, which says what they mean
===================  =====================================================================================
"""
