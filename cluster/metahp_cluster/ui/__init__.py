"""``metahp ui``: all sweeps of a store in a browser, live.

===============  =================================================================================
`watch`          the store, kept up to date; what pages ask of it
`guard`          who may ask: a token, this machine's names, headers that forbid everything else
`lists`          tables of sweeps and of trials: searched, sorted, page by page
`facts`          a sweep in short
`trial_page`     one trial
`app`            which address shows what
`serve`          a free port on loopback, until Ctrl-C
`rendering`      templates and assets, also for the reports
===============  =================================================================================

A page is a shell of parts. Each part has an address of its own that gives HTML and at most one figure; ``live.js`` asks
for the parts that are in sight, and again when the store has something new.
"""
