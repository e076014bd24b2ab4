"""Every error MetaHP raises on purpose.

::

    MetaHPError
    ├── SearchSpaceError      (ValueError)    a space, domain or configuration that cannot be right
    ├── RecordError           (ValueError)    a trial, curve, sweep or prediction that contradicts itself
    ├── SweepSpecError        (ValueError)    a sweep file or a run() argument that cannot be right
    ├── ClusterError          (RuntimeError)  a cluster cannot be reached, or refuses
    └── StoreError            (RuntimeError)  the store cannot be read or written
        ├── StoreMissingError                 there is none
        ├── StoreVersionError                 written by a newer MetaHP
        └── StoreConflictError                the same identity with other content

A message says what is wrong, what was got, and what to do.
"""

from __future__ import annotations


class MetaHPError(Exception):
    """Parent of all errors that MetaHP raises on purpose."""


class SearchSpaceError(MetaHPError, ValueError):
    """A search space, a domain, or a configuration outside its space."""


class RecordError(MetaHPError, ValueError):
    """A trial, learning curve, sweep or prediction that contradicts itself."""


class SweepSpecError(MetaHPError, ValueError):
    """A sweep file or a ``run()`` argument that cannot be right."""


class ClusterError(MetaHPError, RuntimeError):
    """A cluster that cannot be reached, or that refuses what it was asked for."""


class StoreError(MetaHPError, RuntimeError):
    """The store cannot be read or written."""


class StoreMissingError(StoreError):
    """There is no store at the place that was named."""


class StoreVersionError(StoreError):
    """The store was written by a newer MetaHP than this one."""


class StoreConflictError(StoreError):
    """The same identity was recorded before with other content."""
